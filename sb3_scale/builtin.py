"""The built-in parts, registered through the same hook as everyone's."""

from collections.abc import Iterator

from sb3_scale.hookspecs import hookimpl
from sb3_scale.specs import (
    Actor,
    Algorithm,
    Callback,
    Collector,
    Critic,
    DiscreteActor,
    DiscreteCritic,
    Extractor,
    Loss,
    Network,
    Norm,
    NormConstraint,
    Optimizer,
    Recipe,
    Reduction,
    ReplayBuffer,
    Spec,
    Transform,
    Value,
    ZooConfig,
)

_SETTINGS = {
    "sac": "Settings for --algo sac: CrossQ with weight normalisation, tuned on dog-stand.",
    "td3": "Settings for --algo td3: networks of Bjorck et al., 2021, and others, not tuned.",
}
"""Files of settings of the core, by algorithm."""


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
    yield from _norms()
    yield from _heads()
    yield from _estimates()
    yield from _losses()
    yield from _extractors()
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
    yield Transform(
        "reward-scale",
        "sb3_scale.learning.transforms:RewardScale",
        summary="Divides rewards by a running size of the return.",
        reference="Palenicek et al., XQC, 2025; Lee et al., SimbaV2, 2025, section 4.3",
        equation="r / std(G), or r / max(std(G), max|G| / v_max), G <- gamma G + r",
    )
    yield Collector(
        "local",
        "sb3_scale.collection.local:LocalCollector",
        summary="Environments and gradient steps take turns, as in Stable-Baselines3.",
    )
    yield Collector(
        "overlapped",
        "sb3_scale.collection.overlapped:OverlappedCollector",
        summary="Gradient steps run while the environments take their next step.",
    )
    yield from _replay_buffers()
    yield Callback(
        "csv-logger",
        "sb3_scale.callbacks:CSVLogger",
        summary="Writes every logged figure to a CSV file.",
    )
    yield from _diagnostics()
    yield from _recipes()
    for algo, summary in _SETTINGS.items():
        yield ZooConfig(
            f"core-{algo}",
            f"sb3_scale:zoo_configs/{algo}.yml",
            summary=summary,
            algo=algo,
        )


def _norms() -> Iterator[Spec]:
    """Norms, and the constraint that reaches them."""
    yield Norm(
        "layer",
        "sb3_scale.nn.norms:EnsembleLayerNorm",
        summary="Layer normalisation with a scale and shift per ensemble member.",
        reference="Ba et al., Layer Normalization, 2016",
        equation="(x - mean(x)) / sqrt(var(x) + eps) * weight + bias",
    )
    yield Norm(
        "rms",
        "sb3_scale.nn.norms:EnsembleRMSNorm",
        summary="Division by the root mean square, with a scale per ensemble member.",
        reference="Zhang and Sennrich, Root Mean Square Layer Normalization, 2019",
        equation="x / sqrt(mean(x^2) + eps) * weight",
    )
    yield Norm(
        "batch",
        "sb3_scale.nn.batch_norm:EnsembleBatchNorm",
        summary="Batch normalisation with statistics, scale and shift per ensemble member.",
        reference="Ioffe and Szegedy, 2015, algorithm 1; Bhatt et al., CrossQ, 2024",
        equation="(x - mean_b(x)) / sqrt(var_b(x) + eps) * weight + bias",
    )
    yield Norm(
        "batch-renorm",
        "sb3_scale.nn.batch_norm:EnsembleBatchRenorm",
        summary="Batch normalisation that leans on the running statistics after a warm-up.",
        reference="Ioffe, Batch Renormalization, 2017, algorithm 1; Bhatt et al., CrossQ, 2024",
        equation="((x - mean_b(x)) / std_b(x) * r + d) * weight + bias",
    )
    yield NormConstraint(
        "unit-norm",
        "sb3_scale.nn.unit_norm:UnitNormConstraint",
        summary="Projects the weights of each neuron to norm 1 after each gradient step.",
        reference="Palenicek et al., Scaling Off-Policy RL with Batch and Weight Normalization, "
        "2025, section 4",
        equation="w <- w / ||w||, of norms (w, b) <- sqrt(d) (w, b) / ||(w, b)||",
    )


def _heads() -> Iterator[Spec]:
    """Critics and actors."""
    yield Critic(
        "ensemble",
        "sb3_scale.nn.critics:EnsembleCritic",
        summary="Any number of critics with a value each, combined by a reduction.",
        reference="Fujimoto et al., 2018, equation 10",
        equation="Q_i(s, a) = W_i network_i([s, a]) + b_i",
    )
    yield DiscreteCritic(
        "discrete-ensemble",
        "sb3_scale.nn.discrete:DiscreteEnsembleCritic",
        summary="As ensemble, of discrete actions: one value for each of them.",
        reference="Christodoulou, Soft Actor-Critic for Discrete Action Settings, 2019, section 3",
        equation="Q_i(s, .) = W_i network_i(s) + b_i",
    )
    yield DiscreteActor(
        "categorical",
        "sb3_scale.nn.discrete:CategoricalActor",
        summary="Probabilities of discrete actions.",
        reference="Christodoulou, Soft Actor-Critic for Discrete Action Settings, 2019, section 3",
        equation="pi(. | s) = softmax(W network(s) + b)",
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


def _extractors() -> Iterator[Spec]:
    """What actor and critic read of an observation."""
    yield Extractor(
        "flatten",
        "sb3_scale.nn.extractors:FlattenExtractor",
        summary="The observation as one vector; Dict observations are joined.",
    )
    yield Extractor(
        "symlog",
        "sb3_scale.nn.extractors:SymlogExtractor",
        summary="As flatten, with large numbers compressed, such as contact forces.",
        reference="Hafner et al., Mastering Diverse Domains through World Models, 2023",
        equation="sign(x) ln(1 + |x|)",
    )
    yield Extractor(
        "network",
        "sb3_scale.nn.network_extractor:NetworkExtractor",
        summary="A network that reads the flattened observation.",
    )
    yield Extractor(
        "dict",
        "sb3_scale.nn.dict_extractor:DictExtractor",
        summary="An extractor for each key of a Dict, some of which only the critic sees.",
        reference="Pinto et al., Asymmetric Actor Critic for Image-Based Robot Learning, 2017",
    )


def _replay_buffers() -> Iterator[Spec]:
    """What keeps the transitions."""
    yield ReplayBuffer(
        "compact",
        "sb3_scale.replay.compact:CompactReplayBuffer",
        summary="Batches of Stable-Baselines3's ReplayBuffer; each observation is stored once.",
    )
    yield ReplayBuffer(
        "her",
        "sb3_scale.replay.hindsight:HindsightReplayBuffer",
        summary="The same with goals that were reached later: hindsight experience replay.",
        reference="Andrychowicz et al., Hindsight Experience Replay, 2017",
        equation="(s, g, a, r(s', g), s') as (s, g', a, r(s', g'), s'), g' reached in the episode",
    )
    yield ReplayBuffer(
        "frames",
        "sb3_scale.replay.frames:FrameReplayBuffer",
        summary="The same for stacks of images, alone or in a Dict; each frame is stored once.",
        reference="Mnih et al., Human-level control through deep reinforcement learning, 2015",
    )


def _recipes() -> Iterator[Spec]:
    """Settings for any environment."""
    yield Recipe(
        "default",
        "sb3_scale:zoo_configs/recipes/default.yml",
        summary="What we recommend: CrossQ with batch and weight normalisation, as measured here.",
        reference="Palenicek et al., Scaling Off-Policy RL with Batch and Weight Normalization, "
        "2025",
        algo="sac",
    )
    yield Recipe(
        "sac",
        "sb3_scale:zoo_configs/recipes/sac.yml",
        summary="SAC with the networks of Stable-Baselines3, made of our parts.",
        reference="Haarnoja et al., Soft Actor-Critic Algorithms and Applications, 2018",
        algo="sac",
    )
    yield Recipe(
        "td3",
        "sb3_scale:zoo_configs/recipes/td3.yml",
        summary="TD3 with the networks of Stable-Baselines3, made of our parts.",
        reference="Fujimoto et al., Addressing Function Approximation Error, 2018",
        algo="td3",
    )


def _estimates() -> Iterator[Spec]:
    """Values and reductions."""
    yield Value(
        "scalar",
        "sb3_scale.nn.values:ScalarValue",
        summary="One output, the expected return.",
        equation="y = r + gamma (Q(s', a') - alpha log pi(a'|s'))",
    )
    yield Value(
        "quantiles",
        "sb3_scale.nn.values:QuantileValue",
        summary="Quantiles of the return, whose mean is the value.",
        reference="Dabney et al., Distributional RL with Quantile Regression, 2018, section 4",
        equation="Q = mean_i q_i, y_i = r + gamma (q_i(s', a') - alpha log pi(a'|s'))",
    )
    yield Value(
        "categorical",
        "sb3_scale.nn.values:CategoricalValue",
        summary="Probabilities of evenly spaced returns, within bounds.",
        reference="Bellemare et al., A Distributional Perspective on RL, 2017, algorithm 1; "
        "Farebrother et al., Stop Regressing, 2024",
        equation="Q = sum_i p_i z_i, p = softmax(outputs), "
        "y = projection of r + gamma (z - alpha log pi(a'|s'))",
    )
    yield Reduction(
        "min",
        "sb3_scale.nn.reductions:MinReduction",
        summary="The member with the least mean, its distribution whole.",
        reference="Fujimoto et al., 2018, equation 10",
        equation="Z_k with k = argmin_i mean(Z_i)",
    )
    yield Reduction(
        "mean",
        "sb3_scale.nn.reductions:MeanReduction",
        summary="The mean over the members, of a distribution output by output.",
        equation="mean_i Z_i",
    )
    yield Reduction(
        "none",
        "sb3_scale.nn.reductions:NoneReduction",
        summary="Each member has its own target; the actor follows their mean.",
        equation="Z_i for member i",
    )
    yield Reduction(
        "truncated",
        "sb3_scale.nn.reductions:TruncatedReduction",
        summary="The quantiles of all members pooled, without the greatest; TQC's target.",
        reference="Kuznetsov et al., Controlling Overestimation Bias, 2020, equation 11",
        equation="z_(1) <= ... <= z_(m (n - d)) of the m n sorted quantiles",
    )
    yield Reduction(
        "subset",
        "sb3_scale.nn.reductions:SubsetReduction",
        summary="The least of a few members drawn in each gradient step; REDQ's target.",
        reference="Chen et al., Randomized Ensembled Double Q-Learning, 2021, algorithm 1",
        equation="Z_k with k = argmin_(i in M) mean(Z_i), M random, |M| = size",
    )


def _losses() -> Iterator[Loss]:
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
    yield Loss(
        "quantile",
        "sb3_scale.nn.losses:QuantileHuberLoss",
        summary="Quantile Huber loss, for a critic of quantiles.",
        reference="Dabney et al., Distributional RL with Quantile Regression, 2018, equation 10",
        equation="sum_i mean_j |tau_i - 1(d_ij < 0)| huber_kappa(d_ij) / kappa, d_ij = y_j - Q_i",
    )
    yield Loss(
        "cross-entropy",
        "sb3_scale.nn.losses:CrossEntropyLoss",
        summary="Cross-entropy, for a categorical critic.",
        reference="Bellemare et al., A Distributional Perspective on RL, 2017, algorithm 1",
        equation="sum_i mean_b -sum_k y_k log softmax(outputs_i)_k",
    )


def _diagnostics() -> Iterator[Callback]:
    yield Callback(
        "weight-norm",
        "sb3_scale.diagnostics.weight_norm:WeightNorm",
        summary="Logs the norm of each linear layer's weight.",
        reference="Palenicek et al., 2025, figure 2",
        equation="mean_i |W_l,i|",
    )
    yield Callback(
        "effective-learning-rate",
        "sb3_scale.diagnostics.effective_learning_rate:EffectiveLearningRate",
        summary="Logs the size of an update relative to the weight, per linear layer.",
        reference="Van Hasselt et al., 2019; Lyle et al., 2024",
        equation="mean_i |W'_l,i - W_l,i| / |W_l,i|",
    )
    yield Callback(
        "gradient-norm",
        "sb3_scale.diagnostics.gradient_norm:GradientNorm",
        summary="Logs the norm of the gradients of actor and critic.",
        equation="|dL/dtheta|",
    )
    yield Callback(
        "critic-loss",
        "sb3_scale.diagnostics.critic_loss:CriticLoss",
        summary="Logs the loss of the critic over batches of the replay buffer.",
        reference="Bjorck et al., 2021, section 3.4",
        equation="mean_batches L_critic",
    )
    yield Callback(
        "q-value",
        "sb3_scale.diagnostics.q_value:QValue",
        summary="Logs mean and standard deviation of Q over a replay batch.",
        equation="mean_b and std_b of reduce_i Q_i(s_b, a_b)",
    )
    yield Callback(
        "singular-values",
        "sb3_scale.diagnostics.singular_values:SingularValues",
        summary="Logs the largest singular value of each linear layer.",
        reference="Bjorck et al., 2021",
        equation="mean_i max_x |W_l,i x| / |x|",
    )
    yield Callback(
        "dormant-units",
        "sb3_scale.diagnostics.dormant_units:DormantUnits",
        summary="Logs the share of units that hardly react to replayed transitions.",
        reference="Sokar et al., The Dormant Neuron Phenomenon, 2023, definition 3.1",
        equation="mean_b |h_j(b)| <= threshold * mean_k mean_b |h_k(b)|",
    )
    yield Callback(
        "q-bias",
        "sb3_scale.diagnostics.q_bias:QBias",
        summary="Logs the normalised bias of Q against Monte-Carlo returns.",
        reference="Chen et al., Randomized Ensembled Double Q-Learning, 2021, section 3",
        equation="mean and std of (Q(s, a) - G) / max(|mean G|, min_return)",
    )
