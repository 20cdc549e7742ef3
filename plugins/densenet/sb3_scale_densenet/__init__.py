"""
DenseNet, ResNet and D2RL networks, OFENet features and prioritised replay.

Source: Ota, Jha and Kanezaki, "Training Larger Networks for Deep Reinforcement Learning", 2021.
"""

from collections.abc import Iterator

from sb3_scale import (
    Callback,
    Network,
    Recipe,
    ReplayBuffer,
    Spec,
    StateActionExtractor,
    hookimpl,
)

_PAPER = "Ota et al., Training Larger Networks for Deep Reinforcement Learning, 2021"

_SETTINGS = {
    "original": "networks without features",
    "ofenet": "OFENet",
    "densenet-s": "DenseNet of 256 units on OFENet",
    "densenet-m": "DenseNet of 1024 units on OFENet",
    "densenet-l": "DenseNet of 2048 units on OFENet",
}
"""Files of settings in this package, for SAC and for TD3."""


@hookimpl
def sb3_scale_components() -> Iterator[Spec]:
    """Name the parts of this plugin."""
    yield Network(
        "densenet",
        "sb3_scale_densenet.networks:DenseNet",
        summary="Each layer sees the input and all layers before it.",
        reference=f"{_PAPER}, section 3.3; Huang et al., 2017",
        equation="y_i = activation(norm(W_i [y_0, ..., y_(i-1)] + b_i)); output [y_0, ..., y_n]",
    )
    yield Network(
        "resnet",
        "sb3_scale_densenet.networks:ResNet",
        summary="Each layer after the first adds to its input.",
        reference=f"{_PAPER}, section 4.2; He et al., 2016",
        equation="y_i = y_(i-1) + activation(norm(W_i y_(i-1) + b_i))",
    )
    yield Network(
        "d2rl",
        "sb3_scale_densenet.networks:D2RL",
        summary="Each layer sees the one before it and the input.",
        reference="Sinha et al., D2RL: Deep Dense Architectures in Reinforcement Learning, 2020",
        equation="y_i = activation(norm(W_i [y_(i-1), x] + b_i))",
    )
    yield StateActionExtractor(
        "ofenet",
        "sb3_scale_densenet.ofenet:OFENet",
        summary="Features that learn to predict the next observation, for actor and critic.",
        reference=f"{_PAPER}, section 3.1, equation 1; Ota et al., 2020",
        equation="z_s = phi_s(s), z_sa = phi_sa(z_s, a); mean |W z_sa + b - s'|^2",
    )
    yield ReplayBuffer(
        "prioritized",
        "sb3_scale_densenet.prioritized:PrioritizedReplayBuffer",
        summary="Draws transitions in proportion to the error of the critic.",
        reference="Schaul et al., Prioritized Experience Replay, 2016; Ota et al., section 3.2",
        equation="p_i = (|error_i| + eps)^alpha, weights (N p_i / sum p)^-beta / max",
    )
    yield ReplayBuffer(
        "prioritized-frames",
        "sb3_scale_densenet.prioritized_frames:PrioritizedFrameReplayBuffer",
        summary="The same for stacks of images, alone or in a Dict; each frame is stored once.",
        reference="Schaul et al., Prioritized Experience Replay, 2016",
        equation="p_i = (|error_i| + eps)^alpha, weights (N p_i / sum p)^-beta / max",
    )
    yield ReplayBuffer(
        "prioritized-her",
        "sb3_scale_densenet.prioritized_hindsight:PrioritizedHindsightReplayBuffer",
        summary="The same with goals that were reached later: hindsight experience replay.",
        reference="Schaul et al., 2016; Andrychowicz et al., Hindsight Experience Replay, 2017",
        equation="p_i = (|error_i| + eps)^alpha, weights (N p_i / sum p)^-beta / max",
    )
    yield Callback(
        "effective-rank",
        "sb3_scale_densenet.effective_rank:EffectiveRank",
        summary="Logs the effective rank of what the critic's output layer reads.",
        reference=f"{_PAPER}, appendix A.4; Kumar et al., 2021",
        equation="min k: (sum of the k largest singular values) / (sum of all) >= 1 - delta",
    )
    for algo in ("sac", "td3"):
        for name, summary in _SETTINGS.items():
            yield Recipe(
                f"{algo}-{name}",
                f"sb3_scale_densenet:{algo}-{name}.yml",
                summary=f"Ota et al., 2021: {summary}.",
                algo=algo,
            )
            if name.startswith("densenet-"):
                size, suffix = name.removeprefix("densenet-"), "" if algo == "sac" else f"-{algo}"
                yield Recipe(
                    f"densenet-ofenet-{size}{suffix}",
                    f"sb3_scale_densenet:{algo}-{name}.yml",
                    summary=f"The same as {algo}-{name}.",
                    reference=_PAPER,
                    algo=algo,
                )
