"""What the generation engine saves: one line of JSON, ratios within one run.

    python benchmarks/engine.py [--model mini] [--threads N] [--only decode,batch]

Every figure says how many times as fast the engine is as the plain way, which is measured beside
it: medians of three runs, one after the other in turn, after one of each to warm up.
"""

import argparse
import ctypes
import json
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from anygen import AnyGen
from anygen.core.media import Audio, Image, Media, Message, Part, Video
from anygen.generation.answer import collect
from anygen.generation.events import Done, Event, MediaStarted, TextDelta
from anygen.generation.options import AnswerOptions, Feedback
from anygen.generation.request import Request
from anygen.generation.request_checks import prepare
from anygen.llm.kv_cache import Adapted, Key, KVCache
from decoders.base import SampleOptions
from mini import STORY, TOKENS, plain_llm, plain_story, seconds

RUNS = 3
TURNS, SHORT = 200, 512  # of the long conversation, and how much of it is read
REQUESTS = [
    "Draw a flat cat on a blue background.",
    "Play a piano playing a rising melody.",
    "What is the capital of France?",
    "Draw a 3d pizza on a red background.",
    "Play the sound of a seashore.",
    "Why is the sky blue?",
    "Draw a cartoon dog.",
    "Draw a guitar, then play a guitar playing a falling melody.",
]


def main() -> None:
    parser = argparse.ArgumentParser(description="What the generation engine saves.")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only", default=",".join(FIGURES), help="figures, separated by commas")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    figures: dict[str, Any] = {"threads": given.threads, "torch": torch.__version__}
    model = AnyGen.from_pretrained(given.model)
    for name in given.only.split(","):
        figures |= FIGURES[name](model)
    print(json.dumps(figures))


def compared(name: str, plain: Callable[[], float], ours: Callable[[], float]) -> dict[str, float]:
    """Seconds of both, and how many times as fast ours is."""
    taken = [(plain(), ours()) for _ in range(RUNS + 1)][1:]
    before, after = (statistics.median(times) for times in zip(*taken))
    return {
        f"{name}_plain_s": round(before, 3),
        f"{name}_s": round(after, 3),
        f"{name}_times": round(before / after, 2),
    }


def forget(model: AnyGen) -> None:
    """Nothing of earlier answers helps."""
    model.engine.kv_caches.idle.clear()
    model.engine.embeddings.values.clear()


# --- text


def decode(model: AnyGen) -> dict[str, float]:
    """Greedy text: transformers' `generate` of the same LLM in float32, and ours."""
    plain = plain_story(model)

    def ours() -> float:
        forget(model)
        asked = Request(
            [Message("user", (STORY,))],
            options=AnswerOptions(modalities=("text",), max_new_tokens=TOKENS),
        )
        return seconds(lambda: list(model.answer(asked)))

    return compared("decode", lambda: seconds(plain), ours)


@torch.inference_mode()
def span(model: AnyGen) -> dict[str, float]:
    """The signal tokens of a video: in one pass, and token by token."""
    ids = model.model.llm.signals.span("video")
    prompt = model.model.embed_ids(
        model.model.llm.tokenizer("Show me a rocket flying up.").input_ids
    )
    before, llm = KVCache(), model.model.llm
    llm.read([(before, prompt, range(len(prompt)))])

    def reading(pieces: Sequence[list[int]]) -> float:
        context = before.copy(before.length)

        def read() -> None:
            for piece in pieces:
                llm.read([(context, model.model.embed_ids(piece), piece)])

        return seconds(read)

    return compared("span", lambda: reading([[i] for i in ids]), lambda: reading([ids]))


@torch.inference_mode()
def expert(model: AnyGen) -> dict[str, float]:
    """Tokens one by one with LoRA beside the base weights, as the media expert reads them.

    The plain way is what LoRA would cost inside the weights: nothing beside the base model's pass.
    """
    llm = model.model.llm
    ids = llm.tokenizer(STORY).input_ids
    embeds, adapted = model.model.embed_ids(ids), [Adapted(i) for i in ids]

    def reading(keys: Sequence[Key]) -> float:
        context = KVCache()

        def read() -> None:
            for row, key in zip(embeds, keys):
                llm.read([(context, row[None], [key])])

        return seconds(read)

    return compared("expert", lambda: reading(ids), lambda: reading(adapted))


# --- conversations


def conversation(model: AnyGen) -> dict[str, float]:
    """Eight turns with six media: what was read is kept, or read and encoded each turn anew.

    Anew by transformers' `generate`, as people do without an engine, and (`conversation_anew`) by
    our own engine when it forgets everything.
    """
    questions: list[tuple[Part, ...]] = [
        (media, "What is this?") for media in some_media(torch.Generator().manual_seed(0))
    ]
    questions += [("Thank you.",), ("Tell me more.",)]
    options = AnswerOptions(modalities=("text",), max_new_tokens=12)
    asked: list[tuple[Request, int]] = []  # with how many tokens were answered

    def talk(keep: bool) -> float:
        forget(model)
        asked.clear()
        messages: list[Message] = []
        taken = 0.0
        for question in questions:
            if not keep:
                forget(model)
            request = Request([*messages, Message("user", question)], options=options)
            began = time.perf_counter()
            *events, done = model.answer(request)
            taken += time.perf_counter() - began
            messages = [*request.messages, collect([*events, done]).message]
            assert isinstance(done, Done)
            asked.append((request, done.new_tokens))
        return taken

    plain = plain_llm(model)

    @torch.inference_mode()
    def generated() -> float:
        return sum(seconds(partial(generate, plain, model, *turn)) for turn in asked)

    talk(True)
    figures = compared("conversation", generated, lambda: talk(True))
    return figures | compared("conversation_anew", lambda: talk(False), lambda: talk(True))


def generate(plain: Any, model: AnyGen, request: Request, tokens: int) -> None:
    """As many tokens by transformers' `generate`; media are encoded by our encoder, anew."""
    pieces = prepare(model.model, request).pieces
    embeds = model.model.embed([piece for piece, _ in pieces])[None]
    counts = {"min_new_tokens": tokens, "max_new_tokens": tokens}
    plain.generate(inputs_embeds=embeds, do_sample=False, **counts)


def some_media(generator: torch.Generator) -> Iterator[Media]:
    """Two of each kind; what they show does not matter for the time."""
    for _ in range(2):
        yield Image(noise((3, 256, 256), generator))
        yield Audio(torch.rand((1, 48000), generator=generator) - 0.5, 16000)
        yield Video(noise((16, 3, 128, 128), generator), 8.0)


def noise(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def late(model: AnyGen) -> dict[str, float]:
    """From the start of a video to the next text: after it was made, and meanwhile."""

    def next_text(feedback: Feedback) -> float:
        forget(model)
        options = AnswerOptions(
            begin="video",
            exactly={"video": 1, "image": 1},
            words_between=3,
            feedback=feedback,
            media={"image": SampleOptions(steps=1)},
        )
        asked = Request([Message("user", ("A rocket flying up, please.",))], options=options)
        return time_between(model.answer(asked))

    return compared("late", lambda: next_text("wait"), lambda: next_text("late"))


def time_between(events: Iterator[Event]) -> float:
    """From the first medium's start to the next text."""
    began = 0.0
    for event in events:
        if isinstance(event, MediaStarted) and not began:
            began = time.perf_counter()
        if isinstance(event, TextDelta) and began:
            return time.perf_counter() - began
    raise ValueError("no text came after the medium")


# --- many


def batch(model: AnyGen) -> dict[str, float]:
    """Eight mixed requests: one after the other, and together."""
    options = AnswerOptions(max_new_tokens=48, max_media=2)
    requests = [
        Request([Message("user", (text,))], seed, options) for seed, text in enumerate(REQUESTS)
    ]

    def answered(batches: Sequence[Sequence[Request]]) -> float:
        forget(model)
        return seconds(lambda: [model.reply_many(batch) for batch in batches])

    return compared(
        "batch", lambda: answered([[r] for r in requests]), lambda: answered([requests])
    )


def memory(model: AnyGen) -> dict[str, float]:
    """A conversation that never ends: megabytes after half of it, and how many more at its end."""
    usual, model.model.llm.context = model.model.llm.context, SHORT
    forget(model)
    messages: list[Message] = []
    used = []
    options = AnswerOptions(modalities=("text",), max_new_tokens=12)
    for number in range(TURNS):
        messages.append(Message("user", (f"Tell me something about the number {number}.",)))
        messages.append(collect(model.answer(Request(list(messages), options=options))).message)
        used.append(megabytes_in_use())
    model.model.llm.context = usual
    half = used[TURNS // 2]
    return {"memory_MB": round(half), "memory_growth_MB": round(used[-1] - half, 1)}


def megabytes_in_use() -> float:
    """Of the process, without what its allocator holds for the next to come."""
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


FIGURES: dict[str, Callable[[AnyGen], dict[str, float]]] = {
    "decode": decode,
    "span": span,
    "expert": expert,
    "conversation": conversation,
    "late": late,
    "batch": batch,
    "memory": memory,
}

if __name__ == "__main__":
    main()
