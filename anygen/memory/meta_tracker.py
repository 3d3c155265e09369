"""Counts the memory that a computation needs by running it on torch's meta device.

Tensors there have shapes and no values. The code that runs is the real one; `MetaTracker` counts
which of its tensors are alive at the same time.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.fx.experimental import _config
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map
from torch.utils.weak import WeakIdKeyDictionary

from anygen.numerics.devices import device_kind

aten = torch.ops.aten
# What torch.autocast computes in fewer bits, and in float32 (docs: Autocast Op Reference).
NARROWED = {
    *(F.linear, F.conv1d, F.conv2d, F.conv3d),
    *(torch.matmul, torch.mm, torch.bmm, torch.addmm, torch.baddbmm),
    *(Tensor.matmul, Tensor.__matmul__),
}
WIDENED = {F.layer_norm, F.group_norm, F.softmax, F.cross_entropy, F.multi_head_attention_forward}
FACTORIES = {aten.randn, aten.rand, aten.zeros, aten.ones, aten.empty, aten.full}
EVERYTHING_IS_TRUE = _config.patch(meta_nonzero_assume_all_nonzero=True)


MAX_HOST_BYTES = 4 * 2**30  # of one tensor that a computation makes on the CPU, such as its noise


class HostMemoryError(Exception):
    """A tensor with values, not a meta tensor, would be larger than MAX_HOST_BYTES."""


class MetaTracker(TorchDispatchMode):
    """Counts bytes of meta tensors that are created inside: `live` now, `peak` at most.

    Tensors that exist beforehand count as nothing. Where code asks for values, it gets stand-ins:
    numbers are 0, copies to the CPU are zeros, and conditions are true. Where a CPU is planned for,
    the copies that its convolutions make count, too.
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
        refuse_giants(func, args, kwargs or {})
        result = stand_in_value(func, args, kwargs or {})
        if result is None:
            self.ignore(args)
            with EVERYTHING_IS_TRUE:
                result = func(*args, **(kwargs or {}))
        if func.overloadpacket == aten.convolution and device_kind(result.device) == "cpu":
            self.peak = max(self.peak, self.live + convolution_bytes(result, *args))
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


class MetaAutocast(TorchFunctionMode):
    """What `torch.autocast` does on other devices: products are computed in fewer bits.

    Attention is one fused kernel, which keeps its inputs and its output for the backward pass.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func == F.scaled_dot_product_attention:
            return FusedAttention.apply(*(tensor.to(self.dtype) for tensor in args[:3]))
        dtype = self.dtype if func in NARROWED else torch.float32 if func in WIDENED else None
        if dtype is None:
            return func(*args, **(kwargs or {}))

        def cast(value: Any) -> Any:
            is_float = isinstance(value, Tensor) and value.is_floating_point()
            return value.to(dtype) if is_float else value

        return func(*tree_map(cast, args), **tree_map(cast, kwargs or {}))


class FusedAttention(torch.autograd.Function):
    """Shapes alone, of attention whose scores are never in memory."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        result = fused_attention(query, key, value)
        ctx.save_for_backward(query, key, value, result)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        query, key, value, _ = ctx.saved_tensors
        return query.new_empty(query.shape), key.new_empty(key.shape), value.new_empty(value.shape)


def peak_bytes(work: Callable[[], object]) -> int:
    """The most bytes of meta tensors that are alive at once while `work` runs."""
    with MetaTracker() as tracker:
        work()
    return tracker.peak


def refuse_giants(func: Any, args: Any, kwargs: dict[str, Any]) -> None:
    """Raises HostMemoryError if an operation makes a giant on the CPU."""
    shape = None
    if func.overloadpacket in FACTORIES and kwargs.get("device") in (None, torch.device("cpu")):
        shape = args[0]
    elif func.overloadpacket == aten._to_copy and is_to_cpu(aten._to_copy, args, kwargs):
        shape = args[0].shape
    if shape is not None and 4 * math.prod(shape) > MAX_HOST_BYTES:
        raise HostMemoryError(
            f"a tensor of shape {tuple(shape)} is too large for a CPU's memory; make it smaller"
        )


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


def convolution_bytes(output: Tensor, inputs: Tensor, weight: Tensor, *settings: Any) -> int:
    """The most bytes that oneDNN has at once for a convolution, the result included.

    It copies inputs and weights into blocks of channels and its result back out of them; inputs
    with channels last need no blocks. Kernels of one point read all as it is. A transposed
    convolution holds its result three times. Measured with oneDNN 3 (torch 2.13).
    """
    transposed, size = settings[4], output.nbytes
    if transposed:
        return 3 * size
    is_last = any(inputs.is_contiguous(memory_format=layout) for layout in layouts_of(inputs))
    if is_last and not inputs.is_contiguous():
        return weight.nbytes + size
    if weight[0, 0].numel() == 1:
        return size
    return max(inputs.nbytes + weight.nbytes + size, 2 * size)


def layouts_of(tensor: Tensor) -> list[torch.memory_format]:
    """The layouts with channels last of a tensor of its dimensions."""
    return {4: [torch.channels_last], 5: [torch.channels_last_3d]}.get(tensor.ndim, [])


def is_to_cpu(packet: Any, args: Any, kwargs: dict[str, Any]) -> bool:
    if packet == aten.copy_:
        return bool(args[0].device.type == "cpu")
    device = kwargs.get("device")
    return device is not None and torch.device(device).type == "cpu"


def zeros_on_cpu(packet: Any, args: Any, kwargs: dict[str, Any]) -> Tensor:
    if packet == aten.copy_:
        return args[0].zero_()
    return torch.zeros(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
