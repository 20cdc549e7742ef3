"""Units that hardly react."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args

import torch as th
from torch import nn

from sb3_scale.diagnostics.diagnostic import Diagnostic
from sb3_scale.diagnostics.replay import replay_batch
from sb3_scale.errors import Sb3ScaleError, check_at_least
from sb3_scale.nn.activations import Activation, make_activation

ACTIVATIONS = tuple(type(make_activation(name)) for name in get_args(Activation))
"""Classes of the modules whose outputs are looked at."""


class DormantUnits(Diagnostic):
    """
    Share of units with ``mean_b |h_j(b)| <= threshold * mean_k mean_b |h_k(b)|``.

    h are the outputs of an activation function on a replay batch b, in evaluation mode, and k runs
    over the units of the same layer and member. Logged per layer and over all units; TensorBoard
    gets histograms of the units' scores, the left side over the mean of the right one, too. Source:
    Sokar et al., "The Dormant Neuron Phenomenon in Deep Reinforcement Learning", 2023, definition
    3.1.

    :param interval: environment steps (decisions) from one measurement to the next
    :param threshold: score up to which a unit is dormant
    :param batch_size: number of transitions
    """

    key = "dormant_units"

    def __init__(
        self, interval: int = 1000, threshold: float = 0.025, batch_size: int = 256
    ) -> None:
        super().__init__(interval)
        check_at_least(0, threshold=threshold)
        check_at_least(1, batch_size=batch_size)
        self.threshold = threshold
        self.batch_size = batch_size

    def _on_training_start(self) -> None:
        super()._on_training_start()
        policy = self.model.policy
        for part, module in (("actor", policy.actor), ("critic", policy.critic)):
            if not activations(module):
                names = ", ".join(f"torch.nn.{kind.__name__}" for kind in ACTIVATIONS)
                raise Sb3ScaleError(
                    f"callback 'dormant-units' finds no activation function in the {part}; "
                    f"allowed: networks with the modules {names}"
                )

    @th.no_grad()
    def measure(self) -> None:
        """Draw a batch and log the shares."""
        data = replay_batch(self.model, self.batch_size)
        policy = self.model.policy
        features = policy.features(data.observations)
        with recorded(policy.actor) as outputs:
            policy.actor(policy.actor_inputs(features), deterministic=True)
        self._record(outputs, "actor")
        with recorded(policy.critic) as outputs:
            policy.critic_outputs(features, data.actions)
        self._record(outputs, "critic")

    def _record(self, outputs: dict[str, th.Tensor], part: str) -> None:
        if not outputs:
            return
        found = {name: scores(output) for name, output in outputs.items()}
        masks = {name: each <= self.threshold for name, each in found.items()}
        self.record_layers(part, {name: mask.float().mean() for name, mask in masks.items()})
        everything = th.cat([mask.flatten() for mask in masks.values()])
        self.record(f"{part}/all", everything.float().mean().item())
        for name, each in found.items():
            self.record_histogram(f"{part}/{name}", each)


def activations(module: nn.Module) -> dict[str, nn.Module]:
    """
    :param module: an actor or critic
    :return: its activation functions by their path, such as ``network.activation``
    """
    return {name: child for name, child in module.named_modules() if isinstance(child, ACTIVATIONS)}


@contextmanager
def recorded(module: nn.Module) -> Iterator[dict[str, th.Tensor]]:
    """
    Keep what the activation functions return during the block.

    :param module: an actor or critic
    :return: outputs by the path of the activation function and the number of its call, as in
        ``network.activation.0``, since a network may use one module in all layers
    """
    outputs: dict[str, th.Tensor] = {}
    handles = []
    for name, child in activations(module).items():

        def keep(_: nn.Module, __: Any, output: th.Tensor, name: str = name) -> None:
            calls = sum(key.rpartition(".")[0] == name for key in outputs)
            outputs[f"{name}.{calls}"] = output

        handles.append(child.register_forward_hook(keep))
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def scores(outputs: th.Tensor) -> th.Tensor:
    """
    :param outputs: of an activation function, shape ``(..., batch, units)``
    :return: mean activity of each unit over that of its layer, 0 in a layer without any, shape
        ``(..., units)``
    """
    activity = outputs.abs().mean(dim=-2)
    return activity / activity.mean(dim=-1, keepdim=True).clamp_min(1e-30)
