"""The conformance checks: every installed part passes, every kind of fault is told."""

import gymnasium
import pytest
from faulty_parts import target
from stable_baselines3.common.envs import FakeImageEnv

from sb3_scale import (
    Actor,
    Algorithm,
    Collector,
    Constraint,
    Critic,
    Env,
    Extractor,
    Loss,
    Network,
    Norm,
    Optimizer,
    Reduction,
    ReplayBuffer,
    Sb3ScaleError,
    Transform,
    Value,
    ZooConfig,
)
from sb3_scale.plugins import manager
from sb3_scale.specs import KINDS
from sb3_scale.testing import check_component, check_trains
from sb3_scale_envs.hidden_columns import HiddenColumns

SMALL = {
    ("network", "modern"): {"width": 16, "inner_width": 32},
    ("network", "bronet"): {"width": 16},
    ("network", "simba"): {"width": 16},
    ("network", "simbav2"): {"width": 16},
    ("network", "flashsac"): {"width": 16},
    ("extractor", "ofenet"): {"width": 16, "depth": 2, "pretraining_steps": 3},
    ("extractor", "drq"): {"channels": 4, "trunk": "own", "constraint": "unit-norm"},
    ("extractor", "dict"): {"keys": {"hidden": "network"}, "critic_only": ["hidden"]},
    ("transform", "random-shift"): {"copies": 2, "next_copies": 3},
    ("replay-buffer", "frames"): {"frame_stack": 1},
    ("replay-buffer", "prioritized-frames"): {"frame_stack": 1},
    ("callback", "reset"): {"interval": 20},
    ("collector", "ray"): {"cpus": 0.1},
}
"""Parameters for parts whose defaults are large, or not for pictures that are no stacks."""

LARGE = {
    ("recipe", f"pixels-{name}")
    for name in ("modern2", "modern2-spectral", "modern4", "modern4-spectral", "mlp4-spectral")
} | {
    ("algorithm", "crossq"),
    ("collector", "ray"),
    ("recipe", "modern2"),
    ("recipe", "modern4"),
    ("recipe", "sac-densenet-l"),
    ("recipe", "sac-spectral"),
    ("recipe", "td3-densenet-l"),
}
"""Seconds each: of parts that others are made of too, or checked by their plugin's own tests."""

INSTALLED = [
    (kind, spec.name)
    for kind in KINDS
    # Both are tested with the environments.
    if kind not in ("env", "env-backend")
    # Of two names for the same settings, one.
    for spec in {spec.target: spec for _, spec in manager().specs(kind)}.values()
]


@pytest.mark.parametrize(
    ("kind", "name"),
    [pytest.param(*each, marks=pytest.mark.slow if each in LARGE else ()) for each in INSTALLED],
)
def test_installed_part(kind, name):
    images = name in {"drq", "random-shift", "frames", "prioritized-frames"} and kind != "recipe"
    env = FakeImageEnv(20, 20, n_channels=3, discrete=False) if images else None
    if (kind, name) == ("extractor", "dict"):
        env = HiddenColumns(gymnasium.make("Pendulum-v1"), [2])
    check_component(kind, name, SMALL.get((kind, name)), env)


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


FAULTS = [
    (Network, "WrongWidth", r"shape \(1, 7, 255\) in forward .* must give \(1, 7, 256\)"),
    (Network, "NoOutFeatures", "has no attribute 'out_features'; allowed: "),
    (Network, "NoTraining", "has no argument 'training' in forward; allowed: "),
    (Network, "Detached", "gives its input a gradient that is missing"),
    (Network, "CutsEarlyLayers", r"parameter 'linears.0.weight' a gradient that is missing"),
    (Network, "SharesWeights", "outputs of other members with the weights of member 0"),
    (Network, "MixesMembers", "outputs of other members with the input of member 0"),
    (Network, "MixesSamples", "mixes the samples of a batch in evaluation"),
    (Network, "Noisy", "different outputs for one input in evaluation"),
    (Network, "RemembersInEvaluation", "changes its 'calls' in evaluation"),
    (Network, "RemembersWithoutGradients", "changes its 'calls' in training without gradients"),
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
    (Actor, "LogProbOfOthers", "what is made of another in action_log_prob, of log-probabilities"),
    (Actor, "ConstantActor", "does not depend on its input in forward with deterministic=True"),
    (Actor, "NoTargetFact", "has None as 'target', which must be True or False"),
    (Actor, "ExploresWithThePolicy", "trains its parameter '.*' by a learner, which the policy"),
    (Actor, "ForgetsShift", "trains its parameter 'scale' by no loss"),
    (Actor, "LearnsNothing", "has the gradients of its learner 'exploration' all missing"),
    (Actor, "LogsVectors", r"shape \(1,\) in .* 'exploration', as 'shift', and must give \(\)"),
    (Critic, "WrongDimension", r"shape \(3, 1\) in judge of scalar outputs, .* give \(7, 1\)"),
    (Critic, "WrongValue", r"shape \(3, 7\) in mean of scalar outputs, and must give \(3, 7, 1\)"),
    (Critic, "MixesLogits", "probabilities in bootstrap of categorical outputs that sum to"),
    (Critic, "SignedErrors", r"gives negative numbers in td_errors"),
    (Critic, "TargetOfOneMember", r"shape \(1,\) in bootstrap of scalar outputs"),
    (Critic, "IgnoresNumber", r"shape \(2, 7, 1\) in forward, and must give \(3, 7, 1\)"),
    (Critic, "IgnoresActions", "does not depend on its actions"),
    (Critic, "IgnoresFeatures", "does not depend on its input in forward, of features"),
    (Critic, "RolledJudge", "gives a sample what is made of another in judge"),
    (Critic, "IgnoresRewards", "does not depend on rewards in bootstrap"),
    (Critic, "NoTermination", "depends on next_outputs where discounts are 0"),
    (Critic, "NoProjection", "has no method 'project_'"),
    (Extractor, "CutsActions", "cuts the gradient of the actions in critic_inputs"),
    (Extractor, "ConstantFeatures", "does not depend on its observations in forward"),
    (Extractor, "RolledActionsOfCritics", "what is made of another in critic_inputs, of actions"),
    (Extractor, "WrongDims", r"shape \(2, 3\) in critic_inputs .* allowed: \(2, 4\)"),
    (Value, "NoDistribution", r"in bootstrap of shape \(7, 101\) that sum to 0.5, and must give 1"),
    (
        Value,
        "ForgetsEntropy",
        r"whose expectation is not r \+ discount \(next value - entropy term",
    ),
    (Value, "LogitErrors", r"whose expectation is not r \+ discount"),
    (Value, "LeavesItsRange", "gives means outside its value_range, -5.0 to 5.0"),
    (Value, "OtherMean", r"gives another mean\(outputs\) than the expectation of distribution"),
    (Value, "RolledOutputs", r"gives a sample what is made of another in mean\(outputs\)"),
    (Value, "WrongLoss", "names the loss 'mse', which reads scalar outputs, and its own are categ"),
    (Value, "WrongProjection", r"gives probabilities in bootstrap of shape \(7, 101\) that sum to"),
    (Reduction, "ReducesSamples", r"shape \(3, 101\) in target with value 'categorical'"),
    (Reduction, "JudgesEachMember", r"shape \(3, 7, 1\) in actor\(means\), and must give \(7, 1\)"),
    (Reduction, "LeastProbability", "in target with value 'categorical' that sum to"),
    (Reduction, "ReadsNobody", r"reads \('entangled',\), and no installed value has such outputs"),
    (Reduction, "CutsTheActor", r"cuts the gradient of the means in actor\(means\)"),
    (Reduction, "RolledTargets", "gives a sample what is made of another in target with value"),
    (Reduction, "RolledEstimates", r"gives a sample what is made of another in actor\(means\)"),
    (Reduction, "ConstantTarget", "does not depend on its input in target with value"),
    (Loss, "LossOfNobody", r"reads \('entangled',\), and no installed value has such outputs"),
    (Loss, "ReadsTooMuch", "fails in forward with value 'quantiles'|does not lead|not finite"),
    (Transform, "ChangesInPlace", "changes its input in place in forward"),
    (Transform, "ShortensBatches", r"gives a tensor of \(\(1, 1\), torch.float32\) in forward"),
    (Transform, "BranchesOnATensor", "fails in the compiled forward: "),
    (Transform, "RolledActions", "gives a transition actions that are not made of its own"),
    (Transform, "OtherScale", "gives other rewards in scaled_rewards than in forward"),
    (Transform, "ForgetsItsScale", "a part of its state is missing there"),
    (ReplayBuffer, "KeepsObservations", "with another next observation than was stored in sample"),
    (ReplayBuffer, "RewardsOfOthers", "with another reward than was stored in sample"),
    (ReplayBuffer, "EndsByTimeLimits", "as the end of an episode that is none"),
    (
        ReplayBuffer,
        "NeverEnds",
        "as the end of an episode that is none, or the other way",
    ),
    (ReplayBuffer, "OfOthersHindsight", "gives another next observation than followed"),
    (Collector, "LosesUpdates", "has taken 20 gradient steps when learn ends, and not 40"),
    (Collector, "StepsTwice", "has taken 39 gradient steps|and not"),
    (Collector, "StoresZeros", "a next observation that is not the one after the observation"),
    (Collector, "StoresNoReward", "stores other rewards than the environment gave"),
    (Collector, "StoresPlayedActions", "stores other actions than were played, in the scale of"),
    (Collector, "StoresNoEnds", "stores the end of an episode where there is none, or none where"),
    (Collector, "StoresNoTimeLimits", "stores an end by a time limit as another one, or the other"),
    (Collector, "StoresOneTwice", "transitions of an environment that do not follow one another"),
    (Collector, "StoresOneForAll", "stores one episode as that of several environments"),
    (Collector, "NoStop", "has no method 'stop'; allowed: classes derived from .*LocalCollector"),
    (Extractor, "WrongFeatures", r"shape \(2, 2\) in forward .* allowed: \(2, 3\)"),
    (Loss, "PerSample", r"gives shape \(7,\) in forward .*, and must give \(\)"),
    (Loss, "Ascends", "does not lead the outputs to their target in forward"),
    (Loss, "TargetsOfAll", "does not lead the outputs to their target in forward"),
    (Loss, "IgnoresTarget", "does not lead the outputs to their target in forward"),
    (Loss, "LeavesOneTransition", "does not lead the outputs to their target in forward"),
    (Loss, "LosesState", "a part of its state is missing there"),
    (Optimizer, "weights_only", "misses the parameter '.*' of its module"),
    (Optimizer, "own_rate", "changes the learning rate of a group"),
    (Optimizer, "no_optimizer", "has no method 'step'; allowed: classes derived from torch.optim"),
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
        check_trains(Loss("broken", target("NotANumberLater"), summary="Broken."))


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
