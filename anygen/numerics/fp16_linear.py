"""Linear layers for answering on x86: half the bytes, and rows that do not depend on each other.

A token reads every weight once, and half as many bytes take half as long. FBGEMM multiplies weights
in half precision with float32 rows.

Each element of its product is one chain of fused multiply-adds over the inputs, in their order, in
every kernel of three rows or more, for AVX2 and for AVX-512 (FBGEMM, src/FbgemmFP16UKernels*.cc);
the AVX2 kernels of one and two rows keep several sums. Rows are shared out among kernels, columns
among threads (include/fbgemm/FbgemmFPCommon.h). So with rows filled up to a multiple of three,
which is never divided with a rest of one or two, a row has the same bits whatever stands beside it,
wherever it stands, with any number of threads.
"""

import platform
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ROWS = 3
Pack = Callable[[nn.Linear], nn.Module]  # a frozen layer -> the one that answers in its place


def has_fbgemm() -> bool:
    """Whether its kernels are those described above: it has others for ARM."""
    x86 = platform.machine() in ("x86_64", "AMD64")
    return x86 and "fbgemm" in torch.backends.quantized.supported_engines


class Fp16Linear(nn.Module):
    """A frozen `nn.Linear` in half precision, by FBGEMM. (..., I) -> (..., O) in float32."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float().contiguous()
        bias = None if linear.bias is None else linear.bias.detach().float()
        self.outputs = weight.shape[0]
        self.packed: Any = torch.ops.quantized.linear_prepack_fp16(weight, bias)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        missing = -len(rows) % ROWS
        filled = F.pad(rows, (0, 0, 0, missing)) if missing else rows
        product: Tensor = torch.ops.quantized.linear_dynamic_fp16(filled, self.packed)
        return product[: len(rows)].view(*x.shape[:-1], self.outputs)


def packed(linear: nn.Linear) -> nn.Module:
    """The same layer for answering: on x86, in half precision."""
    plain = linear.weight.device.type == "cpu" and linear.weight.dtype == torch.float32
    return Fp16Linear(linear) if plain and has_fbgemm() else linear
