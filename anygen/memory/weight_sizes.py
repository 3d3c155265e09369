"""How many bytes the weights of a model take, part by part, and the LLM's in fewer bits."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from torch import nn

from anygen.checkpoints.checkpoint import LORA
from anygen.core.schema import Strict
from anygen.model.parts import part_of

BASE = "llm.base"
BLOCK = 64  # weights of nf4 that share a scale (Dettmers et al. 2023, section 3)

# What the weight of a linear layer of O outputs and I inputs takes, held in another way.
HELD: dict[str, Callable[[int, int], int]] = {
    "packed": lambda outputs, inputs: 2 * outputs * inputs,  # anygen/numerics/fp16_linear.py
    "int8": lambda outputs, inputs: outputs * inputs + 4 * outputs,
    "int8_twice": lambda outputs, inputs: 2 * outputs * inputs + 4 * (outputs + inputs),  # int8.py
    "nf4": lambda outputs, inputs: outputs * inputs // 2 + 4 * math.ceil(outputs * inputs / BLOCK),
}


class Part(Strict):
    name: str
    parameters: int
    bytes: int


@dataclass(frozen=True)
class Layer:
    """A linear layer of the LLM."""

    outputs: int
    inputs: int
    bytes: int
    is_head: bool
    is_tied: bool  # its weight is the embedding table


@dataclass(frozen=True)
class Weights:
    parts: list[Part]
    layers: list[Layer]
    unpacked: int = 0  # bytes of the one layer whose weights have all their bits just now

    @property
    def largest_layer(self) -> int:
        return max(layer.bytes for layer in self.layers)

    def of(self, *beginnings: str) -> int:
        """Bytes of the parts whose names begin so."""
        return sum(part.bytes for part in self.parts if f"{part.name}.".startswith(beginnings))

    def held(self, kind: str | None) -> Weights:
        """With the LLM's linear layers held in a way of HELD."""
        if kind is None:
            return self
        more = sum(growth(layer, kind) for layer in self.layers)
        parts = [
            part.model_copy(update={"bytes": part.bytes + more}) if part.name == BASE else part
            for part in self.parts
        ]
        return replace(self, parts=parts, unpacked=self.largest_layer if kind == "nf4" else 0)


def growth(layer: Layer, kind: str) -> int:
    """How many more bytes it takes so. bitsandbytes and int8.py leave the head as it is."""
    if layer.is_head and kind != "packed":
        return 0
    return HELD[kind](layer.outputs, layer.inputs) - (0 if layer.is_tied else layer.bytes)


def weigh(model: Any) -> Weights:
    """The weights of a model whose layers are plain."""
    return Weights(parts_of(model), list(layers_of(model.llm.base)))


def parts_of(model: nn.Module) -> list[Part]:
    """What two parts share counts for the first of them."""
    parameters: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for name, parameter in model.named_parameters():
        parameters[part_of(name)] += parameter.numel()
    for name, tensor in chain(model.named_parameters(), model.named_buffers()):
        size[part_of(name)] += tensor.nbytes
    return [Part(name=n, parameters=parameters[n], bytes=size[n]) for n in size if size[n]]


def layers_of(base: Any) -> Iterator[Layer]:
    head, table = base.get_output_embeddings(), base.get_input_embeddings().weight
    for name, module in base.named_modules():
        if isinstance(module, nn.Linear) and LORA not in name:
            (outputs, inputs), size = module.weight.shape, module.weight.nbytes
            yield Layer(outputs, inputs, size, module is head, module.weight is table)
