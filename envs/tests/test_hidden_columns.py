"""What only the critic may see, in a key of its own."""

import gymnasium
import numpy as np
import pytest

from sb3_scale.errors import Sb3ScaleError
from sb3_scale_envs.hidden_columns import HiddenColumns


def test_the_hidden_columns_are_those_of_the_vector() -> None:
    whole = gymnasium.make("Pendulum-v1")
    env = HiddenColumns(gymnasium.make("Pendulum-v1"), columns=[2])
    vector, (parts, _) = whole.reset(seed=3)[0], env.reset(seed=3)
    for action in np.array([[2.0], [-1.0]], np.float32):
        assert np.array_equal(np.r_[parts["seen"], parts["hidden"]], vector)
        assert env.observation_space.contains(parts)
        vector, parts = whole.step(action)[0], env.step(action)[0]
    assert env.observation_space["hidden"].high == 8


@pytest.mark.parametrize("columns", [[], [0, 1, 2], [3]], ids=str)
def test_columns_that_cannot_be_hidden(columns: list[int]) -> None:
    with pytest.raises(Sb3ScaleError, match="allowed: some of 0 to 2, not all"):
        HiddenColumns(gymnasium.make("Pendulum-v1"), columns)
