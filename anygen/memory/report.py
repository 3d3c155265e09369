"""A plan as people read it: a table of parts, a table of uses, and what would make it fit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import psutil
import torch

from anygen.config.placement import Placement
from anygen.memory.planner import TRAINING, MemoryNeeds, Peak, Planner, TrainingSteps, Use

UNITS = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


@dataclass(frozen=True)
class AvailableMemory:
    """Bytes of each device; None if the device is absent and its size was not given."""

    bytes: int | None
    devices: int = 1

    @classmethod
    def of(cls, devices: Sequence[str], size: str | None) -> AvailableMemory:
        """The memory of devices of one kind. Raises ValueError for a malformed size."""
        return cls(read_size(size) if size else memory_of(devices[0]), len(devices))

    def holds(self, peak: Peak, llm: int) -> bool | None:
        """Whether a chat fits if the LLM's weights (bytes) and its cache are spread evenly."""
        if self.bytes is None:
            return None
        elsewhere = (llm + peak.cache) * (self.devices - 1) // self.devices
        return peak.total - elsewhere <= self.bytes


def read_size(text: str) -> int:
    """Bytes of `24GB`. Raises ValueError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(\w+)", text.strip())
    if not found or found[2] not in UNITS:
        raise ValueError(f"--memory is a number and one of {', '.join(UNITS)}, not {text!r}")
    size = int(Fraction(found[1]) * UNITS[found[2]])
    if not size:
        raise ValueError(f"--memory is more than nothing, such as 24GB, not {text!r}")
    return size


def memory_of(name: str) -> int | None:
    device = torch.device(name)
    if device.type == "cpu":
        return int(psutil.virtual_memory().total)
    if device.type == "cuda" and torch.cuda.is_available():
        return int(torch.cuda.get_device_properties(device).total_memory)
    return None


def as_json_text(needs: MemoryNeeds, place: Placement) -> str:
    peaks = {use: peak.model_dump() | {"total": peak.total} for use, peak in needs.peaks.items()}
    plan = needs.model_dump() | {"placement": place.model_dump(), "peaks": peaks}
    return json.dumps(plan, indent=1)


def report_lines(
    planner: Planner,
    needs: MemoryNeeds,
    place: Placement,
    steps: TrainingSteps,
    memory: AvailableMemory,
) -> Iterator[str]:
    yield f"{'part':32}{'parameters':>16}{'memory':>12}"
    for part in needs.parts:
        yield f"{part.name:32}{part.parameters:>16,}{format_bytes(part.bytes):>12}"
    parameters = sum(part.parameters for part in needs.parts)
    size = sum(part.bytes for part in needs.parts)
    yield f"{'together':32}{parameters:>16,}{format_bytes(size):>12}"
    yield ""
    columns = ("weights", "gradients", "optimizer", "activations", "cache", "libraries", "total")
    yield f"{'stage':10}" + "".join(f"{name:>13}" for name in columns) + "  peak while"
    for use, peak in needs.peaks.items():
        sizes = peak.model_dump() | {"total": peak.total}
        cells = "".join(f"{format_bytes(sizes[name]):>13}" for name in columns)
        yield f"{use:10}{cells}  {peak.during}"
    yield ""
    yield from advice(planner, needs, place, steps, memory)


def advice(
    planner: Planner,
    needs: MemoryNeeds,
    place: Placement,
    steps: TrainingSteps,
    memory: AvailableMemory,
) -> Iterator[str]:
    """Whether each use fits, and what would make it fit."""
    if memory.bytes is None:
        yield f"{place.device} is not here: add --memory 24GB to see what fits"
        return
    one = format_bytes(memory.bytes)
    every = f"{memory.devices} x {one}" if memory.devices > 1 else one
    if memory.holds(needs.peaks["chat"], llm_bytes(planner, place)):
        balanced = " with --device-map balanced" if memory.devices > 1 else ""
        yield f"chat fits into {every}{balanced}"
    else:
        yield f"chat does not fit into {every}; {chat_advice(planner, place, memory)}"
    short = [use for use in TRAINING if needs.peaks[use].total > memory.bytes]
    if short:
        found = training_advice(planner, place, steps, memory.bytes, short)
        yield f"{', '.join(short)} {do(short)} not fit into {one}; {found}"
    fitting = [use for use in TRAINING if use not in short]
    if fitting:
        how = run_settings(place, steps)
        with_how = f" with {how}" if how else ""
        yield f"{', '.join(fitting)} {do(fitting, 'fits', 'fit')} into {one}{with_how}"


def do(uses: Sequence[str], one: str = "does", several: str = "do") -> str:
    return one if len(uses) == 1 else several


def llm_bytes(planner: Planner, place: Placement) -> int:
    return planner.weights(place).total("llm.")


def chat_advice(planner: Planner, place: Placement, memory: AvailableMemory) -> str:
    """The cheapest options with which a chat fits."""
    for fallback in planner.fallbacks(place):
        peak = planner.chat(fallback)
        if memory.holds(peak, llm_bytes(planner, fallback)):
            return f"with {flags(fallback)} it takes {format_bytes(peak.total)}"
    return "no flag makes it fit: set llm.context lower, or choose a smaller LLM"


def training_advice(
    planner: Planner, place: Placement, steps: TrainingSteps, memory: int, uses: Sequence[Use]
) -> str:
    """The cheapest settings of a run with which these stages fit."""
    for other, other_steps in planner.training_fallbacks(place, steps):
        peaks = planner.training(other, other_steps, uses)
        most = max(peak.total for peak in peaks.values())
        if most <= memory:
            verb = do(uses, "takes", "take at most")
            how = run_settings(other, other_steps)
            return f"in a run with {how} {do(uses, 'it', 'they')} {verb} {format_bytes(most)}"
    return "no setting makes it fit: take fewer --rows, a shorter --length or a smaller LLM"


def run_settings(place: Placement, steps: TrainingSteps) -> str:
    """The settings of a run that trains as planned, but for the defaults."""
    narrow = "bf16" if place.torch_dtype == torch.bfloat16 else None
    settings = {
        "precision": place.quant or narrow,
        "gradient_checkpointing": "true" if steps.checkpointing else None,
        "packing": str(steps.length) if steps.packing else None,
        "optimizer": steps.optimizer if steps.optimizer != "adamw" else None,
    }
    return " ".join(f"{name}={value}" for name, value in settings.items() if value)


def flags(place: Placement) -> str:
    options = {"dtype": place.dtype, "quant": place.quant, "offload": place.offload}
    return " ".join(
        f"--{name} {value}" for name, value in options.items() if value not in (None, "none")
    )


def format_bytes(count: int) -> str:
    """Bytes with three digits, as in `1.14 GB`."""
    if count == 0:
        return "-"
    unit, size = next(((u, UNITS[u]) for u in ("GB", "MB") if count >= UNITS[u]), ("kB", 1000))
    value = count / size
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f} {unit}"
