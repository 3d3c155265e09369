"""Linear layers for answering on a CPU, whose rows do not depend on their company.

A matrix product of few rows is often computed in another order than one of many, so that the last
bits of an answer would depend on what else is in the batch. Here the rows are filled up to a number
at which they do not. On x86 the weights are held in half precision, as FBGEMM multiplies them
with float32 rows: a token reads all weights once, and half as many bytes take half as long.
"""

from typing import Any

import torch
from torch import Tensor, nn

from anygen.numerics.batch_invariant import filled_up, stabilize_rows

ROWS = 3  # FBGEMM has kernels of 1 to 6 rows; the remainders 1 and 2 add up in another order


def has_fbgemm() -> bool:
    return "fbgemm" in torch.backends.quantized.supported_engines


class PackedLinear(nn.Module):
    """A frozen `nn.Linear` in half precision, by FBGEMM. (..., I) -> (..., O) in float32."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float().contiguous()
        bias = None if linear.bias is None else linear.bias.detach().float()
        self.outputs = weight.shape[0]
        self.packed: Any = torch.ops.quantized.linear_prepack_fp16(weight, bias)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        made: Tensor = torch.ops.quantized.linear_dynamic_fp16(filled_up(rows, ROWS), self.packed)
        return made[: len(rows)].view(*x.shape[:-1], self.outputs)


def packed(linear: nn.Linear) -> nn.Module:
    """The same layer for answering."""
    plain = linear.weight.device.type == "cpu" and linear.weight.dtype == torch.float32
    if plain and has_fbgemm():
        return PackedLinear(linear)
    stabilize_rows(linear)
    return linear
