"""
SAC in the manner of LeanRL, to measure next to ours on a GPU.

LeanRL (github.com/pytorch-labs/LeanRL, sac_continuous_action_torchcompile.py) writes the update as
two functions, one of the critics and one of actor and temperature. The critics are one module under
``vmap`` over stacked parameters, transitions stay on the device, both functions are compiled by
``torch.compile`` and then recorded as CUDA graphs. Written anew, with its losses. To do the work of
the other sides, actor and temperature step once per gradient step, the temperature uses the
log-probabilities of the actor's loss, and the bounds of log sigma are Stable-Baselines3's.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch as th
from torch import nn
from torch.func import functional_call, stack_module_state

Batch = tuple[th.Tensor, ...]
"""Observations, actions, next observations, rewards and dones."""

GAMMA, TAU, LEARNING_RATE, CRITICS = 0.99, 0.005, 3e-4, 2
WARMUP = 3
"""Calls before a recording, which allocate what the optimisers keep."""


def mlp(inputs: int, widths: Sequence[int], outputs: int) -> nn.Sequential:
    """
    :param inputs: width of the input
    :param widths: of the hidden layers
    :param outputs: width of the output
    :return: linear layers with ReLU between them
    """
    sizes = [inputs, *widths, outputs]
    layers = [part for i, o in pairwise(sizes) for part in (nn.Linear(i, o), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


class Captured:
    """
    A function of a batch as a CUDA graph, recorded at the first call.

    :param function: reads tensors at fixed places and changes others in place
    """

    def __init__(self, function: Callable[[Batch], None]) -> None:
        self.function = function
        self.graph: th.cuda.CUDAGraph | None = None
        self.batch: Batch = ()

    def __call__(self, batch: Batch) -> None:
        """
        :param batch: copied to where the graph reads it
        """
        if self.graph is None:
            self._record(batch)
        th._foreach_copy_(list(self.batch), list(batch))
        assert self.graph is not None
        self.graph.replay()

    def _record(self, batch: Batch) -> None:
        self.batch = tuple(part.clone() for part in batch)
        stream = th.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(th.cuda.current_stream())
        with th.cuda.stream(stream):
            for _ in range(WARMUP):
                self.function(self.batch)
        th.cuda.current_stream().wait_stream(stream)
        self.graph = th.cuda.CUDAGraph()
        with th.cuda.graph(self.graph):
            self.function(self.batch)


class LeanSAC:
    """
    Actor, critics and random transitions of one size.

    :param observations: width of the observation
    :param actions: number of actions
    :param actor: widths of the actor's hidden layers
    :param critic: widths of each critic's hidden layers
    :param transitions: in the memory
    :param device: of everything
    :param compiled: whether ``torch.compile`` compiles both functions
    """

    def __init__(
        self,
        observations: int,
        actions: int,
        actor: Sequence[int],
        critic: Sequence[int],
        transitions: int,
        device: str = "cpu",
        compiled: bool = True,
    ) -> None:
        self.device = th.device(device)
        self.actor = mlp(observations, actor, 2 * actions).to(self.device)
        critics = [mlp(observations + actions, critic, 1).to(self.device) for _ in range(CRITICS)]
        self.critic = mlp(observations + actions, critic, 1).to("meta")
        self.params, _ = stack_module_state(critics)
        self.targets = {name: value.detach().clone() for name, value in self.params.items()}
        self.log_alpha = th.zeros(1, device=self.device, requires_grad=True)
        self.target_entropy = -float(actions)
        self.critic_optimizer, self.actor_optimizer, self.alpha_optimizer = (
            th.optim.Adam(parameters, lr=LEARNING_RATE, capturable=self.device.type == "cuda")
            for parameters in (self.params.values(), self.actor.parameters(), [self.log_alpha])
        )
        self.memory: Batch = (
            th.randn(transitions, observations, device=self.device),
            2 * th.rand(transitions, actions, device=self.device) - 1,
            th.randn(transitions, observations, device=self.device),
            th.randn(transitions, 1, device=self.device),
            (th.rand(transitions, 1, device=self.device) < 0.1).float(),
        )
        updates: list[Callable[[Batch], None]] = [self.update_critics, self.update_actor]
        if compiled:
            updates = [th.compile(update) for update in updates]
        if self.device.type == "cuda":
            updates = [Captured(update) for update in updates]
        self._updates = updates

    def act(self, observations: th.Tensor) -> tuple[th.Tensor, th.Tensor]:
        """
        :param observations: shape ``(batch, observations)``
        :return: actions ``(batch, actions)`` and log-probabilities ``(batch, 1)``
        """
        mean, log_std = self.actor(observations).chunk(2, dim=-1)
        log_std = log_std.clamp(-20, 2)
        noise = th.randn_like(mean)
        actions = th.tanh(mean + log_std.exp() * noise)
        log_prob = -0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)
        log_prob = log_prob - th.log(1 - actions.square() + 1e-6)
        return actions, log_prob.sum(dim=-1, keepdim=True)

    def values(
        self, params: dict[str, th.Tensor], observations: th.Tensor, actions: th.Tensor
    ) -> th.Tensor:
        """
        :param params: of all critics, stacked
        :param observations: shape ``(batch, observations)``
        :param actions: shape ``(batch, actions)``
        :return: shape ``(critics, batch, 1)``
        """
        inputs = th.cat((observations, actions), dim=-1)

        def one(own: dict[str, th.Tensor]) -> th.Tensor:
            value: th.Tensor = functional_call(self.critic, own, (inputs,))
            return value

        values: th.Tensor = th.vmap(one)(params)
        return values

    def update_critics(self, batch: Batch) -> None:
        """
        :param batch: transitions
        """
        observations, actions, next_observations, rewards, dones = batch
        self.critic_optimizer.zero_grad()
        with th.no_grad():
            next_actions, log_prob = self.act(next_observations)
            following = self.values(self.targets, next_observations, next_actions).amin(dim=0)
            following = following - self.log_alpha.exp() * log_prob
            target = rewards + (1 - dones) * GAMMA * following
        values = self.values(self.params, observations, actions)
        loss = (values - target).square().mean(dim=1).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        self.critic_optimizer.step()

    def update_actor(self, batch: Batch) -> None:
        """
        :param batch: transitions
        """
        observations = batch[0]
        self.actor_optimizer.zero_grad()
        self.alpha_optimizer.zero_grad()
        actions, log_prob = self.act(observations)
        frozen = {name: value.detach() for name, value in self.params.items()}
        values = self.values(frozen, observations, actions).amin(dim=0)
        (self.log_alpha.detach().exp() * log_prob - values).mean().backward()  # type: ignore[no-untyped-call]
        self.actor_optimizer.step()
        excess = (log_prob + self.target_entropy).detach()
        (-self.log_alpha * excess).mean().backward()  # type: ignore[no-untyped-call]
        self.alpha_optimizer.step()

    def train(self, gradient_steps: int, batch_size: int) -> None:
        """
        :param gradient_steps: number of batches
        :param batch_size: transitions per batch
        """
        targets, params = list(self.targets.values()), list(self.params.values())
        for _ in range(gradient_steps):
            index = th.randint(len(self.memory[0]), (batch_size,), device=self.device)
            batch = tuple(part[index] for part in self.memory)
            for update in self._updates:
                update(batch)
            with th.no_grad():
                th._foreach_lerp_(targets, params, TAU)
