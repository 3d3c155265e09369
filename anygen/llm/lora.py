"""LoRA inside the base LLM: put in, and folded into the weights for answering, layer by layer.

The layer is our own: peft, which has it too, imports all model classes of transformers, and that
takes longer than anything else at the start of a chat. Names in files are those of peft.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from math import sqrt
from typing import cast

import torch
from torch import Tensor, nn

from anygen.checkpoints.parts import LORA
from anygen.config.system import LanguageModelSettings, Lora

NAME = "default"  # of the only adapter, in the names of its weights


class LoraLayer(nn.Module):
    """A frozen linear layer and, beside it, alpha / rank times the product of two small matrices.

    The first matrix begins at random and the second at zero, so that nothing changes at first (Hu
    et al. 2021, arXiv 2106.09685). They learn in float32, whatever holds the frozen layer.
    """

    def __init__(self, base_layer: nn.Linear, lora: Lora) -> None:
        super().__init__()
        self.base_layer: nn.Module = base_layer
        self.scaling = lora.alpha / lora.rank
        self.enabled = True
        self.rows: Tensor | None = None  # (..., 1): 1 where it acts, or 0; None: everywhere
        sizes = base_layer.in_features, lora.rank, base_layer.out_features
        first, second = (
            nn.Linear(*shape, bias=False, device=base_layer.weight.device, dtype=torch.float32)
            for shape in pairwise(sizes)
        )
        self.lora_A, self.lora_B = nn.ModuleDict({NAME: first}), nn.ModuleDict({NAME: second})
        self.reset()

    @property
    def matrices(self) -> tuple[nn.Linear, nn.Linear]:
        """From the inputs to the rank, and from there to the outputs."""
        return cast(nn.Linear, self.lora_A[NAME]), cast(nn.Linear, self.lora_B[NAME])

    def reset(self) -> None:
        first, second = self.matrices
        nn.init.kaiming_uniform_(first.weight, a=sqrt(5))
        nn.init.zeros_(second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(..., I) -> (..., O)."""
        output: Tensor = self.base_layer(x)
        if not self.enabled:
            return output
        first, second = self.matrices
        learned = second(first(x.to(first.weight.dtype)))
        if self.rows is not None:
            learned = learned * self.rows.to(learned)
        return (output + learned * self.scaling).to(output.dtype)

    def delta(self) -> Tensor:
        """What LoRA adds to the frozen weight, (O, I)."""
        first, second = self.matrices
        return second.weight @ first.weight * self.scaling


def insert_lora(settings: LanguageModelSettings, decoder: nn.Module) -> None:
    """Puts LoRA beside linear layers of an LLM. Raises ValueError for layers that it has not."""
    linear = {name: m for name, m in decoder.named_modules() if isinstance(m, nn.Linear)}
    known = {name.split(".")[-1] for name in linear}
    unknown = sorted(set(settings.lora.targets) - known)
    if unknown:
        raise ValueError(
            f"llm.lora.targets: this LLM has no {', '.join(unknown)}; "
            f"its linear layers are {', '.join(sorted(known))}"
        )
    for name, layer in linear.items():
        if name.split(".")[-1] in settings.lora.targets:
            lora = LoraLayer(layer, settings.lora)
            decoder.set_submodule(name, lora)
            materialize_lora(lora)


def lora_layers(module: nn.Module) -> Iterable[LoraLayer]:
    return (part for part in module.modules() if isinstance(part, LoraLayer))


@contextmanager
def acting_at(layers: Iterable[LoraLayer], rows_T: Tensor) -> Iterator[None]:
    """Within the context, LoRA acts at the rows (T,) that are true of passes (1, T, D)."""
    layers = list(layers)
    for layer in layers:
        layer.rows = rows_T[:, None]
    try:
        yield
    finally:
        for layer in layers:
            layer.rows = None


def materialize_lora(layer: LoraLayer) -> None:
    """Where a map leaves weights in host memory or on a disk, LoRA stays where they compute."""
    hook = getattr(layer.base_layer, "_hf_hook", None)
    if hook is not None and layer.matrices[0].weight.is_meta:
        for matrix in layer.matrices:
            matrix.to_empty(device=hook.execution_device)
        layer.reset()


def fold_lora(
    module: nn.Module,
    dtype: torch.dtype,
    finish: Callable[[nn.Linear], nn.Module],
    beside: bool = False,
) -> None:
    """The linear layers inside `module` contain LoRA, each as `finish` makes it.

    They are computed one by one, no narrower than `dtype`, and what one was before is gone then.
    With `beside`, LoRA stays beside them instead.
    """
    for name in linear_names(module):
        layer = module.get_submodule(name)
        if not isinstance(layer, LoraLayer):
            module.set_submodule(name, finish(widened(cast(nn.Linear, layer), dtype)))
        elif beside:
            layer.base_layer = finish(widened(cast(nn.Linear, layer.base_layer), dtype))
        else:
            module.set_submodule(name, with_lora_of(layer, finish(folded(layer, dtype))))


def linear_names(module: nn.Module) -> list[str]:
    """The names of the linear layers inside, those with LoRA included but not their parts."""
    return [
        name
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear | LoraLayer)
        and LORA not in name
        and not name.endswith(".base_layer")
    ]


def unchanged(layer: nn.Linear) -> nn.Module:
    return layer


@torch.no_grad()
def folded(layer: LoraLayer, dtype: torch.dtype) -> nn.Linear:
    """Its linear layer with a new weight that contains LoRA."""
    linear = widened(cast(nn.Linear, layer.base_layer), dtype)
    # With an offloaded base, LoRA stands on another device.
    weight = linear.weight + layer.to(linear.weight.device).delta().to(linear.weight)
    linear.weight = nn.Parameter(weight, requires_grad=False)
    return linear


def widened(linear: nn.Linear, dtype: torch.dtype) -> nn.Linear:
    """The layer, no narrower than `dtype`; a table that it shares is neither."""
    for parameter in linear.parameters(recurse=False):
        parameter.data = parameter.data.to(wider_type(parameter, dtype))
    return linear


def wider_type(tensor: Tensor, dtype: torch.dtype) -> torch.dtype:
    """`dtype` where it holds the tensor exactly, or the tensor's own."""
    return dtype if torch.promote_types(tensor.dtype, dtype) == dtype else tensor.dtype


def own_weights(module: nn.Module, dtype: torch.dtype, loaded: set[int]) -> None:
    """Copies of the tensors in host memory that still lie at an address in `loaded`.

    One of them would keep a whole file mapped into memory.
    """
    for parameter in module.parameters():
        data = parameter.data
        if data.device.type == "cpu" and data.is_floating_point():
            parameter.data = data.to(wider_type(data, dtype), copy=data.data_ptr() in loaded)


def with_lora_of(layer: nn.Module, merged: nn.Module) -> nn.Module:
    """The layer that LoRA is merged into, with its matrices under their names, to be saved."""
    merged.lora_A, merged.lora_B = layer.lora_A, layer.lora_B
    return merged
