"""Files of trained policies next to ``predict``."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from cli_commands import error
from gymnasium import spaces
from small_models import OFENET, SMALL, make
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from written_runs import write_run

from sb3_scale import SAC, TD3
from sb3_scale.cli import main
from sb3_scale.export import formats

onnxruntime = pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")


class Spaces(gymnasium.Env[Any, Any]):
    """Nothing but spaces."""

    def __init__(self, observations: Any, actions: Any) -> None:
        self.observation_space, self.action_space = observations, actions

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return self.observation_space.sample(), {}


VECTOR = spaces.Box(-np.inf, np.inf, (5,))
WIDE = spaces.Box(np.array([-3, 0], np.float32), np.array([1, 10], np.float32))
IMAGE = spaces.Box(0, 255, (9, 84, 84), np.uint8)
DRQ = {"name": "drq", "channels": 4, "features": 8}


def parts(network: Any, **more: Any) -> dict[str, Any]:
    return {
        "actor": {"name": "squashed-gaussian", "network": network, **more},
        "critic": {"name": "ensemble", "network": SMALL},
    }


DISCRETE = {
    "actor": {"name": "categorical", "network": SMALL},
    "critic": {"name": "discrete-ensemble", "network": SMALL},
}

CASES: dict[str, tuple[Any, Any, Any, dict[str, Any]]] = {
    "vectors": (SAC, VECTOR, WIDE, {}),
    "td3": (TD3, VECTOR, WIDE, {}),
    "whole actions": (SAC, VECTOR, spaces.Box(-2, 9, (2,), np.int32), {}),
    "actions of two axes": (SAC, VECTOR, spaces.Box(-2, 9, (2, 3)), {}),
    "symlog": (SAC, VECTOR, WIDE, {"extractor": "symlog"}),
    "ofenet": (SAC, VECTOR, WIDE, {"extractor": OFENET}),
    "batch norm": (SAC, VECTOR, WIDE, parts({**SMALL, "norm": "batch"})),
    "unit norm": (SAC, VECTOR, WIDE, parts({**SMALL, "norm": "batch"}, constraint="unit-norm")),
    "spectral": (SAC, VECTOR, WIDE, parts(SMALL, constraint="spectral")),
    "simba": (SAC, VECTOR, WIDE, parts({"name": "simba", "width": 16})),
    "flow": (SAC, VECTOR, WIDE, {**parts(SMALL), "actor": "conditional-flow"}),
    "discrete": (SAC, VECTOR, spaces.Discrete(4, start=-2), DISCRETE),
    "multi-discrete": (SAC, VECTOR, spaces.MultiDiscrete([2, 3], start=[1, 0]), DISCRETE),
    "pixels": (SAC, IMAGE, WIDE, {"extractor": DRQ}),
}
QUICK = {"vectors", "pixels"}
"""Of ONNX, which takes seconds each; the others are slow."""


def saved(folder: Path, name: str, normalized: bool = False) -> tuple[Any, Any, list[str]]:
    algorithm, observations, actions, more = CASES[name]
    env: Any = DummyVecEnv([lambda: Spaces(observations, actions)])
    words = ["export", str(folder / "model.zip"), "--algo", "sac" if algorithm is SAC else "td3"]
    if normalized:
        env = VecNormalize(env)
        env.obs_rms.mean, env.obs_rms.var = np.arange(5.0), np.arange(1.0, 6.0)
        env.save(str(folder / "statistics.pkl"))
        words += ["--normalize", str(folder / "statistics.pkl")]
    model = make(algorithm, env, parts=more, buffer_size=50)
    with torch.no_grad():
        for parameter in model.policy.actor.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save(folder / "model.zip")
    return model, env, words


@pytest.mark.parametrize("name", CASES)
def test_torchscript_computes_what_the_model_predicts(name: str, tmp_path: Path) -> None:
    model, _, words = saved(tmp_path, name)
    assert main([*words, "--format", "torchscript", "--observations", "16"]) == 0
    loaded = torch.jit.load(str(tmp_path / "model.pt"))
    seen = np.stack([model.observation_space.sample() for _ in range(3)])
    action = loaded(torch.as_tensor(seen)).numpy()
    wanted, _ = model.predict(seen, deterministic=True)
    np.testing.assert_allclose(action, wanted, rtol=1e-4, atol=1e-4)


def test_a_file_of_torchscript_takes_more_images_than_a_piece_has(
    tmp_path: Path, capsys: Any
) -> None:
    model, _, words = saved(tmp_path, "pixels")
    assert main([*words, "--format", "torchscript"]) == 0
    assert "(9, 84, 84), uint8, channels first" in capsys.readouterr().out
    loaded = torch.jit.load(str(tmp_path / "model.pt"))
    seen = np.stack([model.observation_space.sample() for _ in range(40)])
    wanted, _ = model.predict(seen, deterministic=True)
    action = loaded(torch.as_tensor(seen)).numpy()
    np.testing.assert_allclose(action, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CASES],
)
def test_onnx_computes_what_the_model_predicts(name: str, tmp_path: Path) -> None:
    normalized = name == "vectors"
    model, env, words = saved(tmp_path, name, normalized)
    assert main([*words, "--observations", "16"]) == 0
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    seen = np.stack([model.observation_space.sample() for _ in range(3)])
    action = session.run(None, {"observation": seen})[0]
    known = env.normalize_obs(seen) if normalized else seen
    wanted, _ = model.predict(known, deterministic=True)
    np.testing.assert_allclose(action, wanted, rtol=1e-4, atol=1e-4)
    whole = name in ("whole actions", "discrete", "multi-discrete")
    assert action.dtype == (np.int64 if whole else np.float32)


@pytest.mark.parametrize("form", ["torchscript", "onnx"])
def test_a_file_takes_the_keys_that_the_actor_reads(form: str, tmp_path: Path) -> None:
    space = spaces.Dict(goal=VECTOR, mode=spaces.Discrete(3), velocity=VECTOR)
    env = VecNormalize(DummyVecEnv([lambda: Spaces(space, WIDE)]), norm_obs_keys=["goal"])
    env.obs_rms["goal"].mean, env.obs_rms["goal"].var = np.arange(5.0), np.arange(1.0, 6.0)
    env.save(str(tmp_path / "statistics.pkl"))
    extractor = {"name": "dict", "keys": {"mode": "network"}, "critic_only": ["velocity"]}
    model = make(SAC, env, parts={"extractor": extractor}, buffer_size=50)
    model.save(tmp_path / "model.zip")
    words = ["export", str(tmp_path / "model.zip"), "--algo", "sac", "--format", form]
    words += ["--normalize", str(tmp_path / "statistics.pkl"), "--observations", "9"]
    assert main(words) == 0
    seen = {"goal": np.random.randn(3, 5).astype(np.float32), "mode": np.array([0, 2, 1])}
    if form == "onnx":
        session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
        assert [each.name for each in session.get_inputs()] == ["goal", "mode"]
        action = session.run(None, seen)[0]
    else:
        loaded = torch.jit.load(str(tmp_path / "model.pt"))
        action = loaded(*map(torch.as_tensor, seen.values())).numpy()
    wanted, _ = model.predict(env.normalize_obs(seen), deterministic=True)
    np.testing.assert_allclose(action, wanted, rtol=1e-4, atol=1e-4)


def test_what_cannot_be_exported_is_told_and_leaves_no_file(tmp_path: Path, capsys: Any) -> None:
    _, _, words = saved(tmp_path, "vectors")
    model = str(tmp_path / "model.zip")
    for wrong, sentence in (
        (["export", model], "which algorithm"),
        (["export", str(tmp_path / "none.zip"), "--algo", "sac"], "there is no model"),
        ([*words, "--algo", "sacc"], "did you mean 'sac'?"),
        ([*words, "--format", "torchscript", "--opset", "18"], "--opset is 18 with --format tor"),
        ([*words, "--normalize", model], "cannot be read"),
    ):
        assert sentence in error(capsys, *wrong)
    with pytest.raises(SystemExit):
        main([*words, "--observations", "1"])
    assert "'1'; allowed: a whole number, at least 2" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"model.zip"}


def exported(capsys: Any, *words: str) -> str:
    """What the command prints, in one line."""
    assert main(list(words)) == 0
    return " ".join(capsys.readouterr().out.split())


FEW = ["--format", "torchscript", "--observations", "2"]


def test_a_model_of_normalised_observations_needs_its_statistics(
    tmp_path: Path, capsys: Any
) -> None:
    _, env, (*words, _, statistics) = saved(tmp_path, "vectors", normalized=True)
    model = tmp_path / "model.zip"
    start = f"'{model}' learned from normalised observations, and "
    end = "; allowed: --normalize PKL, or a model in the folder of its run"
    assert error(capsys, *words, *FEW) == f"{start}none have statistics beside it{end}"
    env.norm_obs = False
    env.save(str(tmp_path / "other.pkl"))
    other = ["--normalize", str(tmp_path / "other.pkl")]
    assert error(capsys, *words, *FEW, *other) == (
        f"{start}'{tmp_path / 'other.pkl'}' normalises none{end}"
    )
    assert not (tmp_path / "model.pt").exists()
    told = exported(capsys, *words, *FEW, "--normalize", statistics)
    assert "normalisation within the file" in told


@pytest.mark.parametrize(
    ("name", "statistics"),
    [
        ("best_model.zip", "Pendulum-v1/vecnormalize.pkl"),
        ("rl_model_60_steps.zip", "rl_model_vecnormalize_60_steps.pkl"),
        ("Pendulum-v1.zip", "Pendulum-v1/vecnormalize.pkl"),
    ],
)
def test_statistics_of_the_run_are_found_beside_a_model(
    name: str, statistics: str, tmp_path: Path, capsys: Any
) -> None:
    saved(tmp_path, "vectors", normalized=True)
    run = write_run(tmp_path / "logs [1]" / "run")
    (tmp_path / "model.zip").rename(run / name)
    (tmp_path / "statistics.pkl").rename(run / statistics)
    told = exported(capsys, "export", str(run / name), "--algo", "sac", *FEW)
    assert "normalisation within the file" in told
    if name == "Pendulum-v1.zip":
        assert "normalisation within the file" in exported(capsys, "export", str(run), *FEW)
        (run / statistics).unlink()
        assert "learned from normalised observations" in error(capsys, "export", str(run), *FEW)


@pytest.mark.parametrize("opset", [-7, 3, 11, 13, 1000])
def test_versions_of_operators_that_nobody_writes_are_refused(
    opset: int, tmp_path: Path, capsys: Any
) -> None:
    _, _, words = saved(tmp_path, "vectors")
    told = error(capsys, *words, "--opset", str(opset))
    assert told.startswith(f"--opset is {opset}; allowed: 14 to ")
    assert {path.name for path in tmp_path.iterdir()} == {"model.zip"}


def test_a_file_has_the_operators_that_were_asked_for(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx

    _, _, words = saved(tmp_path, "vectors")
    exported(capsys, *words, "--opset", "21")
    path = tmp_path / "model.onnx"
    (operators,) = onnx.load(path).opset_import
    assert (operators.domain, operators.version) == ("", 21)
    path.unlink()
    # Which versions PyTorch cannot write depends on its version.
    written = formats._translated
    monkeypatch.setattr(formats, "_translated", lambda *one: written(*one[:2], 18))
    assert error(capsys, *words, "--opset", "20") == (
        "this policy cannot be written with --opset 20: PyTorch translates it to 18; allowed: "
        "another --opset or none, or --format torchscript"
    )
    assert not path.exists()


def test_operators_that_onnxruntime_does_not_know_are_told(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("INVALID_GRAPH\nmore")

    _, _, words = saved(tmp_path, "vectors")
    monkeypatch.setattr(onnxruntime, "InferenceSession", refuse)
    told = error(capsys, *words, "--opset", "18")
    assert told.startswith("this policy cannot be written with --opset 18: INVALID_GRAPH; allowed")
    assert not (tmp_path / "model.onnx").exists()


def test_a_place_that_cannot_be_written_is_told_before_the_export(
    tmp_path: Path, capsys: Any
) -> None:
    _, _, words = saved(tmp_path, "vectors", normalized=True)
    before = (tmp_path / "model.zip").read_bytes()
    for output, sentence in (
        (tmp_path, "cannot be written: it is a folder; allowed: a file"),
        (tmp_path / "model.zip" / "x.pt", "cannot be made: File exists"),
        (tmp_path / "model.zip", "which it reads; allowed: another --output"),
        (tmp_path / "statistics.pkl", "which it reads; allowed: another --output"),
        (Path("/proc/x.pt"), "'/proc/x.pt' cannot be written: "),
    ):
        assert sentence in error(capsys, *words, *FEW, "--output", str(output))
    assert (tmp_path / "model.zip").read_bytes() == before
    exported(capsys, *words, *FEW, "--output", str(tmp_path / "new" / "folder" / "x.pt"))
    assert (tmp_path / "new" / "folder" / "x.pt").exists()
