"""
Counts what an update must compute and move, by walking the modules of an algorithm.

Each layer of actor and critic is seen at work once, on a batch of random numbers, and what its
gradients cost follows from the shapes. A multiplication and an addition are two operations; norms,
activations, losses and sampling count as traffic, not as operations.

Counted is only what something reads: no weight gradient of the critic in the actor's step, of the
first layer's input gradient there the columns of the actions alone, and in the steps of actor and
critic none of it, but for a trained norm in front of the first layer. Not counted: the temperature,
an extractor that learns, a second network of the actor that only explores.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch as th
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from sb3_scale.nn.linear import EnsembleLinear, linear_layers

FLOAT = 4
"""Bytes of a float32."""

ADAM_PASSES = 7
"""Adam reads parameter, gradient and both moments, and writes all but the gradient."""

SYNC_PASSES = 3
"""Reads the network and its target, writes the target."""

Kind = Literal["forward", "input gradient", "weight gradient"]


@dataclass(frozen=True)
class Product:
    """
    A batched matrix product of one layer.

    :param kind: ``x W``, or the gradient by x or by W
    :param members: size of the ensemble
    :param rows: size of the batch
    :param inputs: width of x, or of the part of it whose gradient is read
    :param outputs: width of ``x W``
    """

    kind: Kind
    members: int
    rows: int
    inputs: int
    outputs: int

    @property
    def flops(self) -> int:
        """Multiplications and additions, the same for all kinds."""
        return 2 * self.members * self.rows * self.inputs * self.outputs

    @property
    def weight_bytes(self) -> int:
        """The weight that is read, or its gradient that is written."""
        return FLOAT * self.members * self.inputs * self.outputs

    @property
    def activation_bytes(self) -> int:
        """Activations, or their gradients, read and written."""
        return FLOAT * self.members * self.rows * (self.inputs + self.outputs)


@dataclass(frozen=True)
class Part:
    """
    A part of the update.

    :param group: parts of one group are timed together
    :param name: what it does
    :param products: its matrix products
    :param other_flops: of products that are not those of layers, such as power iterations
    :param parameter_bytes: parameters, gradients, optimiser state and targets, moved once
    :param activation_bytes: that the products read and write
    :param elementwise_bytes: that norms and activations read and write where each is a pass of its
        own
    :param share: of the updates that have this part
    """

    group: str
    name: str
    products: tuple[Product, ...] = ()
    other_flops: float = 0
    parameter_bytes: float = 0
    activation_bytes: float = 0
    elementwise_bytes: float = 0
    share: float = 1

    @property
    def flops(self) -> float:
        """Of an update on which this part is due."""
        return self.other_flops + sum(product.flops for product in self.products)

    @property
    def bytes(self) -> float:
        """What moves even where norms and activations are fused with the products."""
        return self.parameter_bytes + self.activation_bytes


@dataclass(frozen=True)
class Call:
    """
    One layer of a forward pass.

    :param layer: the module
    :param input_shape: ``(members, rows, inputs)``
    :param output_shape: ``(members, rows, outputs)``
    :param first: whether no linear layer came before
    """

    layer: nn.Module
    input_shape: th.Size
    output_shape: th.Size
    first: bool

    @property
    def linear(self) -> bool:
        """Whether it is a matrix product."""
        return isinstance(self.layer, EnsembleLinear)

    @property
    def trained(self) -> bool:
        """Whether it has parameters."""
        return next(self.layer.parameters(), None) is not None

    def product(self, kind: Kind, inputs: int | None = None) -> Product:
        """
        :param kind: which of its products
        :param inputs: width of the part of the input that matters, the whole by default
        :return: the product
        """
        members, rows, width = self.input_shape
        return Product(kind, members, rows, inputs or width, self.output_shape[2])


def calls(module: nn.Module, forward: Callable[[], Any]) -> list[Call]:
    """
    :param module: an actor or critic
    :param forward: runs it
    :return: its layers in the order of their work
    """
    found: list[Call] = []

    def record(layer: nn.Module, args: Any, output: th.Tensor) -> None:
        first = not any(call.linear for call in found)
        found.append(Call(layer, args[0].shape, output.shape, first))

    with ExitStack() as stack, th.no_grad():
        for layer in _layers(module):
            stack.callback(layer.register_forward_hook(record).remove)
        forward()
    return found


def _layers(module: nn.Module) -> Iterator[nn.Module]:
    """Linear layers, and modules without children that do not belong to one."""
    inner = {id(part) for layer in linear_layers(module) for part in layer.modules()}
    for layer in module.modules():
        leaf = next(layer.children(), None) is None and id(layer) not in inner
        if isinstance(layer, EnsembleLinear) or leaf:
            yield layer


def _part(group: str, name: str, products: list[Product], elementwise_bytes: float = 0) -> Part:
    return Part(
        group,
        name,
        tuple(products),
        parameter_bytes=sum(product.weight_bytes for product in products),
        activation_bytes=sum(product.activation_bytes for product in products),
        elementwise_bytes=elementwise_bytes,
    )


def forward_part(group: str, name: str, found: list[Call]) -> Part:
    """
    :param group: timed together
    :param name: of the part
    :param found: layers of a forward pass
    :return: the pass
    """
    traffic = sum(2 * FLOAT * call.output_shape.numel() for call in found if not call.linear)
    return _part(group, name, [call.product("forward") for call in found if call.linear], traffic)


def backward_parts(group: str, name: str, found: list[Call]) -> list[Part]:
    """
    :param group: timed together
    :param name: of the network
    :param found: layers of its forward pass
    :return: gradients of the weights, of the layers' inputs, and of a norm in front of them all
    """
    linear = [call for call in found if call.linear]
    # Elementwise layers read the gradient and what they kept, and write a gradient.
    traffic = sum(3 * FLOAT * call.output_shape.numel() for call in found if not call.linear)
    parts = [
        _part(group, f"{name}: weight gradients", [c.product("weight gradient") for c in linear]),
        _part(
            group,
            f"{name}: input gradients",
            [call.product("input gradient") for call in linear if not call.first],
            traffic,
        ),
    ]
    if any(call.first and call.trained and not call.linear for call in found):
        first = [call.product("input gradient") for call in linear if call.first]
        parts.append(_part(group, f"{name}: gradient of the norm of the input", first))
    return parts


def action_gradient(group: str, name: str, found: list[Call], actions: int) -> Part:
    """
    :param group: timed together
    :param name: of the part
    :param found: layers of the critic's forward pass
    :param actions: number of actions, the only columns of the input whose gradient is read
    :return: the gradient of the critic's value by the actions
    """
    products = [
        call.product("input gradient", actions if call.first else None)
        for call in found
        if call.linear
    ]
    traffic = sum(
        3 * FLOAT * call.output_shape.numel() for call in found if not (call.linear or call.first)
    )
    return _part(group, name, products, traffic)


def step_parts(group: str, name: str, module: Any) -> list[Part]:
    """
    :param group: timed together
    :param name: of the network
    :param module: an actor or critic
    :return: Adam's step, and the constraint
    """
    size = FLOAT * sum(parameter.numel() for parameter in module.parameters())
    parts = [Part(group, f"{name}: Adam", parameter_bytes=ADAM_PASSES * size)]
    if module.constraint is not None:
        parts.append(projection(group, name, module))
    return parts


def projection(group: str, name: str, module: Any) -> Part:
    """
    :param group: timed together
    :param name: of the network
    :param module: an actor, critic or target with a constraint
    :return: the constraint, which passes over the weights twice
    """
    with FlopCounterMode(display=False) as counter:
        module.project_()
    weights = FLOAT * sum(layer.weight.numel() for layer in linear_layers(module))
    return Part(
        group,
        f"{name}: projection",
        other_flops=counter.get_total_flops(),
        parameter_bytes=2 * weights,
    )


def count(model: Any, batch_size: int) -> list[Part]:
    """
    :param model: SAC or CrossQ with a ScalePolicy
    :param batch_size: transitions per gradient step
    :return: the parts of its update, in their order
    """
    actor, critic, target = model.policy.actor, model.policy.critic, model.policy.critic_target
    features = th.randn(2 * batch_size, model.policy.extractor.features_dim, device=model.device)
    actions = th.rand(2 * batch_size, model.action_space.shape[0], device=model.device)
    width, n_actions = features.shape[1], actions.shape[1]
    single = (features[:batch_size], actions[:batch_size])
    inputs = (features, actions) if critic.joint_batch else single
    read = model.policy.actor_inputs
    # Without gradients no running average moves.
    acted = calls(actor, lambda: actor(read(single[0]), training=True))
    observed = features if model.policy.actor_joint_batch else single[0]
    trained = calls(actor, lambda: actor(read(observed), training=True))
    judged = calls(critic, lambda: critic(*inputs, training=True))
    for_actor = calls(critic, lambda: critic(*single))

    parts = [
        Part("sample", "sample", activation_bytes=2 * FLOAT * batch_size * (2 * width + n_actions)),
        forward_part("next action", "actor at s'", acted),
        forward_part("critics", "critic", judged),
    ]
    if target is not critic:
        found = calls(target, lambda: target(*inputs, training=critic.joint_batch))
        parts.append(forward_part("critics", "target", found))
    parts += backward_parts("critic gradient", "critic", judged)
    parts += step_parts("critic step", "critic", critic)
    parts += [
        replace(part, share=1 / model.policy_delay)
        for part in [
            forward_part("actor loss", "actor at s", trained),
            forward_part("actor loss", "critic", for_actor),
            action_gradient("actor gradient", "critic: action gradient", for_actor, n_actions),
            *backward_parts("actor gradient", "actor", trained),
            *step_parts("actor step", "actor", actor),
        ]
    ]
    if target is not critic:
        size = FLOAT * sum(parameter.numel() for parameter in target.parameters())
        sync = [Part("target sync", "target: average", parameter_bytes=SYNC_PASSES * size)]
        if target.constraint is not None:
            sync.append(projection("target sync", "target", target))
        parts += [replace(part, share=1 / model.target_update_interval) for part in sync]
    return parts


def working_set(model: Any) -> int:
    """
    :param model: SAC or CrossQ with a ScalePolicy
    :return: bytes of parameters, gradients, Adam's moments and targets
    """
    policy = model.policy
    trained = [*policy.actor.parameters(), *policy.critic.parameters()]
    total: int = 4 * sum(parameter.numel() for parameter in trained)
    if policy.critic_target is not policy.critic:
        total += sum(parameter.numel() for parameter in policy.critic_target.parameters())
    return FLOAT * total
