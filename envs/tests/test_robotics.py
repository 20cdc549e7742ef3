"""Goal tasks of gymnasium-robotics."""

import sys
from importlib.util import find_spec

import gymnasium
import numpy as np
import pytest

from sb3_scale import Sb3ScaleError
from sb3_scale_envs.tasks import ROBOTICS


def test_without_its_package_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium_robotics", None)
    message = (
        r"'FetchReach-v4' comes with gymnasium-robotics.*pip install sb3-scale-envs\[robotics\]"
    )
    with pytest.raises(Sb3ScaleError, match=message):
        gymnasium.make("FetchReach-v4")


@pytest.mark.skipif(find_spec("gymnasium_robotics") is None, reason="needs gymnasium-robotics")
@pytest.mark.parametrize("name", ROBOTICS)
def test_a_task_has_goals_and_a_time_limit(name):
    env = gymnasium.make(name)
    observations, _ = env.reset(seed=0)
    for step in range(50):
        observations, reward, _, truncated, _ = env.step(env.action_space.sample())
        assert truncated == (step == 49)
    goals = observations["achieved_goal"], observations["desired_goal"]
    compute = env.get_wrapper_attr("compute_reward")
    assert compute(*goals, {}) == reward
    assert np.shape(compute(*(np.stack([goal] * 3) for goal in goals), [{}] * 3)) == (3,)
