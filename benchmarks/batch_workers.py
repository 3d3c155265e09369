"""What a second worker brings: rows per second, and CPU seconds per row, of one worker and of two.

    python benchmarks/batch_workers.py [--rows 64] [--model mini]

Each worker has one thread. The time that it takes to load the model is not counted: what is printed
is the difference between a run of all rows and one of a shard for each worker. Rows per second need
a quiet machine with a core for each worker; CPU seconds per row say what a row costs whatever else
is running.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHARD = 4  # rows of a shard, which one worker answers


def cost(rows: int, workers: int, model: str, folder: Path) -> tuple[float, float]:
    """Seconds, and CPU seconds of all processes, of a batch of pictures."""
    name = f"{workers}-{rows}"
    source = folder / f"{name}.txt"
    source.write_text("".join(f"a red ball, number {number}\n" for number in range(rows)))
    options = ["--image", "--set", "steps=8", "--model", model, "--out", str(folder / name)]
    options += ["--workers", str(workers), "--threads", "1", "--shard-size", str(SHARD)]
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "anygen", "generate", str(source), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - started, after.ru_utime - before.ru_utime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--model", default="mini")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for workers in (1, 2):
            few = SHARD * workers
            start = cost(few, workers, given.model, Path(folder))
            whole = cost(given.rows, workers, given.model, Path(folder))
            seconds, cpu = ((b - a) / (given.rows - few) for a, b in zip(start, whole, strict=True))
            values = {
                "workers": workers,
                "rows_per_second": 1 / seconds,
                "cpu_seconds_per_row": cpu,
            }
            print(json.dumps({k: round(v, 3) for k, v in values.items()}), flush=True)


if __name__ == "__main__":
    main()
