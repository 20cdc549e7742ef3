"""Diagnostics from a YAML file, through RL-Zoo's own command."""

import csv
from pathlib import Path

import pytest
from zoo_commands import FAST, train

SETTINGS = """
dog-stand:
  n_timesteps: 260
  policy: ScalePolicy
  env_kwargs: {action_repeat: 4}
  normalize: true
  learning_starts: 50
  batch_size: 16
  buffer_size: 1000
  callback:
    - {name: gradient-norm, interval: 50}
    - {name: weight-norm, interval: 50}
    - {name: effective-learning-rate, interval: 50}
    - {name: q-value, interval: 50}
    - {name: singular-values, interval: 50}
    - {name: dormant-units, interval: 50}
    - {name: q-bias, interval: 200, n_episodes: 1, n_pairs: 5, horizon: 5}
    - csv-logger
  policy_kwargs:
    actor: {name: squashed-gaussian, network: {name: mlp, width: 16}}
    critic: {name: ensemble, network: {name: mlp, width: 16, norm: batch}, constraint: unit-norm}
"""


@pytest.mark.slow
def test_diagnostics_from_yaml(tmp_path: Path) -> None:
    """The first callback of the file is one that RL-Zoo ends twice."""
    (tmp_path / "settings.yml").write_text(SETTINGS)
    options = ["-conf", "settings.yml", "--log-interval", "1", "-tb", "tb", *FAST]
    output = train(tmp_path, "dog-stand", 260, *options)
    assert "gradient_norm/critic" in output
    folder = tmp_path / "logs" / "sac" / "dog-stand_1"
    assert (folder / "dog-stand.zip").exists()
    with (folder / "progress.csv").open() as file:
        (row,) = csv.DictReader(file)
    keys = {key.split("/")[1] for key in row if key.startswith("diagnostics/")}
    assert keys == {
        "weight_norm",
        "gradient_norm",
        "effective_learning_rate",
        "q_value",
        "singular_values",
        "dormant_units",
        "q_bias",
    }
    hidden = float(row["diagnostics/weight_norm/critic/network.linears.1"])
    # 16 neurons whose weights have norm 1 together with their bias.
    assert 0 < hidden < 16**0.5
    assert float(row["diagnostics/q_bias/return"]) != 0
