"""Products by oneDNN are float32 products, and only inside the block."""

import numpy as np
import pytest
import torch

from sb3_scale.execution import matmul_precision
from sb3_scale.execution.matmul_precision import exact_fast_matmul

CPU = torch.device("cpu")
settings = getattr(torch.backends.mkldnn, "matmul", None)
needs_setting = pytest.mark.skipif(settings is None, reason="PyTorch before 2.9")


@pytest.mark.parametrize("shape", [(2, 64, 261, 512), (1, 256, 223, 256), (3, 5, 512, 1)])
def test_products_are_exact(shape: tuple[int, ...]) -> None:
    """Against numpy in double precision; bfloat16 inputs would be wrong by about 4e-3."""
    members, rows, inner, columns = shape
    torch.manual_seed(0)
    x, weight = torch.randn(members, rows, inner), torch.randn(members, inner, columns)
    bias = torch.randn(members, 1, columns)
    exact = x.double().numpy() @ weight.double().numpy()
    with exact_fast_matmul(CPU):
        product = torch.bmm(x, weight)
        with_bias = torch.baddbmm(bias, x, weight)
    scale = np.abs(exact).max()
    assert np.abs(product.numpy() - exact).max() < 1e-5 * scale
    assert np.abs(with_bias.numpy() - exact - bias.double().numpy()).max() < 1e-5 * scale


@needs_setting
def test_the_setting_of_the_process_comes_back() -> None:
    before = settings.fp32_precision
    with pytest.raises(KeyError), exact_fast_matmul(CPU):
        raise KeyError
    assert settings.fp32_precision == before


@needs_setting
def test_a_cpu_that_rounds_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a CPU with bfloat16 matrix units, where the probe finds an error above the bound."""
    monkeypatch.setattr(matmul_precision, "MAX_ERROR", 0.0)
    matmul_precision._onednn_is_exact.cache_clear()
    try:
        with exact_fast_matmul(CPU):
            assert settings.fp32_precision != "bf16"
    finally:
        matmul_precision._onednn_is_exact.cache_clear()


@needs_setting
def test_other_devices_are_left_alone() -> None:
    with exact_fast_matmul(torch.device("cuda")):
        assert settings.fp32_precision != "bf16"
