"""What a suite of multiple choice saves: one line of JSON, with CPU seconds and their ratios.

    python benchmarks/choices.py [--model mini] [--rows 1000] [--threads N]

The rows are questions about pictures of the small world, with four options in every rotation. They
are answered by a loop of single calls, then as a suite asks them (8 questions at a time, the
rotations of each behind the same picture), and by comparing the likelihoods of the letters.
"""

import argparse
import base64
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from anygen import AnyGen
from anygen.evaluation.asking import ask_units
from anygen.evaluation.runner import BATCH
from anygen.evaluation.suites.base import Unit
from anygen.evaluation.suites.mmbench import Choice
from anygen.evaluation.suites.registry import find_suite
from anygen.generation.answer import collect
from anygen.generation.request import Request
from anygen.io.media_files import write_media
from mosit_data.world.render import render
from mosit_data.world.scene import usual_scene

OPTIONS = ("a cat", "a guitar", "a pizza", "a dog")
SUITE = find_suite("mmbench")


def main() -> None:
    parser = argparse.ArgumentParser(description="What a suite of multiple choice saves.")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=1)
    settings = parser.parse_args()
    torch.set_num_threads(settings.threads)
    units = make_units(max(1, settings.rows // len(OPTIONS)))
    figures = measure(settings.model, units)
    rows = len(units) * len(OPTIONS)
    print(json.dumps({"rows": rows, "threads": settings.threads, **figures}))


def make_units(count: int) -> list[Unit]:
    """So many questions about as many pictures, each in all rotations of its options."""
    rng, units = random.Random(0), []
    with TemporaryDirectory() as folder:
        for number in range(count):
            path = write_media(render(usual_scene("image", rng)), Path(folder) / f"{number}.png")
            image = base64.b64encode(path.read_bytes()).decode()
            choice = Choice("What is in the picture?", "", OPTIONS, "A", image)
            rotations = [choice.rotated(by) for by in range(len(OPTIONS))]
            units.append(Unit(str(number), "benchmark", ("overall",), rotations))
    return units


def compared(units: Sequence[Unit]) -> list[Unit]:
    """The same questions in the mode that compares likelihoods."""
    return [
        replace(unit, content=[replace(choice, compared=True) for choice in unit.content])
        for unit in units
    ]


def measure(name: str, units: Sequence[Unit]) -> dict[str, Any]:
    """Each way with a model that has read nothing yet."""
    ways: dict[str, Callable[[AnyGen], None]] = {
        "loop": lambda model: one_by_one(model, units),
        "suite": lambda model: as_suite(model, units),
        "likelihood": lambda model: as_suite(model, compared(units)),
    }
    figures: dict[str, Any] = {}
    for way, run in ways.items():
        model = AnyGen.from_pretrained(name)
        as_suite(model, units[:1])  # what loads at first use
        start = time.process_time()
        run(model)
        figures[f"{way}_cpu_seconds"] = round(time.process_time() - start, 2)
    for way in ("suite", "likelihood"):
        ratio = figures["loop_cpu_seconds"] / max(figures[f"{way}_cpu_seconds"], 0.01)
        figures[f"{way}_times_as_fast"] = round(ratio, 2)
    return figures


def one_by_one(model: AnyGen, units: Sequence[Unit]) -> None:
    for unit in units:
        for case in SUITE.ask(unit, 0):
            collect(model.answer(Request(case.messages, 0, case.options)))


def as_suite(model: AnyGen, units: Sequence[Unit]) -> None:
    for start in range(0, len(units), BATCH):
        ask_units(model, SUITE, units[start : start + BATCH], seed=0)


if __name__ == "__main__":
    main()
