"""Networks that no machine holds are refused at once, before memory or patience is used up."""

import resource
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from sb3_scale import SAC, Sb3ScaleError
from sb3_scale.memory import GROUP_FILES, free_bytes, networks_within
from sb3_scale.nn.linear import EnsembleLinear
from sb3_scale.nn.mlp import ensemble_of
from sb3_scale.replay.memory import choose_place

HUGE = {
    "depth": ({"depth": 10**9}, {}),
    "depth beyond 64 bits": ({"depth": 2**63}, {}),
    "depth of a thousand digits": ({"depth": 10**1000}, {}),
    "width": ({"width": 10**9}, {}),
    "width beyond 64 bits": ({"width": 2**63}, {}),
    "members": ({}, {"n_critics": 10**12}),
    "quantiles": ({}, {"value": {"name": "quantiles", "n_quantiles": 10**12}}),
    "atoms": ({}, {"value": {"name": "categorical", "n_atoms": 10**12}}),
    "spectral": ({"name": "spectral-residual", "width": 10**7}, {}),
    "densenet": ({"name": "densenet", "width": 8, "depth": 10**9}, {}),
    "bronet": ({"name": "bronet", "width": 8, "depth": 10**9}, {}),
}


@pytest.mark.parametrize("name", HUGE)
def test_sizes_that_no_machine_has(name: str) -> None:
    network, critic = HUGE[name]
    small = {"name": "mlp", "width": 8, "depth": 2, **network}
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(Sb3ScaleError) as caught:
        SAC(
            "ScalePolicy", "Pendulum-v1", buffer_size=10, device="cpu",
            policy_kwargs={"critic": {"name": "ensemble", "network": small, **critic}},
        )  # fmt: skip
    assert time.perf_counter() - started < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000, "kilobytes"
    assert len(str(caught.value)) < 600


def test_how_much_there_is_and_would_be_needed_is_told() -> None:
    sentence = (
        r"the networks have at least 16\d+ parameters: with gradients, Adam's two moments and "
        r"targets they take 32\d\.\d GB, and \d+\.\d GB of the host's memory are free; allowed: at "
        r"most \d+ parameters"
    )
    with networks_within(torch.device("cpu")), pytest.raises(Sb3ScaleError, match=sentence):
        EnsembleLinear(1, 4 * 10**9, 2)


def test_layers_of_plain_modules_count_before_they_are_filled() -> None:
    with networks_within(torch.device("cpu")):
        nn.Linear(3, 4)
        with pytest.raises(Sb3ScaleError, match="the networks have at least"):
            EnsembleLinear(10**6, 10**6, 1)
    # Nothing is left behind.
    with torch.device("meta"):
        nn.Linear(10**6, 10**6)


def test_members_without_end_of_plain_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sb3_scale.memory.MOST_TENSORS", 2000)
    with networks_within(torch.device("cpu")), pytest.raises(Sb3ScaleError, match="fewer layers"):
        ensemble_of(lambda size: nn.Linear(size, 2), 4, 10**12)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_has_nothing_free() -> None:
    """As a model of a machine with one has it, whose replay buffer then goes to the host."""
    assert choose_place("auto", torch.device("cuda"), 10, 100) == torch.device("cpu")


def test_what_pytorch_keeps_of_a_gpu_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = {"mem_get_info": (100, 1000), "memory_reserved": 700, "memory_allocated": 300}
    for name, figure in {"is_available": True, **figures}.items():
        monkeypatch.setattr(torch.cuda, name, lambda *_, figure=figure: figure)
    assert free_bytes(torch.device("cuda")) == 500


@pytest.mark.parametrize("version", ["2", "1"])
def test_the_limit_of_a_container_counts(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sb3_scale.memory.GROUP", tmp_path)
    free = free_bytes(torch.device("cpu"))
    assert free > 10_000
    limit, used, figures, kept = GROUP_FILES[version == "1"]
    (tmp_path / limit).parent.mkdir(exist_ok=True)
    (tmp_path / limit).write_text("9000\n")
    (tmp_path / used).write_text("6000\n")
    (tmp_path / figures).write_text(f"anon 4000\n{kept} 2000\n")
    assert free_bytes(torch.device("cpu")) == 5000
    (tmp_path / limit).write_text("max\n")
    assert free_bytes(torch.device("cpu")) > 10_000
