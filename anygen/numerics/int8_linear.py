"""Frozen linear layers in 8 bits: on CPUs with VNNI their products are four times as fast.

Stage `instruct` spends nearly all its time in the frozen base LLM, forwards and backwards. Weights
are rounded per channel and activations per token (Dettmers et al. 2022, "LLM.int8()"); gradients
are rounded per token as well. N tokens, I inputs, O outputs.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

LARGEST = 127  # signed 8-bit integer


def has_vnni() -> bool:
    """Whether this CPU adds up 8-bit products in hardware; otherwise float32 is faster."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_vnni") or capabilities.get("avx_vnni"))


class Int8Linear(nn.Module):
    """A frozen `nn.Linear` without a bias."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        if linear.bias is not None:
            raise ValueError("a linear layer with a bias has no 8-bit form here")
        weight = linear.weight.detach()
        rows, row_scale = rounded(weight)  # (O, I), (O, 1)
        columns, column_scale = rounded(weight.T)  # (I, O), (I, 1)
        self.register_buffer("forward_weight", rows.T.contiguous(), persistent=False)
        self.register_buffer("forward_scale", row_scale.T, persistent=False)
        self.register_buffer("backward_weight", columns.T.contiguous(), persistent=False)
        self.register_buffer("backward_scale", column_scale.T, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., I) -> (..., O)."""
        flat = x.reshape(-1, x.shape[-1])
        output: Tensor = Product.apply(
            flat,
            self.forward_weight,
            self.forward_scale,
            self.backward_weight,
            self.backward_scale,
        )
        return output.unflatten(0, x.shape[:-1])


class Product(torch.autograd.Function):
    """(N, I) -> (N, O), and the gradient of the input; the weights get none."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        forward_weight: Tensor,
        forward_scale: Tensor,
        backward_weight: Tensor,
        backward_scale: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(backward_weight, backward_scale)
        return product(x, forward_weight, forward_scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return product(gradient, *ctx.saved_tensors), None, None, None, None


def product(x: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
    """x (N, I) @ weight (I, O) of 8 bits, whose columns are multiplied by `scale` (1, O)."""
    x_rounded, x_scale = rounded(x)
    return torch._int_mm(x_rounded, weight).mul(x_scale).mul_(scale)  # public only in torchao


def rounded(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows as integers of 8 bits, and the factor of each row, (rows, 1)."""
    largest = rows.abs().amax(1, keepdim=True).clamp_(min=1e-12)
    return (rows * (LARGEST / largest)).round_().to(torch.int8), largest / LARGEST
