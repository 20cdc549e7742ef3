"""
Critics with LayerNorm or GroupNorm, asymmetric losses, TD2 and DDPG, and more actors.

Source: Hui, "Stabilizing Q-Learning for Continuous Control", MSc thesis, Universite de Montreal,
2022; chapter 2 on actors and larger critics, chapter 3 on the
convergence of Q-learning, on its pessimism and on navigation in n dimensions.
"""

from collections.abc import Iterator

from sb3_scale import Actor, Algorithm, Callback, Loss, Norm, Recipe, Spec, ZooConfig, hookimpl

SETTINGS = {"td2": "Settings for --algo td2.", "ddpg": "Settings for --algo ddpg."}
"""Files of settings in this package, by algorithm."""
ON_REQUEST = {
    "td2": ("td2", "Hui, 2022, section 3.3: TD2 with GroupNorm."),
    "td2-layernorm": ("td2", "Hui, 2022, section 3.2: TD2 with LayerNorm."),
    "ddpg": ("ddpg", "Hui, 2022, section 3.4: one critic, with GroupNorm."),
    "residual-critic": ("td2", "Hui, 2022, table 2.1: residual critics."),
    "small-critic": ("td2", "Hui, 2022, tables 2.1 and 2.3: deterministic, 2 x 256, no norm."),
    "residual-actor": ("td2", "Hui, 2022, figure 2.3: residual actor and critic."),
    "sac-lite": ("sac", "Hui, 2022, table 2.3: SACLite with a learned temperature."),
    "sac-lite-fixed": ("sac", "Hui, 2022, table 2.3: SACLite with a temperature of 1e-7."),
    "sac-lite-large": ("sac", "Hui, 2022, table 2.2: SACLite with a residual critic."),
    "sac-lite-residual-actor": ("sac", "Hui, 2022, figure 2.4: residual actor and critic."),
    "conditional-flow": ("sac", "Hui, 2022, table 2.2: a flow with a residual critic."),
    "variational": ("sac", "Hui, 2022, table 2.2: VQL with a residual critic."),
}
"""Recipes: algorithm and summary."""


@hookimpl
def sb3_scale_components() -> Iterator[Spec]:
    """Name the parts of this plugin."""
    yield Algorithm(
        "td2",
        "sb3_scale_asymmetric.td2:TD2",
        summary="TD3 without target policy smoothing and without delay.",
        reference="Hui, Stabilizing Q-Learning for Continuous Control, 2022, section 3.2",
    )
    yield Algorithm(
        "ddpg",
        "sb3_scale_asymmetric.td2:DDPG",
        summary="TD2 with one critic; also takes ScalePolicy.",
        reference="Lillicrap et al., Continuous Control with Deep RL, 2016, algorithm 1",
    )
    yield Norm(
        "group",
        "sb3_scale_asymmetric.norms:EnsembleGroupNorm",
        summary="Layer normalisation within groups of features.",
        reference="Wu and He, Group Normalization, 2018; Hui, 2022, section 3.3",
        equation="(x_g - mean(x_g)) / sqrt(var(x_g) + eps) * weight + bias, per group g",
    )
    yield Loss(
        "asymmetric",
        "sb3_scale_asymmetric.losses:AsymmetricLoss",
        summary="Squared Bellman error that weighs over- and underestimation differently.",
        reference="Hui, Stabilizing Q-Learning for Continuous Control, 2022, section 3.4",
        equation="alpha max(0, d)^2 + (1 - alpha) min(0, d)^2, d = Q_i - y",
    )
    yield Loss(
        "adaptive-asymmetric",
        "sb3_scale_asymmetric.losses:AdaptiveAsymmetricLoss",
        summary="The asymmetric loss with an alpha that follows the bias of Q.",
        reference="After Dorka et al., Adaptively Calibrated Critic Estimates, 2021",
        equation="logit(alpha) += rate pairs/1000 (mean(Q - G) / rms(Q, G) - target_bias)",
    )
    yield Actor(
        "conditional-flow",
        "sb3_scale_asymmetric.flow:ConditionalFlowActor",
        summary="A Gaussian through RealNVP layers that know the state, squashed by tanh.",
        reference="Hui, 2022, section 2.1.2; Dinh et al., Density Estimation Using Real NVP, 2017",
        equation="a = tanh(g(z | s)), z ~ N(mu(s), sigma(s))",
    )
    yield Actor(
        "variational",
        "sb3_scale_asymmetric.variational:VariationalActor",
        summary="A squashed Gaussian that knows a sampled latent variable of any size (VQL).",
        reference="Hui, 2022, section 2.1.2; Ranganath et al., 2016",
        equation="a ~ pi_1(a | z, s), z ~ pi_2(z | s); mean log pi_1 + log pi_2 - log q_3",
    )
    yield Actor(
        "noisy-deterministic",
        "sb3_scale_asymmetric.noisy:NoisyDeterministicActor",
        summary="The deterministic actor with its noise inside the losses.",
        reference="Hui, 2022, section 2.1.2; Yarats et al., 2022 (DrQ-v2)",
        equation="a = clip(tanh(mu(s)) + eps, -1, 1), eps ~ N(0, std^2)",
    )
    yield Callback(
        "overestimation",
        "sb3_scale_asymmetric.overestimation:Overestimation",
        summary="Logs the first state's value minus the return that follows.",
        reference="Hui, Stabilizing Q-Learning for Continuous Control, 2022, figure 3.2",
        equation="Q(s0, a0) - sum_t gamma^t r_t",
    )
    yield Callback(
        "policy-entropy",
        "sb3_scale_asymmetric.policy_entropy:PolicyEntropy",
        summary="Logs log pi and the entropy of the policy per dimension of the action.",
        reference="Hui, Stabilizing Q-Learning for Continuous Control, 2022, figure 2.8",
        equation="-mean_b log pi(a_b | s_b) / n, a_b ~ pi(. | s_b)",
    )
    for algo, summary in SETTINGS.items():
        yield ZooConfig(
            f"{algo}-settings", f"sb3_scale_asymmetric:{algo}.yml", summary=summary, algo=algo
        )
    for name, (algo, summary) in ON_REQUEST.items():
        path = f"sb3_scale_asymmetric:{name}.yml"
        yield Recipe(name, path, summary=summary, algo=algo)
