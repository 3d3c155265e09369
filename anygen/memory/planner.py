"""How much memory a system needs, computed from its configuration alone: `anygen plan`.

Only configurations are read. The model is built on the meta device and runs its most demanding
workloads there (workloads.py), while a tracker counts bytes (meta_tracker.py). The result is what
a device's allocator hands out; memory of drivers and libraries comes on top.
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
from anygen.memory.meta_tracker import MetaTracker, peak_bytes
from anygen.memory.weight_sizes import PartSize, WeightFormat, WeightSizes, weight_sizes
from anygen.model.decoder_cache import deferred_bytes
from anygen.model.multimodal import MultimodalModel
from anygen.model.placing import settle
from anygen.numerics.fp16_linear import has_fbgemm
from anygen.training.stages import STAGES

Use = Literal["chat", "encode", "decode", "instruct"]  # a chat, or a step of an LLM stage
TRAINING: tuple[Use, ...] = ("encode", "decode", "instruct")

# The cheapest first: half precision costs nothing, host memory costs time, four bits cost quality.
FALLBACKS: list[dict[str, Any]] = [
    {"dtype": "bfloat16"},
    {"dtype": "bfloat16", "offload": "model"},
    {"dtype": "bfloat16", "quant": "int8"},
    {"dtype": "bfloat16", "quant": "int8", "offload": "model"},
    {"dtype": "bfloat16", "quant": "nf4", "offload": "model"},
    {"dtype": "bfloat16", "offload": "sequential"},
]


class Peak(Strict):
    """Bytes at the worst moment; `during` names what happens then."""

    during: str
    weights: int
    gradients: int = 0
    optimizer: int = 0
    activations: int
    cache: int = 0

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.activations + self.cache


class MemoryNeeds(Strict):
    """What one system needs in one placement."""

    parts: list[PartSize]
    peaks: dict[Use, Peak]


@dataclass(frozen=True)
class Operation:
    """Something that a chat does."""

    name: str
    bytes: int  # of activations
    offloadable: tuple[str, ...] = ()  # prefixes of the parts that must be on the device only now


@dataclass(frozen=True)
class ChatNeeds:
    """What is measured of a chat, which is the same for many placements."""

    weights: WeightSizes
    cache: int  # bytes of the keys and values of a full context
    operations: list[Operation]


class Planner:
    """Plans one system. Measuring takes seconds and is shared by placements that agree in it."""

    def __init__(self, system: System, folder: Path) -> None:
        self.system, self.folder = system, folder
        self.measured: dict[tuple[torch.dtype, bool], ChatNeeds] = {}

    def needs(self, place: Placement, rows: int, length: int) -> MemoryNeeds:
        """The needs of a chat, and of training steps on `rows` dialogues of `length` positions.

        Training is in float32; only the base LLM is quantized. Raises ValueError if `length` is
        too short.
        """
        model = build_on_meta(self.system, self.folder, torch.float32, place)
        weight_format = "int8_both_ways" if place.quant == "int8" else place.quant
        weights = weight_sizes(model).stored_as(weight_format)
        model.llm.prepare_training()
        peaks: dict[Use, Peak] = {"chat": self.chat(place)}
        for stage in TRAINING:
            peaks[stage] = training_peak(model, weights, stage, rows, length)
        return MemoryNeeds(parts=self.weights(place).parts, peaks=peaks)

    def chat(self, place: Placement) -> Peak:
        """The peak over reading the end of a full context, encoding and generating media."""
        needs, weights = self.chat_needs(place), self.weights(place)
        resident = weights.total("input_projector.", "output_projectors.", "llm.")
        if place.offload == "sequential":
            resident += weights.largest_layer - weights.total("llm.base.")
        if place.offload == "none":
            resident += weights.total("encoder.", "decoders.")
        peaks = [
            Peak(
                during=operation.name,
                weights=resident
                + (weights.total(*operation.offloadable) if place.offload != "none" else 0),
                activations=operation.bytes + weights.dequantized,
                cache=needs.cache,
            )
            for operation in needs.operations
        ]
        return max(peaks, key=lambda peak: peak.total)

    def fallbacks(self, place: Placement) -> Iterator[Placement]:
        """Placements to try where this one does not fit, the cheapest first."""
        for changes in FALLBACKS:
            yield place.model_copy(update={"device_map": None, "quant": None, **changes})

    def weights(self, place: Placement) -> WeightSizes:
        return self.chat_needs(place).weights.stored_as(weight_format(place))

    def chat_needs(self, place: Placement) -> ChatNeeds:
        key = (place.torch_dtype, place.can_merge_lora)
        if key not in self.measured:
            model = build_on_meta(self.system, self.folder, place.torch_dtype, place)
            self.measured[key] = measure_chat(model)
        return self.measured[key]


@contextmanager
def planner(name: str, overrides: list[str]) -> Iterator[Planner]:
    """Plans a system by its name in configs/ or its YAML file. Raises ValueError."""
    with reference_models.stand_ins(load_system(name, overrides)) as system:
        yield Planner(system, find_config(name).parent)


def build_on_meta(
    system: System, folder: Path, dtype: torch.dtype, place: Placement
) -> MultimodalModel:
    """The model on the meta device: tensors with shapes and no values."""
    dtype_name = str(dtype).removeprefix("torch.")
    on_meta = place.model_copy(update={"device": "meta", "dtype": dtype_name, "offload": "none"})
    with torch.device("meta"):
        model = MultimodalModel(system, folder, placement=on_meta)
    model.settle()
    for decoder in model.decoders.values():
        settle(decoder, "meta", dtype)
    return model


def weight_format(place: Placement) -> WeightFormat | None:
    """The format of the LLM's linear layers in a chat."""
    is_plain = place.can_merge_lora and place.offload != "sequential"
    on_cpu = torch.device(place.device).type == "cpu" and place.torch_dtype == torch.float32
    return "fp16_packed" if is_plain and on_cpu and has_fbgemm() else place.quant


def measure_chat(model: MultimodalModel) -> ChatNeeds:
    """Runs every operation of a chat once, at its largest."""
    weights, decoders = weight_sizes(model), model.requires_grad_(False).decoders
    model.llm.prepare_answering()
    with MetaTracker():
        cache = sum(t.nbytes for t in chain(*workloads.fill_context(model.llm).stored))
    reading = peak_bytes(lambda: workloads.fill_context(model.llm)) - cache
    operations = [Operation("reading", reading)]
    for modality in model.encoder.modalities:
        used = peak_bytes(partial(workloads.encode, model, modality))
        operations.append(Operation(f"encoding {modality}", used, ("encoder.",)))
    for modality in decoders:
        used = peak_bytes(partial(workloads.render, model, modality))
        names = (modality, *decoders.infos[modality].shares)
        prefixes = tuple(f"decoders.{name}." for name in names)
        operations.append(Operation(f"generating {modality}", used, prefixes))
    return ChatNeeds(weights, cache, operations)


def training_peak(
    model: MultimodalModel, weights: WeightSizes, stage: Use, rows: int, length: int
) -> Peak:
    """The peak of the second step, in which the optimizer has its averages."""
    training = workloads.TrainingStep(model, stage, rows, length)
    trained = sum(parameter.nbytes for parameter in training.trained.values())
    text_encoders = deferred_bytes(model, "decoders.") if training.generates else 0
    with MetaTracker() as tracker:
        training.run()
        tracker.peak = tracker.live
        training.run()
    return Peak(
        during="training",
        weights=weights.total(*(f"{part}." for part in STAGES[stage].needs)) + text_encoders,
        gradients=trained,
        optimizer=2 * trained,
        activations=max(tracker.peak - 3 * trained, 0) + weights.dequantized,
    )
