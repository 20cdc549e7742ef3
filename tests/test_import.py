"""Importing sb3_scale is light, and listing parts imports none of their code."""

import resource
import subprocess
import sys

import pytest

HEAVY = ["torch", "stable_baselines3", "rl_zoo3", "gymnasium", "numpy"]


def loaded(program: str) -> list[str]:
    """Heavy modules, and plugins of this project, that are loaded after ``program``."""
    names = [*HEAVY, "sb3_scale.builtin", "sb3_scale.plugins", "sb3_scale.nn", "sb3_scale_envs"]
    program += f"\nimport sys\nprint(*[name for name in {names} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_import_loads_no_plugin_and_nothing_heavy() -> None:
    assert loaded("import sb3_scale; sb3_scale.Critic; sb3_scale.Sb3ScaleError") == []


def test_listing_loads_plugins_and_nothing_heavy() -> None:
    found = loaded(
        "from sb3_scale.plugins import manager\nfrom sb3_scale.specs import KINDS\n"
        "assert sum(1 for kind in KINDS for _ in manager().specs(kind)) > 10"
    )
    assert "sb3_scale.builtin" in found
    assert not set(found) & {*HEAVY, "sb3_scale.nn"}


def test_the_package_of_a_missing_part_is_known_without_anything_heavy() -> None:
    found = loaded(
        "from sb3_scale.plugins import known_parts\n"
        "assert known_parts()['recipe']['bro'] == 'sb3-scale-bro'"
    )
    assert not set(found) & {*HEAVY, "sb3_scale.nn"}


def test_algorithms_load_on_first_use() -> None:
    assert "torch" in loaded("import sb3_scale; sb3_scale.SAC")


def test_unknown_name() -> None:
    import sb3_scale

    with pytest.raises(AttributeError, match=r"^module 'sb3_scale' has no attribute 'PPO'$"):
        sb3_scale.PPO  # noqa: B018
    assert sb3_scale.__version__


def test_import_takes_less_than_a_tenth_of_a_second() -> None:
    def seconds(program: str) -> float:
        """Time of the processor, which does not count the wait for other processes."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", program], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # The smallest of several: what the machine does besides can only add.
    empty = min(seconds("pass") for _ in range(7))
    light = min(seconds("import sb3_scale") for _ in range(7))
    assert light - empty < 0.1


def test_importing_the_bridge_changes_nothing() -> None:
    program = "import sys; import sb3_scale.zoo; assert sys.excepthook is sys.__excepthook__"
    assert "rl_zoo3" not in loaded(program)


def test_a_program_that_imports_rl_zoo_keeps_its_hook() -> None:
    """It gets our algorithms; that errors are sentences is for RL-Zoo's own commands."""
    loaded(
        "import sys; from rl_zoo3 import ALGOS, exp_manager; assert 'crossq' in ALGOS; "
        "import sb3_scale; assert issubclass(ALGOS['sac'], sb3_scale.SAC); "
        "assert sys.excepthook is sys.__excepthook__"
    )
