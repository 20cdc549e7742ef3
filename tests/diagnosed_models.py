"""Models with diagnostics, for the tests."""

from typing import Any

import pytest
from small_models import SMALL, make

from sb3_scale import SAC, TD3
from sb3_scale.parts import build
from sb3_scale_crossq.algorithm import CrossQ

NAMES = (
    "weight-norm",
    "effective-learning-rate",
    "gradient-norm",
    "critic-loss",
    "q-value",
    "singular-values",
    "dormant-units",
    "q-bias",
)
SETTINGS: dict[str, Any] = {
    "buffer_size": 500,
    "batch_size": 16,
    "learning_starts": 20,
    "seed": 0,
    "device": "cpu",
}
NORMED = {**SMALL, "norm": "batch"}
MODERN = {"name": "modern", "width": 8, "inner_width": 16, "depth": 1}


def all_callbacks(interval: int) -> list[Any]:
    short = {"n_episodes": 1, "n_pairs": 5, "horizon": 5}
    return [
        build(
            "callback", {"name": name, "interval": interval, **(short if name == "q-bias" else {})}
        )
        for name in NAMES
    ]


def crossq() -> Any:
    parts = {
        "actor": {"name": "squashed-gaussian", "network": NORMED},
        "critic": {
            "name": "ensemble",
            "network": NORMED,
            "target": False,
            "joint_batch": True,
            "constraint": "unit-norm",
        },
    }
    return CrossQ("ScalePolicy", "Pendulum-v1", policy_kwargs=parts, **SETTINGS)


def modern() -> Any:
    part = {"network": MODERN, "constraint": "spectral"}
    parts = {
        "actor": {"name": "squashed-gaussian", **part},
        "critic": {"name": "ensemble", "n_critics": 3, **part},
    }
    return SAC("ScalePolicy", "Pendulum-v1", policy_kwargs=parts, **SETTINGS)


MODELS = pytest.mark.parametrize(
    "model",
    [lambda: make(SAC), lambda: make(TD3), crossq, modern],
    ids=["SAC", "TD3", "CrossQ", "modern"],
)


def trained(model: Any) -> Any:
    return model().learn(60)


def started(name: str, model: Any, **params: Any) -> Any:
    callback = build("callback", {"name": name, **params})
    callback.init_callback(model)
    callback.on_training_start({}, {})
    return callback


def figures(model: Any, name: str) -> dict[str, float]:
    prefix = f"diagnostics/{name.replace('-', '_')}/"
    logged = model.logger.name_to_value
    return {key.removeprefix(prefix): logged[key] for key in logged if key.startswith(prefix)}
