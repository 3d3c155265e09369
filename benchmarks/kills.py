"""Kills training runs at random moments and lets them go on: one line of JSON.

    python benchmarks/kills.py [--kills 100] [--seed 0] [--runs NAME...]

Every stage is run on tiny systems, some of them in two processes (gloo) that share the model by DDP
or FSDP, and gets its share of the kills: SIGKILL, at a moment drawn from the time that a run takes,
until the run ends undisturbed. Every file of its folder then has to have the bytes of the run that
was never killed, but for times.
Children are forked after everything is imported, so that a start takes no ten seconds.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import torch

from anygen.config.loader import CONFIGS, load_system, to_yaml
from anygen.core.media import Image
from anygen.io.media_files import write_media
from anygen.training.runs.log import LOG
from anygen.training.runs.state import STATE_FILE
from anygen.training.trainer import train
from random_weights import SIZES, write_llm

LIMIT = 900.0  # seconds that a run may take
TIMES = ("seconds",)  # keys of the log that differ from run to run
OTHERS = (".lock", "report.html")  # files with a time, or without content
POOL = {"image": 3, "audio": 3, "video": 2, "text": 4}
OWN = [{"path": "mine.jsonl"}, {"world": True, "share": 0.4}]
HELD_OUT = {"world": 2, "every": 2, "requests": "asked.jsonl"}
SETTINGS: dict[str, Any] = {
    "steps": 6,
    "batch_size": 2,
    "negatives": 8,
    "warmup": 1,
    "save_every": 2,
    "log_every": 1,
    "sample_every": 3,
    "pool": POOL,
}
RUNS: Mapping[str, dict[str, Any]] = {
    "vae": {"decoders": ["image"], "ema": 0.9},
    "vae_decoder": {"decoders": ["image"]},
    "vocoder": {"decoders": ["audio"]},
    "caption": {"decoders": ["image"]},
    "denoise": {"decoders": ["audio", "image"], "data": OWN, "pool": {"image": 4, "audio": 2}},
    "joint": {},
    "calibrate": {},
    "encode": {"data": OWN, "bad_rows": "skip"},
    "decode": {"denoised": 1, "accumulation": 2},
    "instruct": {"data": OWN, "bad_rows": "skip", "denoised": 1, "ema": 0.9, "held_out": HELD_OUT},
    "route": {},
    "project": {"decoders": ["image"]},
    "vae-2": {"decoders": ["image"]},
    "denoise-2": {"decoders": ["image"], "data": OWN[:1]},
    "decode-2": {"data": OWN, "bad_rows": "skip"},
    "instruct-2": {"denoised": 1, "keep": 2, "held_out": HELD_OUT},
    "encode-fsdp-2": {"parallel": "fsdp", "data": OWN, "bad_rows": "skip"},
    "instruct-fsdp-2": {"parallel": "fsdp", "denoised": 1, "ema": 0.9, "held_out": HELD_OUT},
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Kills training runs; each has to end the same.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", nargs="*", choices=RUNS, default=list(RUNS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), options.runs, options.kills, options.seed)
    print(json.dumps(figures))
    sys.exit(bool(figures["different"]))


def measure(folder: Path, names: Sequence[str], kills: int, seed: int) -> dict[str, Any]:
    """Kills in all, those that hit a process in time, and the runs that ended differently."""
    write_system(folder)
    write_rows(folder)
    hits, different = 0, {}
    for number, name in enumerate(names):
        share = kills * (number + 1) // len(names) - kills * number // len(names)
        found, files = kill_run(folder, name, share, random.Random(f"{seed}/{name}"))
        hits += found
        if files:
            different[name] = files
        print(
            f"{name}: {found} of {share} kills hit; differs: {files or 'nothing'}", file=sys.stderr
        )
    return {"runs": len(names), "kills": kills, "hits": hits, "different": different}


def kill_run(folder: Path, name: str, kills: int, rng: random.Random) -> tuple[int, list[str]]:
    """How many kills hit a running process, and which files differ in the end."""
    config = write_run(folder, name)
    processes = 2 if name.endswith("-2") else 1
    once, often = folder / "once" / name, folder / "often" / name  # model cards hold the name
    start = time.monotonic()
    run(config, once, processes)
    duration = time.monotonic() - start
    hits = sum(
        not run(config, often, processes, rng.uniform(0, duration), rng) for _ in range(kills)
    )
    run(config, often, processes)
    first, second = contents(once), contents(often)
    return hits, sorted(n for n in first | second if first.get(n) != second.get(n))


def run(
    config: Path,
    out: Path,
    processes: int,
    killed_after: float | None = None,
    rng: random.Random | None = None,
) -> bool:
    """Whether a run ended by itself; the time is in seconds. Raises RuntimeError if it failed."""
    environment = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1"}
    environment |= {"MASTER_PORT": str(free_port()), "LOCAL_WORLD_SIZE": str(processes)}
    ranks = range(processes) if processes > 1 else ()
    children = [fork(config, out, {**environment, "RANK": str(rank)}) for rank in ranks]
    children = children or [fork(config, out, {})]
    if killed_after is not None and rng is not None:
        time.sleep(killed_after)
        return not kill(rng.sample(children, len(children)))
    deadline = time.monotonic() + LIMIT
    for child in children:
        if code := wait_for(child, deadline):
            raise RuntimeError(f"{out.name}: a process ended with {code}, see {log_of(out)}")
    return True


def fork(config: Path, out: Path, environment: Mapping[str, str]) -> int:
    """A process that trains; its id."""
    child = os.fork()
    if child:
        return child
    try:
        os.environ.update(
            environment, **({"LOCAL_RANK": r} if (r := environment.get("RANK")) else {})
        )
        out.parent.mkdir(exist_ok=True)
        log = os.open(log_of(out), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        train(str(config), [f"out={out}"])
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def kill(children: Sequence[int]) -> bool:
    """Kills processes; whether one was still running. Raises RuntimeError if one had failed."""
    for child in children:
        os.kill(child, signal.SIGKILL)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    for status in statuses:
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            raise RuntimeError(f"a process ended with {os.WEXITSTATUS(status)}")
    return any(map(os.WIFSIGNALED, statuses))


def wait_for(child: int, deadline: float) -> int:
    """The exit code of a child, which is killed at the deadline."""
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.02)
    return os.waitstatus_to_exitcode(ended[1])


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def log_of(out: Path) -> Path:
    return out.with_suffix(".log")


def contents(out: Path) -> dict[str, str]:
    """The hash of every file of a run by its name, of the log without times."""
    return {
        str(path.relative_to(out)): hashlib.sha256(b"\n".join(lines_of(path))).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name not in OTHERS
    }


def lines_of(path: Path) -> Iterator[bytes]:
    if path.name == STATE_FILE:  # of equal states some have more pickled references than others
        state = torch.load(path, map_location="cpu", weights_only=True)
        yield from flat(state)
        return
    if path.name != LOG:
        yield path.read_bytes()
        return
    for line in path.read_text().splitlines():
        row = {key: value for key, value in json.loads(line).items() if key not in TIMES}
        yield json.dumps(row).encode()


def flat(value: Any) -> Iterator[bytes]:
    """All that nested values hold, in their order."""
    if isinstance(value, torch.Tensor):
        yield f"{value.dtype} {tuple(value.shape)}".encode()
        yield value.contiguous().flatten().view(torch.uint8).numpy().tobytes()
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield repr(key).encode()
            yield from flat(inner)
    elif isinstance(value, list | tuple):
        yield f"{type(value).__name__} of {len(value)}".encode()
        for inner in value:
            yield from flat(inner)
    else:
        yield repr(value).encode()


def write_run(folder: Path, name: str) -> Path:
    """The YAML file of a run; JSON is YAML."""
    stage = name.partition("-")[0]
    settings = {**SETTINGS, "system": system_of(stage), "stage": stage, "out": name, **RUNS[name]}
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(settings))
    return path


def system_of(stage: str) -> str:
    return "activated.yaml" if stage == "route" else "system.yaml"


def write_system(folder: Path) -> None:
    """The tiny system with an LLM of random weights, in two variants."""
    torch.manual_seed(0)
    write_llm(SIZES["tiny"]["llm"], torch.float32, folder / "llm")
    (folder / "captions.json").write_text((CONFIGS / "tiny/captions.json").read_text())
    for stage in ("route", "instruct"):
        adapter = "activated" if stage == "route" else "always"
        changes = [f"llm.base={folder / 'llm'}", f"llm.adapter={adapter}"]
        (folder / system_of(stage)).write_text(to_yaml(load_system("tiny/system", changes)))


def write_rows(folder: Path) -> None:
    """Own dialogues with pictures, one of which is missing."""
    rows = []
    for index in range(7):
        shown = {"type": "image", "path": f"{index}.png"}
        generator = torch.Generator().manual_seed(index)
        pixels = torch.randint(0, 256, (3, 16, 16), dtype=torch.uint8, generator=generator)
        if index != 5:
            write_media(Image(pixels), folder / f"{index}.png")
        asks = [shown, {"type": "text", "text": "what is it?"}] if index % 2 else f"draw {index}"
        drawn = [{**shown, "caption": f"a ball {index}"}]
        turns = zip(("user", "assistant"), (asks, f"ball {index}" if index % 2 else drawn))
        messages = [{"role": role, "content": content} for role, content in turns]
        rows.append({"id": f"row-{index}", "messages": messages})
    asked = [{"id": row["id"], "messages": row["messages"][:1]} for row in rows[:2]]
    (folder / "asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
    (folder / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
