"""What a system needs of memory, found from its configuration alone: `anygen plan`.

Nothing is read but configurations: the parts are built without values, and what they do at their
most (workloads.py) is done with shapes (rehearsal.py). Bytes are those that a device's allocator
gives out; what a driver or a library takes for itself is not among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import torch

from anygen.config.loader import find_config, load_system
from anygen.config.placement import Placement
from anygen.config.system import System
from anygen.core.schema import Strict
from anygen.memory import reference_models, workloads
from anygen.memory.meta_tracker import Rehearsal, rehearsed
from anygen.memory.weight_sizes import Part, Weights, weigh
from anygen.model.decoder_cache import waiting_bytes
from anygen.model.multimodal import MultimodalModel
from anygen.model.placing import settle
from anygen.numerics.fp16_linear import has_fbgemm
from anygen.training.stages import STAGES

Stage = Literal["chat", "encode", "decode", "instruct"]
LEARNED: tuple[Stage, ...] = ("encode", "decode", "instruct")

# What costs least comes first: half the bits cost nothing, host memory costs time, four bits words.
WAYS: list[dict[str, Any]] = [
    {"dtype": "bfloat16"},
    {"dtype": "bfloat16", "offload": "model"},
    {"dtype": "bfloat16", "quant": "int8"},
    {"dtype": "bfloat16", "quant": "int8", "offload": "model"},
    {"dtype": "bfloat16", "quant": "nf4", "offload": "model"},
    {"dtype": "bfloat16", "offload": "sequential"},
]


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


@dataclass(frozen=True)
class Operation:
    """Something that a conversation does, the bytes that it takes, and whose weights are there."""

    name: str
    bytes: int
    offloadable: tuple[str, ...] = ()  # how the names of parts begin that need not stay


@dataclass(frozen=True)
class Conversation:
    """All that is rehearsed of answering, which is alike in many placements."""

    weights: Weights
    cache: int  # bytes of keys and values of a full context
    moments: list[Operation]


class Planner:
    """Of one system. Rehearsals take seconds: each is done once for all placements alike in it."""

    def __init__(self, system: System, folder: Path) -> None:
        self.system, self.folder = system, folder
        self.conversations: dict[tuple[torch.dtype, bool], Conversation] = {}

    def needs(self, place: Placement, rows: int, length: int) -> Needs:
        """The LLM stages are those of `rows` dialogues of `length` positions, in float32, with the
        base LLM in the bits of `quant`."""
        learning = outline(self.system, self.folder, torch.float32, place)
        weights = weigh(learning).held("int8_twice" if place.quant == "int8" else place.quant)
        learning.llm.prepare_training()
        peaks: dict[Stage, Peak] = {"chat": self.chat(place)}
        for stage in LEARNED:
            peaks[stage] = learning_peak(learning, weights, stage, rows, length)
        return Needs(parts=self.weights(place).parts, peaks=peaks)

    def chat(self, place: Placement) -> Peak:
        """Reading the end of a full context, seeing a medium or making one: what takes the most."""
        conversation, weights = self.conversation(place), self.weights(place)
        stays = weights.of("input_projector.", "output_projectors.", "llm.")
        if place.offload == "sequential":
            stays += weights.largest_layer - weights.of("llm.base.")
        if place.offload == "none":
            stays += weights.of("encoder.", "decoders.")
        peaks = [
            Peak(
                during=moment.name,
                weights=stays + (weights.of(*moment.offloadable) if place.offload != "none" else 0),
                activations=moment.bytes + weights.unpacked,
                cache=conversation.cache,
            )
            for moment in conversation.moments
        ]
        return max(peaks, key=lambda peak: peak.total)

    def ways(self, place: Placement) -> Iterator[Placement]:
        """What to try where it does not fit, from the least that it costs."""
        for way in WAYS:
            yield place.model_copy(update={"device_map": None, "quant": None, **way})

    def weights(self, place: Placement) -> Weights:
        return self.conversation(place).weights.held(packing(place))

    def conversation(self, place: Placement) -> Conversation:
        alike = (place.torch_dtype, place.can_merge_lora)
        if alike not in self.conversations:
            model = outline(self.system, self.folder, place.torch_dtype, place)
            self.conversations[alike] = rehearse(model)
        return self.conversations[alike]


@contextmanager
def planner(name: str, overrides: list[str]) -> Iterator[Planner]:
    """Of a system in configs/, or of a YAML file. Raises ValueError."""
    with reference_models.stand_ins(load_system(name, overrides)) as system:
        yield Planner(system, find_config(name).parent)


def outline(system: System, folder: Path, dtype: torch.dtype, place: Placement) -> MultimodalModel:
    """The system without values."""
    named = str(dtype).removeprefix("torch.")
    on_meta = place.model_copy(update={"device": "meta", "dtype": named, "offload": "none"})
    with torch.device("meta"):
        model = MultimodalModel(system, folder, placement=on_meta)
    model.settle()
    for decoder in model.decoders.values():
        settle(decoder, "meta", dtype)
    return model


def packing(place: Placement) -> str | None:
    """How the LLM's linear layers are held for answering."""
    plain = place.can_merge_lora and place.offload != "sequential"
    on_cpu = torch.device(place.device).type == "cpu" and place.torch_dtype == torch.float32
    return "packed" if plain and on_cpu and has_fbgemm() else place.quant


def rehearse(model: MultimodalModel) -> Conversation:
    """Everything that a conversation may do, once, and at its most."""
    weights, shelf = weigh(model), model.requires_grad_(False).decoders
    model.llm.prepare_answering()
    with Rehearsal():
        cache = sum(t.nbytes for t in chain(*workloads.read_to_the_end(model.llm).stored))
    read = rehearsed(lambda: workloads.read_to_the_end(model.llm)) - cache
    moments = [Operation("reading", read)]
    for modality in model.encoder.modalities:
        used = rehearsed(partial(workloads.encode, model, modality))
        moments.append(Operation(f"seeing {modality}", used, ("encoder.",)))
    for modality in shelf:
        used = rehearsed(partial(workloads.render, model, modality))
        names = (modality, *shelf.outlines[modality].shares)
        moments.append(
            Operation(f"making {modality}", used, tuple(f"decoders.{n}." for n in names))
        )
    return Conversation(weights, cache, moments)


def learning_peak(
    model: MultimodalModel, weights: Weights, stage: Stage, rows: int, length: int
) -> Peak:
    """The second step: the optimizer has its averages then."""
    learning = workloads.Learning(model, stage, rows, length)
    learned = sum(parameter.nbytes for parameter in learning.learned.values())
    captions = waiting_bytes(model, "decoders.") if learning.generates else 0
    with Rehearsal() as rehearsal:
        learning.step()
        rehearsal.peak = rehearsal.live
        learning.step()
    return Peak(
        during="learning",
        weights=weights.of(*(f"{part}." for part in STAGES[stage].needs)) + captions,
        gradients=learned,
        optimizer=2 * learned,
        activations=max(rehearsal.peak - 3 * learned, 0) + weights.unpacked,
    )
