"""Sweeps that end when their labels are told apart: the test itself, and what is trained."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from cli_commands import error
from compared_runs import copy_run, write_evaluations
from scipy.stats import permutation_test

from sb3_scale.cli import main
from sb3_scale.sweep import pool
from sb3_scale.sweep.adastop import decisions, least_probability
from sb3_scale.sweep.grid import Training
from sb3_scale.sweep.stopping import Stop, Stopping
from sb3_scale.sweep.training_folder import TrainingFolder

RETURNS = {"bad": -900, "fair": -100, "good": -100}
"""By label; seeds differ by ten times their number."""

GRID = {
    "env": "Pendulum-v1",
    "conf_file": "start.yml",
    "eval_freq": 200,
    "eval_episodes": 1,
    "seeds": list(range(6)),
    "stop": {"name": "adastop", "seeds": 2, "alpha": 0.5},
    "grid": {"kind": {label: {"gamma": 0.9 + 0.01 * i} for i, label in enumerate(RETURNS)}},
}
TWO = {"kind": {label: GRID["grid"]["kind"][label] for label in ("bad", "good")}}
TASK = {"n_timesteps": 400, "policy": "MlpPolicy"}


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.5])
def test_one_look_decides_as_a_permutation_test(shift):
    generator = np.random.default_rng(1)
    ours, theirs = generator.normal(shift, size=(1, 6)), generator.normal(size=(1, 6))
    p = permutation_test((ours[0], theirs[0]), lambda x, y: x.sum() - y.sum(), n_resamples=np.inf)
    for alpha in (0.5 * p.pvalue, 1.5 * p.pvalue):
        found = decisions({"pair": (ours, theirs)}, 1, 1, float(alpha))
        assert bool(found) == (p.pvalue < alpha)


def test_of_alike_labels_few_are_told_apart():
    """At 0.1, in 200 trials of 3 labels and 2 looks, that is in at most 0.1 + 2.5 errors of it."""
    generator, wrong = np.random.default_rng(0), 0
    for _ in range(200):
        values = generator.normal(size=(3, 2, 4))
        pairs = {(i, j): (values[i], values[j]) for i, j in ((0, 1), (0, 2), (1, 2))}
        first = {pair: (ours[:1], theirs[:1]) for pair, (ours, theirs) in pairs.items()}
        wrong += bool(decisions(first, 3, 2, 0.1, 500) or decisions(pairs, 3, 2, 0.1, 500))
    assert wrong / 200 <= 0.1 + 2.5 * np.sqrt(0.1 * 0.9 / 200)


def test_what_is_decided_leaves_the_others_more_room():
    far, near = np.full((1, 4), 9.0) + np.arange(4) / 10, np.arange(8.0).reshape(1, 8)[:, :4]
    low = np.arange(4.0).reshape(1, 4) - 3.4
    least = least_probability(4, 1)
    pairs = {"clear": (far, low), "close": (near, low)}
    assert decisions(pairs, 2, 1, 1.9 * least) == {}
    assert set(decisions({"clear": (far, low)}, 1, 1, 1.1 * least)) == {"clear"}
    assert decisions(pairs, 2, 1, 2.1 * least)["clear"] == 1


@pytest.fixture
def sweep(tmp_path, monkeypatch, pendulum_run):
    """A sweep whose trainings copy a real run, with returns by label and seed."""
    monkeypatch.chdir(tmp_path)
    Path("start.yml").write_text(yaml.safe_dump({"Pendulum-v1": TASK}))
    trained = []

    def command(folder: TrainingFolder, before: Path | None) -> list[str]:
        label, seed = folder.training.labels["kind"], folder.training.seed
        trained.append((label, seed))
        source = tmp_path / "made" / f"{label}-{seed}"
        if not source.exists():
            copy_run(pendulum_run, source, seed)
            offset = 10 * seed if seed % 2 else -10 * seed
            write_evaluations(source / "evaluations.npz", [-1500, RETURNS[label] + offset])
        folder.run.parent.mkdir(parents=True)
        return ["cp", "-r", str(source), str(folder.run)]

    monkeypatch.setattr(TrainingFolder, "command", command)
    monkeypatch.setattr(pool, "POLL", 0.05)

    def run(**changes) -> tuple[int, list[tuple[str, int]]]:
        Path("grid.yml").write_text(yaml.safe_dump({**GRID, **changes}))
        trained.clear()
        status = main(["sweep", "grid.yml", "--processes", "9"])
        return status, sorted(trained)

    return run


def results() -> list[dict[str, str]]:
    with Path("logs/grid/results.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_label_that_is_told_apart_is_trained_no_further_also_after_an_interruption(sweep):
    status, trained = sweep()
    assert status == 0
    # Two looks; the other two are alike, and have all seeds.
    expected = {("bad", seed) for seed in range(4)}
    expected |= {(label, seed) for label in ("good", "fair") for seed in range(6)}
    assert set(trained) == expected
    assert len(results()) == len(expected)
    text = Path("logs/grid/results.md").read_text()
    for other in ("good", "fair"):
        assert f"'{other}' is above 'bad', decided with 4 seeds each." in text
    assert "'fair' and 'good' are not told apart by 6 seeds each." in text

    before = results()
    for line in before[4:]:
        (Path("logs/grid") / line["folder"]).parents[1].joinpath("state.json").unlink()
    status, again = sweep()
    assert status == 0
    assert len(again) == len(before) - 4
    assert [{**one, "minutes": ""} for one in results()] == [
        {**one, "minutes": ""} for one in before
    ]
    sentences = text[text.index("- Pendulum") :]
    assert Path("logs/grid/results.md").read_text().endswith(sentences)


def test_a_label_with_a_failed_training_is_not_compared(sweep, monkeypatch):
    command = TrainingFolder.command

    def failing(folder: TrainingFolder, before: Path | None) -> list[str]:
        bad = (folder.training.labels["kind"], folder.training.seed) == ("bad", 1)
        return ["false"] if bad else command(folder, before)

    monkeypatch.setattr(TrainingFolder, "command", failing)
    status, trained = sweep(grid=TWO)
    assert status == 1
    assert ("bad", 5) in trained
    assert "not compared, for a training failed" in Path("logs/grid/results.md").read_text()
    monkeypatch.setattr(TrainingFolder, "command", command)
    assert sweep(grid=TWO) == (0, [("bad", 1)])
    assert "is above 'bad', decided with" in Path("logs/grid/results.md").read_text()


WRONG = {
    "another test": ({"stop": "adastpo"}, "stop is 'adastpo'; allowed: adastop"),
    "nothing for a test": ({"stop": ""}, "stop is ''; allowed: adastop"),
    "null for a test": ({"stop": None}, "stop is None (NoneType); allowed: str | dict[str, Any]"),
    "another parameter": (
        {"stop": {"name": "adastop", "sedes": 3}},
        "stop has no parameter 'sedes' (its value was 3); allowed: alpha, name, seeds; did",
    ),
    "one seed": ({"stop": {"seeds": 1}}, "stop.seeds is 1; allowed: a whole number, 2 to 100"),
    "a sure decision": ({"stop": {"alpha": 0}}, "stop.alpha is 0; allowed: above 0 and below 1"),
    "a part of a group": (
        {"stop": {"seeds": 4}},
        "seeds has 6 numbers, and stop looks after every 4; allowed: a multiple of 4",
    ),
    "too few seeds": (
        {"stop": "adastop", "seeds": [0, 1, 2]},
        "3 seeds can decide nothing at stop.alpha 0.05, for the greatest difference of 3 pairs "
        "comes to 0.3 by chance; allowed: more seeds",
    ),
    "a part of a group, with the defaults": (
        {"stop": {}, "seeds": [0, 1, 2, 3]},
        "seeds has 4 numbers, and stop looks after every 3; allowed: a multiple of 3",
    ),
    "nothing to compare": (
        {"grid": {}},
        "stop compares labels on a task, and each task has one; allowed: a grid with more",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_stop_is_one_sentence_before_anything_is_trained(
    name, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    changes, expected = WRONG[name]
    Path("start.yml").write_text(yaml.safe_dump({"Pendulum-v1": TASK}))
    Path("grid.yml").write_text(yaml.safe_dump({**GRID, **changes}))
    assert expected in error(capsys, "sweep", "grid.yml")
    assert not Path("logs").exists()


def test_labels_with_commas_stay_apart(tmp_path):
    training = Training({}, "sac", "Pendulum-v1", 0, {"n_timesteps": 10}, 10, 1, (), 0)
    folders = [
        TrainingFolder(
            replace(training, labels={"p": p, "env": "any", "q": q}, seed=seed),
            tmp_path / f"{p}-{q}-{seed}",
        )
        for p in ("w, x", "w") for q in ("y", "x, y") for seed in range(6)
    ]  # fmt: skip
    stopping = Stopping(Stop(2, 0.9), folders, 1)
    assert len(stopping.open) == 6
    first = next(stopping.interims())
    assert len(first) == 8
    told = stopping.sentences()
    assert len(set(told)) == 6
    assert any(one.startswith("Pendulum-v1: '\"w, x\", y' and 'w, \"x, y\"' are") for one in told)
