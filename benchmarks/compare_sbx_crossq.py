"""
CrossQ next to SBX's, which sb3-contrib names as its reference implementation: update by update.

Both start from the same weights and see the same batches and the same normal numbers, which are
read from SBX's random keys. The largest differences are printed after each update. Needs SBX, in an
environment of its own:

    python -m venv .venv-sbx
    .venv-sbx/bin/pip install sbx-rl==0.28.0 -e . -e plugins/crossq -c constraints.txt
    .venv-sbx/bin/python benchmarks/compare_sbx_crossq.py
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any
from unittest import mock

import jax
import numpy as np
import sbx
import tensorflow_probability.substrates.jax as tfp
import torch as th
from rich.console import Console
from rich.table import Table
from stable_baselines3.common.logger import Logger

from lib.measuring import Spaces, fill
from sb3_scale_crossq.algorithm import CrossQ

OBSERVATIONS, ACTIONS, BATCH = 17, 6, 64
ACTOR_WIDTH, CRITIC_WIDTH = 32, 64
WARMUP = 10
"""Updates until batch renormalisation uses the running statistics."""

BOUNDS = {"actor": 1e-5, "critic": 1e-5, "statistics": 1e-5, "log alpha": 1e-6, "losses": 5e-5}
"""
Differences that rounding explains, about ten times those measured. SBX computes the variance as a
difference of squares.
"""


def make(policy_delay: int, unbiased: bool) -> tuple[Any, Any]:
    """
    :param policy_delay: updates of the critic for one of the actor
    :param unbiased: whether ours divides the variance by the batch size less one, unlike SBX
    :return: ours and SBX's CrossQ with the same weights and the same transitions
    """
    options: dict[str, Any] = {"buffer_size": 1000, "policy_delay": policy_delay, "seed": 0}
    net = {"pi": [ACTOR_WIDTH] * 2, "qf": [CRITIC_WIDTH] * 2}
    kwargs = {"net_arch": net, "renorm_warmup_steps": WARMUP}
    theirs = sbx.CrossQ(
        "MlpPolicy", Spaces((OBSERVATIONS,), ACTIONS), policy_kwargs=kwargs, **options
    )
    parts = deepcopy(CrossQ.default_parts)
    for name, width in (("actor", ACTOR_WIDTH), ("critic", CRITIC_WIDTH)):
        network = parts[name]["network"]
        # SBX's condition is steps >= warm-up, ours and sb3-contrib's is steps > warm-up.
        norm = {"name": "batch-renorm", "unbiased": unbiased, "warmup_steps": WARMUP - 1}
        network.update(width=width, norm=norm)
    ours = CrossQ(
        "ScalePolicy",
        Spaces((OBSERVATIONS,), ACTIONS),
        policy_kwargs=parts,
        device="cpu",
        **options,
    )
    for _, own, other in pairs(ours, theirs):
        own.copy_(other)
    for model in (ours, theirs):
        model.set_logger(Logger(None, []))
        fill(model.replay_buffer)
    return ours, theirs


def pairs(ours: Any, theirs: Any) -> Iterator[tuple[str, th.Tensor, th.Tensor]]:
    """
    :param ours: our CrossQ
    :param theirs: SBX's
    :return: part, our tensor and theirs in our layout, for parameters and running statistics
    """
    for name, state in (("actor", theirs.policy.actor_state), ("critic", theirs.policy.qf_state)):
        part = getattr(ours.policy, name)
        params, stats = state.params, state.batch_stats
        if name == "critic":
            params, stats = params["VmapCritic_0"], stats["VmapCritic_0"]
        dense = [
            {key: _tensor(value) for key, value in params[f"Dense_{i}"].items()} for i in (0, 1)
        ]
        dense.append(_output(params))
        for layer, other in zip([*part.network.linears, part.output], dense, strict=True):
            yield name, layer.weight.data, other["kernel"].view_as(layer.weight)
            yield name, layer.bias.data, other["bias"].view_as(layer.bias)
        for index, norm in enumerate([part.network.input_norm, *part.network.norms]):
            scale, moved = params[f"BatchRenorm_{index}"], stats[f"BatchRenorm_{index}"]
            for kind, own, value in (
                (name, norm.weight.data, scale["scale"]),
                (name, norm.bias.data, scale["bias"]),
                ("statistics", norm.running_mean, moved["mean"]),
                ("statistics", norm.running_var, moved["var"]),
            ):
                yield kind, own, _tensor(value).view_as(own)


def _output(params: Mapping[str, Any]) -> dict[str, th.Tensor]:
    """SBX's actor has two output layers, mean first; ours has one."""
    heads = [params[name] for name in ("Dense_2", "Dense_3") if name in params]
    return {key: th.cat([_tensor(head[key]) for head in heads], -1) for key in ("kernel", "bias")}


def _tensor(array: Any) -> th.Tensor:
    return th.from_numpy(np.array(array))


def noise(key: Any, actor_due: bool) -> list[th.Tensor]:
    """
    :param key: SBX's random key before the update
    :param actor_due: whether the update moves the actor
    :return: the normal numbers that SBX will draw at s', and at s where the actor is updated
    """
    tfd = tfp.distributions
    normal = tfd.MultivariateNormalDiag(jax.numpy.zeros((BATCH, ACTIONS)), jax.numpy.ones(ACTIONS))
    key, at_next, _ = jax.random.split(key, 3)
    _, _, at_s = jax.random.split(key, 3)
    return [_tensor(normal.sample(seed=seed)) for seed in (at_next, at_s)[: 1 + actor_due]]


def update(ours: Any, theirs: Any, step: int) -> dict[str, float]:
    """
    :param ours: our CrossQ
    :param theirs: SBX's
    :param step: number of the update, from 1
    :return: largest differences after it; those of losses relative to their size, if above 1
    """
    actor_due = step % ours.policy_delay == 0
    drawn = noise(theirs.key, actor_due)
    np.random.seed(step)
    theirs.train(1, BATCH)
    np.random.seed(step)
    with mock.patch.object(th, "randn_like", side_effect=drawn):
        ours.train(1, BATCH)
    worst = dict.fromkeys(BOUNDS, 0.0)
    for kind, own, other in pairs(ours, theirs):
        worst[kind] = max(worst[kind], float((own - other).abs().max()))
    log_alpha = _tensor(theirs.ent_coef_state.params["log_ent_coef"])
    worst["log alpha"] = float((ours.log_ent_coef.detach() - log_alpha).abs())
    losses = ["critic_loss", "actor_loss", "ent_coef_loss"] if actor_due else ["critic_loss"]
    for loss in losses:
        own, other = (model.logger.name_to_value[f"train/{loss}"] for model in (ours, theirs))
        worst["losses"] = max(worst["losses"], abs(own - other) / max(1.0, abs(other)))
    return worst


def main() -> None:
    """
    Print the differences of each update.

    :raises SystemExit: with 1 if one is above its bound
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--updates", type=int, default=20)
    parser.add_argument("--policy-delay", type=int, default=3)
    parser.add_argument("--unbiased", action="store_true", help="ours as in sb3-contrib: must fail")
    args = parser.parse_args()

    ours, theirs = make(args.policy_delay, args.unbiased)
    table = Table("update", *BOUNDS, title=f"largest differences to SBX {sbx.__version__}")
    failed = False
    for step in range(1, args.updates + 1):
        worst = update(ours, theirs, step)
        failed |= any(worst[key] > bound for key, bound in BOUNDS.items())
        table.add_row(str(step), *(f"{value:.1e}" for value in worst.values()))
    table.add_section()
    table.add_row("bound", *(f"{bound:.1e}" for bound in BOUNDS.values()))
    Console().print(table)
    sys.exit(failed)


if __name__ == "__main__":
    main()
