import subprocess
import sys
import zipfile
from pathlib import Path

import gymnasium
from dm_control import suite

import sb3_scale_envs
from sb3_scale.plugins import manager
from sb3_scale_envs.tasks import MINATAR, MYO_TASKS, NAVIGATION, ROBOTICS, TASKS

PROJECT = Path(__file__).parents[1]
SUITE = ["-".join(pair) for pair in suite.ALL_TASKS]
NAMES = [name for task in SUITE for name in (task, f"{task}-pixels")] + [
    *MYO_TASKS,
    *ROBOTICS,
    *MINATAR,
    *NAVIGATION,
]
BACKENDS = ["navigation", "envpool"]


def test_the_static_list_is_that_of_dm_control():
    ours = tuple((domain, task) for domain, tasks in TASKS.items() for task in tasks)
    assert ours == suite.ALL_TASKS


def test_each_task_has_one_spec_and_an_id_of_gymnasium():
    parts = list(sb3_scale_envs.sb3_scale_components())
    assert [part.name for part in parts if part.kind == "env-backend"] == BACKENDS
    specs = [part for part in parts if part.kind == "env"]
    assert [spec.name for spec in specs] == NAMES
    assert len(NAMES) == len(set(NAMES)) == 126
    for spec in specs:
        registered = gymnasium.spec(spec.name)
        assert registered.entry_point == spec.target
        assert registered.kwargs == spec.kwargs
        assert registered.vector_entry_point == (spec.vector_target or None)
        assert registered.max_episode_steps is None


def test_the_installed_plugin_is_active():
    (plugin,) = [p for p in manager().plugins if p.distribution == "sb3-scale-envs"]
    assert plugin.status == "active", plugin.reason
    assert len(plugin.specs) == len(NAMES + BACKENDS)


def test_a_listing_imports_nothing_heavy(run_python):
    result = run_python(
        "import sys, sb3_scale_envs\n"
        "assert list(sb3_scale_envs.sb3_scale_components())\n"
        "heavy = {'dm_control', 'envpool', 'mujoco', 'torch', 'gymnasium', 'shimmy'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    assert result.returncode == 0, result.stderr


def test_registering_and_looking_up_imports_no_simulator(run_python):
    result = run_python(
        "import sys, gymnasium, sb3_scale\n"
        "sb3_scale.register_envs()\n"
        "str(gymnasium.spec('dog-run').entry_point)\n"
        "gymnasium.envs.registration.load_env_creator(gymnasium.spec('key-turn').entry_point)\n"
        "assert not {'dm_control', 'envpool', 'mujoco'} & set(sys.modules)\n"
    )
    assert result.returncode == 0, result.stderr


def test_custom_envs_makes_the_ids_known(run_python):
    result = run_python(
        "import custom_envs, gymnasium\nassert 'ball_in_cup-catch' in gymnasium.registry\n"
    )
    assert result.returncode == 0, result.stderr


def test_the_wheel_holds_the_package_and_custom_envs(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info" not in name}
        (points,) = [n for n in archive.namelist() if n.endswith("entry_points.txt")]
        assert archive.read(points).decode().split() == [
            "[sb3_scale]",
            "envs",
            "=",
            "sb3_scale_envs",
        ]
    modules = {f"sb3_scale_envs/{path.name}" for path in PROJECT.glob("sb3_scale_envs/*.py")}
    assert names == modules | {"custom_envs.py", "sb3_scale_envs/py.typed"}
