"""Resets: when, after a checkpoint, and which settings are refused."""

from pathlib import Path
from typing import Any

import gymnasium
import pytest
import torch
from small_models import assert_same, make
from stable_baselines3 import SAC as StockSAC
from stable_baselines3.common.callbacks import BaseCallback, CheckpointCallback
from stable_baselines3.common.env_util import make_vec_env
from torch.nn.utils import parameters_to_vector

from sb3_scale import SAC, Sb3ScaleError
from sb3_scale.parts import build
from sb3_scale_bro.reset import Reset


class Watch(BaseCallback):
    """Notes the resets' count, and where the critic's optimiser is empty, before each rollout."""

    def __init__(self) -> None:
        super().__init__()
        self.empty: list[int] = []
        self.counts: dict[int, int] = {}

    def _on_rollout_start(self) -> None:
        steps = self.model.num_timesteps
        if steps > self.model.learning_starts and not self.model.policy.critic.optimizer.state:
            self.empty.append(steps)
        self.counts[steps] = self.logger.name_to_value["reset/count"]

    def _on_step(self) -> bool:
        return True


def test_at_intervals_but_not_at_the_end() -> None:
    model, watch = make(SAC), Watch()
    model.learn(120, callback=[Reset(interval=40), watch])
    assert watch.empty == [40, 80]
    assert [watch.counts[steps] for steps in (0, 39, 40, 79, 80, 119)] == [0, 0, 1, 1, 2, 2]


def test_at_chosen_decisions() -> None:
    model, watch = make(SAC), Watch()
    model.learn(100, callback=[Reset(at=[30, 70, 100, 500]), watch])
    assert watch.empty == [30, 70]


def test_new_weights_each_time_and_the_same_with_the_same_seed() -> None:
    def run() -> list[torch.Tensor]:
        model, seen = make(SAC), []

        class Keep(BaseCallback):
            def _on_rollout_start(self) -> None:
                if self.model.num_timesteps in (40, 80):
                    seen.append(
                        parameters_to_vector(self.model.policy.critic.parameters()).detach()
                    )

            def _on_step(self) -> bool:
                return True

        model.learn(100, callback=[Reset(interval=40), Keep()])
        return seen

    first, second = run(), run()
    assert not first[0].equal(first[1])
    assert_same(first, second, "weights")


def test_several_environments_and_long_rollouts() -> None:
    env = make_vec_env("Pendulum-v1", 4)
    model, watch = make(SAC, env=env, train_freq=2), Watch()
    model.learn(120, callback=[Reset(at=[41, 42, 81]), watch])
    assert watch.empty == [48, 88]
    assert watch.counts[48] == 2


def test_two_callbacks_with_schedules_of_their_own() -> None:
    model, watch = make(SAC), Watch()
    callbacks = [Reset(interval=50, parts=["actor"]), Reset(interval=30, parts=["critic"])]
    model.learn(80, callback=[*callbacks, watch])
    assert watch.empty == [30, 60]
    assert {int(state["step"]) for state in model.policy.actor.optimizer.state.values()} == {30}


def test_learning_rate_schedule_goes_on() -> None:
    class Linear:
        def __call__(self, remaining: float) -> float:
            return 1e-3 * remaining

    model = make(SAC, learning_rate=Linear())
    model.learn(100, callback=Reset(interval=40))
    for part in (model.policy.actor, model.policy.critic):
        assert part.optimizer.param_groups[0]["lr"] == pytest.approx(1e-3 * 0.0, abs=1e-5)


def resumed(path: Path, total: int, **learn: Any) -> tuple[Any, Watch]:
    model = SAC.load(path, env=gymnasium.make("Pendulum-v1"), device="cpu")
    model.load_replay_buffer(path.parent / "buffer.pkl")
    watch = Watch()
    model.learn(total, callback=[Reset(interval=40), watch], **learn)
    return model, watch


def trained(folder: Path, steps: int, callbacks: list[BaseCallback]) -> Path:
    model = make(SAC)
    model.learn(steps, callback=callbacks)
    model.save_replay_buffer(folder / "buffer.pkl")
    model.save(folder / "last.zip")
    return folder / "last.zip"


def test_resumed_training_has_the_next_reset_only(tmp_path: Path) -> None:
    path = trained(tmp_path, 60, [Reset(interval=40)])
    _, watch = resumed(path, 80, reset_num_timesteps=False)
    assert watch.empty == [80, 120]
    assert watch.counts[60] == 1
    assert watch.counts[80] == 2


def test_checkpoint_at_the_decision_of_a_reset(tmp_path: Path) -> None:
    """It is written before the reset, whichever callback comes first, which is then made up for."""
    for order in (0, 1):
        callbacks: list[BaseCallback] = [CheckpointCallback(40, str(tmp_path), f"model{order}")]
        callbacks.insert(order, Reset(interval=40))
        trained(tmp_path, 60, callbacks)
        _, watch = resumed(tmp_path / f"model{order}_40_steps.zip", 50, reset_num_timesteps=False)
        assert watch.empty == [40, 80]


def test_end_of_a_run_at_the_decision_of_a_reset(tmp_path: Path) -> None:
    path = trained(tmp_path, 80, [Reset(interval=40)])
    _, watch = resumed(path, 30, reset_num_timesteps=False)
    assert watch.empty == [80]


def test_a_run_that_counts_from_zero_counts_resets_from_zero(tmp_path: Path) -> None:
    path = trained(tmp_path, 60, [Reset(interval=40)])
    _, watch = resumed(path, 60)
    assert watch.empty == [40]
    assert watch.counts[0] == 0


def test_agent_that_was_trained_without_resets_begins_with_the_next(tmp_path: Path) -> None:
    path = trained(tmp_path, 100, [])
    _, watch = resumed(path, 40, reset_num_timesteps=False)
    assert watch.empty == [120]


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"interval": 0}, "interval is 0; allowed: at least 1"),
        ({"interval": 1.5}, "interval is 1.5 (float)"),
        ({"interval": 10, "at": [5]}, "interval is 10 and at is [5]; allowed: one of the two"),
        ({"at": []}, "at is []; allowed: whole numbers, at least 1, increasing"),
        ({"at": [0, 5]}, "at is [0, 5]; allowed: whole numbers, at least 1, increasing"),
        ({"at": [5, 3]}, "at is [5, 3]; allowed: whole numbers, at least 1, increasing"),
        ({"at": [5, 5]}, "at is [5, 5]; allowed: whole numbers, at least 1, increasing"),
        ({"parts": []}, "parts is empty; allowed: at least one name, or null for all"),
        ({"intervall": 5}, "did you mean 'interval'?"),
    ],
)
def test_bad_parameters_get_one_sentence(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Sb3ScaleError) as raised:
        build("callback", {"name": "reset", **params})
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        (
            {"interval": 50, "parts": ["critics"]},
            "reset parts has 'critics'; allowed: actor, critic, extractor, loss; did you mean "
            "'critic'?",
        ),
        (
            {"interval": 50, "parts": ["ent_coef"]},
            "reset parts has 'ent_coef'; allowed: actor, critic, extractor, loss",
        ),
    ],
)
def test_faults_that_only_the_run_shows(params: dict[str, Any], sentence: str) -> None:
    model = make(SAC, ent_coef=0.1)
    with pytest.raises(Sb3ScaleError) as raised:
        model.learn(100, callback=Reset(**params))
    assert str(raised.value) == sentence
    assert model.num_timesteps == 0


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"interval": 100}, "no reset: interval is 100 and the run has 100 steps"),
        ({}, "no reset: interval is 80000 and the run has 100 steps"),
        ({"at": [100, 200]}, "no reset: at is [100, 200] and the run has 100 steps"),
    ],
)
def test_a_run_too_short_for_a_reset_says_so(
    params: dict[str, Any], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make(SAC).learn(100, callback=Reset(**params))
    assert sentence in capsys.readouterr().err


def test_stock_policy_is_refused() -> None:
    model = StockSAC("MlpPolicy", "Pendulum-v1", device="cpu", buffer_size=100)
    with pytest.raises(Sb3ScaleError) as raised:
        model.learn(100, callback=Reset(interval=50))
    assert str(raised.value) == (
        "callback 'reset' cannot reset SACPolicy; allowed: policy: ScalePolicy"
    )
