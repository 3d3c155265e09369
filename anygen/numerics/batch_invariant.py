"""How the result of a row stays the same, to the bit, whatever is computed beside it on a CPU.

Libraries choose kernels by shapes, and the kernels for one operation add up in different orders.
Observations on one CPU may be wrong for the next, so nothing rests on them: the computation of a
row calls the same kernels, on the same shapes, with the row at the same place in its tensor,
however many rows there are.

- Decoders sample rows one by one, and encoders and projectors take one medium at a time
  (decoders/base.py, anygen/model/multimodal.py).
- The LLM reads in passes with a fixed number of rows, in which a position always has the same row,
  unless FBGEMM computes all its products: its order of additions is fixed (anygen/llm/passes.py,
  anygen/numerics/fp16_linear.py).
- Attention is computed in tiles, in which a position always has the same place
  (anygen/llm/attention.py).

The number of threads, the CPU and the versions of libraries may still change last bits.
"""

import torch.nn.functional as F
from torch import Tensor

from anygen.numerics.devices import device_kind

GRAIN = 32768  # fewer elements are computed by one thread (at::internal::GRAIN_SIZE in torch)


def silu(rows: Tensor) -> Tensor:
    """SiLU of rows (T, width), in place on a CPU; a row has the same bits beside any others.

    Rows must not be contiguous in memory: torch computes the last elements of a contiguous stretch
    by other code than the rest, and divides long stretches among threads at any element. Here every
    row is a stretch of its own.
    """
    if device_kind(rows.device) != "cpu":
        return F.silu(rows)
    assert rows.stride(0) > rows.shape[1]
    for part in rows.split(max(1, (GRAIN - 1) // rows.shape[1])):
        F.silu(part, inplace=True)
    return rows
