# Everything runs in .venv, which the first target that needs it makes.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SBX_VENV := .venv-sbx
SBX_STAMP := $(SBX_VENV)/.installed
SOURCES := sb3_scale plugins envs tests benchmarks docs
RUN := results/make-train
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal --durations=30
RAY_TESTS := $(addprefix plugins/apex/tests/,test_faults.py test_nodes.py test_ray_processes.py) \
	tests/test_benchmarks.py::test_collector_soak
USER_TESTS := $(addprefix tests/,test_distribution.py test_zoo_commands.py test_zoo_neutral.py test_grids.py \
	test_benchmarks.py test_report.py test_replay_choice.py \
	test_compiled.py::test_a_machine_without_a_compiler_runs_eagerly \
	test_run_folder.py::test_a_run_goes_on_from_the_newest_whole_checkpoint_of_its_folder) \
	$(addprefix envs/tests/,test_envpool_zoo.py \
	test_dm_control_pixels.py::test_a_fork_draws_before_its_parent_does_and_is_told_so_afterwards) \
	plugins/bro/tests/test_bro_settings.py plugins/densenet/tests/test_densenet_zoo.py
GPU_VARIANTS := eager compile compile+autocast capture compile+capture

export OMP_NUM_THREADS ?= 2
# The tests start a hundred processes, each of which would compile our modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install train test test-costly test-all test-ray test-wheels coverage fuzz check bench bench-train bench-gpu docs dist clean

help:
	@echo "make train     install and train a dog for a few minutes, with a picture at the end"
	@echo "make test      install and run the fast tests; make test-all runs all of them"
	@echo "make test-costly  slow tests of seconds each, tests/costly.txt, which CI runs, too"
	@echo "make test-ray  the tests that kill collectors and nodes of a real Ray"
	@echo "make coverage  the fast and the costly tests, with the lines that they leave out counted"
	@echo "make fuzz      1,000 random settings, most of them wrong: all train or end with a sentence"
	@echo "make check     formatting, lint, types"
	@echo "make bench     gradient steps per second, next to Stable-Baselines3, sb3-contrib and SBX"
	@echo "make bench-train  wall clock of a whole training, next to Stable-Baselines3 and SBX"
	@echo "make bench-gpu the same as bench on a GPU, next to LeanRL's approach"
	@echo "make docs      regenerate docs/parts.md and lists of parts, and build the pages in site/"
	@echo "make dist      wheels and source distributions in dist/, with their metadata checked"

# Eleven environments to build our packages in, and bytecode that nobody imports, are three fifths of the time; what builds
# without them (ours by hatchling, rliable by setuptools) stands in .venv first.
$(STAMP): requirements-dev.txt constraints.txt pyproject.toml envs/pyproject.toml $(wildcard plugins/*/pyproject.toml)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(INSTALL) hatchling editables setuptools
	$(INSTALL) --no-build-isolation --no-compile -r requirements-dev.txt $(addprefix -e ./,$(wildcard plugins/*))
	touch $@

install: $(STAMP)

train: $(STAMP)
	rm -rf $(RUN)
	$(BIN)/python -m rl_zoo3.train --algo sac --env dog-stand --seed 0 -n 3600 \
		--eval-freq 900 --eval-episodes 5 -P -f $(RUN)
	$(BIN)/sb3-scale report $(RUN)/sac/dog-stand_1

test: $(STAMP)
	$(PYTEST) -m "not slow"

test-costly: $(STAMP)
	$(PYTEST) -m costly

# Slow tests of what a user installs and types: wheels in a fresh environment, RL-Zoo's command, the
# programs of benchmarks/.
test-wheels: $(STAMP)
	$(PYTEST) --dist loadscope -m slow $(USER_TESTS) --deselect tests/test_benchmarks.py::test_collector_soak

# Each test has all cores for its own Ray. RAY_TESTS names some of the files.
test-ray: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 0 --durations=30 $(RAY_TESTS)

test-all: $(STAMP)
	$(PYTEST) $(addprefix --ignore=,$(RAY_TESTS))
	$(MAKE) test-ray

coverage: $(STAMP)
	$(PYTEST) -m "not slow or costly" --cov --cov-report=term

# SEEDS="0 1 2" tries three series.
fuzz: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz.py --number 1000 --seeds $(or $(SEEDS),0)

check: $(STAMP)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy

# SBX needs JAX, which has an environment of its own.
$(SBX_STAMP): $(STAMP)
	$(PYTHON) -m venv $(SBX_VENV)
	$(SBX_VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
		sbx-rl==0.28.0 -e . -e ./envs \
		$(addprefix -e ./,$(filter-out plugins/apex,$(wildcard plugins/*))) -c constraints.txt
	touch $@

bench: $(STAMP) $(SBX_STAMP)
	$(BIN)/python benchmarks/update_throughput.py --sbx-python $(SBX_VENV)/bin/python

bench-train: $(STAMP) $(SBX_STAMP)
	$(BIN)/python benchmarks/time_to_train.py --sbx-python $(SBX_VENV)/bin/python

# Needs a build of PyTorch for CUDA in .venv.
bench-gpu: $(STAMP)
	$(BIN)/python benchmarks/limits.py --device cuda --variants $(GPU_VARIANTS)
	$(BIN)/python benchmarks/update_throughput.py --device cuda \
		--variants $(GPU_VARIANTS) --others SB3 sb3-contrib LeanRL

docs: $(STAMP)
	$(BIN)/python docs/build_parts.py
	$(BIN)/python docs/build_lists.py
	$(BIN)/mkdocs build --strict

dist: $(STAMP)
	rm -rf dist
	for each in . envs $(wildcard plugins/*); do \
		$(BIN)/python -m build --no-isolation --outdir dist $$each || exit 1; done
	$(BIN)/twine check --strict dist/*

clean:
	rm -rf results site dist
