"""Which kind of device computes, also where only shapes are known.

Some code computes differently on a CPU: it takes rows one by one, attends in tiles, packs weights.
A plan runs that code on the meta device, and it must take the path of the device that is planned.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

META = "meta"
planned: ContextVar[str] = ContextVar("planned", default=META)


def device_kind(device: torch.device) -> str:
    """`cpu`, `cuda` or another; for the meta device, the kind that is planned for."""
    return planned.get() if device.type == META else device.type


@contextmanager
def planning_for(kind: str) -> Iterator[None]:
    """Inside, the meta device stands for a device of this kind."""
    token = planned.set(kind)
    try:
        yield
    finally:
        planned.reset(token)
