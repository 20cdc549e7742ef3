"""One part per kind of fault, each right but for that fault, and parts without one."""

from dataclasses import replace

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from torch import nn

from sb3_scale.collection.local import LocalCollector
from sb3_scale.learning.transforms import RewardScale
from sb3_scale.learning.update import Learner
from sb3_scale.nn.actors import DeterministicActor, SquashedGaussianActor
from sb3_scale.nn.base import Extractor, Part
from sb3_scale.nn.critics import EnsembleCritic
from sb3_scale.nn.extractors import FlattenExtractor
from sb3_scale.nn.linear import EnsembleLinear
from sb3_scale.nn.losses import CrossEntropyLoss, MSELoss
from sb3_scale.nn.mlp import MLP, ensemble_of
from sb3_scale.nn.norms import EnsembleLayerNorm
from sb3_scale.nn.reductions import MeanReduction, MinReduction
from sb3_scale.nn.values import CategoricalValue, ScalarValue
from sb3_scale.replay.compact import CompactReplayBuffer
from sb3_scale.replay.hindsight import HindsightReplayBuffer


def target(name):
    """
    :param name: of a class or function here
    :return: what a spec calls it
    """
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


class ConvExtractor(Extractor):
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


class RemembersWithoutGradients(MLP):
    def __init__(self, in_features: int, n_members: int, width: int = 16):
        super().__init__(in_features, n_members, width)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x, training=False):
        self.calls += training
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


class LogProbOfOthers(SquashedGaussianActor):
    def action_log_prob(self, features, training=False):
        actions, log_prob = super().action_log_prob(features, training)
        return actions, log_prob.roll(1, dims=0)


class ConstantActor(DeterministicActor):
    def forward(self, features, deterministic=False, training=False):
        return super().forward(0 * features, deterministic, training)


class Shift(Part):
    def __init__(self, action_dim: int):
        super().__init__()
        self.shift = nn.Parameter(torch.ones(action_dim))


class Explores(SquashedGaussianActor):
    """This one is right."""

    def __init__(self, features_dim: int, action_dim: int):
        super().__init__(features_dim, action_dim, {"name": "mlp", "width": 8})
        self.shift = Shift(action_dim)

    def mean(self, features):
        return self.distribution(features)[0].detach()

    def learners(self, policy):
        def loss(step):
            actions = torch.tanh(self.mean(step.features) + self.shift.shift)
            return -policy.critic.mean(policy.critic_outputs(step.features, actions)).mean(), {}

        yield Learner("exploration", {"shift": self.shift}, policy.actor.optimizer, loss)


class ExploresWithThePolicy(Explores):
    def mean(self, features):
        return self.distribution(features)[0]


class ForgetsShift(Explores):
    def __init__(self, features_dim: int, action_dim: int):
        super().__init__(features_dim, action_dim)
        self.scale = nn.Parameter(torch.ones(()))


class LearnsNothing(Explores):
    def learners(self, policy):
        (learner,) = super().learners(policy)
        yield replace(learner, loss=lambda step: (torch.zeros((), requires_grad=True) + 1, {}))


class LogsVectors(Explores):
    def learners(self, policy):
        (learner,) = super().learners(policy)
        yield replace(learner, loss=lambda step: (learner.loss(step)[0], {"shift": torch.ones(1)}))


class WrongDimension(EnsembleCritic):
    def judge(self, outputs):
        return self.value.mean(outputs).amin(dim=1)


class WrongValue(EnsembleCritic):
    def mean(self, outputs):
        return outputs.squeeze(-1)


class MixesLogits(EnsembleCritic):
    def bootstrap(self, next_outputs, rewards, discounts, entropy_term):
        return self.value.bootstrap(next_outputs.mean(dim=0), rewards, discounts, entropy_term)


class SignedErrors(EnsembleCritic):
    def td_errors(self, outputs, target):
        return self.value.errors(outputs, target).mean(dim=(0, 2))


class TargetOfOneMember(EnsembleCritic):
    def bootstrap(self, next_outputs, rewards, discounts, entropy_term):
        return super().bootstrap(next_outputs, rewards, discounts, entropy_term)[0]


class IgnoresNumber(EnsembleCritic):
    def __init__(self, features_dim: int, action_dim: int, n_critics: int = 2):
        super().__init__(features_dim, action_dim, 2)


class IgnoresActions(EnsembleCritic):
    def forward(self, features, actions, training=False):
        return super().forward(features, torch.zeros_like(actions), training) + 0 * actions.sum()


class IgnoresFeatures(EnsembleCritic):
    def forward(self, features, actions, training=False):
        return super().forward(torch.zeros_like(features), actions, training) + 0 * features.sum()


class RolledJudge(EnsembleCritic):
    def judge(self, outputs):
        return super().judge(outputs).roll(1, dims=0)


class IgnoresRewards(EnsembleCritic):
    def bootstrap(self, next_outputs, rewards, discounts, entropy_term):
        return super().bootstrap(next_outputs, 0 * rewards, discounts, entropy_term)


class NoTermination(EnsembleCritic):
    def bootstrap(self, next_outputs, rewards, discounts, entropy_term):
        discounts = 0.5 * discounts + 0.4
        return super().bootstrap(next_outputs, rewards, discounts, entropy_term)


class NoProjection(EnsembleCritic):
    project_ = None


class WrongFeatures(FlattenExtractor):
    def forward(self, observations, training=False):
        return super().forward(observations, training)[:, 1:]


class CutsActions(FlattenExtractor):
    def critic_inputs(self, features, actions):
        return features, actions.detach()


class ConstantFeatures(FlattenExtractor):
    def forward(self, observations, training=False):
        return torch.zeros_like(super().forward(observations, training))


class RolledActionsOfCritics(FlattenExtractor):
    def critic_inputs(self, features, actions):
        return features, actions.roll(1, dims=0)


class WrongDims(FlattenExtractor):
    def critic_dims(self, action_dim):
        return self.features_dim + 1, action_dim


class NoDistribution(CategoricalValue):
    """This one's target is not normalised."""

    def bootstrap(self, distribution, rewards, discounts, entropy_term):
        return 0.5 * super().bootstrap(distribution, rewards, discounts, entropy_term)


class ForgetsEntropy(ScalarValue):
    def bootstrap(self, distribution, rewards, discounts, entropy_term):
        return super().bootstrap(distribution, rewards, discounts, None)


class LogitErrors(CategoricalValue):
    def errors(self, outputs, target):
        return outputs.mean(dim=-1, keepdim=True) - target.mean(dim=-1, keepdim=True)


class LeavesItsRange(CategoricalValue):
    def mean(self, outputs):
        return 100 * super().mean(outputs)


class OtherMean(CategoricalValue):
    def mean(self, outputs):
        return 0.5 * super().mean(outputs)


class RolledOutputs(CategoricalValue):
    def distribution(self, outputs):
        return super().distribution(outputs).roll(1, dims=-2)


class WrongLoss(CategoricalValue):
    loss = "mse"


class WrongProjection(CategoricalValue):
    """One of the choices is wrong."""

    def bootstrap(self, distribution, rewards, discounts, entropy_term):
        target = super().bootstrap(distribution, rewards, discounts, entropy_term)
        return target + 1 if self.projection == "hl-gauss" else target


class ReducesSamples(MinReduction):
    def target(self, distributions, means):
        return distributions.amin(dim=1)


class JudgesEachMember(MeanReduction):
    def actor(self, means):
        return means


class LeastProbability(MinReduction):
    def target(self, distributions, means):
        return distributions.amin(dim=0)


class ReadsNobody(MeanReduction):
    reads = ("entangled",)


class CutsTheActor(MeanReduction):
    def actor(self, means):
        return means.detach().mean(dim=0)


class RolledTargets(MeanReduction):
    def target(self, distributions, means):
        return super().target(distributions, means).roll(1, dims=0)


class RolledEstimates(MeanReduction):
    def actor(self, means):
        return super().actor(means).flip(0)


class ConstantTarget(MeanReduction):
    def target(self, distributions, means):
        return torch.full_like(distributions[0], 1 / distributions.shape[-1])


class LossOfNobody(MSELoss):
    reads = ("entangled",)


class ReadsTooMuch(CrossEntropyLoss):
    reads = ("categorical", "quantiles")


class ChangesInPlace(RewardScale):
    def forward(self, batch):
        batch.rewards.div_(2)
        return batch


class ShortensBatches(RewardScale):
    def forward(self, batch):
        return super().forward(replace(batch, actions=batch.actions[1:]))


class BranchesOnATensor(RewardScale):
    def forward(self, batch):
        return super().forward(batch) if batch.rewards.sum() < 1e9 else batch


class RolledActions(RewardScale):
    def forward(self, batch):
        return super().forward(replace(batch, actions=batch.actions.roll(1, dims=0)))


class OtherScale(RewardScale):
    def scaled_rewards(self, rewards):
        return 3 * rewards


class ForgetsItsScale(RewardScale):
    def observe(self, rewards, dones):
        super().observe(rewards, dones)
        self.size = 1.0 + float(np.abs(rewards).sum())

    def forward(self, batch):
        return replace(batch, rewards=batch.rewards / getattr(self, "size", 1.0))

    def scaled_rewards(self, rewards):
        return rewards / self.size


class KeepsObservations(CompactReplayBuffer):
    def sample(self, batch_size, env=None):
        batch = super().sample(batch_size, env)
        return batch._replace(next_observations=batch.observations)


class RewardsOfOthers(CompactReplayBuffer):
    def sample(self, batch_size, env=None):
        batch = super().sample(batch_size, env)
        return batch._replace(rewards=batch.rewards.roll(1, dims=0))


class EndsByTimeLimits(CompactReplayBuffer):
    def _ends(self, timeout):
        return None


class NeverEnds(CompactReplayBuffer):
    def sample(self, batch_size, env=None):
        batch = super().sample(batch_size, env)
        return batch._replace(dones=0 * batch.dones)


class OfOthersHindsight(HindsightReplayBuffer):
    def sample(self, batch_size, env=None):
        batch = super().sample(batch_size, env)
        bits = batch.next_observations["observation"].roll(1, dims=0)
        return batch._replace(next_observations={**batch.next_observations, "observation": bits})


class LosesUpdates(LocalCollector):
    def update(self, model, gradient_steps, batches):
        if model.num_timesteps % 2:
            super().update(model, gradient_steps, batches)


class StepsTwice(LocalCollector):
    def collect(self, model, env, *args, **kwargs):
        super().collect(model, env, *args, **kwargs)
        return super().collect(model, env, *args, **kwargs)


class Restores(LocalCollector):
    """What its method makes of a transition is what the buffer gets."""

    def collect(self, model, env, *args, **kwargs):
        buffer, add = model.replay_buffer, type(model.replay_buffer).add
        buffer.add = lambda *arguments: add(buffer, *self.changed(*arguments))
        try:
            return super().collect(model, env, *args, **kwargs)
        finally:
            del buffer.add


class StoresZeros(Restores):
    def changed(self, obs, next_obs, action, reward, done, infos):
        return obs, 0 * next_obs, action, reward, done, infos


class StoresNoReward(Restores):
    def changed(self, obs, next_obs, action, reward, done, infos):
        return obs, next_obs, action, 0 * reward, done, infos


class StoresPlayedActions(Restores):
    def changed(self, obs, next_obs, action, reward, done, infos):
        return obs, next_obs, 2 * action, reward, done, infos


class StoresNoEnds(Restores):
    def changed(self, obs, next_obs, action, reward, done, infos):
        return obs, next_obs, action, reward, 0 * done, infos


class StoresNoTimeLimits(Restores):
    def changed(self, obs, next_obs, action, reward, done, infos):
        return obs, next_obs, action, reward, done, [{} for _ in infos]


class StoresOneTwice(Restores):
    def changed(self, *arguments):
        self.first = getattr(self, "first", arguments)
        return self.first


class StoresOneForAll(Restores):
    def count_environments(self, n_envs):
        return n_envs or 2

    def changed(self, *arguments):
        return [[each[0]] * len(each) for each in arguments]


class NoStop(LocalCollector):
    stop = None


class PerSample(MSELoss):
    def forward(self, outputs, target):
        return (outputs - target).square().mean(dim=(0, 2))


class Ascends(MSELoss):
    def forward(self, outputs, target):
        value = super().forward(outputs, target)
        return 2 * value.detach() - value


class TargetsOfAll(MSELoss):
    def forward(self, outputs, target):
        return (outputs - target.transpose(-1, -2)).square().mean((-1, -2)).sum()


class IgnoresTarget(MSELoss):
    def forward(self, outputs, target):
        return super().forward(outputs, torch.zeros_like(target))


class LeavesOneTransition(MSELoss):
    def forward(self, outputs, target):
        return super().forward(outputs[:, 1:], target[..., 1:, :]) + 0 * outputs.sum()


class NotANumber(MSELoss):
    def forward(self, outputs, target):
        return super().forward(outputs, target) * float("nan")


class NotANumberLater(MSELoss):
    calls = 0

    def forward(self, outputs, target):
        self.calls += 1
        return super().forward(outputs, target) * (float("nan") if self.calls > 5 else 1)


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
