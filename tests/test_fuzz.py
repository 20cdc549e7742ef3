"""A sample of what ``make fuzz`` tries: all train, or end with one sentence."""

import gymnasium
import numpy as np
import pytest
from fuzz_settings import Case, case
from fuzz_trials import ENVS, attempt, register
from stable_baselines3.common.noise import NormalActionNoise

SEED = 100
SAMPLE = 40


@pytest.fixture(scope="module", autouse=True)
def envs():
    register()
    yield
    for env_id in ENVS:
        del gymnasium.registry[env_id]


@pytest.mark.parametrize("number", range(SAMPLE))
def test_settings_train_or_end_with_one_sentence(number: int) -> None:
    trial = case(SEED, number, ENVS)
    if trial.settings.get("compile") is True:
        pytest.skip("the compiler takes longer than all else")
    outcome = attempt(trial)
    assert outcome.end != "fault", f"{trial}: {outcome.text}"


def test_the_sample_has_all_kinds() -> None:
    trials = [case(SEED, number, ENVS) for number in range(SAMPLE)]
    assert {trial.way for trial in trials} == {"python", "recipe", "rl-zoo"}
    assert {trial.algo for trial in trials} == {"crossq", "ddpg", "sac", "td2", "td3"}
    assert 0 < sum(bool(trial.mutation) for trial in trials) < SAMPLE


def test_another_exception_is_a_fault() -> None:
    class Broken(NormalActionNoise):
        draws = 0

        def __call__(self):
            # The first is that of the check before any training.
            Broken.draws += 1
            return super().__call__() if Broken.draws == 1 else 1 / 0

    noise = Broken(np.zeros(2), np.ones(2))
    outcome = attempt(Case(0, 0, "python", "sac", ENVS[0], {"action_noise": noise}))
    assert outcome.end == "fault"
    assert outcome.text.startswith("ZeroDivisionError")
