"""Group normalisation against PyTorch's."""

import pytest
import torch

from sb3_scale import SAC, Sb3ScaleError
from sb3_scale.parts import build
from sb3_scale.testing import check_component


def test_contract() -> None:
    check_component("norm", "group")


@pytest.mark.parametrize(("groups", "affine"), [(1, True), (4, True), (4, False), (6, True)])
def test_it_is_pytorchs_per_member(groups: int, affine: bool) -> None:
    torch.manual_seed(0)
    config = {"name": "group", "groups": groups, "affine": affine}
    norm = build("norm", config, 12, 3).double()
    references = [torch.nn.GroupNorm(groups, 12, affine=affine).double() for _ in range(3)]
    for member, reference in enumerate(references):
        if affine:
            with torch.no_grad():
                norm.weight[member].normal_()
                norm.bias[member].normal_()
            reference.weight.data = norm.weight[member, 0].detach().clone()
            reference.bias.data = norm.bias[member, 0].detach().clone()
    x = torch.randn(3, 7, 12, dtype=torch.double, requires_grad=True)
    upstream = torch.randn(3, 7, 12, dtype=torch.double)
    found = norm(x, training=True)
    expected = torch.stack([one(row) for one, row in zip(references, x, strict=True)])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, x, upstream), torch.autograd.grad(expected, x, upstream)
    )


@pytest.mark.parametrize(("width", "nearest"), [(250, 10), (16, 8), (1, 1)])
def test_groups_that_do_not_fit_the_width(width: int, nearest: int) -> None:
    critic = {"name": "ensemble", "network": {"name": "mlp", "width": width, "norm": "group"}}
    with pytest.raises(Sb3ScaleError) as caught:
        SAC("ScalePolicy", "Pendulum-v1", policy_kwargs={"critic": critic}, device="cpu")
    message = str(caught.value)
    assert f"groups is 16 and the width {width}; allowed: divisors of the width" in message
    assert f"did you mean {nearest}?" in message
    assert "\n" not in message
