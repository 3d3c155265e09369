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

    With `dora` every row of the sum of the weights also has a length that is learned, at first that
    of the frozen row (Liu et al. 2024, arXiv 2402.09353).
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
        self.lora_magnitude_vector: nn.ModuleDict | None = None
        if lora.dora:
            check_whole(base_layer)
            self.lora_magnitude_vector = nn.ModuleDict({NAME: RowLengths(first, second)})
        self.reset()

    @property
    def matrices(self) -> tuple[nn.Linear, nn.Linear]:
        """From the inputs to the rank, and from there to the outputs."""
        return cast(nn.Linear, self.lora_A[NAME]), cast(nn.Linear, self.lora_B[NAME])

    def reset(self) -> None:
        first, second = self.matrices
        nn.init.kaiming_uniform_(first.weight, a=sqrt(5))
        nn.init.zeros_(second.weight)
        if self.lora_magnitude_vector is not None:
            self.measure_lengths()

    @torch.no_grad()
    def measure_lengths(self) -> None:
        """With DoRA: the layer then computes what it would compute with LoRA alone."""
        self.lengths.copy_(self.row_lengths())

    @property
    def lengths(self) -> Tensor:
        """Of the rows of the weights with DoRA, (O,)."""
        assert self.lora_magnitude_vector is not None
        lengths: Tensor = self.lora_magnitude_vector[NAME].weight
        return lengths

    def forward(self, x: Tensor) -> Tensor:
        """(..., I) -> (..., O)."""
        output: Tensor = self.base_layer(x)
        if not self.enabled:
            return output
        first, second = self.matrices
        learned = second(first(x.to(first.weight.dtype))) * self.scaling
        if self.lora_magnitude_vector is not None:
            bias = cast(nn.Linear, self.base_layer).bias
            frozen = output if bias is None else output - bias
            factor = self.factor()
            learned = (factor - 1) * frozen + factor * learned
        if self.rows is not None:
            learned = learned * self.rows.to(learned)
        return (output + learned).to(output.dtype)

    def product(self) -> Tensor:
        """Of the two matrices, (O, I)."""
        first, second = self.matrices
        return second.weight @ first.weight * self.scaling

    def factor(self) -> Tensor:
        """The learned length of each row of the sum of the weights by its own length, (O,).

        The own length is a constant for the gradient, as in section 4.3 of the paper.
        """
        with torch.no_grad():
            present = self.row_lengths()
        return self.lengths / present

    def row_lengths(self) -> Tensor:
        """Of the sum of the weights, (O,)."""
        product = self.product()
        return (cast(nn.Linear, self.base_layer).weight.to(product) + product).norm(dim=1)

    def delta(self) -> Tensor:
        """What is added to the frozen weight, (O, I)."""
        product = self.product()
        if self.lora_magnitude_vector is None:
            return product
        frozen = cast(nn.Linear, self.base_layer).weight.to(product)
        return self.factor()[:, None] * (frozen + product) - frozen


class RowLengths(nn.Module):
    """One learned number for each row of a weight; peft has it in a module, too."""

    def __init__(self, first: nn.Linear, second: nn.Linear) -> None:
        super().__init__()
        lengths = torch.empty(second.out_features, dtype=torch.float32, device=first.weight.device)
        self.weight = nn.Parameter(lengths)


def check_whole(layer: nn.Linear) -> None:
    """Raises ValueError for weights in fewer bits, whose rows have no length to begin with."""
    if not layer.weight.is_floating_point():
        raise ValueError(
            "llm.lora.dora: needs the weights of the base LLM in at least 16 bits; choose another "
            "precision or quant, or leave dora out"
        )


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


def begin_dora(module: nn.Module, loaded: Iterable[str]) -> None:
    """LoRA that was learned without lengths of rows goes on as DoRA, and changes nothing at first.

    `loaded` names the weights that the module has been given.
    """
    if any(".lora_magnitude_vector." in name for name in loaded):
        return
    for layer in lora_layers(module):
        if layer.lora_magnitude_vector is not None:
            layer.measure_lengths()


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
        if layer.lora_magnitude_vector is not None:
            raise ValueError("llm.lora.dora: needs the whole base LLM in memory; see device_map")
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
    if layer.lora_magnitude_vector is not None:
        merged.lora_magnitude_vector = layer.lora_magnitude_vector
    return merged
