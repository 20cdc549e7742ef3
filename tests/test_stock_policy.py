"""With a policy of Stable-Baselines3, sb3_scale runs the code of Stable-Baselines3, bit for bit."""

from typing import Any

import gymnasium as gym
import pytest
import stable_baselines3
from small_models import assert_same
from stable_baselines3.common.logger import KVWriter, Logger

import sb3_scale

CLOCK = ("time/fps", "time/time_elapsed")


class Recorder(KVWriter):
    """Keeps what is logged, without the readings of the clock."""

    def __init__(self) -> None:
        self.dumps: list[dict[str, Any]] = []

    def write(self, key_values: dict[str, Any], key_excluded: Any, step: int = 0) -> None:
        self.dumps.append({k: v for k, v in key_values.items() if k not in CLOCK})

    def close(self) -> None:
        pass


class DictPendulum(gym.ObservationWrapper):
    """Pendulum with its observation in two parts."""

    def __init__(self) -> None:
        super().__init__(gym.make("Pendulum-v1"))
        box = self.env.observation_space
        self.observation_space = gym.spaces.Dict(
            {
                "speed": gym.spaces.Box(box.low[2:], box.high[2:]),
                "angle": gym.spaces.Box(box.low[:2], box.high[:2]),
            }
        )

    def observation(self, observation: Any) -> dict[str, Any]:
        return {"speed": observation[2:], "angle": observation[:2]}


def train(algorithm: type, policy: str, env: Any) -> tuple[Any, Recorder]:
    model = algorithm(
        policy,
        env,
        seed=3,
        batch_size=64,
        buffer_size=1000,
        policy_kwargs={"net_arch": [64, 64]},
        device="cpu",
    )
    recorder = Recorder()
    model.set_logger(Logger(None, [recorder]))
    model.learn(300, log_interval=1)
    model.logger.dump(300)
    return model, recorder


@pytest.mark.parametrize("policy", ["MlpPolicy", "MultiInputPolicy"])
@pytest.mark.parametrize("name", ["SAC", "TD3"])
def test_training_is_that_of_stable_baselines3(name: str, policy: str) -> None:
    def env() -> gym.Env:
        return gym.make("Pendulum-v1") if policy == "MlpPolicy" else DictPendulum()

    theirs, their_logs = train(getattr(stable_baselines3, name), policy, env())
    ours, our_logs = train(getattr(sb3_scale, name), policy, env())

    assert ours._n_updates == theirs._n_updates == 200
    # The policy with its targets, the optimisers, and for SAC the temperature's optimiser.
    assert_same(ours.get_parameters(), theirs.get_parameters(), name)
    if name == "SAC":
        assert_same(ours.log_ent_coef, theirs.log_ent_coef, "log_ent_coef")
    assert len(their_logs.dumps) == 2
    assert_same(our_logs.dumps, their_logs.dumps, "logs")


def test_stable_baselines3_is_left_as_it_was() -> None:
    assert "ScalePolicy" in sb3_scale.SAC.policy_aliases
    assert "ScalePolicy" not in stable_baselines3.SAC.policy_aliases
    assert "ScalePolicy" not in stable_baselines3.TD3.policy_aliases
    assert issubclass(sb3_scale.SAC, stable_baselines3.SAC)
    assert issubclass(sb3_scale.TD3, stable_baselines3.TD3)
