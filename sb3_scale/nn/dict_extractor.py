"""An extractor for each key of a ``Dict`` observation."""

from collections.abc import Iterator
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn

from sb3_scale.errors import Sb3ScaleError, check_key, shortened, shown
from sb3_scale.learning.update import Learner
from sb3_scale.nn.base import Extractor, ReadsBytes
from sb3_scale.parts import build, spec_of
from sb3_scale.protocols import ExtractorConfig, TrainedPolicy
from sb3_scale.specs import StateActionExtractor


class DictExtractor(Extractor, ReadsBytes):
    """
    The features of each key of a ``Dict`` observation, joined: first those that the actor reads.

    Keys that only the critic sees make the actor-critic asymmetric: in a simulator the critic is
    told what no sensor will tell the actor. Acting needs neither these keys nor their extractors.
    Source: Pinto et al., "Asymmetric Actor Critic for Image-Based Robot Learning", 2017.

    :param observation_space: a ``Dict``
    :param keys: an extractor for each key; ``flatten`` for those that are not named, and null for
        those that nobody reads
    :param critic_only: keys that the actor does not see
    """

    def __init__(
        self,
        observation_space: "spaces.Space[Any]",
        keys: dict[str, ExtractorConfig | None] | None = None,
        critic_only: list[str] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(observation_space, spaces.Dict):
            raise ValueError(
                f"the observation space is {shown(observation_space)}; allowed: Dict, or an "
                "extractor of one space, such as flatten"
            )
        known = observation_space.spaces
        parts: dict[str, Any] = dict.fromkeys(known, "flatten")
        for key, part in (keys or {}).items():
            check_key("extractor 'dict': the observation has no key", key, part, known)
            parts[key] = part
        hidden = critic_only or []
        for key in hidden:
            check_key("extractor 'dict', critic_only: the observation has no key", key, key, known)
            if parts[key] is None:
                raise ValueError(
                    f"critic_only has {shown(key)}, and keys has null for it; allowed: an extractor"
                )
        read = [key for key, part in parts.items() if part is not None and key not in hidden]
        if not read:
            raise ValueError(
                f"critic_only is {shown(hidden)}, which leaves no key to the actor of "
                f"{', '.join(map(shortened, known))}; allowed: at least one for the actor"
            )
        self.hidden_keys = tuple(key for key in known if key not in read)
        self.read_keys = (*read, *(key for key in parts if key in hidden))
        # A key may have a name that a module dictionary has no room for.
        self.extractors = nn.ModuleList(
            _build(key, parts[key], known[key]) for key in self.read_keys
        )
        self.widths = [int(each.features_dim) for each in self._each()]
        self.features_dim = sum(self.widths)
        self._n_read = len(read)
        self._actor_dim = sum(self.widths[: self._n_read])
        self.byte_keys = tuple(
            key
            for key, each in zip(self.read_keys, self._each(), strict=True)
            if isinstance(each, ReadsBytes)
        )
        self._adapts = [
            getattr(each.critic_inputs, "__func__", None) is not Extractor.critic_inputs
            for each in self._each()
        ]

    def _each(self) -> Iterator[Any]:
        yield from self.extractors

    def forward(self, observations: Any, training: bool = False) -> Tensor:
        """
        :param observations: a mapping of tensors, with the batch first
        :param training: whether norms use the statistics of this batch
        :return: shape ``(batch, features_dim)``
        """
        return self._joined(observations, len(self.read_keys), training)

    def actor_dim(self) -> int:
        """
        :return: width of the features that the actor reads
        """
        return self._actor_dim

    def actor_inputs(self, features: Tensor) -> Tensor:
        """
        :param features: of observations, shape ``(batch, features_dim)``
        :return: those of the actor's keys, shape ``(batch, actor_dim)``
        """
        return features[:, : self._actor_dim]

    def actor_features(self, observations: Any) -> Tensor:
        """
        :param observations: a mapping that has the actor's keys
        :return: their features, shape ``(batch, actor_dim)``
        """
        return self._joined(observations, self._n_read, training=False)

    def _joined(self, observations: Any, number: int, training: bool) -> Tensor:
        found = [
            extractor(observations[key], training)
            for key, extractor in zip(self.read_keys[:number], self.extractors, strict=False)
        ]
        return torch.cat(found, dim=1)

    def critic_dims(self, action_dim: int) -> tuple[int, int]:
        """
        :param action_dim: number of actions
        :return: width of what the critic reads of all keys, and ``action_dim``
        """
        dims = [each.critic_dims(action_dim) for each in self._each()]
        return sum(width for width, _ in dims), action_dim

    def critic_inputs(self, features: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """
        :param features: of observations, shape ``(batch, features_dim)``
        :param actions: shape ``(batch, action_dim)``
        :return: what the critic reads of all keys, and the actions
        """
        if not any(self._adapts):
            return features, actions
        pieces = zip(torch.split(features, self.widths, dim=1), self._each(), strict=True)
        read = [each.critic_inputs(piece, actions)[0] for piece, each in pieces]
        return torch.cat(read, dim=1), actions

    def learners(self, policy: TrainedPolicy) -> Iterator[Learner]:
        """
        :param policy: that the part belongs to
        :return: none
        :raises Sb3ScaleError: if the extractor of a key brings one
        """
        for key, extractor in zip(self.read_keys, self._each(), strict=True):
            for learner in extractor.learners(policy):
                raise Sb3ScaleError(
                    f"extractor 'dict': key {shown(key)} has an extractor that learns by a loss of "
                    f"its own, '{learner.name}'; allowed: extractors that the critic's loss trains"
                )
        yield from ()

    def project_(self) -> None:
        """Restore the constraints of the extractors of all keys."""
        for extractor in self._each():
            extractor.project_()


def _build(key: str, part: ExtractorConfig, space: "spaces.Space[Any]") -> nn.Module:
    where = f"key {shown(key)} of extractor 'dict'"
    try:
        if isinstance(spec_of("extractor", part), StateActionExtractor):
            raise Sb3ScaleError(
                f"extractor {shown(part)} reads actions; allowed: an extractor of observations"
            )
        found: Any = build("extractor", part, space)
    except Sb3ScaleError as error:
        raise Sb3ScaleError(f"{where}: {error}") from error.__cause__
    if found.hidden_keys or found.actor_dim() != found.features_dim:
        raise Sb3ScaleError(
            f"{where}: {shown(part)} hides some of its features from the actor; allowed: "
            f"critic_only: [{shortened(key)}]"
        )
    if found.critic_dims(1)[1] != 1:
        raise Sb3ScaleError(
            f"{where}: {shown(part)} changes the actions for the critic; allowed: extractors that "
            "leave them"
        )
    made: nn.Module = found
    return made
