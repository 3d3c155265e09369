"""Rows that are the same whatever stands beside them, on a CPU.

Libraries choose kernels by the shapes that they are given, and the kernels of one product add up in
different orders. What is known about them for one CPU may be wrong for the next, so nothing is
assumed: whatever computes a row calls the same kernels, on the same shapes, with the row at the
same place, in whatever company.

- Decoders sample rows one by one, and encoders and projectors take one medium at a time
  (decoders/base.py, anygen/model/multimodal.py).
- The LLM reads in passes of a fixed number of rows, a position always in the same one, unless all
  its products are FBGEMM's, whose order of additions is fixed (anygen/llm/passes.py,
  anygen/numerics/fp16_linear.py).
- Attention has tiles, a position always at the same place in one (anygen/llm/attention.py).

The number of threads, the CPU and the versions of libraries may still change last bits.
"""

import torch.nn.functional as F
from torch import Tensor

GRAIN = 32768  # torch computes fewer elements in one thread (at::internal::GRAIN_SIZE)


def silu(rows: Tensor) -> Tensor:
    """Of rows (T, width) that lie apart in memory, in place; each is the same in any company.

    Of a stretch of memory torch computes the last few by other code than the rest, and it divides
    what is long among threads, wherever that may be. Here a stretch is a row.
    """
    if rows.device.type != "cpu":
        return F.silu(rows)
    assert rows.stride(0) > rows.shape[1]
    for part in rows.split(max(1, (GRAIN - 1) // rows.shape[1])):
        F.silu(part, inplace=True)
    return rows
