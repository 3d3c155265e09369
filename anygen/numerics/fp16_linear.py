"""Linear layers for answering on x86: half the bytes, and rows that do not depend on each other.

Every token needs every weight once, and half as many bytes are read in half the time. FBGEMM
multiplies weights in half precision with float32 rows.

In every kernel for three rows or more, for AVX2 and for AVX-512, each element of the product is one
chain of fused multiply-adds over the inputs, in their order (FBGEMM, src/FbgemmFP16UKernels*.cc);
the AVX2 kernels for one and two rows keep several sums. Rows are distributed over kernels, columns
over threads (include/fbgemm/FbgemmFPCommon.h). A multiple of three rows is never distributed with a
rest of one or two. So with padding to a multiple of three a row has the same bits whatever rows
there are beside it, at any place, with any number of threads.
"""

import platform
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anygen.numerics.devices import device_kind

ROWS = 3
Pack = Callable[[nn.Linear], nn.Module]  # a frozen layer -> the one that answers in its place


def has_fbgemm() -> bool:
    """Whether FBGEMM is there with the kernels described above: those for ARM differ."""
    x86 = platform.machine() in ("x86_64", "AMD64")
    return x86 and "fbgemm" in torch.backends.quantized.supported_engines


class Fp16Linear(nn.Module):
    """A frozen `nn.Linear` in half precision, by FBGEMM. (..., I) -> (..., O) in float32."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float().contiguous()
        bias = None if linear.bias is None else linear.bias.detach().float()
        self.outputs = weight.shape[0]
        self.packed: Any = None  # on the meta device, where only shapes are known
        if not weight.is_meta:
            self.packed = torch.ops.quantized.linear_prepack_fp16(weight, bias)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        missing = -len(rows) % ROWS
        padded = F.pad(rows, (0, 0, 0, missing)) if missing else rows
        product = self.product(padded)
        return product[: len(rows)].view(*x.shape[:-1], self.outputs)

    def product(self, rows: Tensor) -> Tensor:
        """(N, I) -> (N, O)."""
        if rows.is_meta:
            return rows.new_empty(len(rows), self.outputs)
        product: Tensor = torch.ops.quantized.linear_dynamic_fp16(rows, self.packed)
        return product


def packed(linear: nn.Linear) -> nn.Module:
    """The layer for answering: in half precision if it is in float32 on an x86 CPU."""
    on_cpu = device_kind(linear.weight.device) == "cpu"
    plain = on_cpu and linear.weight.dtype == torch.float32
    return Fp16Linear(linear) if plain and has_fbgemm() else linear
