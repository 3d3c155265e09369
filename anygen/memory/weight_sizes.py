"""How many bytes the weights of a model take, part by part, in every precision of the LLM."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

from torch import nn
from transformers import PreTrainedModel

from anygen.checkpoints.parts import LORA, part_of
from anygen.core.schema import Strict
from anygen.model.multimodal import MultimodalModel

BASE = "llm.base"
BLOCK = 64  # weights of nf4 that share a scale (Dettmers et al. 2023, section 3)

WeightFormat = Literal["fp16_packed", "int8", "int8_both_ways", "nf4"]


def whole(count: int, block: int) -> int:
    """`count` rounded up to whole blocks."""
    return count + -count % block


# Bytes of a linear layer's weight (O outputs, I inputs) in each format: FBGEMM's half precision
# (anygen/numerics/fp16_linear.py), which packs whole blocks of 16 outputs and 512 inputs, the int8
# and nf4 of bitsandbytes, and for training int8 matrices for the forward and the backward pass
# (anygen/numerics/int8_linear.py).
WEIGHT_BYTES: dict[WeightFormat, Callable[[int, int], int]] = {
    "fp16_packed": lambda outputs, inputs: 2 * whole(outputs, 16) * whole(inputs, 512),
    "int8": lambda outputs, inputs: outputs * inputs + 4 * outputs,
    "int8_both_ways": lambda outputs, inputs: 2 * outputs * inputs + 4 * (outputs + inputs),
    "nf4": lambda outputs, inputs: outputs * inputs // 2 + 4 * math.ceil(outputs * inputs / BLOCK),
}


class PartSize(Strict):
    name: str
    parameters: int
    bytes: int


@dataclass(frozen=True)
class LinearSize:
    """A linear layer of the LLM."""

    outputs: int
    inputs: int
    bytes: int
    is_head: bool
    is_tied: bool  # its weight is the embedding table


@dataclass(frozen=True)
class WeightSizes:
    parts: list[PartSize]
    layers: list[LinearSize]
    dequantized: int = 0  # bytes of the one layer that is expanded to full precision at a time

    @property
    def largest_layer(self) -> int:
        return max(layer.bytes for layer in self.layers)

    def total(self, *prefixes: str) -> int:
        """Bytes of the parts whose names begin with one of these, as in `llm.`."""
        return sum(part.bytes for part in self.parts if f"{part.name}.".startswith(prefixes))

    def stored_as(self, weight_format: WeightFormat | None) -> WeightSizes:
        """The sizes with the LLM's linear layers in another format; None leaves them plain."""
        if weight_format is None:
            return self
        more = sum(added_bytes(layer, weight_format) for layer in self.layers)
        parts = [
            part.model_copy(update={"bytes": part.bytes + more}) if part.name == BASE else part
            for part in self.parts
        ]
        dequantized = self.largest_layer if weight_format == "nf4" else 0
        return replace(self, parts=parts, dequantized=dequantized)


def added_bytes(layer: LinearSize, weight_format: WeightFormat) -> int:
    """The growth of a layer in this format. Quantization leaves the head as it is."""
    if layer.is_head and weight_format != "fp16_packed":
        return 0
    plain = 0 if layer.is_tied else layer.bytes
    return WEIGHT_BYTES[weight_format](layer.outputs, layer.inputs) - plain


def weight_sizes(model: MultimodalModel) -> WeightSizes:
    """The sizes of a model whose linear layers are plain."""
    return WeightSizes(part_sizes(model), list(linear_sizes(model.llm.base)))


def part_sizes(model: nn.Module) -> list[PartSize]:
    """Sizes by part. Tensors that two parts share count for the first of them."""
    parameters: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for name, parameter in model.named_parameters():
        parameters[part_of(name)] += parameter.numel()
    for name, tensor in chain(model.named_parameters(), model.named_buffers()):
        size[part_of(name)] += tensor.nbytes
    return [PartSize(name=n, parameters=parameters[n], bytes=size[n]) for n in size if size[n]]


def linear_sizes(base: PreTrainedModel) -> Iterator[LinearSize]:
    """The linear layers of the base LLM, without those of LoRA."""
    head, table = base.get_output_embeddings(), base.get_input_embeddings().weight
    for name, module in base.named_modules():
        if isinstance(module, nn.Linear) and LORA not in name:
            (outputs, inputs), size = module.weight.shape, module.weight.nbytes
            yield LinearSize(outputs, inputs, size, module is head, module.weight is table)
