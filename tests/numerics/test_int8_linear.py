"""Frozen linear layers in 8 bits against the layers that they stand for."""

import pytest
import torch
from torch import nn

from anygen.numerics.int8_linear import Int8Linear, rounded


@pytest.fixture
def linear() -> nn.Linear:
    """64 inputs, 96 outputs; a channel that is a hundred times as strong as the others."""
    torch.manual_seed(0)
    linear = nn.Linear(64, 96, bias=False)
    with torch.no_grad():
        linear.weight[5] *= 100
    return linear


def relative_error(made: torch.Tensor, wanted: torch.Tensor) -> float:
    return ((made - wanted).norm(dim=0) / wanted.norm(dim=0)).max().item()


def input_gradient(module: nn.Module, x: torch.Tensor, upstream: torch.Tensor) -> torch.Tensor:
    x = x.clone().requires_grad_()
    [gradient] = torch.autograd.grad(module(x), x, upstream)
    return gradient


def test_rounding_moves_no_number_by_more_than_half_a_step():
    rows = torch.randn(5, 300, generator=torch.Generator().manual_seed(0))
    rows[2] = 0
    integers, scale = rounded(rows)
    assert integers.dtype is torch.int8
    assert integers.abs().amax(1).tolist() == [127, 127, 0, 127, 127]
    assert ((integers * scale - rows).abs() <= scale / 2 * 1.001).all()


def test_every_channel_is_within_two_percent(linear):
    x = torch.randn(200, 64, generator=torch.Generator().manual_seed(1))
    assert relative_error(Int8Linear(linear)(x), linear(x)) < 0.02


def test_the_gradient_is_within_three_percent_and_the_weights_get_none(linear):
    x, upstream = torch.randn(200, 64), torch.randn(200, 96)
    layer = Int8Linear(linear)
    made, true = (input_gradient(module, x, upstream) for module in (layer, linear))
    assert relative_error(made, true) < 0.03
    assert not list(layer.parameters())


def test_any_leading_shape_is_kept(linear):
    x = torch.randn(2, 3, 64)
    layer = Int8Linear(linear)
    assert torch.equal(layer(x), layer(x.view(6, 64)).view(2, 3, 96))


def test_a_bias_is_refused():
    with pytest.raises(ValueError, match="bias"):
        Int8Linear(nn.Linear(4, 4))
