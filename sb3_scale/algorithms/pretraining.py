"""Steps that a learner takes alone, before the training's."""

from functools import partial
from typing import TYPE_CHECKING

from rich.progress import track

from sb3_scale.execution.matmul_precision import exact_fast_matmul
from sb3_scale.execution.runner import check_finite
from sb3_scale.learning.batch import Step
from sb3_scale.learning.sampling import sample_single_batch
from sb3_scale.learning.update import Learner, MetricsLog

if TYPE_CHECKING:
    from sb3_scale.algorithms.base import ScaleAlgorithm

LOG_INTERVAL = 1000
"""Steps between metrics of the loss."""


def pretrain(model: "ScaleAlgorithm", learner: Learner, batch_size: int) -> None:
    """
    Take a learner's ``pretraining_steps``. Its targets then begin where they end.

    :param model: the algorithm
    :param learner: which; one without such steps, or wholly frozen, is left as it is
    :param batch_size: transitions per step
    :raises Sb3ScaleError: if a loss is not finite
    """
    steps = learner.pretraining_steps
    if steps == 0 or not learner.parameters:
        return
    metrics = MetricsLog()
    draw = partial(sample_single_batch, model.replay_buffer, batch_size, model.gamma)
    numbers = track(
        range(1, steps + 1), f"pre-training the {learner.name}", disable=model.verbose < 1
    )
    with exact_fast_matmul(model.device):
        for number in numbers:
            step = Step(draw(model._vec_normalize_env))
            learner.step(step, metrics, model.max_grad_norm)
            if number % LOG_INTERVAL == 0 or number == steps:
                found, metrics = metrics.means(), MetricsLog()
                check_finite(found, model._n_updates, step, model.logger.dir)
                _log(model, number, found)
    for name, copy in learner.targets.items():
        copy.load_state_dict(learner.modules[name].state_dict())


def _log(model: "ScaleAlgorithm", step: int, metrics: dict[str, float]) -> None:
    logger, now = model.logger, model.num_timesteps
    logger.record("time/total_timesteps", now, exclude="tensorboard")
    logger.record("pretraining/step", step)
    for name, value in metrics.items():
        logger.record(f"pretraining/{name}", value)
    logger.dump(now)
