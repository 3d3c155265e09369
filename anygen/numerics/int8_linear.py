"""Frozen linear layers in 8 bits: on CPUs with VNNI their products are four times as fast.

LoRA learns through the base LLM, forwards and backwards, and that is nearly all that `instruct`
computes. Weights are rounded per channel and activations per token (Dettmers et al. 2022,
"LLM.int8()"); gradients are rounded per token as well. N tokens, I inputs, O outputs.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

LARGEST = 127  # of 8 bits with a sign


def has_vnni() -> bool:
    """Whether this CPU adds up 8-bit products in hardware; float32 is faster where not."""
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_vnni") or able.get("avx_vnni"))


class Int8Linear(nn.Module):
    """A frozen `nn.Linear` without a bias."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        if linear.bias is not None:
            raise ValueError("a linear layer with a bias has no 8-bit form here")
        weight = linear.weight.detach()
        ahead, ahead_scale = rounded(weight)  # (O, I), (O, 1)
        back, back_scale = rounded(weight.T)  # (I, O), (I, 1)
        self.register_buffer("ahead", ahead.T.contiguous(), persistent=False)
        self.register_buffer("ahead_scale", ahead_scale.T, persistent=False)
        self.register_buffer("back", back.T.contiguous(), persistent=False)
        self.register_buffer("back_scale", back_scale.T, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., I) -> (..., O)."""
        flat = x.reshape(-1, x.shape[-1])
        made: Tensor = Product.apply(flat, self.ahead, self.ahead_scale, self.back, self.back_scale)
        return made.unflatten(0, x.shape[:-1])


class Product(torch.autograd.Function):
    """(N, I) -> (N, O), and the gradient the other way; the weights get none."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, ahead: Tensor, ahead_scale: Tensor, back: Tensor, back_scale: Tensor
    ) -> Tensor:
        ctx.save_for_backward(back, back_scale)
        return product(x, ahead, ahead_scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return product(gradient, *ctx.saved_tensors), None, None, None, None


def product(x: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
    """x (N, I) @ weight (I, O) of 8 bits, whose columns are multiplied by `scale` (1, O)."""
    x_rounded, x_scale = rounded(x)
    return torch._int_mm(x_rounded, weight).mul(x_scale).mul_(scale)  # public only in torchao


def rounded(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows as integers of 8 bits, and what each of them must be multiplied by, (rows, 1)."""
    largest = rows.abs().amax(1, keepdim=True).clamp_(min=1e-12)
    return (rows * (LARGEST / largest)).round_().to(torch.int8), largest / LARGEST
