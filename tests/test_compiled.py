"""``compile: true``: the same training, the same checkpoints, and one line where it cannot be."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from zoo_commands import run_process

from sb3_scale import SAC, TD3
from sb3_scale.nn.critics import EnsembleCritic
from sb3_scale.nn.losses import MSELoss
from sb3_scale_crossq.algorithm import CrossQ

NETWORK = {"name": "mlp", "width": 32}
MODERN = {"name": "modern", "width": 16, "inner_width": 32, "depth": 2}
BATCH = {**NETWORK, "norm": "batch", "norm_placement": "post-activation", "norm_input": True}

PARTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "sac": (SAC, {"actor": ("squashed-gaussian", NETWORK), "critic": ("ensemble", NETWORK)}),
    "td3": (TD3, {"actor": ("deterministic", NETWORK), "critic": ("ensemble", NETWORK)}),
    "crossq": (CrossQ, {"actor": ("squashed-gaussian", BATCH), "critic": ("ensemble", BATCH)}),
    "modern": (SAC, {"actor": ("squashed-gaussian", MODERN), "critic": ("ensemble", MODERN)}),
}


def make(kind: str, **settings: Any) -> Any:
    algorithm, parts = PARTS[kind]
    policy_kwargs: dict[str, Any] = {
        part: {"name": name, "network": network} for part, (name, network) in parts.items()
    }
    if kind == "crossq":
        for part in policy_kwargs.values():
            part["constraint"] = "unit-norm"
        policy_kwargs["critic"].update(joint_batch=True, target=True)
    if kind == "modern":
        policy_kwargs["critic"]["constraint"] = "spectral"
    return algorithm(
        "ScalePolicy",
        gymnasium.make("Pendulum-v1"),
        learning_starts=30,
        buffer_size=500,
        batch_size=32,
        policy_delay=2,
        seed=0,
        device="cpu",
        policy_kwargs=policy_kwargs,
        **settings,
    )


def assert_close(ours: Any, theirs: Any) -> None:
    pairs = zip(ours.policy.state_dict().items(), theirs.policy.state_dict().values(), strict=True)
    for (name, found), expected in pairs:
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5, msg=name)


def falling(left: float) -> float:
    """A rate that no two steps have."""
    return 1e-3 * left


CHANGING: dict[str, Any] = {
    "learning_rate": falling,
    "actor_learning_rate": "cos_1e-3_1e-4",
    "critic_learning_rate": "lin_1e-3",
}


@pytest.mark.parametrize(
    "kind",
    ["sac", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("td3", "crossq", "modern"))],
)
def test_training_is_that_of_eager_execution_and_compiles_once(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With rates that change, and weights of a prioritised buffer."""
    settings = {**CHANGING, "replay_buffer_class": "prioritized"}
    eager = make(kind, **settings).learn(45)
    before = compilations()
    compiled = make(kind, compile=True, verbose=1, **settings).learn(45)
    assert compilations() - before == 2
    assert_close(compiled, eager)
    output = capsys.readouterr()
    for name in ("critic", "actor"):
        assert f"compile: the {name}'s loss took" in output.err
    assert "without compilation" not in output.err

    compiled.save(tmp_path / "compiled.zip")
    resumed = type(eager).load(tmp_path / "compiled.zip", gymnasium.make("Pendulum-v1"))
    assert resumed.compile
    plain = type(eager).load(
        tmp_path / "compiled.zip", gymnasium.make("Pendulum-v1"), compile=False
    )
    observation = np.ones(3, np.float32)
    expected = compiled.predict(observation, deterministic=True)[0]
    for model in (resumed, plain):
        assert np.array_equal(model.predict(observation, deterministic=True)[0], expected)
    plain.learn(40)


def compilations() -> int:
    return int(torch._dynamo.utils.counters["stats"]["unique_graphs"])


OWN_LEARNERS: dict[str, dict[str, Any]] = {
    "optimistic": {"actor": {"name": "optimistic", "network": NETWORK}},
    "ofenet": {"extractor": {"name": "ofenet", "width": 4, "depth": 1, "pretraining_steps": 3}},
}


@pytest.mark.slow
@pytest.mark.parametrize("parts", OWN_LEARNERS)
@pytest.mark.parametrize("changing", CHANGING)
def test_learners_of_parts_compile_once_with_any_schedule(parts: str, changing: str) -> None:
    before = compilations()
    model = SAC(
        "ScalePolicy",
        "Pendulum-v1",
        learning_starts=10,
        buffer_size=100,
        batch_size=8,
        seed=0,
        compile=True,
        device="cpu",
        policy_kwargs={"critic": {"name": "ensemble", "network": NETWORK}, **OWN_LEARNERS[parts]},
        **{changing: CHANGING[changing]},
    ).learn(30)
    assert model._n_updates == 20
    assert compilations() - before == 3


@pytest.mark.slow
def test_copies_frozen_layers_and_new_optimisers_are_compiled_anew() -> None:
    model = make("sac", compile=True, **CHANGING).learn(40)
    twin = deepcopy(model)
    twin._current_progress_remaining = 0.5
    theirs = [each.clone() for each in model.policy.parameters()]
    before = compilations()
    twin.train(12, 32)
    assert compilations() - before == 2
    assert all(map(torch.equal, model.policy.parameters(), theirs))
    frozen = twin.policy.critic.network.linears[0].requires_grad_(False).weight.clone()
    output = twin.policy.critic.output.weight.clone()
    twin.train(12, 32)
    assert compilations() - before == 4
    assert torch.equal(twin.policy.critic.network.linears[0].weight, frozen)
    assert not torch.equal(twin.policy.critic.output.weight, output)
    twin.policy.actor.optimizer = torch.optim.SGD(twin.policy.actor.parameters(), lr=1e-3)
    twin.train(12, 32)
    assert twin.learners.actor.optimizer is twin.policy.actor.optimizer


class Counts(MSELoss):
    """A third-party loss with a number that changes."""

    steps = 0

    def forward(self, outputs: Any, target: Any) -> Any:
        self.steps += 1
        return super().forward(outputs, target) * (1 + 0.01 * self.steps)


@pytest.mark.slow
def test_a_loss_with_a_number_that_changes_trains_on(capsys: pytest.CaptureFixture[str]) -> None:
    model = make("sac", compile=True)
    model.policy.loss.__class__ = Counts
    assert model.learn(60)._n_updates == 30
    assert "the critic's loss runs without compilation: " in capsys.readouterr().err


class ReadsOnTheHost(EnsembleCritic):
    """A third-party critic that cannot be compiled."""

    def forward(self, features: Any, actions: Any, training: bool = False) -> Any:
        outputs = super().forward(features, actions, training)
        return outputs * 2 if outputs.max().item() > 1e9 else outputs


def test_a_part_that_reads_on_the_host_runs_eagerly(capsys: pytest.CaptureFixture[str]) -> None:
    models = []
    for compile_ in (False, True):
        model = make("sac", compile=compile_)
        for critic in (model.policy.critic, model.policy.critic_target):
            critic.__class__ = ReadsOnTheHost
        models.append(model.learn(36))
    assert_close(*models)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("compile:")]
    assert len(lines) == 2
    assert lines[0].startswith("compile: the critic's loss runs without compilation: ")


SCRIPT = """
import sb3_scale
model = sb3_scale.SAC("ScalePolicy", "Pendulum-v1", learning_starts=20, buffer_size=100,
                      compile=True, seed=0, device="cpu")
model.learn(25)
print("trained", model._n_updates)
"""


@pytest.mark.slow
def test_a_machine_without_a_compiler_runs_eagerly(tmp_path: Path) -> None:
    done = run_process(
        tmp_path, "-c", SCRIPT, CXX="no-such-compiler", TORCHINDUCTOR_CACHE_DIR=str(tmp_path)
    )
    assert "trained 5" in done.stdout
    lines = [line for line in done.stderr.splitlines() if line.startswith("compile:")]
    assert len(lines) == 2
