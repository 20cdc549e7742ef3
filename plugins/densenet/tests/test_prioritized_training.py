"""Trainings with prioritised replay, and what goes with it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.logger import configure

from sb3_scale import SAC, TD3, Sb3ScaleError
from sb3_scale.learning.batch import Step
from sb3_scale_densenet.prioritized import PrioritizedReplayBuffer

SMALL: dict[str, Any] = {"learning_starts": 20, "batch_size": 8, "buffer_size": 100, "seed": 0}


@pytest.mark.parametrize(
    ("algorithm", "compile"),
    [(SAC, False), pytest.param(SAC, True, marks=pytest.mark.slow), (TD3, False)],
)
def test_training_sets_the_errors_of_its_critic(
    algorithm: Any, compile: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    env = gym.make("Pendulum-v1")
    network = {"name": "mlp", "width": 8}
    model = algorithm(
        "ScalePolicy",
        env,
        learning_starts=20,
        batch_size=8,
        buffer_size=100,
        replay_buffer_class="prioritized",
        replay_buffer_kwargs={"alpha": 1.0, "eps": 1e-9},
        policy_kwargs={"critic": {"name": "ensemble", "network": network}},
        seed=0,
        compile=compile,
    )
    seen = []
    buffer_update = PrioritizedReplayBuffer.update_priorities

    def update(buffer: Any, indices: np.ndarray, td_errors: torch.Tensor) -> None:
        seen.append((indices[0], td_errors.clone()))
        buffer_update(buffer, indices, td_errors)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PrioritizedReplayBuffer, "update_priorities", update)
        model.learn(40)
    assert "without compilation" not in capsys.readouterr().err
    assert len(seen) == 20
    buffer = model.replay_buffer
    assert isinstance(buffer, PrioritizedReplayBuffer)
    assert buffer.progress_remaining == pytest.approx(0, abs=0.05)
    buffer.sample(1)
    last: dict[int, float] = {}
    for index, errors in seen:
        last |= dict(zip(index.tolist(), errors.tolist(), strict=True))
    kept = np.array(list(last))
    np.testing.assert_allclose(buffer.tree[kept], [last[i] for i in kept], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("extractor", ["flatten", "ofenet"])
@pytest.mark.parametrize("reduction", ["min", "none"])
def test_training_uses_weights_and_errors_of_its_own_equations(
    extractor: str, reduction: str
) -> None:
    """TD3 without smoothing, step by step: targets, errors and the gradient by the weights."""
    part = {"name": "ofenet", "width": 4, "depth": 1, "pretraining_steps": 2}
    model = TD3(
        "ScalePolicy",
        "Pendulum-v1",
        learning_starts=20,
        batch_size=8,
        buffer_size=100,
        replay_buffer_class="prioritized",
        target_policy_noise=0.0,
        policy_kwargs={
            "extractor": part if extractor == "ofenet" else "flatten",
            "critic": {
                "name": "ensemble",
                "reduction": reduction,
                "network": {"name": "mlp", "width": 8},
            },
        },
        seed=0,
    ).learn(40)
    policy = model.policy
    batch = replace(model.sample(8), importance_weights=torch.rand(8, 1))
    step = Step(batch)
    _, gradients = model.learners.critic.gradients(step)
    s, after = batch.observations, batch.next_observations
    with torch.no_grad():
        z_after = policy.extractor_target(after)
        chosen = policy.actor_target(z_after)
        z = policy.extractor(s)
        read = policy.extractor_target.critic_inputs(z_after, chosen)
        pair = policy.extractor.critic_inputs(z, batch.actions)
        assert pair[1].shape == (8, 0 if extractor == "ofenet" else 1)
        values = policy.critic_target(*read)
        values = values.amin(dim=0) if reduction == "min" else values
        target = batch.rewards + batch.discounts * values
    outputs = policy.critic(*pair)
    errors = np.abs((outputs.detach() - target).numpy()).mean(axis=(0, 2))
    np.testing.assert_allclose(step.td_errors, errors, rtol=1e-4, atol=1e-5)
    loss = (batch.importance_weights * (outputs - target) ** 2).mean(dim=(1, 2)).sum()
    expected = torch.autograd.grad(loss, list(policy.critic.parameters()))
    for ours, theirs in zip(gradients, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_a_stock_policy_would_ignore_priorities() -> None:
    with pytest.raises(Sb3ScaleError, match="gives priorities, and SACPolicy does not know them"):
        SAC("MlpPolicy", "Pendulum-v1", replay_buffer_class="prioritized")


def test_returns_over_several_steps(tmp_path: Path, recwarn: Any) -> None:
    model = SAC(
        "ScalePolicy",
        "Pendulum-v1",
        n_steps=3,
        gamma=0.5,
        replay_buffer_class="prioritized",
        replay_buffer_kwargs={"n_steps": 3, "gamma": 0.5},
        **SMALL,
    ).learn(25)
    assert not [warning for warning in recwarn if "n_steps" in str(warning.message)]
    model.save(tmp_path / "model")
    model.save_replay_buffer(tmp_path / "buffer")
    again = SAC.load(tmp_path / "model", gym.make("Pendulum-v1"))
    again.load_replay_buffer(tmp_path / "buffer")
    again.learn(5)
    again.gamma = 0.9
    with pytest.raises(Sb3ScaleError, match=r"gamma of the replay buffer is 0.5, and that of the"):
        again.load_replay_buffer(tmp_path / "buffer")
    # Nobody draws from it to predict.
    assert SAC.load(tmp_path / "model", gamma=0.9).predict(np.zeros(3, np.float32))[0].shape == (1,)


@pytest.mark.parametrize(
    ("settings", "kwargs", "sentence"),
    [
        ({"gamma": 0.5}, {"n_steps": 3, "gamma": 0.9}, "gamma of the replay buffer is 0.9, and"),
        ({"n_steps": 3}, {"n_steps": 2}, "PrioritizedReplayBuffer gives returns over 2; allowed"),
        (
            {"n_steps": 3, "replay_buffer_class": "compact"},
            {"n_steps": 1},
            "n_steps is 3, and CompactReplayBuffer gives returns over 1; allowed: ",
        ),
    ],
)
def test_other_returns_are_refused(
    settings: dict[str, Any], kwargs: dict[str, Any], sentence: str
) -> None:
    settings = {"replay_buffer_class": "prioritized", "replay_buffer_kwargs": kwargs, **settings}
    with pytest.raises(Sb3ScaleError, match=sentence):
        SAC("ScalePolicy", "Pendulum-v1", **settings, **SMALL)


@pytest.mark.parametrize("name", ["compact", "prioritized"])
def test_a_buffer_gives_the_returns_that_the_algorithm_asks_for(name: str) -> None:
    settings = {"replay_buffer_class": name, "n_steps": 3, "gamma": 0.5}
    buffer = SAC("ScalePolicy", "Pendulum-v1", **settings, **SMALL).replay_buffer
    assert (buffer.n_steps, buffer.gamma) == (3, 0.5)


class OtherContract(ReplayBuffer):
    """Somebody's buffer with a method of the same name, and other arguments."""

    def update_priorities(self, batch: Any) -> None:
        raise AssertionError


def test_a_buffer_with_another_contract_trains_without_weights() -> None:
    trained = []
    for buffer in (OtherContract, ReplayBuffer):
        model = SAC("ScalePolicy", "Pendulum-v1", replay_buffer_class=buffer, **SMALL).learn(30)
        trained.append(model.policy.state_dict())
    for name, value in trained[0].items():
        assert torch.equal(value, trained[1][name]), name


def test_an_extractor_that_learns_apart_wants_single_steps() -> None:
    with pytest.raises(Sb3ScaleError, match="OtherContract does not give them; allowed: replay"):
        SAC(
            "ScalePolicy",
            "Pendulum-v1",
            replay_buffer_class=OtherContract,
            policy_kwargs={"extractor": {"name": "ofenet", "width": 4, "depth": 1}},
            **SMALL,
        )


@pytest.mark.parametrize("gradient_steps", [1, 3])
def test_a_batch_that_is_not_finite_is_kept(gradient_steps: int, tmp_path: Path) -> None:
    """Also where the buffer notices first, when it draws for the next step."""
    model = SAC(
        "ScalePolicy",
        "Pendulum-v1",
        gradient_steps=gradient_steps,
        replay_buffer_class="prioritized",
        policy_kwargs={
            "extractor": {"name": "ofenet", "width": 4, "depth": 1, "pretraining_steps": 0}
        },
        **SMALL,
    )
    model.set_logger(configure(str(tmp_path), ["csv"]))
    model.learn(20)
    model.replay_buffer.rewards[:] = np.nan
    with pytest.raises(Sb3ScaleError, match="critic_loss is nan at gradient step 1; the batch is"):
        model.learn(1, reset_num_timesteps=False)
    model.logger.close()
    batch = torch.load(tmp_path / "not_finite_1.pt", weights_only=True)["batch"]
    assert batch["indices"].shape == (2, 8)
    assert [each.shape for each in batch["transitions"]] == [(8, 3), (8, 1), (8, 3)]


def test_a_loss_that_compares_returns_wants_one_step() -> None:
    with pytest.raises(Sb3ScaleError, match="n_steps is 3"):
        SAC(
            "ScalePolicy",
            "Pendulum-v1",
            replay_buffer_class="prioritized",
            replay_buffer_kwargs={"n_steps": 3},
            policy_kwargs={"loss": "adaptive-asymmetric"},
        )
