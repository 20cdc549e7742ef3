"""How an extractor that learns apart from actor and critic is trained."""

from collections.abc import Callable, Mapping
from typing import Any

from rich.progress import track

from sb3_scale.algorithms.batch import Transitions
from sb3_scale.algorithms.gradients import Figures, Gradients, descend, gradients_of
from sb3_scale.algorithms.metrics import Metrics, check_finite
from sb3_scale.algorithms.products import fast_products
from sb3_scale.algorithms.sampling import Sampling

LOG_INTERVAL = 1000
"""Steps of the pre-training between figures of its loss."""


class ExtractorTraining(Sampling):
    """The steps of a :class:`sb3_scale.protocols.AuxiliaryExtractor`."""

    _gradients: Mapping[str, Callable[[Any], tuple[Figures, Gradients]]]
    """
    :meth:`extractor_gradients`, and the gradients of critic and actor, as they are or compiled.
    """

    def pretrain_extractor(self, batch_size: int) -> None:
        """
        Take the steps that an extractor learns alone, before the first gradient step. Its target
        then begins where it ends.

        :param batch_size: transitions per step
        :raises Sb3ScaleError: if the loss is not finite
        """
        steps, metrics = self.policy.extractor.pretraining_steps, Metrics()
        numbers = track(range(1, steps + 1), "pre-training the extractor", disable=self.verbose < 1)
        with fast_products(self.device):
            for step in numbers:
                transitions = self.sample_transitions(batch_size)
                self.train_extractor(transitions, metrics)
                if step % LOG_INTERVAL == 0 or step == steps:
                    figures = metrics.means()
                    given = transitions._asdict()
                    check_finite(figures, self._n_updates, given, self.logger.dir)
                    self._log_pretraining(step, figures)
                    metrics = Metrics()
        self.policy.extractor_target.load_state_dict(self.policy.extractor.state_dict())

    def _log_pretraining(self, step: int, figures: Mapping[str, float]) -> None:
        now = self.num_timesteps
        self.logger.record("time/total_timesteps", now, exclude="tensorboard")
        self.logger.record("pretraining/step", step)
        for name, value in figures.items():
            self.logger.record(f"pretraining/{name}", value)
        self.logger.dump(now)

    def train_extractor(self, transitions: Transitions, metrics: Metrics) -> None:
        """
        One step of the extractor.

        :param transitions: to learn from
        :param metrics: where to add figures
        """
        figures, gradients = self._gradients["extractor"](transitions)
        metrics.update(figures)
        descend(self.policy.extractor, gradients)

    def extractor_gradients(self, transitions: Transitions) -> tuple[Figures, Gradients]:
        """
        The extractor's loss; a function that ``torch.compile`` can take.

        :param transitions: to learn from
        :return: the loss, and the gradients of what the extractor's optimiser trains
        """
        loss = self.policy.auxiliary_loss(*transitions)
        return {"extractor_loss": loss.detach()}, gradients_of(loss, self.policy.extractor)
