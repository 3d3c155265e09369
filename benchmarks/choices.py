"""What a suite of multiple choice saves: one line of JSON, with CPU seconds and their ratios.

    python benchmarks/choices.py [--model mini] [--rows 1000] [--threads N]

The rows are questions about pictures of the small world, with four options in every rotation. They
are answered by a loop of single calls, the rotations of a question one after the other; by a loop
in the order of the published file, which has all questions in one rotation and then in the next; as
a suite asks them; and by comparing the likelihoods of the letters. `floor` only reads as many
positions as the prompts of the suite have, 256 at a time, and does nothing else.
"""

import argparse
import base64
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from anygen import AnyGen
from anygen.evaluation.asking import ask_units
from anygen.evaluation.runner import TEXT_BATCH
from anygen.evaluation.suites.base import Case, Unit
from anygen.evaluation.suites.mmbench import Choice
from anygen.evaluation.suites.registry import find_suite
from anygen.generation.answer import collect
from anygen.generation.request import Request
from anygen.generation.sequence import MAX_FORWARD
from anygen.io.media_files import write_media
from anygen.llm.kv_cache import Adapted, KVCache
from anygen.llm.passes import CacheInput
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
    """Each way as by a model that has read nothing yet."""
    cases = [list(SUITE.ask(unit, 0)) for unit in units]
    reading: Counter[bool] = Counter()
    ways: dict[str, Callable[[AnyGen], None]] = {
        "loop": lambda model: one_by_one(model, chain.from_iterable(cases)),
        "file_loop": lambda model: in_order_of_file(model, cases),
        "suite": lambda model: counted(model, reading, lambda: as_suite(model, units)),
        "likelihood": lambda model: as_suite(model, compared(units)),
        "floor": lambda model: read_alone(model, reading),
    }
    figures: dict[str, Any] = {}
    model = AnyGen.from_pretrained(name)
    as_suite(model, units[:1])  # what loads at first use
    for way, run in ways.items():
        forget(model)
        start = time.process_time()
        run(model)
        figures[f"{way}_cpu_seconds"] = round(time.process_time() - start, 2)
    figures["prompt_positions"] = reading.total()
    for way in ("suite", "likelihood", "floor"):
        seconds = max(figures[f"{way}_cpu_seconds"], 0.01)
        for loop in ("loop", "file_loop"):
            figures[f"{way}_over_{loop}"] = round(figures[f"{loop}_cpu_seconds"] / seconds, 2)
    return figures


def forget(model: AnyGen) -> None:
    model.engine.kv_caches.idle.clear()
    model.engine.embeddings.values.clear()


def one_by_one(model: AnyGen, cases: Iterable[Case]) -> None:
    for case in cases:
        collect(model.answer(Request(case.messages, 0, case.options)))


def in_order_of_file(model: AnyGen, cases: Sequence[Sequence[Case]]) -> None:
    """As if there were so many questions that no KV cache is left of their last rotation."""
    for rotation in zip(*cases, strict=True):
        model.engine.kv_caches.idle.clear()
        one_by_one(model, rotation)


def as_suite(model: AnyGen, units: Sequence[Unit]) -> None:
    for start in range(0, len(units), TEXT_BATCH):
        ask_units(model, SUITE, units[start : start + TEXT_BATCH], seed=0)


def counted(model: AnyGen, reading: Counter[bool], run: Callable[[], None]) -> None:
    """Counts the positions of prompts: whether the media expert reads them -> how many."""
    llm = model.model.llm
    read = llm.read

    def observe(inputs: Sequence[CacheInput]) -> list[Tensor]:
        for _, _, keys in inputs:
            if len(keys) > 1:  # else it is a token of the answer
                reading[isinstance(keys[0], Adapted)] += len(keys)
        return read(inputs)

    llm.read = observe
    run()
    llm.read = read


def read_alone(model: AnyGen, reading: Counter[bool]) -> None:
    with torch.inference_mode():
        for adapted, positions in reading.items():
            for start in range(0, positions, MAX_FORWARD):
                ids = [0] * min(MAX_FORWARD, positions - start)
                keys = [Adapted(0)] * len(ids) if adapted else ids
                model.model.llm.read([(KVCache(), model.model.embed_ids(ids), keys)])


if __name__ == "__main__":
    main()
