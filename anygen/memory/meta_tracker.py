"""Counts the memory that a computation needs by running it on torch's meta device.

Tensors there have shapes and no values. The code that runs is the real one; `MetaTracker` counts
which of its tensors are alive at the same time.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental import _config
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.weak import WeakIdKeyDictionary

aten = torch.ops.aten
EVERYTHING_IS_TRUE = _config.patch(meta_nonzero_assume_all_nonzero=True)


class MetaTracker(TorchDispatchMode):
    """Counts bytes of meta tensors that are created inside: `live` now, `peak` at most.

    Tensors that exist beforehand count as nothing. Where code asks for values, it gets stand-ins:
    numbers are 0, copies to the CPU are zeros, and conditions are true.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self.known: Any = WeakIdKeyDictionary()  # bytes of storages that are counted or were there

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func.overloadpacket == aten.scaled_dot_product_attention:
            result = fused_attention(*args[:3])
            self.count(result)
            return result
        if func.has_kernel_for_dispatch_key(torch._C.DispatchKey.CompositeImplicitAutograd):
            with self:  # inference mode hands such an operation over whole: count its parts
                return func.decompose(*args, **(kwargs or {}))
        result = stand_in_value(func, args, kwargs or {})
        if result is None:
            self.ignore(args)
            with EVERYTHING_IS_TRUE:
                result = func(*args, **(kwargs or {}))
        for tensor in tree_iter(result):
            self.count(tensor)
        return result

    def ignore(self, args: Any) -> None:
        """Registers inputs of an operation, which existed before or are counted already."""
        for tensor in tree_iter(args):
            if isinstance(tensor, Tensor) and tensor.device.type == "meta":
                self.known.setdefault(tensor.untyped_storage(), 0)

    def count(self, tensor: Any) -> None:
        if not isinstance(tensor, Tensor) or tensor.device.type != "meta":
            return
        storage = tensor.untyped_storage()
        if storage in self.known:
            return
        size = storage.nbytes()
        self.known[storage] = size
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self.free, size)

    def free(self, size: int) -> None:
        self.live -= size


def peak_bytes(work: Callable[[], object]) -> int:
    """The most bytes of meta tensors that are alive at once while `work` runs."""
    with MetaTracker() as tracker:
        work()
    return tracker.peak


def stand_in_value(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """A stand-in for values that a meta tensor lacks, or None if `func` asks for no values."""
    if not any(isinstance(a, Tensor) and a.device.type == "meta" for a in args):
        return None
    packet = func.overloadpacket
    if packet == aten._local_scalar_dense:
        return 0
    if packet in (aten._to_copy, aten.copy_) and is_to_cpu(packet, args, kwargs):
        return zeros_on_cpu(packet, args, kwargs)
    return None


def fused_attention(query: Tensor, _: Tensor, value: Tensor) -> Tensor:
    """The result of a fused attention kernel, which keeps no scores in memory."""
    return query.new_empty((*query.shape[:-1], value.shape[-1]))


def is_to_cpu(packet: Any, args: Any, kwargs: dict[str, Any]) -> bool:
    if packet == aten.copy_:
        return bool(args[0].device.type == "cpu")
    device = kwargs.get("device")
    return device is not None and torch.device(device).type == "cpu"


def zeros_on_cpu(packet: Any, args: Any, kwargs: dict[str, Any]) -> Tensor:
    if packet == aten.copy_:
        return args[0].zero_()
    return torch.zeros(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
