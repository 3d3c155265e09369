"""Kills batches with SIGKILL at random moments, and compares their files with an undisturbed run.

    python benchmarks/kill_batches.py --kills 200 --workers 2

Each batch is killed, with its workers, until it comes to its end; then the next one begins. Prints
one line of JSON: kills, batches, and whether all shards and media have the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from anygen.batch.answering import BatchSettings
from anygen.batch.runner import generate_file
from anygen.checkpoints.model_id import ModelId
from anygen.core.media import Image, Message
from anygen.generation.answer import Answer, MediaInfo

ROWS = 60


class SlowPainter:
    """Answers with noise that the seed decides, in about the time that a kill takes to come."""

    model_id = ModelId("painter", "0" * 64)

    def reply_many(self, requests):
        time.sleep(0.02 * len(requests))
        return [self.answer(request) for request in requests]

    def answer(self, request):
        generator = torch.Generator().manual_seed(request.seed)
        pixels = torch.randint(0, 256, (3, 16, 16), dtype=torch.uint8, generator=generator)
        return Answer(Message("assistant", (Image(pixels),)), "stop", (MediaInfo(part=0),))


def run_batch(source: Path, out: Path, workers: int) -> None:
    settings = BatchSettings(
        out, workers=workers or None, threads=1, shard_size=7, batch_size=3, metadata=False
    )
    for _ in generate_file(SlowPainter, source, settings):
        pass


def hashes(out: Path) -> dict[str, str]:
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in out.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


def killed(source: Path, out: Path, workers: int, seconds: float) -> bool:
    """Runs a batch in a process group of its own for so many seconds; whether it was killed."""
    command = [sys.executable, __file__, "--run", str(source), str(out), str(workers)]
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return True
    if process.returncode:
        raise SystemExit(f"the batch ended with exit code {process.returncode}")
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--workers", type=int, default=0, help="0: in the process itself")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        source, out, workers = given.run
        run_batch(Path(source), Path(out), int(workers))
        return
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "rows.jsonl"
        rows = ({"id": f"r{number}", "prompt": "x"} for number in range(ROWS))
        source.write_text("".join(json.dumps(row) + "\n" for row in rows))
        started = time.monotonic()
        killed(source, folder / "whole", given.workers, 600)
        longest = time.monotonic() - started
        expected, kills, batches, same = hashes(folder / "whole"), 0, 0, True
        while kills < given.kills:
            out = folder / f"out{batches}"
            if killed(source, out, given.workers, rng.uniform(0.3, 1.1) * longest):
                kills += 1
                continue
            same &= hashes(out) == expected
            batches += 1
    print(json.dumps({"kills": kills, "batches": batches, "same": same, "rows": ROWS}))


if __name__ == "__main__":
    main()
