"""A plan as a person reads it: a table of parts, one of stages, and what makes it fit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psutil
import torch

from anygen.config.placement import Placement
from anygen.memory.planner import Needs, Peak, Planner

UNITS = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


@dataclass(frozen=True)
class Room:
    """How many bytes there are; None where a device is not here, and nobody said."""

    bytes: int | None
    devices: int = 1

    @classmethod
    def of(cls, devices: Sequence[str], memory: str | None) -> Room:
        """Raises ValueError for a size that is none."""
        return cls(read_size(memory) if memory else memory_of(devices[0]), len(devices))

    def holds(self, peak: Peak, llm: int) -> bool | None:
        """Whether a chat fits, with the LLM's weights and its cache spread evenly over devices."""
        if self.bytes is None:
            return None
        spread = (llm + peak.cache) * (self.devices - 1) // self.devices
        return peak.total - spread <= self.bytes


def read_size(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(\w+)", text.strip())
    if not found or found[2] not in UNITS:
        raise ValueError(f"--memory is a number and one of {', '.join(UNITS)}, not {text!r}")
    return int(float(found[1]) * UNITS[found[2]])


def memory_of(device: str) -> int | None:
    named = torch.device(device)
    if named.type == "cpu":
        return int(psutil.virtual_memory().total)
    if named.type == "cuda" and torch.cuda.is_available():
        return int(torch.cuda.get_device_properties(named).total_memory)
    return None


def as_json_text(needs: Needs, place: Placement) -> str:
    peaks = {
        stage: peak.model_dump() | {"total": peak.total} for stage, peak in needs.peaks.items()
    }
    said = needs.model_dump() | {"placement": place.model_dump(), "peaks": peaks}
    return json.dumps(said, indent=1)


def lines(planner: Planner, needs: Needs, place: Placement, room: Room) -> Iterator[str]:
    yield f"{'part':32}{'parameters':>16}{'memory':>12}"
    for part in needs.parts:
        yield f"{part.name:32}{part.parameters:>16,}{shown(part.bytes):>12}"
    parameters, size = (sum(getattr(p, n) for p in needs.parts) for n in ("parameters", "bytes"))
    yield f"{'together':32}{parameters:>16,}{shown(size):>12}"
    yield ""
    names = ("weights", "gradients", "optimizer", "activations", "cache", "total")
    yield f"{'stage':10}" + "".join(f"{name:>13}" for name in names) + "  at its most while"
    for stage, peak in needs.peaks.items():
        sizes = "".join(f"{shown(getattr(peak, name)):>13}" for name in names)
        yield f"{stage:10}{sizes}  {peak.during}"
    yield ""
    yield from advice(planner, needs, place, room)


def advice(planner: Planner, needs: Needs, place: Placement, room: Room) -> Iterator[str]:
    if room.bytes is None:
        yield f"{place.device} is not here: say --memory 24GB to learn what fits"
        return
    have = f"{room.devices} x {shown(room.bytes)}" if room.devices > 1 else shown(room.bytes)
    if room.holds(needs.peaks["chat"], llm_bytes(planner, place)):
        yield f"chat fits into {have}" + (" with --device-map balanced" if room.devices > 1 else "")
    else:
        yield f"chat does not fit into {have}; " + remedy(planner, place, room)
    for stage, peak in needs.peaks.items():
        if stage != "chat" and peak.total > room.bytes:
            yield f"{stage} does not fit into {shown(room.bytes)}: " + of_learning(place)


def llm_bytes(planner: Planner, place: Placement) -> int:
    return planner.weights(place).of("llm.")


def remedy(planner: Planner, place: Placement, room: Room) -> str:
    for way in planner.ways(place):
        peak = planner.chat(way)
        if room.holds(peak, llm_bytes(planner, way)):
            return f"with {flags(way)} it takes {shown(peak.total)}"
    return "no flag makes it fit: set llm.context lower, or choose a smaller LLM"


def of_learning(place: Placement) -> str:
    """What is left to do for a training stage."""
    if place.quant == "nf4":
        return "take fewer --rows or a shorter --length"
    return "try --quant nf4, which is precision=nf4 of a run, fewer --rows or a shorter --length"


def flags(place: Placement) -> str:
    said = {"dtype": place.dtype, "quant": place.quant, "offload": place.offload}
    return " ".join(
        f"--{name} {value}" for name, value in said.items() if value not in (None, "none")
    )


def shown(count: int) -> str:
    """Bytes with three digits."""
    if count == 0:
        return "-"
    unit, size = next(((u, UNITS[u]) for u in ("GB", "MB") if count >= UNITS[u]), ("kB", 1000))
    value = count / size
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f} {unit}"
