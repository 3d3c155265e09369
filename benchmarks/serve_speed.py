"""What a server adds to the engine, and what it gains by answering many clients: one line of JSON.

    python benchmarks/serve_speed.py [--model mini] [--rounds 5] [--clients 8] [--tokens 32]

A server is started on loopback, and the same model is loaded here. Each round has one text by the
engine of this process and the same one streamed by the server, and then requests of all clients,
half of them for texts and half for pictures, one after the other and all at once. So whatever else
the machine does meets all of them. The ratios of each round are the time to the first text beside
that of the engine here, and the time of the requests alone beside that together, on the clock and
in CPU seconds of the server, which another load changes less.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any

import httpx2
import numpy as np
import psutil

from anygen import AnswerOptions, AnyGen, Message, Request, TextDelta
from serve_soak import ready, started

PICTURE = {"exactly": {"image": 1}, "modalities": ["image"]}


@dataclass(frozen=True)
class Round:
    """Seconds."""

    first_text_here: float
    first_text_served: float
    alone: float
    together: float
    cpu_alone: float  # of the server
    cpu_together: float


@dataclass(frozen=True)
class Bench:
    model: AnyGen
    client: httpx2.AsyncClient
    server: psutil.Process
    clients: int
    tokens: int

    async def round(self, number: int) -> Round:
        seed = 1000 * number
        here = self.first_text_here(seed)
        served = await self.first_text_served(seed)
        bodies = [self.body(seed + 1 + n, n % 2 == 1) for n in range(self.clients)]
        start = self.now()
        for body in bodies:
            await self.post(body)
        middle = self.now()
        await asyncio.gather(*map(self.post, bodies))
        (alone, cpu_alone), (together, cpu_together) = middle - start, self.now() - middle
        return Round(here, served, alone, together, cpu_alone, cpu_together)

    def now(self) -> np.ndarray:
        """Seconds on the clock, and CPU seconds of the server."""
        used = self.server.cpu_times()
        return np.array([time.perf_counter(), used.user + used.system])

    def first_text_here(self, seed: int) -> float:
        options = AnswerOptions(modalities=("text",), max_new_tokens=self.tokens)
        start, found = time.perf_counter(), 0.0
        for event in self.model.answer(Request([Message("user", (ask(seed),))], seed, options)):
            if isinstance(event, TextDelta) and not found:
                found = time.perf_counter() - start
        return found

    async def first_text_served(self, seed: int) -> float:
        start, found = time.perf_counter(), 0.0
        body = {**self.body(seed, False), "stream": True}
        async with self.client.stream("POST", "/v1/responses", json=body) as reply:
            async for line in reply.aiter_lines():
                if line == "event: response.output_text.delta" and not found:
                    found = time.perf_counter() - start
        return found

    def body(self, seed: int, is_picture: bool) -> dict[str, Any]:
        options = PICTURE if is_picture else {"modalities": ["text"]}
        tokens = {} if is_picture else {"max_output_tokens": self.tokens}
        return {"input": ask(seed), **tokens, "anygen": {**options, "seed": seed}}

    async def post(self, body: dict[str, Any]) -> None:
        (await self.client.post("/v1/responses", json=body)).raise_for_status()


def ask(seed: int) -> str:
    """A question of its own, so that no answer continues what was read for another."""
    return f"{seed}: why is the sky blue?"


async def measure(url: str, server: psutil.Process, given: argparse.Namespace) -> dict[str, Any]:
    model = AnyGen.from_pretrained(given.model)
    async with httpx2.AsyncClient(base_url=url, timeout=600, trust_env=False) as client:
        await ready(client)
        bench = Bench(model, client, server, given.clients, given.tokens)
        rounds = [await bench.round(number) for number in range(given.rounds + 1)][1:]  # warm
    return {
        "clients": given.clients,
        "first_text_here": round(median(each.first_text_here for each in rounds), 3),
        "first_text_served": round(median(each.first_text_served for each in rounds), 3),
        "first_text_ratios": sorted(
            round(each.first_text_served / each.first_text_here, 2) for each in rounds
        ),
        "requests_per_second_alone": round(given.clients / median(r.alone for r in rounds), 2),
        "requests_per_second_together": round(
            given.clients / median(r.together for r in rounds), 2
        ),
        "requests_ratios": sorted(round(each.alone / each.together, 2) for each in rounds),
        "cpu_ratios": sorted(round(each.cpu_alone / each.cpu_together, 2) for each in rounds),
    }


def median(values: Any) -> float:
    return statistics.median(list(values))


def main() -> int:
    parser = argparse.ArgumentParser(description="A server beside its engine.")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=32, help="of an answer in text")
    given = parser.parse_args()
    with started(given.model) as (url, server):
        print(json.dumps(asyncio.run(measure(url, server, given))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
