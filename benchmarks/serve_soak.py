"""Many clients of one server, good and bad, for a while: one line of JSON.

    python benchmarks/serve_soak.py [--model mini] [--clients 64] [--seconds 600] [--tokens 16]

A server is started on loopback. Each client draws what it does next: a plain or a streamed answer,
an image, an answer that it leaves, one that it reads slowly, garbage, a body that is too large. The
line says how often each was done and with which status, how long good requests waited, and the
memory, threads, file descriptors and CPU seconds of the server, ten times in the course of it and
once all is answered. The exit code is 1 if a good request failed for another reason than a full
queue, or bad input did not get a 4xx.
"""

import argparse
import asyncio
import json
import random
import re
import statistics
import struct
import subprocess
import sys
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from zlib import compress, crc32

import httpx2
import psutil

LOOKS = 10  # at what the server uses
FULL = 429
IMAGE = {"exactly": {"image": 1}, "modalities": ["image"], "media": {"image": {"steps": 2}}}


@dataclass
class Soak:
    """What the clients share."""

    client: httpx2.AsyncClient
    tokens: int
    end: float
    counts: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)  # seconds of good requests
    failures: list[str] = field(default_factory=list)

    def text(self, **fields: object) -> dict[str, object]:
        options = {"modalities": ["text"]}
        body = {"input": "Why is the sky blue?", "max_output_tokens": self.tokens}
        return {**body, "store": False, "anygen": options, **fields}

    def image(self, **fields: object) -> dict[str, object]:
        return {"input": "draw a cat", "store": False, "anygen": IMAGE, **fields}

    async def post(self, body: object) -> int:
        return (await self.client.post("/v1/responses", json=body)).status_code

    async def stream(self, body: object, seconds: float, events: int | None) -> int:
        """Reads so many events, or all, and waits after each."""
        async with self.client.stream("POST", "/v1/responses", json=body) as reply:
            read = 0
            async for _ in reply.aiter_lines():
                read += 1
                if events is not None and read >= events:
                    break
                await asyncio.sleep(seconds)
        return reply.status_code


def png_of_noughts(side: int) -> bytes:
    """A picture of a few bytes that claims to have side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


BOMB = {
    "type": "input_image",
    "image_url": f"data:image/png;base64,{b64encode(png_of_noughts(60_000)).decode()}",
}
Action = Callable[[Soak], Awaitable[int]]
GOOD: dict[str, Action] = {
    "plain": lambda soak: soak.post(soak.text()),
    "image": lambda soak: soak.post(soak.image()),
    "streamed": lambda soak: soak.stream(soak.text(stream=True), 0, None),
    "left": lambda soak: soak.stream(soak.image(stream=True), 0, 8),
    "slow": lambda soak: soak.stream(soak.image(stream=True), 0.2, None),
}
BAD: dict[str, Action] = {
    "garbage": lambda soak: soak.post({"input": [{"role": "user", "content": [{"type": 5}]}]}),
    "bomb": lambda soak: soak.post({"input": [{"role": "user", "content": [BOMB]}]}),
    "large": lambda soak: soak.post({"input": "x" * (65 * 2**20)}),
}
WEIGHTS = {**dict.fromkeys(GOOD, 10), **dict.fromkeys(BAD, 3), "large": 1}


async def one_client(soak: Soak, draw: random.Random) -> None:
    names = list(WEIGHTS)
    while time.monotonic() < soak.end:
        [name] = draw.choices(names, list(WEIGHTS.values()))
        started = time.monotonic()
        try:
            status = await {**GOOD, **BAD}[name](soak)
        except httpx2.HTTPError as error:
            soak.counts[f"{name} {type(error).__name__}"] += 1
            if name != "large":  # refused before all of it is sent, so that sending may fail
                soak.failures.append(f"{name}: {error!r}")
            continue
        soak.counts[f"{name} {status}"] += 1
        if status == FULL:
            await asyncio.sleep(1)
        elif name in GOOD and status == 200:
            soak.waits.append(time.monotonic() - started)
        elif name in GOOD or not 400 <= status < 500:
            soak.failures.append(f"{name}: {status}")


def usage(process: psutil.Process) -> dict[str, int]:
    cpu = process.cpu_times()
    return {
        "rss_mb": process.memory_info().rss // 2**20,
        "threads": process.num_threads(),
        "descriptors": process.num_fds(),
        "cpu_seconds": round(cpu.user + cpu.system),
    }


async def ready(client: httpx2.AsyncClient) -> None:
    while True:
        try:
            (await client.get("/ready")).raise_for_status()
            return
        except httpx2.ConnectError:
            await asyncio.sleep(0.1)


async def soak_server(url: str, process: psutil.Process, given: argparse.Namespace) -> Soak:
    limits = httpx2.Limits(max_connections=given.clients)
    async with httpx2.AsyncClient(
        base_url=url, timeout=600, limits=limits, trust_env=False
    ) as client:
        await ready(client)
        soak = Soak(client, given.tokens, time.monotonic() + given.seconds)
        clients = [one_client(soak, random.Random(seed)) for seed in range(given.clients)]
        everyone = asyncio.gather(*clients)
        used = []
        for _ in range(LOOKS):
            await asyncio.sleep(given.seconds / LOOKS)
            used.append(usage(process))
        await everyone
        figures = {"during": used, "end": usage(process), **report(soak, given)}
    print(json.dumps(figures))
    return soak


def report(soak: Soak, given: argparse.Namespace) -> dict[str, object]:
    waits = sorted(soak.waits)
    return {
        "clients": given.clients,
        "seconds": given.seconds,
        "answers_per_second": round(len(waits) / given.seconds, 3),
        "median_wait": round(statistics.median(waits), 2) if waits else None,
        "longest_wait": round(waits[-1], 2) if waits else None,
        "counts": dict(sorted(soak.counts.items())),
        "failures": soak.failures[:5],
    }


@contextmanager
def started(model: str) -> Iterator[tuple[str, psutil.Process]]:
    """The address and the process of a server on loopback, which may still be loading."""
    command = [sys.executable, "-m", "anygen", "serve", "--port", "0", "--model", model]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            lines: list[str] = []
            for line in server.stderr:
                lines.append(line)
                if found := re.search(r"http://\S+", line):
                    break
            else:
                raise SystemExit(f"the server did not start:\n{''.join(lines)}")
            yield found[0].removesuffix("/v1"), psutil.Process(server.pid)
        finally:
            server.terminate()


def main() -> int:
    parser = argparse.ArgumentParser(description="Many clients of one server, for a while.")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--tokens", type=int, default=16, help="of an answer in text")
    given = parser.parse_args()
    with started(given.model) as (url, process):
        soak = asyncio.run(soak_server(url, process, given))
    return 1 if soak.failures else 0


if __name__ == "__main__":
    sys.exit(main())
