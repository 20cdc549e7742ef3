"""Which layers are constrained, and that copies and files keep it."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from sb3_scale import SAC, Sb3ScaleError
from sb3_scale.nn.linear import EnsembleLinear, linear_layers
from sb3_scale.parts import build
from sb3_scale.testing import check_component

NETWORKS = {
    "modern": {"name": "modern", "width": 16, "inner_width": 32, "depth": 2},
    "mlp": {"name": "mlp", "width": 16, "depth": 4},
}


def critic(network: str = "modern", constraint: Any = "spectral", n_critics: int = 2) -> Any:
    config = {"name": "ensemble", "network": NETWORKS[network], "n_critics": n_critics}
    return build("critic", {**config, "constraint": constraint}, 3, 2)


def largest(module: torch.nn.Module) -> np.ndarray:
    """Largest singular value per constrained layer and member."""
    weights = [layer.effective_weight() for layer in linear_layers(module) if layer.scale]
    return np.stack([np.linalg.svd(weight.numpy(), compute_uv=False)[:, 0] for weight in weights])


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(
    ("which", "free"), [("intermediate", {0, -1}), ("hidden", {-1}), ("all", set())]
)
def test_which_layers(network: str, which: str, free: set[int]) -> None:
    torch.manual_seed(0)
    module = critic(network, {"name": "spectral", "which": which})
    layers = linear_layers(module)
    untouched = {index % len(layers) for index in free}
    assert {i for i, layer in enumerate(layers) if layer.scale is None} == untouched
    for i, layer in enumerate(layers):
        if i in untouched:
            assert layer.effective_weight().equal(layer.weight.detach())
    np.testing.assert_allclose(largest(module), 1, atol=0.01)


def test_paper_leaves_the_first_and_the_last_layer_alone() -> None:
    layers = linear_layers(critic("modern"))
    assert layers[0].in_features == 5
    assert layers[-1].out_features == 1
    assert [layer.scale is None for layer in layers] == [True, False, False, False, False, True]


@pytest.mark.parametrize("which", ["intermediate", "hidden", "all"])
def test_several_outputs_are_treated_alike(which: str) -> None:
    sizes = ((3, 8, False), (8, 8, False), (8, 2, True), (8, 2, True))
    layers = [EnsembleLinear(i, o, 2, output=output) for i, o, output in sizes]
    build("constraint", {"name": "spectral", "which": which}, layers)
    divided = [layer.scale is not None for layer in layers]
    assert divided == [which != "intermediate", True, which == "all", which == "all"]


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"power_iteration": 2}, "did you mean 'power_iterations'"),
        ({"power_iterations": 0}, "power_iterations is 0; allowed: from 1 to 1000"),
        ({"n_vectors": 0}, "n_vectors is 0; allowed: from 1 to 64"),
        ({"n_vectors": 65}, "n_vectors is 65; allowed: from 1 to 64"),
        ({"init_iterations": 0}, "init_iterations is 0; allowed: from 1 to 1000"),
        ({"init_iterations": 10**9}, "init_iterations is 1000000000; allowed: from 1 to 1000"),
        ({"eps": 0.0}, "eps is 0.0; allowed: above 0, and finite"),
        ({"which": "middle"}, "'intermediate', 'hidden', 'all'"),
        ({"power_iterations": 1.5}, "power_iterations is 1.5 (float)"),
        ({"layers": 3}, "has no parameter 'layers'"),
    ],
)
def test_bad_parameters_get_one_sentence(params: dict[str, object], sentence: str) -> None:
    with pytest.raises(Sb3ScaleError) as raised:
        critic(constraint={"name": "spectral", **params})
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_network_without_intermediate_layers_is_an_error() -> None:
    config = {"name": "ensemble", "network": {"name": "mlp", "depth": 1}, "constraint": "spectral"}
    with pytest.raises(Sb3ScaleError, match=r"selects none of 2 .* 'hidden' or 'all'"):
        build("critic", config, 3, 2)


def test_copy_has_vectors_of_its_own() -> None:
    torch.manual_seed(0)
    module = critic()
    twin = deepcopy(module)
    np.testing.assert_array_equal(largest(twin), largest(module))
    assert all(
        mine is not theirs
        for mine, theirs in zip(linear_layers(module), linear_layers(twin), strict=True)
    )
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.normal_()
    for _ in range(200):
        twin.project_()
    np.testing.assert_allclose(largest(twin), 1, atol=1e-3)
    after = module.state_dict()
    assert all(after[name].equal(value) for name, value in before.items())


@pytest.mark.parametrize("network", NETWORKS)
def test_state_dict_holds_the_vectors(network: str) -> None:
    torch.manual_seed(0)
    module, other = critic(network), critic(network)
    other.load_state_dict(module.state_dict())
    np.testing.assert_array_equal(largest(other), largest(module))
    features, actions = torch.randn(4, 3), torch.randn(4, 2)
    assert other(features, actions).equal(module(features, actions))


def test_saved_agent_has_the_same_singular_values(tmp_path: Path) -> None:
    parts = {"network": NETWORKS["modern"], "constraint": "spectral"}
    model = SAC(
        "ScalePolicy",
        "Pendulum-v1",
        learning_rate=1e-3,
        learning_starts=50,
        batch_size=32,
        tau=0.01,
        seed=0,
        device="cpu",
        policy_kwargs={
            "actor": {"name": "squashed-gaussian", **parts},
            "critic": {"name": "ensemble", **parts},
        },
    )
    model.learn(100)
    model.save(tmp_path / "model")
    loaded = SAC.load(tmp_path / "model", env=gymnasium.make("Pendulum-v1"), device="cpu")
    for name in ("actor", "critic", "critic_target"):
        before, after = getattr(model.policy, name), getattr(loaded.policy, name)
        np.testing.assert_array_equal(largest(after), largest(before))
    loaded.learn(100, reset_num_timesteps=False)
    np.testing.assert_allclose(largest(loaded.policy.critic_target), 1, atol=0.01)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("n_critics", [1, 2, 5])
def test_trains_with_ensembles_of_any_size(network: str, n_critics: int) -> None:
    parts = {"network": NETWORKS[network], "constraint": "spectral"}
    model = SAC(
        "ScalePolicy",
        "Pendulum-v1",
        learning_starts=20,
        batch_size=16,
        seed=0,
        device="cpu",
        policy_kwargs={
            "actor": {"name": "squashed-gaussian", **parts},
            "critic": {"name": "ensemble", "n_critics": n_critics, **parts},
        },
    )
    model.learn(60)
    assert all(value.isfinite().all() for value in model.policy.state_dict().values())
    assert largest(model.policy.critic).shape[1] == n_critics
    np.testing.assert_allclose(largest(model.policy.critic_target), 1, atol=0.01)


@pytest.mark.parametrize("which", ["intermediate", "hidden", "all"])
def test_keeps_the_contract(which: str) -> None:
    check_component("constraint", "spectral", {"which": which})
