"""Moving parts of a model to their device and precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import nn

from anygen.checkpoints.checkpoint import declared_prefixes
from anygen.checkpoints.parts import LORA


@torch.no_grad()
def settle(
    module: nn.Module, device: torch.device | str, dtype: torch.dtype, but: tuple[str, ...] = ()
) -> None:
    """Moves a part to a device and into a precision, in place.

    Tensors that a part or one of its modules lists in `keep_in_fp32_modules`, by name prefix, stay
    at least float32: half precision would spoil them, as it makes a VAE overflow. Published tensors
    whose names begin with one of `but` are left alone.
    """
    if not but:
        module.to(device)
    kept = declared_prefixes(module, "keep_in_fp32_modules")
    for name, tensor in chain(module.named_parameters(), module.named_buffers()):
        if but and name.startswith(but) and LORA not in name:
            continue
        wider = torch.promote_types(dtype, torch.float32)
        kind = wider if name.startswith(kept) else dtype
        tensor.data = tensor.data.to(device, kind if tensor.is_floating_point() else None)


@contextmanager
def visiting(part: nn.Module, device: str, home: str) -> Iterator[None]:
    """Inside, a part is on the device; then it goes home."""
    part.to(device)
    try:
        yield
    finally:
        part.to(home)
