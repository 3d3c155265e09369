"""LoRA inside the base LLM: put in, and folded into the weights for answering, layer by layer."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from anygen.checkpoints.checkpoint import LORA
from anygen.config.system import LanguageModelSettings


def insert_lora(settings: LanguageModelSettings, decoder: nn.Module) -> None:
    """Puts LoRA beside linear layers of an LLM. Raises ValueError for layers that it has not."""
    inject_adapter_in_model(lora_config(settings, decoder), decoder)
    for layer in lora_layers(decoder):
        materialize_lora(layer)
        for matrices in (layer.lora_A, layer.lora_B):  # they learn, whatever holds the base
            matrices.float()


def lora_layers(module: nn.Module) -> Iterable[LoraLayer]:
    return (part for part in module.modules() if isinstance(part, LoraLayer))


def lora_config(settings: LanguageModelSettings, decoder: nn.Module) -> LoraConfig:
    """Raises ValueError for layers that the LLM has not."""
    lora = settings.lora
    linear = {
        name.split(".")[-1] for name, m in decoder.named_modules() if isinstance(m, nn.Linear)
    }
    unknown = sorted(set(lora.targets) - linear)
    if unknown:
        raise ValueError(
            f"llm.lora.targets: this LLM has no {', '.join(unknown)}; "
            f"its linear layers are {', '.join(sorted(linear))}"
        )
    return LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=lora.targets)


class Activation:
    """Restricts LoRA to some rows of a pass, by hooks behind its matrices."""

    def __init__(self, layers: Iterable[Any]) -> None:
        self.rows: Tensor | None = None  # what the outputs of LoRA are multiplied by; None: by 1
        for layer in layers:
            for matrix in layer.lora_B.values():
                matrix.register_forward_hook(self.hook)

    def hook(self, _: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output if self.rows is None else output * self.rows.to(output)

    @contextmanager
    def only(self, rows: Tensor) -> Iterator[None]:
        """Within the context, LoRA acts at the rows (T,) that are true of passes (1, T, D)."""
        self.rows = rows[:, None]
        try:
            yield
        finally:
            self.rows = None


def materialize_lora(layer: Any) -> None:
    """Where a map leaves weights in host memory or on a disk, LoRA stays where they compute."""
    hook = getattr(layer.base_layer, "_hf_hook", None)
    if hook is not None and layer.base_layer.weight.is_meta:
        for matrices in (layer.lora_A, layer.lora_B):
            matrices.to_empty(device=hook.execution_device)
        layer.reset_lora_parameters("default", init_lora_weights=True)


def fold_lora(
    module: nn.Module, dtype: torch.dtype, finish: Callable[[nn.Linear], nn.Module]
) -> None:
    """The linear layers inside `module` contain LoRA, each as `finish` makes it.

    They are computed one by one, no narrower than `dtype`, and what one was before is gone then.
    """
    for name in linear_names(module):
        layer = module.get_submodule(name)
        if isinstance(layer, LoraLayer):
            module.set_submodule(name, with_lora_of(layer, finish(folded(layer, dtype))))
        else:
            module.set_submodule(name, finish(widened(cast(nn.Linear, layer), dtype)))


def pack_beside_lora(
    module: nn.Module, dtype: torch.dtype, finish: Callable[[nn.Linear], nn.Module]
) -> None:
    """The linear layers inside `module`, each as `finish` makes it, with LoRA still beside them."""
    for name in linear_names(module):
        layer = module.get_submodule(name)
        if isinstance(layer, LoraLayer):
            layer.base_layer = finish(widened(cast(nn.Linear, layer.base_layer), dtype))
        else:
            module.set_submodule(name, finish(widened(cast(nn.Linear, layer), dtype)))


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
    linear = widened(cast(nn.Linear, layer.get_base_layer()), dtype)
    # With an offloaded base, LoRA stands on another device.
    matrices = cast(nn.Module, layer).to(linear.weight.device)
    weight = linear.weight + matrices.get_delta_weight("default").to(linear.weight)
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
