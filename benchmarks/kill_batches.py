"""Kills batches with SIGKILL at random moments, and compares their files with an undisturbed run.

    python benchmarks/kill_batches.py --kills 100                # one process
    python benchmarks/kill_batches.py --kills 100 --workers 2    # all, the driver or a worker
    python benchmarks/kill_batches.py --kills 5 --engine ray     # the driver, an actor, a raylet

A batch is begun again after each kill until it comes to its end. Then its files have to have
the bytes of the undisturbed run, and the shards each id exactly once. Prints one line of JSON. The
processes of this machine are forked from this one, so that a start does not take seconds; those of
Ray are its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path

import psutil
import torch

from anygen.batch.answering import BatchSettings
from anygen.batch.runner import generate_file
from anygen.batch.shards import workers as local_workers
from anygen.checkpoints.model_id import ModelId
from anygen.core.media import Image, Message
from anygen.generation.answer import Answer, MediaInfo

ROWS, SHARD_SIZE = 60, 7
NO_START = 9  # exit code
LIMIT = 300.0  # seconds that a batch may take
END_SECONDS = 60.0  # that the other processes have to end by themselves after a kill
VICTIMS = {"one process": ["all"], "local": ["all", "driver", "worker"]}
VICTIMS["ray"] = ["driver", "actor", "raylet"]


class SlowPainter:
    """Answers with noise that the seed decides, in about the time that a kill takes to come."""

    model_id = ModelId("painter", "0" * 64)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds  # per row

    def reply_many(self, requests):
        time.sleep(self.seconds * len(requests))
        return [self.answer(request) for request in requests]

    def answer(self, request):
        generator = torch.Generator().manual_seed(request.seed)
        pixels = torch.randint(0, 256, (3, 16, 16), dtype=torch.uint8, generator=generator)
        message = Message("assistant", (Image(pixels),))
        return Answer(message, "stop", media_info=(MediaInfo(part=0),))


def start_batch(source: Path, out: Path, given: argparse.Namespace) -> int:
    """Begins or continues a batch in a process group of its own; its process."""
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    fork = multiprocessing.get_context("fork")
    local_workers.multiprocessing.get_context = lambda name: fork
    settings = BatchSettings(
        out,
        workers=given.workers or None,
        engine=given.engine,
        threads=1,
        shard_size=SHARD_SIZE,
        batch_size=3,
        metadata=False,
    )
    try:
        load = partial(SlowPainter, 0.2 if given.engine == "ray" else 0.02)
        for _ in generate_file(load, source, settings):
            pass
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(NO_START if "Ray does not start" in str(error) else 1)
    os._exit(0)


def has_ended(pid: int, seconds: float) -> bool:
    """Whether a batch ends within so many seconds. Exits if it fails."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            if os.waitstatus_to_exitcode(status) == NO_START:  # of a machine that is too busy
                raise TimeoutError
            if status:
                raise SystemExit(f"a batch ended with status {status}")
            return True
        time.sleep(0.01)
    return False


def kill(pid: int, victim: str, rng: random.Random) -> bool:
    """Kills a part of a batch; whether the batch has to begin again, as it does without a driver.

    When it returns so, no process of the batch is left.
    """
    others = psutil.Process(pid).children(recursive=True)
    parts = {"worker": "", "actor": "ray::ShardWorker", "raylet": "raylet "}
    chosen = [p for p in others if victim in parts and name_of(p).startswith(parts[victim])]
    if chosen:
        rng.choice(chosen).kill()
    if victim in ("worker", "actor"):
        return False
    if not chosen:  # also a raylet that is not there yet
        (os.killpg if victim == "all" else os.kill)(pid, signal.SIGKILL)
    driver = psutil.Process(pid)
    for process in psutil.wait_procs([driver, *others], END_SECONDS)[1]:
        process.kill()
    return True


def name_of(process: psutil.Process) -> str:
    """The command, with the name of a program instead of its path."""
    try:
        command = process.cmdline()
    except psutil.Error:
        return ""
    return " ".join([Path(command[0]).name, *command[1:2], ""]) if command else ""


def hashes(out: Path) -> dict[str, str]:
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in out.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


def ids(out: Path) -> list[str]:
    shards = sorted((out / "shards").iterdir())
    lines = [line for path in shards for line in path.read_text().splitlines()]
    return sorted(json.loads(line)["id"] for line in lines)


def wait_for_work(out: Path, before: set[Path], pid: int) -> bool:
    """Until the batch has begun a shard; whether it has ended before."""
    while set(out.glob("_tmp/*.*")) <= before:
        if has_ended(pid, 0.05):
            return True
    return False


def run_killed(
    source: Path, out: Path, given: argparse.Namespace, kills: Counter[str], rng: random.Random
) -> None:
    """Runs a batch to its end, and adds to `kills` what was killed on the way: each in turn."""
    kind = "ray" if given.engine == "ray" else "local" if given.workers else "one process"
    while True:
        before = set(out.glob("_tmp/*.*"))
        pid = start_batch(source, out, given)
        try:
            if kind == "ray" and wait_for_work(out, before, pid):
                return
        except TimeoutError:
            continue
        while not has_ended(pid, rng.uniform(0.0, 1.1) * given.seconds):
            victim = VICTIMS[kind][kills.total() % len(VICTIMS[kind])]
            kills[victim] += 1
            if kill(pid, victim, rng):
                break
        else:
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--workers", type=int, default=0, help="0: in the process itself")
    parser.add_argument("--engine", choices=["local", "ray"], default="local")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.engine == "ray":
        given.workers = given.workers or 2
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "rows.jsonl"
        rows = [{"id": f"r{number:02d}", "prompt": "x"} for number in range(ROWS)]
        source.write_text("".join(json.dumps(row) + "\n" for row in rows))
        pid = start_batch(source, folder / "whole", given)
        wait_for_work(folder / "whole", set(), pid)
        started = time.monotonic()
        if not has_ended(pid, LIMIT):
            raise SystemExit(f"a batch takes more than {LIMIT:g} seconds")
        given.seconds = time.monotonic() - started
        expected, kills, batches, wrong = hashes(folder / "whole"), Counter(), 0, 0
        while kills.total() < given.kills:
            out = folder / f"out{batches}"
            run_killed(source, out, given, kills, rng)
            is_same = hashes(out) == expected and ids(out) == [row["id"] for row in rows]
            wrong += not is_same
            batches += 1
            print(f"{batches} batches, {dict(kills)}, {wrong} wrong", file=sys.stderr, flush=True)
    result = {"engine": given.engine, "workers": given.workers, "kills": dict(kills)}
    print(json.dumps({**result, "batches": batches, "wrong": wrong, "rows": ROWS}))


if __name__ == "__main__":
    main()
