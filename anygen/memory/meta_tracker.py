"""How much memory a computation needs, found by doing it without numbers.

On torch's meta device tensors have shapes and no values. The code that computes is the real one;
here it is counted which of its tensors live at the same time.
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


class Rehearsal(TorchDispatchMode):
    """Inside, `peak` is the most bytes that new meta tensors took at once, and `live` those now.

    Tensors that are there before count as nothing. What code wants to know of values is made up:
    a number is 0, what is copied to the CPU is zeros, and everything is true.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self.known: Any = WeakIdKeyDictionary()  # storages

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func.overloadpacket == aten.scaled_dot_product_attention:
            made = attended(*args[:3])
            self.count(made)
            return made
        if func.has_kernel_for_dispatch_key(torch._C.DispatchKey.CompositeImplicitAutograd):
            with self:  # in inference mode it comes whole, and is made of other operations
                return func.decompose(*args, **(kwargs or {}))
        made = made_up(func, args, kwargs or {})
        if made is None:
            self.know(args)
            with EVERYTHING_IS_TRUE:
                made = func(*args, **(kwargs or {}))
        for tensor in tree_iter(made):
            self.count(tensor)
        return made

    def know(self, args: Any) -> None:
        """What an operation reads was there, or is counted already."""
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


def rehearsed(work: Callable[[], object]) -> int:
    """The most bytes of meta tensors that live at once while it is done."""
    with Rehearsal() as rehearsal:
        work()
    return rehearsal.peak


def made_up(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """What stands for values that a meta tensor does not have; None where none are asked for."""
    if not any(isinstance(a, Tensor) and a.device.type == "meta" for a in args):
        return None
    packet = func.overloadpacket
    if packet == aten._local_scalar_dense:
        return 0
    if packet in (aten._to_copy, aten.copy_) and is_to_cpu(packet, args, kwargs):
        return zeros_on_cpu(packet, args, kwargs)
    return None


def attended(query: Tensor, _: Tensor, value: Tensor) -> Tensor:
    """What fused kernels make of attention: they keep no scores."""
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
