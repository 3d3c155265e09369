"""How much memory a system needs, computed from its configuration alone: `anygen plan`.

Only configurations are read. The model is built on the meta device and runs its most demanding
workloads there (workloads.py), while a tracker counts bytes (meta_tracker.py). The result is what
a device's allocator hands out. On a GPU memory of drivers and libraries comes on top; on a CPU the
plan is what the process takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import PositiveInt

from anygen.config.loader import find_config, load_system
from anygen.config.placement import Placement
from anygen.config.run import OptimizerName
from anygen.config.system import System
from anygen.core.schema import Strict
from anygen.llm.language_model import LanguageModel
from anygen.memory import reference_models, workloads
from anygen.memory.meta_tracker import (
    HostMemoryError,
    MetaAutocast,
    MetaTracker,
    peak_bytes,
)
from anygen.memory.weight_sizes import PartSize, WeightFormat, WeightSizes, weight_sizes
from anygen.model.decoder_cache import deferred_bytes
from anygen.model.multimodal import MultimodalModel
from anygen.model.placing import settle
from anygen.numerics.devices import planning_for
from anygen.numerics.fp16_linear import has_fbgemm
from anygen.training.runs.optimizers import optimizer_bytes
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

# The same for training, and whether layers are computed again in the backward pass.
TRAINING_FALLBACKS: list[tuple[dict[str, Any], bool]] = [
    ({"dtype": "bfloat16"}, False),
    ({"dtype": "bfloat16"}, True),
    ({"dtype": "bfloat16", "quant": "nf4"}, True),
]


# What a process takes before anything is loaded: Python, torch, transformers, diffusers, a
# tokenizer. Measured on Linux with torch 2.13 (docs/memory.md).
LIBRARIES = 570 * 10**6


class TrainingSteps(Strict):
    """The steps that are planned, on `rows` dialogues of `length` positions."""

    rows: PositiveInt = 1
    length: PositiveInt = 512
    checkpointing: bool = False  # as a run's gradient_checkpointing
    packing: bool = False  # the positions are those of several dialogues in a row
    optimizer: OptimizerName = "adamw"


class Peak(Strict):
    """Bytes at the worst moment; `during` names what happens then."""

    during: str
    weights: int
    gradients: int = 0
    optimizer: int = 0
    activations: int
    cache: int = 0
    libraries: int = 0  # Python, torch, transformers and tokenizers, in host memory

    @property
    def total(self) -> int:
        lasting = self.weights + self.cache + self.libraries
        return lasting + self.gradients + self.optimizer + self.activations


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
        self.measured: dict[tuple[torch.dtype, bool, str], ChatNeeds] = {}

    def needs(self, place: Placement, steps: TrainingSteps) -> MemoryNeeds:
        """The needs of a chat, and of training steps. Raises ValueError if these are too short."""
        peaks: dict[Use, Peak] = {"chat": self.chat(place), **self.training(place, steps)}
        return MemoryNeeds(parts=self.weights(place).parts, peaks=peaks)

    def training(
        self, place: Placement, steps: TrainingSteps, stages: Sequence[Use] = TRAINING
    ) -> dict[Use, Peak]:
        """The needs of a step of each stage, in the precision of the placement.

        What learns is in float32, what is frozen in that precision; the layers of a quantized
        base LLM are in fewer bits, and then all else is in float32.
        """
        dtype = torch.float32 if place.quant else place.torch_dtype
        kind = kind_of(place)
        with planning_for(kind), MetaAutocast(dtype):
            model = build_on_meta(self.system, self.folder, torch.float32, place, frozen=dtype)
            weight_format = "int8_both_ways" if place.quant == "int8" else place.quant
            weights = weight_sizes(model).stored_as(weight_format)
            model.llm.prepare_training(checkpointing=steps.checkpointing, fused=kind != "cpu")
            if steps.checkpointing:
                recompute_with(model.llm, dtype)
            found = {stage: training_peak(model, weights, stage, steps) for stage in stages}
        libraries = libraries_of(place)
        return {
            stage: peak.model_copy(update={"libraries": libraries}) for stage, peak in found.items()
        }

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
                libraries=libraries_of(place),
            )
            for operation in needs.operations
        ]
        return max(peaks, key=lambda peak: peak.total)

    def fallbacks(self, place: Placement) -> Iterator[Placement]:
        """Placements to try where this one does not fit, the cheapest first."""
        for changes in FALLBACKS:
            yield place.model_copy(update={"device_map": None, "quant": None, **changes})

    def training_fallbacks(
        self, place: Placement, steps: TrainingSteps
    ) -> Iterator[tuple[Placement, TrainingSteps]]:
        """The same for training steps."""
        for changes, checkpointing in TRAINING_FALLBACKS:
            other = place.model_copy(update={"device_map": None, "quant": None, **changes})
            yield other, steps.model_copy(update={"checkpointing": checkpointing})

    def weights(self, place: Placement) -> WeightSizes:
        return self.chat_needs(place).weights.stored_as(weight_format(place))

    def chat_needs(self, place: Placement) -> ChatNeeds:
        key = (place.torch_dtype, place.can_merge_lora, kind_of(place))
        if key not in self.measured:
            with planning_for(kind_of(place)):
                model = build_on_meta(self.system, self.folder, place.torch_dtype, place)
                self.measured[key] = measure_chat(model)
        return self.measured[key]


@contextmanager
def planner(name: str, overrides: list[str]) -> Iterator[Planner]:
    """Plans a system by its name in configs/ or its YAML file. Raises ValueError."""
    with reference_models.stand_ins(load_system(name, overrides)) as system:
        yield Planner(system, find_config(name).parent)


def kind_of(place: Placement) -> str:
    return torch.device(place.device).type


def libraries_of(place: Placement) -> int:
    """What a process takes before anything is loaded, where that is memory of the device."""
    return LIBRARIES if kind_of(place) == "cpu" else 0


def build_on_meta(
    system: System,
    folder: Path,
    dtype: torch.dtype,
    place: Placement,
    frozen: torch.dtype | None = None,
) -> MultimodalModel:
    """The model on the meta device: tensors with shapes and no values.

    The base LLM, the encoder and the decoders may be `frozen` in another type than `dtype`.
    """
    frozen = frozen or dtype
    with torch.device("meta"):
        model = MultimodalModel(system, folder, placement=on_meta(place, frozen))
    model.placement = on_meta(place, dtype)
    model.settle()
    for part in (model.encoder, *model.decoders.values()):
        settle(part, "meta", frozen)
    return model


def on_meta(place: Placement, dtype: torch.dtype) -> Placement:
    name = str(dtype).removeprefix("torch.")
    return place.model_copy(update={"device": "meta", "dtype": name, "offload": "none"})


def weight_format(place: Placement) -> WeightFormat | None:
    """The format of the LLM's linear layers in a chat."""
    is_plain = place.can_merge_lora and place.offload != "sequential"
    on_cpu = torch.device(place.device).type == "cpu" and place.torch_dtype == torch.float32
    return "fp16_packed" if is_plain and on_cpu and has_fbgemm() else place.quant


def measure_chat(model: MultimodalModel) -> ChatNeeds:
    """Runs every operation of a chat once, at its largest.

    Raises ValueError for an LLM whose context holds no medium, and for media that no host holds.
    """
    most = max(model.media_costs.values())
    if model.llm.context <= most:
        raise ValueError(
            f"llm.context: {model.llm.context} positions are too few, one medium takes {most}"
        )
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
        try:
            used = peak_bytes(partial(workloads.render, model, modality))
        except HostMemoryError as error:
            raise ValueError(f"decoders.{modality}: {error}") from error
        names = (modality, *decoders.infos[modality].shares)
        prefixes = tuple(f"decoders.{name}." for name in names)
        operations.append(Operation(f"generating {modality}", used, prefixes))
    return ChatNeeds(weights, cache, operations)


def recompute_with(llm: LanguageModel, dtype: torch.dtype) -> None:
    """Layers that are computed again are autocast, too: a backward pass leaves function modes."""
    options = llm.checkpoint_options()
    usual = options.get("context_fn", lambda: (nullcontext(), nullcontext()))

    def contexts() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
        now, again = usual()
        return now, autocast_inside(again, dtype)

    llm.base.activation_checkpointing_enable(options | {"context_fn": contexts})
    llm.base.disable_input_require_grads()


@contextmanager
def autocast_inside(context: AbstractContextManager[Any], dtype: torch.dtype) -> Iterator[None]:
    with context, MetaAutocast(dtype):
        yield


def training_peak(
    model: MultimodalModel, weights: WeightSizes, stage: Use, steps: TrainingSteps
) -> Peak:
    """The peak of the second step, in which the optimizer has its averages."""
    training = workloads.TrainingStep(model, stage, steps.rows, steps.length, steps.packing)
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
        optimizer=optimizer_bytes(training.trained.values(), steps.optimizer),
        activations=max(tracker.peak - 3 * trained, 0) + weights.dequantized,
    )
