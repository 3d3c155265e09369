"""What a chat on the CPU takes against its plan: resident bytes, in one line of JSON.

    python benchmarks/memory.py [--model mini] [--dtype bfloat16]

A full context is read, and one medium of each modality is encoded and generated.
"""

import argparse
import json
import threading
from collections.abc import Callable
from typing import Any

import psutil

from anygen import AnyGen
from anygen.checkpoints.checkpoint import find_model, read_system
from anygen.config.placement import Placement
from anygen.memory import workloads
from anygen.memory.planner import Planner

INTERVAL = 0.002  # seconds between two looks at the process


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--dtype", default="float32")
    arguments = parser.parse_args()
    place = Placement(dtype=arguments.dtype)
    folder = find_model(arguments.model)
    plan = Planner(read_system(folder), folder).chat(place)
    model = AnyGen.from_pretrained(arguments.model, **dict(place)).model
    loaded = resident()
    kept, measured = peak_of(lambda: workloads.fill_context(model.llm))
    for modality in model.encoder.modalities:
        _, used = peak_of(lambda modality=modality: workloads.encode(model, modality))
        measured = max(measured, used)
    for modality in model.decoders:
        _, used = peak_of(lambda modality=modality: workloads.render(model, modality))
        measured = max(measured, used)
    del kept
    print(
        json.dumps(
            {
                "model": arguments.model,
                "dtype": arguments.dtype,
                "planned": plan.total,
                "measured": measured,
                "loaded": loaded,
                "ratio": round(plan.total / measured, 3),
            }
        )
    )


def resident() -> int:
    return int(psutil.Process().memory_info().rss)


def peak_of(work: Callable[[], Any]) -> tuple[Any, int]:
    """The result of `work`, and the most bytes that were resident meanwhile."""
    most, over = [resident()], threading.Event()

    def look() -> None:
        while not over.wait(INTERVAL):
            most[0] = max(most[0], resident())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        return work(), most[0]
    finally:
        over.set()
        watcher.join()


if __name__ == "__main__":
    main()
