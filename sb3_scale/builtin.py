"""The built-in parts, registered through the same hook as everyone's."""

from collections.abc import Iterator

from sb3_scale.hookspecs import hookimpl
from sb3_scale.specs import (
    Actor,
    Algorithm,
    Callback,
    Critic,
    Extractor,
    Loss,
    Network,
    Norm,
    Optimizer,
    Spec,
    ZooConfig,
)


@hookimpl
def sb3_scale_components() -> Iterator[Spec]:
    """Name the built-in parts."""
    yield Algorithm(
        "sac",
        "sb3_scale.algorithms:SAC",
        summary="Soft actor-critic; a stable_baselines3.SAC that also takes ScalePolicy.",
        reference="Haarnoja et al., Soft Actor-Critic Algorithms and Applications, 2018",
    )
    yield Algorithm(
        "td3",
        "sb3_scale.algorithms:TD3",
        summary="Twin delayed DDPG; a stable_baselines3.TD3 that also takes ScalePolicy.",
        reference="Fujimoto et al., Addressing Function Approximation Error, 2018",
    )
    yield Network(
        "mlp",
        "sb3_scale.nn.mlp:MLP",
        summary="Multilayer perceptron.",
        equation="x <- activation(norm(W x + b)), depth times",
    )
    yield Norm(
        "layer",
        "sb3_scale.nn.norms:EnsembleLayerNorm",
        summary="Layer normalisation with a scale and shift per ensemble member.",
        reference="Ba et al., Layer Normalization, 2016",
        equation="(x - mean(x)) / sqrt(var(x) + eps) * weight + bias",
    )
    yield Critic(
        "ensemble",
        "sb3_scale.nn.critics:EnsembleCritic",
        summary="Any number of critics, combined by minimum or mean.",
        reference="Fujimoto et al., 2018, equation 10",
        equation="Q_i(s, a) = W_i network_i([s, a]) + b_i",
    )
    yield Actor(
        "squashed-gaussian",
        "sb3_scale.nn.actors:SquashedGaussianActor",
        summary="The stochastic actor of SAC.",
        reference="Haarnoja et al., 2018, appendix C",
        equation="a = tanh(mu(s) + sigma(s) * eps), eps ~ N(0, 1)",
    )
    yield Actor(
        "deterministic",
        "sb3_scale.nn.actors:DeterministicActor",
        summary="The deterministic actor of DDPG and TD3.",
        reference="Fujimoto et al., 2018, section 3",
        equation="a = tanh(mu(s))",
    )
    yield Loss(
        "mse",
        "sb3_scale.nn.losses:MSELoss",
        summary="Mean squared Bellman error.",
        equation="sum_i mean_b (Q_i - y)^2",
    )
    yield Loss(
        "huber",
        "sb3_scale.nn.losses:HuberLoss",
        summary="Huber loss, quadratic near zero and linear beyond delta.",
        reference="Huber, 1964",
        equation="sum_i mean_b huber_delta(Q_i - y)",
    )
    yield Extractor(
        "flatten",
        "sb3_scale.nn.extractors:FlattenExtractor",
        summary="The observation as one vector; Dict observations are joined.",
    )
    yield Optimizer(
        "adam",
        "sb3_scale.optimizers:adam",
        summary="Adam, fused.",
        reference="Kingma and Ba, 2015",
    )
    yield Optimizer(
        "adamw",
        "sb3_scale.optimizers:adamw",
        summary="Adam with decoupled weight decay, per group on request, fused.",
        reference="Loshchilov and Hutter, 2019",
    )
    yield Callback(
        "csv-logger",
        "sb3_scale.callbacks:CSVLogger",
        summary="Writes every logged figure to a CSV file.",
    )
    for algo in ("sac", "td3"):
        yield ZooConfig(
            f"core-{algo}",
            f"sb3_scale:zoo_configs/{algo}.yml",
            summary=f"Tuned settings for --algo {algo}.",
            algo=algo,
        )
