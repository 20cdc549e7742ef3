"""RL-Zoo's command trains by the settings, with observations normalised as they say."""

import pickle
from pathlib import Path

from zoo_commands import FAST, SMALL, train


def test_simbav2_through_rl_zoo(tmp_path: Path) -> None:
    output = train(tmp_path, "Pendulum-v1", 60, "--conf-file", "simbav2", *FAST, *SMALL)
    assert "sb3_scale_simba/simbav2.yml" in output
    (folder,) = tmp_path.glob("logs/sac/Pendulum-v1_1")
    assert (folder / "Pendulum-v1.zip").exists()
    with (folder / "Pendulum-v1" / "vecnormalize.pkl").open("rb") as file:
        normalize = pickle.load(file)
    assert (normalize.norm_obs, normalize.norm_reward) == (True, False)
    assert normalize.obs_rms.count > 60
