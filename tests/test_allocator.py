"""What replay buffers of models that come one after another take of memory."""

import gc

import psutil
import pytest
from small_models import make

from sb3_scale import SAC


@pytest.mark.parametrize("kind", ["compact", None])
def test_models_one_after_another_take_no_more_memory(kind: str | None) -> None:
    """Each buffer has 70 MB, of which six rows are written."""
    taken = []
    for _ in range(3):
        n_steps = 1 if kind else 2
        model = make(SAC, buffer_size=2_500_000, n_steps=n_steps, learning_starts=4).learn(6)
        taken.append(psutil.Process().memory_info().rss / 1e6)
        del model
        gc.collect()
    assert max(taken) < taken[0] + 20, taken
