"""How processes share a model: each has all of it, or a part of the LLM's layers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from anygen.config.run import Run
from anygen.llm.language_model import LanguageModel
from anygen.model.multimodal import MultimodalModel
from anygen.training.parallel.lockstep import Lockstep

Weights = Mapping[str, Tensor]


class Replicated:
    """Every process has the whole model, and DDP averages their gradients; or there is only one."""

    all_compute = False  # whether the others take part in what the first one does with the LLM

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator
        self.process, self.count = accelerator.process_index, accelerator.num_processes

    def prepare(self, loss: nn.Module, optimizer: Any) -> tuple[nn.Module, Any]:
        wrapped: tuple[nn.Module, Any] = self.accelerator.prepare(loss, optimizer)
        return wrapped

    def backward(self, loss: Tensor) -> None:
        self.accelerator.backward(loss)

    def clip(self, learned: Iterable[Tensor], limit: float) -> Tensor:
        """Shortens the gradients of a step to `limit`; returns their norm before, ()."""
        norm: Tensor = self.accelerator.clip_grad_norm_(learned, limit)
        return norm

    def finish(self) -> None:
        """Waits until no process uses the LLM any more."""

    def gather(self, value: Any) -> list[Any]:
        """What the processes have, in their order; none uses the LLM then."""
        return list(gather_object([value])) if self.count > 1 else [value]


class Sharded(Replicated):
    """FSDP of the LLM: a process keeps a part of the weights of each layer.

    Zhao et al. 2023, "PyTorch FSDP". A layer is whole while it computes. All else, encoders,
    projectors, decoders and embeddings, is whole in every process, and what learns of it has its
    gradients averaged after the last pass of a step.
    """

    all_compute = True

    def __init__(self, accelerator: Accelerator, llm: LanguageModel) -> None:
        super().__init__(accelerator)
        decoder, device = llm.decoder, accelerator.device
        mesh = init_device_mesh(device.type, (self.count,))
        for layer in decoder.layers:
            fully_shard(layer, mesh=mesh, reshard_after_forward=True)
        inside = {p for layer in decoder.layers for p in layer.parameters()}
        others = {p for p in decoder.parameters() if p not in inside}
        fully_shard(decoder, mesh=mesh, ignored_params=others)
        self.lockstep = Lockstep(llm, accelerator)

    def prepare(self, loss: nn.Module, optimizer: Any) -> tuple[nn.Module, Any]:
        loss.to(self.accelerator.device)
        for parameter in loss.parameters():
            if parameter.requires_grad and not isinstance(parameter, DTensor):
                dist.broadcast(parameter.data, 0)
        return loss, self.accelerator.prepare(optimizer)

    def backward(self, loss: Tensor) -> None:
        super().backward(loss + self.lockstep.finish())

    def clip(self, learned: Iterable[Tensor], limit: float) -> Tensor:
        whole, parts = divided(learned)
        average_gradients(whole)
        groups = [[p.grad for p in group if p.grad is not None] for group in (whole, parts)]
        norms = [in_full(nn.utils.get_total_norm(group)) for group in groups if group]
        norm = torch.stack(norms).norm()
        factor = min(1.0, limit / (float(norm) + 1e-6))
        for group in filter(None, groups):
            torch._foreach_mul_(group, factor)
        return norm

    def finish(self) -> None:
        self.lockstep.finish()

    def gather(self, value: Any) -> list[Any]:
        self.finish()
        return super().gather(value)


def share(run: Run, accelerator: Accelerator, model: MultimodalModel) -> Replicated:
    """The way of a run. With FSDP the parameters of the LLM's layers are new ones afterwards."""
    if run.parallel == "fsdp" and accelerator.num_processes > 1:
        return Sharded(accelerator, model.llm)
    return Replicated(accelerator)


def divided(tensors: Iterable[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Those that every process has, and those of which it has a part."""
    whole: list[Tensor] = []
    parts: list[Tensor] = []
    for tensor in tensors:
        (parts if isinstance(tensor, DTensor) else whole).append(tensor)
    return whole, parts


def average_gradients(parameters: Sequence[Tensor]) -> None:
    """Over the processes; where a process has none, it adds 0. What none has stays without."""
    if not parameters:
        return
    device = parameters[0].device
    present = torch.tensor([p.grad is not None for p in parameters], dtype=torch.int, device=device)
    dist.all_reduce(present, dist.ReduceOp.MAX)
    learning = [p for p, has in zip(parameters, present.tolist()) if has]
    if not learning:
        return
    flat = torch.cat(
        [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in learning]
    )
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for parameter, gradient in zip(learning, flat.split([p.numel() for p in learning])):
        parameter.grad = gradient.view_as(parameter)


def in_full(value: Any) -> Any:
    """Values, nested or not, with whole tensors for those of which this process has a part."""
    if isinstance(value, DTensor):
        return value.full_tensor()
    if isinstance(value, dict):
        return {key: in_full(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [in_full(inner) for inner in value]
    return value


def in_parts(values: Weights, like: Weights) -> dict[str, Tensor]:
    """The part of whole tensors that this process has of those of the same names in `like`."""
    return {name: part_like(tensor, like.get(name)) for name, tensor in values.items()}


def optimizer_parts(state: dict[str, Any], parameters: Iterable[Tensor]) -> dict[str, Any]:
    """The same of an optimizer's state, for these parameters in their order."""
    numbered = dict(enumerate(parameters))
    parts = {
        number: {name: part_like(value, numbered.get(number)) for name, value in values.items()}
        for number, values in state["state"].items()
    }
    return {**state, "state": parts}


def part_like(value: Any, like: Tensor | None) -> Any:
    if not (isinstance(like, DTensor) and torch.is_tensor(value) and value.shape == like.shape):
        return value
    whole = value.to(like.device)
    return distribute_tensor(whole, like.device_mesh, like.placements, src_data_rank=None)
