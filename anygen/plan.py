"""What a system needs of memory, found from its configuration alone: `anygen plan`.

Nothing is read but configurations: the parts are built without values, and what they do at their
most (drills.py) is done with shapes (rehearsal.py). Bytes are those that a device's allocator
gives out; what a driver or a library takes for itself is not among them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from anygen import drills, published
from anygen.checkpoint import LORA
from anygen.config import System, find_config, load_system
from anygen.modality import MEDIA, MediaModality
from anygen.model import AnyGen
from anygen.packed import has_fbgemm
from anygen.placement import Placement, settle
from anygen.records import Strict
from anygen.rehearsal import Rehearsal
from anygen.stages import STAGES
from anygen.train import part_of

Stage = Literal["chat", "encode", "decode", "instruct"]
LEARNED: tuple[Stage, ...] = ("encode", "decode", "instruct")
OTHERS = ("encoder.", "decoders.")  # what offload keeps in host memory while it is idle
BLOCK = 64  # weights of nf4 that share a scale (Dettmers et al. 2023, section 3)

# What costs least comes first: half the bits cost nothing, host memory costs time, four bits words.
WAYS: list[dict[str, Any]] = [
    {"dtype": "bfloat16"},
    {"offload": "model"},
    {"dtype": "bfloat16", "offload": "model"},
    {"dtype": "bfloat16", "quant": "int8"},
    {"dtype": "bfloat16", "quant": "int8", "offload": "model"},
    {"dtype": "bfloat16", "quant": "nf4", "offload": "model"},
    {"dtype": "bfloat16", "offload": "sequential"},
]


class Part(Strict):
    name: str
    parameters: int
    bytes: int


class Peak(Strict):
    """Bytes at the worst moment, which `during` names."""

    during: str
    weights: int
    gradients: int = 0
    optimizer: int = 0
    activations: int
    cache: int = 0

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.activations + self.cache


class Needs(Strict):
    """Of one system in one placement."""

    parts: list[Part]
    peaks: dict[Stage, Peak]


def plan(
    name: str, overrides: list[str], place: Placement, rows: int = 1, length: int = 512
) -> Needs:
    """What a system in configs/, or of a YAML file, needs at a placement, which need not be here.

    The LLM stages are those of `rows` dialogues of `length` positions, in float32, with the base
    LLM in the bits of `quant`. Raises ValueError for what cannot be built.
    """
    with published.stand_ins(load_system(name, overrides)) as system:
        folder = find_config(name).parent
        answering = outline(system, folder, place.torch_dtype, place)
        sizes = Sizes(answering, packing(place))
        peaks: dict[Stage, Peak] = {"chat": chat_peak(answering, sizes, place)}
        learning = outline(system, folder, torch.float32, place)
        learning.llm.prepare_training()
        stored = Sizes(learning, "int8_twice" if place.quant == "int8" else place.quant)
        for stage in LEARNED:
            peaks[stage] = learning_peak(learning, stored, stage, rows, length)
    return Needs(parts=sizes.parts, peaks=peaks)


def outline(system: System, folder: Path, dtype: torch.dtype, place: Placement) -> AnyGen:
    """The system without values."""
    on_meta = place.model_copy(update={"device": "meta", "dtype": str(dtype).split(".")[1]})
    with torch.device("meta"):
        model = AnyGen(system, folder, placement=on_meta)
    model.settle()
    for decoder in model.decoders.values():
        settle(decoder, "meta", dtype)
    return model


# --- bytes of weights

# What a linear layer of O outputs and I inputs takes when it is not kept as it is.
HELD: dict[str, Callable[[int, int], int]] = {
    "packed": lambda outputs, inputs: 2 * outputs * inputs,  # anygen/packed.py
    "int8": lambda outputs, inputs: outputs * inputs + 4 * outputs,
    "int8_twice": lambda outputs, inputs: 2 * outputs * inputs + 4 * (outputs + inputs),  # int8.py
    "nf4": lambda outputs, inputs: outputs * inputs // 2 + 4 * math.ceil(outputs * inputs / BLOCK),
}


def packing(place: Placement) -> str | None:
    """How the LLM's linear layers are held for answering."""
    plain = place.merges and place.offload != "sequential"
    on_cpu = torch.device(place.device).type == "cpu" and place.torch_dtype == torch.float32
    return "packed" if plain and on_cpu and has_fbgemm() else place.quant


class Sizes:
    """Bytes of a model's weights, by part, with linear layers of the LLM `held` in another way."""

    def __init__(self, model: AnyGen, held: str | None) -> None:
        self.parts = parts_of(model, changed_by(model.llm.base, held))
        self.largest_layer = max(layer.weight.nbytes for layer in linear_layers(model.llm.base))
        self.dequantised = self.largest_layer if held == "nf4" else 0

    def of(self, *beginnings: str) -> int:
        return sum(part.bytes for part in self.parts if part.name.startswith(beginnings))


def parts_of(model: AnyGen, changed: int) -> list[Part]:
    """What two parts share counts for the first; `changed` bytes are those of the base LLM."""
    parameters: Counter[str] = Counter()
    size = Counter({"llm.base": changed})
    for name, tensor in chain(model.named_parameters(), model.named_buffers()):
        parameters[part_of(name)] += tensor.numel()
        size[part_of(name)] += tensor.nbytes
    return [Part(name=n, parameters=parameters[n], bytes=size[n]) for n in parameters]


def changed_by(base: Any, held: str | None) -> int:
    """How many more bytes the LLM takes with its linear layers held so."""
    if held is None:
        return 0
    head, table, changed = base.get_output_embeddings(), base.get_input_embeddings().weight, 0
    for layer in linear_layers(base):
        if layer is head and held != "packed":
            continue  # bitsandbytes and int8.py leave the head as it is
        own = 0 if layer.weight is table else layer.weight.nbytes
        changed += HELD[held](*layer.weight.shape) - own
    return changed


def linear_layers(base: Any) -> list[nn.Linear]:
    named = base.named_modules()
    return [m for name, m in named if isinstance(m, nn.Linear) and LORA not in f".{name}"]


# --- the worst moment


def rehearsed(work: Callable[[], object]) -> int:
    """The most bytes of tensors that live at once while it is done, on meta."""
    with Rehearsal() as rehearsal:
        work()
    return rehearsal.peak


def chat_peak(model: AnyGen, sizes: Sizes, place: Placement) -> Peak:
    """Reading the end of a full context, seeing a medium or making one: what takes the most."""
    cache = cache_of(model.llm)
    model.requires_grad_(False).llm.prepare_answering()
    moving = place.offload != "none"
    resident = sizes.of("input_projector", "output_projectors", *([] if moving else OTHERS))
    llm = sizes.of("llm.")
    if place.offload == "sequential":
        llm = sizes.of("llm.") - sizes.of("llm.base") + sizes.largest_layer
    visits = {m: sizes.of(*(f"decoders.{x}." for x in (m, *shared(model, m)))) for m in MEDIA}
    moments = [("reading", 0, rehearsed(lambda: drills.read_to_the_end(model.llm)) - cache)]
    for modality in model.encoder.modalities:
        work = partial(drills.encode, model, modality)
        moments.append((f"seeing {modality}", sizes.of("encoder."), rehearsed(work)))
    for modality in model.decoders:
        work = partial(drills.render, model, modality)
        moments.append((f"making {modality}", visits[modality], rehearsed(work)))
    peaks = [
        Peak(during=name, weights=resident + llm + moving * part, activations=made, cache=cache)
        for name, part, made in moments
    ]
    return max(peaks, key=lambda peak: peak.total)


def shared(model: AnyGen, modality: MediaModality) -> frozenset[MediaModality]:
    """Earlier decoders that it stands on."""
    return model.decoders.outlines[modality].shares if modality in model.decoders else frozenset()


def cache_of(llm: Any) -> int:
    """Bytes of the keys and values of a full context."""
    with Rehearsal():
        context = drills.read_to_the_end(llm)
    return sum(tensor.nbytes for tensor in chain(*context.stored))


def learning_peak(model: AnyGen, sizes: Sizes, stage: Stage, rows: int, length: int) -> Peak:
    """The second step: the optimizer has its averages then."""
    needs = STAGES[stage].needs
    learning = drills.Learning(model, stage, rows, length)
    learned = sum(parameter.nbytes for parameter in learning.learned.values())
    with Rehearsal() as rehearsal:
        learning.step()
        rehearsal.peak = rehearsal.live
        learning.step()
    return Peak(
        during="learning",
        weights=sizes.of(*(f"{part}." for part in needs)),
        gradients=learned,
        optimizer=2 * learned,
        activations=max(rehearsal.peak - 3 * learned, 0) + sizes.dequantised,
    )
