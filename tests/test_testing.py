"""The conformance checks: every installed part passes, every kind of fault is told."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.envs import FakeImageEnv
from torch import nn

from sb3_scale import (
    Actor,
    Algorithm,
    Constraint,
    Critic,
    Env,
    Extractor,
    Loss,
    Network,
    Norm,
    Optimizer,
    Sb3ScaleError,
    ZooConfig,
)
from sb3_scale.nn.actors import DeterministicActor, SquashedGaussianActor
from sb3_scale.nn.critics import EnsembleCritic
from sb3_scale.nn.extractors import FlattenExtractor
from sb3_scale.nn.linear import EnsembleLinear
from sb3_scale.nn.losses import MSELoss
from sb3_scale.nn.mlp import MLP, ensemble_of
from sb3_scale.nn.norms import EnsembleLayerNorm
from sb3_scale.plugins import manager
from sb3_scale.specs import KINDS
from sb3_scale.testing import check_component, check_trains

SMALL = {
    ("network", "modern"): {"width": 16, "inner_width": 32},
    ("network", "bronet"): {"width": 16},
    ("callback", "reset"): {"interval": 20},
}
"""Parameters for parts whose defaults are large."""

INSTALLED = [
    (kind, spec.name) for kind in KINDS if kind != "env" for _, spec in manager().specs(kind)
]


@pytest.mark.parametrize(("kind", "name"), INSTALLED)
def test_installed_part(kind, name):
    check_component(kind, name, SMALL.get((kind, name)))


def test_installed_env():
    # The others are tested with the environments.
    check_component("env", "cartpole-balance", {"action_repeat": 2})


def test_every_kind_has_a_check():
    from sb3_scale.testing.component import CHECKS

    assert CHECKS.keys() == KINDS.keys()


def test_unknown_part():
    with pytest.raises(Sb3ScaleError, match=r"there is no critic 'ensembel'.*'ensemble'"):
        check_component("critic", "ensembel")


def test_check_trains_needs_a_part_of_a_policy():
    check_trains("loss", "huber", {"delta": 2.0})
    with pytest.raises(Sb3ScaleError, match="no policy is made of a part of the kind 'env'"):
        check_trains("env", "cartpole-balance")


def test_uninstalled_spec_is_forgotten_again():
    check_component(Network("mine", target("PlainNetwork"), summary="Mine."))
    with pytest.raises(Sb3ScaleError, match="there is no network 'mine'"):
        manager().find("network", "mine")


def test_actor_that_explores():
    check_component(Actor("mine", target("Explores"), summary="Mine."))


def test_image_extractor_with_its_environment():
    spec = Extractor("conv", target("ConvExtractor"), summary="Mine.")
    check_component(spec, env=FakeImageEnv(36, 36, n_channels=1, discrete=False))


# One part per kind of fault; each is right but for that fault.


def target(name):
    return f"{__name__}:{name}"


def PlainNetwork(in_features: int, n_members: int, width: int = 16):
    """
    :param in_features: width of the input
    :param n_members: size of the ensemble
    :param width: of the layer
    """
    return ensemble_of(
        lambda size: nn.Sequential(nn.Linear(size, width), nn.ReLU()), in_features, n_members
    )


class ConvExtractor(nn.Module):
    """
    :param observation_space: images, channels first
    """

    def __init__(self, observation_space: spaces.Space):
        super().__init__()
        channels, height, width = observation_space.shape
        self.conv = nn.Conv2d(channels, 2, 4, stride=4)
        self.features_dim = 2 * (height // 4) * (width // 4)

    def forward(self, observations, training=False):
        return self.conv(observations).flatten(start_dim=1)


class WrongWidth(MLP):
    def forward(self, x, training=False):
        return super().forward(x, training)[..., 1:]


class NoOutFeatures(MLP):
    def __init__(self, in_features: int, n_members: int, width: int = 16):
        super().__init__(in_features, n_members, width)
        del self.out_features


class NoTraining(MLP):
    def forward(self, x):
        return super().forward(x)


class Detached(MLP):
    def forward(self, x, training=False):
        return super().forward(x.detach(), training)


class CutsEarlyLayers(MLP):
    def forward(self, x, training=False):
        return super().forward(x, training).detach() + x[..., :1]


class SharesWeights(nn.Module):
    """
    :param in_features: width of the input
    :param n_members: size of the ensemble
    """

    def __init__(self, in_features: int, n_members: int):
        super().__init__()
        self.linear = nn.Linear(in_features, 16)
        self.out_features = 16

    def forward(self, x, training=False):
        return self.linear(x)


class MixesMembers(MLP):
    def forward(self, x, training=False):
        return super().forward(x + x.detach().mean(dim=0), training)


class MixesSamples(MLP):
    def forward(self, x, training=False):
        return super().forward(x - x.mean(dim=1, keepdim=True), training)


class Noisy(MLP):
    def forward(self, x, training=False):
        return super().forward(x + torch.randn_like(x), training)


class RemembersInEvaluation(MLP):
    def __init__(self, in_features: int, n_members: int, width: int = 16):
        super().__init__(in_features, n_members, width)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x, training=False):
        self.calls += 1
        return super().forward(x, training)


class HiddenState(MLP):
    def __init__(self, in_features: int, n_members: int, width: int = 16):
        super().__init__(in_features, n_members, width)
        self.offset = torch.randn(1)

    def forward(self, x, training=False):
        return super().forward(x, training) + self.offset


class SharedCopy(MLP):
    def __deepcopy__(self, memo):
        return self


class Double(MLP):
    def forward(self, x, training=False):
        return super().forward(x, training).double()


class Raises(MLP):
    def forward(self, x, training=False):
        raise KeyError("lost")


class Swallows(MLP):
    def __init__(self, in_features: int, n_members: int, **kwargs):
        super().__init__(in_features, n_members)


class OtherArguments(MLP):
    """
    :param size: width of the input
    """

    def __init__(self, size: int, n_members: int):
        super().__init__(size, n_members)


class NoDoc(MLP):
    def __init__(self, in_features: int, n_members: int, widht: int = 16):
        super().__init__(in_features, n_members, widht)


class NoDefault(MLP):
    def __init__(self, in_features: int, n_members: int, width: int):
        super().__init__(in_features, n_members, width)


class NoType(MLP):
    def __init__(self, in_features: int, n_members: int, width=16):
        super().__init__(in_features, n_members, width)


class WrongDefault(MLP):
    def __init__(self, in_features: int, n_members: int, width: int = None):  # noqa: RUF013
        super().__init__(in_features, n_members, width or 16)


class NoPlainDefault(MLP):
    def __init__(self, in_features: int, n_members: int, activation: type = nn.ReLU):
        super().__init__(in_features, n_members)


class StaleDoc(MLP):
    """
    :param heads: gone
    """


class NoEps(EnsembleLayerNorm):
    def __init__(self, num_features: int, n_members: int):
        super().__init__(num_features, n_members, eps=0.0)


class JointStatistics(EnsembleLayerNorm):
    def forward(self, x, training=False):
        return super().forward(x) + (x.detach().mean() if training else 0)


class _Rule:
    """
    :param layers: of one actor or critic
    """

    def __init__(self, layers: list[EnsembleLinear]):
        self.layers = layers


class ReplacesParameters(_Rule):
    def project_(self):
        for layer in self.layers:
            layer.weight = nn.Parameter(layer.weight.detach().clamp(-1, 1))


class Shrinks(_Rule):
    def project_(self):
        for layer in self.layers:
            layer.weight.data *= 0.99


class JointNorm(_Rule):
    def project_(self):
        for layer in self.layers:
            layer.weight.data /= layer.weight.data.norm()


class ForgetsCopies(_Rule):
    def __init__(self, layers: list[EnsembleLinear]):
        super().__init__(layers)
        self.clamp = lambda: [layer.weight.data.clamp_(-0.1, 0.1) for layer in layers]

    def project_(self):
        self.clamp()


class Unsquashed(DeterministicActor):
    def forward(self, features, deterministic=False, training=False):
        return super().forward(features, deterministic, training).atanh()


class NoSquashTerm(SquashedGaussianActor):
    def action_log_prob(self, features, training=False):
        mean, log_std = self.distribution(features, training)
        normal = torch.distributions.Normal(mean, log_std.exp())
        sample = normal.rsample()
        return torch.tanh(sample), normal.log_prob(sample).sum(dim=1, keepdim=True)


class NotReparametrised(SquashedGaussianActor):
    def action_log_prob(self, features, training=False):
        actions, log_prob = super().action_log_prob(features, training)
        return actions.detach(), log_prob


class PerDimension(SquashedGaussianActor):
    def action_log_prob(self, features, training=False):
        actions, log_prob = super().action_log_prob(features, training)
        return actions, log_prob.expand_as(actions)


class NoLogProb(DeterministicActor):
    stochastic = True


class NoTargetFact(DeterministicActor):
    def __init__(self, features_dim: int, action_dim: int):
        super().__init__(features_dim, action_dim)
        self.target = None


class Explores(SquashedGaussianActor):
    """This one is right."""

    def __init__(self, features_dim: int, action_dim: int):
        super().__init__(features_dim, action_dim, {"name": "mlp", "width": 8})
        self.shift = nn.Parameter(torch.ones(action_dim))
        self.exploration_optimizer = torch.optim.Adam([self.shift])

    def mean(self, features):
        return self.distribution(features)[0].detach()

    def train_exploration(self, features, critic, optimize):
        actions = torch.tanh(self.mean(features) + self.shift)
        loss = -critic.value(critic(features, actions)).mean()
        optimize(loss)
        return {"exploration_loss": loss}


class ExploresWithThePolicy(Explores):
    def mean(self, features):
        return self.distribution(features)[0]


class ExploresNot(Explores):
    def train_exploration(self, features, critic, optimize):
        return {}


class ExploresWithoutOptimizer(Explores):
    def __init__(self, features_dim: int, action_dim: int):
        super().__init__(features_dim, action_dim)
        del self.exploration_optimizer


class WrongDimension(EnsembleCritic):
    def reduce(self, values):
        return values.amin(dim=1)


class WrongValue(EnsembleCritic):
    def value(self, outputs):
        return outputs.squeeze(-1)


class IgnoresNumber(EnsembleCritic):
    def __init__(self, features_dim: int, action_dim: int, n_critics: int = 2):
        super().__init__(features_dim, action_dim, 2)


class IgnoresActions(EnsembleCritic):
    def forward(self, features, actions, training=False):
        return super().forward(features, torch.zeros_like(actions), training) + 0 * actions.sum()


class NoProjection(EnsembleCritic):
    project_ = None


class WrongFeatures(FlattenExtractor):
    def forward(self, observations, training=False):
        return super().forward(observations, training)[:, 1:]


class PerSample(MSELoss):
    def forward(self, outputs, target):
        return (outputs - target).square().mean(dim=(0, 2))


class Ascends(MSELoss):
    def forward(self, outputs, target):
        value = super().forward(outputs, target)
        return 2 * value.detach() - value


class LosesState(MSELoss):
    def __init__(self):
        super().__init__()
        self.scale = torch.ones(())

    def forward(self, outputs, target):
        value = self.scale * super().forward(outputs, target)
        self.scale = 0.5 * self.scale
        return value


def weights_only(module: nn.Module, lr: float):
    """
    :param module: whose parameters to optimise
    :param lr: learning rate
    """
    return torch.optim.SGD(
        [par for par in module.parameters() if par.dim() > 2 and len(par)][:1], lr
    )


def own_rate(module: nn.Module, lr: float):
    """
    :param module: whose parameters to optimise
    :param lr: learning rate
    """
    return torch.optim.SGD(module.parameters(), 10 * lr)


def no_optimizer(module: nn.Module, lr: float):
    """
    :param module: whose parameters to optimise
    :param lr: learning rate
    """
    return None


class Frozen(torch.optim.SGD):
    def step(self, closure=None):
        return None


def frozen(module: nn.Module, lr: float):
    """
    :param module: whose parameters to optimise
    :param lr: learning rate
    """
    return Frozen(module.parameters(), lr)


class NoAlgorithm:
    """Nothing."""


class Unseeded(gymnasium.Env):
    """A random start that ignores the seed."""

    observation_space = spaces.Box(-1, 1, (2,))
    action_space = spaces.Box(-1, 1, (1,))

    def reset(self, *, seed=None, options=None):
        return np.random.default_rng().uniform(-1, 1, 2).astype(np.float32), {}

    def step(self, action):
        return self.reset()[0], 0.0, False, False, {}


FAULTS = [
    (Network, "WrongWidth", r"shape \(1, 7, 255\) in forward .* must give \(1, 7, 256\)"),
    (Network, "NoOutFeatures", "has no whole number 'out_features'"),
    (Network, "NoTraining", "has no argument 'training' with the default False in forward"),
    (Network, "Detached", "gives its input a gradient that is missing"),
    (Network, "CutsEarlyLayers", r"parameter 'linears.0.weight' a gradient that is missing"),
    (Network, "SharesWeights", "outputs of other members with the weights of member 0"),
    (Network, "MixesMembers", "outputs of other members with the input of member 0"),
    (Network, "MixesSamples", "mixes the samples of a batch in evaluation"),
    (Network, "Noisy", "different outputs for one input in evaluation"),
    (Network, "RemembersInEvaluation", "changes its 'calls' in evaluation"),
    (Network, "HiddenState", "after load_state_dict: a part of its state is missing there"),
    (Network, "SharedCopy", r"shares weights with its copy by copy.deepcopy"),
    (Network, "Double", r"gives torch.float64 in forward .*, not torch.float32"),
    (Network, "Raises", "fails in forward .*: KeyError: 'lost'"),
    (Network, "Swallows", r"takes \*\*kwargs, which would hide a mistyped parameter"),
    (Network, "OtherArguments", r"begins with the arguments \('size', 'n_members'\)"),
    (Network, "NoDoc", "does not explain 'widht' by ':param widht:'"),
    (Network, "NoDefault", "has no default for its parameter 'width'"),
    (Network, "NoType", "has no type for its parameter 'width'"),
    (Network, "WrongDefault", "has the default None for 'width', and its type is int"),
    (Network, "NoPlainDefault", "for 'activation', which a YAML file cannot hold"),
    (Network, "StaleDoc", "explains 'heads', which is no parameter of it"),
    (Network, "NoSuchClass", "network 'broken' of plugin .* cannot be imported"),
    (Norm, "NoEps", "not finite in forward of a constant input"),
    (Norm, "JointStatistics", "outputs of other members with the input of member 0"),
    (Constraint, "ReplacesParameters", "replaces the parameters of a layer"),
    (Constraint, "Shrinks", "project_ must be idempotent"),
    (Constraint, "JointNorm", "changes the weights of other members with those of member 0"),
    (Constraint, "ForgetsCopies", r"does not reach the layers of a copy by copy.deepcopy"),
    (Constraint, "_Rule", "has no method 'project_'"),
    (Actor, "Unsquashed", r"leaves \[-1, 1\] in forward|not finite in forward"),
    (Actor, "NoSquashTerm", "log-probabilities that do not fit its actions"),
    (Actor, "NotReparametrised", "cuts the gradient of the actions in action_log_prob"),
    (Actor, "PerDimension", r"shape \(7, 2\) in action_log_prob, and must give \(7, 1\)"),
    (Actor, "NoLogProb", "has no method 'action_log_prob', and its 'stochastic' is True"),
    (Actor, "NoTargetFact", "has None as 'target', which must be True or False"),
    (Actor, "ExploresWithThePolicy", r"changes its parameter '.*' in train_exploration, which the"),
    (Actor, "ExploresNot", "leaves its parameter 'shift' unchanged in train_exploration"),
    (Actor, "ExploresWithoutOptimizer", "has no 'exploration_optimizer'"),
    (Critic, "WrongDimension", r"shape \(3, 1\) in reduce of shape \(3, 7, 1\)"),
    (Critic, "WrongValue", r"shape \(3, 7\) in value\(outputs\), and must give \(3, 7, 1\)"),
    (Critic, "IgnoresNumber", r"shape \(2, 7, 1\) in forward, and must give \(3, 7, 1\)"),
    (Critic, "IgnoresActions", "does not depend on its actions"),
    (Critic, "NoProjection", "has no method 'project_'"),
    (Extractor, "WrongFeatures", r"shape \(7, 2\) in forward .* must give \(7, 3\)|mat1 and mat2"),
    (Loss, "PerSample", r"gives shape \(7,\) in forward .*, and must give \(\)"),
    (Loss, "Ascends", "does not fall along its negative gradient"),
    (Loss, "LosesState", "a part of its state is missing there"),
    (Optimizer, "weights_only", "misses the parameter '.*' of its module"),
    (Optimizer, "own_rate", "changes the learning rate of a group"),
    (Optimizer, "no_optimizer", r"is no torch.optim.Optimizer"),
    (Optimizer, "frozen", "does not lower a squared error in 100 steps"),
    (Algorithm, "NoAlgorithm", "is no class derived from .*BaseAlgorithm"),
    (Env, "Unseeded", "begins differently with the same seed|random seed"),
]


@pytest.mark.parametrize(("kind", "name", "message"), FAULTS, ids=[fault[1] for fault in FAULTS])
def test_fault_is_told(kind, name, message):
    with pytest.raises(AssertionError, match=message) as caught:
        check_component(kind("broken", target(name), summary="Broken."))
    told = str(caught.value)
    assert told.startswith(f"{kind.kind} 'broken' ")
    assert "\n" not in told


def test_missing_summary_is_told():
    with pytest.raises(AssertionError, match="network 'mine' has no summary in its spec"):
        check_component(Network("mine", target("PlainNetwork")))


def test_wrong_parameter_is_told():
    with pytest.raises(AssertionError, match="critic 'ensemble' has no parameter 'n_critic'"):
        check_component("critic", "ensemble", {"n_critic": 3})


def test_two_parts_of_one_name_are_told():
    spec = Critic("ensemble", target("WrongValue"), summary="Mine.")
    with pytest.raises(AssertionError, match="critic 'ensemble' is offered by sb3-scale and"):
        check_component(spec)


def test_fault_in_training_is_told():
    with pytest.raises(AssertionError, match="critic_loss is nan"):
        check_trains(Loss("broken", target("NotANumber"), summary="Broken."))


class NotANumber(MSELoss):
    def forward(self, outputs, target):
        return super().forward(outputs, target) * float("nan")


def test_wrong_settings_are_told(tmp_path, monkeypatch):
    package = tmp_path / "settings_of_mine"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "sac.yml").write_text("Pendulum-v1: {policy: ScalePolicy, gamme: 0.9}\n")
    monkeypatch.syspath_prepend(tmp_path)
    spec = ZooConfig("mine", "settings_of_mine:sac.yml", summary="Mine.", algo="sac")
    with pytest.raises(AssertionError, match=r"sac has no setting 'gamme'.*'gamma'"):
        check_component(spec)
    (package / "sac.yml").write_text(
        "Pendulum-v1: {policy: ScalePolicy, policy_kwargs: {critic: ensembel}}\n"
    )
    with pytest.raises(AssertionError, match="there is no critic 'ensembel'"):
        check_component(spec)
