"""How fast mini is on this machine: one line of JSON, medians of five runs after one to warm up.

    python benchmarks/mini.py [--model mini] [--threads N]

Seconds unless the name says otherwise. A ratio is ours over plain; at most 1 is as fast.
"""

import argparse
import json
import os
import pty
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from diffusers.configuration_utils import FrozenDict
from torch import Tensor
from transformers import AutoModelForCausalLM

from anygen import AnyGen
from anygen.core.media import Message
from anygen.core.modality import MediaModality
from anygen.generation.events import Done, MediaDone
from anygen.model.building import find_base
from decoders.base import RenderRequest, never, no_progress
from decoders.parts.latent_diffusion import make_solver

RUNS = 5
TOKENS = 64
PICTURES = (1, 4)  # at a time, in the comparison with diffusers
GREETING = "Hello, who are you?"
ANSWERED = re.compile(rb"> Hello, who are you\?\s+\w")  # behind the prompt, and a word
STORY = "Tell me a long story about a lighthouse."
REQUESTS: dict[MediaModality, str] = {
    "image": "Draw a flat cat on a blue background.",
    "audio": "Play a piano playing a rising melody.",
    "video": "Make a video of a cartoon dog moving left.",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast mini is on this machine.")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    figures: dict[str, Any] = {"threads": given.threads, "torch": torch.__version__}
    figures["help"] = median(lambda: seconds(show_help))
    figures["start_to_prompt"] = median(lambda: start_to_prompt(given.model))
    figures["start_to_first_word"] = median(lambda: start_to_first_word(given.model))
    figures["chat_peak_MB"] = chat_peak_megabytes(given.model)
    model = AnyGen.from_pretrained(given.model)
    figures |= text_figures(model)
    figures |= {f"first_{m}": median(partial(first_medium, model, m)) for m in REQUESTS}
    for count in PICTURES:
        figures |= picture_figures(model, count)
    print(json.dumps(figures))


def median(measure: Callable[[], float]) -> float:
    measure()
    return round(statistics.median(measure() for _ in range(RUNS)), 3)


def seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


# --- a chat, as a process ---


def start_to_prompt(model: str) -> float:
    """From the start of `anygen chat` in a terminal to the prompt."""
    began = time.perf_counter()
    child, terminal = start_chat("--model", model)
    seen = b""
    while b"> " not in seen:
        seen += os.read(terminal, 1024)
    taken = time.perf_counter() - began
    os.write(terminal, b"/bye\n")  # a Ctrl-D is lost until the prompt has set up its terminal
    drain(terminal)
    os.waitpid(child, 0)
    return taken


def start_to_first_word(model: str) -> float:
    """From the start of `anygen chat` to the first word of the answer to what is typed at once."""
    began = time.perf_counter()
    child, terminal = start_chat("--model", model, "--no-history")
    os.write(terminal, GREETING.encode() + b"\n")
    seen = b""
    while not ANSWERED.search(seen):
        seen += os.read(terminal, 1024)
    taken = time.perf_counter() - began
    os.write(terminal, b"/bye\n")
    drain(terminal)
    os.waitpid(child, 0)
    return taken


def show_help() -> None:
    command = [sys.executable, "-m", "anygen", "--help"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def chat_peak_megabytes(model: str) -> int:
    """The peak memory of a chat that makes one medium of each kind."""
    child, terminal = start_chat("--model", model)
    for request in REQUESTS.values():
        os.write(terminal, request.encode() + b"\n")
    os.write(terminal, b"/bye\n")
    drain(terminal)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise ValueError(f"the chat ended with status {status}")
    return usage.ru_maxrss // 1024


def start_chat(*arguments: str) -> tuple[int, int]:
    """The process and its terminal, a plain one."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ["TERM"] = "dumb"
        os.execv(sys.executable, [sys.executable, "-m", "anygen", "chat", *arguments])
    return child, terminal


def drain(terminal: int) -> None:
    """Read until the process has closed its end."""
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:  # how Linux says that the other end is closed
        os.close(terminal)


# --- text ---


def text_figures(model: AnyGen) -> dict[str, float]:
    """Tokens per second of our own decoding and of transformers' `generate`, greedy both."""
    plain = plain_story(model)
    theirs = median(lambda: TOKENS / seconds(plain))
    ours = median(lambda: spoken_per_second(model))
    return {"tokens_per_s": ours, "plain_tokens_per_s": theirs}


def plain_llm(model: AnyGen) -> Any:
    """The same LLM, transformers' own, in float32."""
    return AutoModelForCausalLM.from_pretrained(
        find_base(model.model.system.llm.base, model.model.folder), dtype=torch.float32
    )


def plain_story(model: AnyGen) -> Callable[[], Any]:
    """Greedy text by transformers' `generate` with the same LLM in float32."""
    plain = plain_llm(model)
    tokenizer = model.model.llm.tokenizer
    messages = [
        {"role": "system", "content": model.model.system.llm.system_prompt},
        {"role": "user", "content": STORY},
    ]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    ids = torch.tensor([tokenizer(text, add_special_tokens=False).input_ids])
    settings = {"max_new_tokens": TOKENS, "min_new_tokens": TOKENS, "do_sample": False}
    return lambda: plain.generate(ids, **settings)


def spoken_per_second(model: AnyGen) -> float:
    began = time.perf_counter()
    user = Message("user", (STORY,))
    *_, done = model.reply([user], modalities=("text",), max_new_tokens=TOKENS)
    assert isinstance(done, Done)
    return done.new_tokens / (time.perf_counter() - began)


# --- media ---


def first_medium(model: AnyGen, modality: MediaModality) -> float:
    """From the request to the whole medium."""
    began = time.perf_counter()
    request = [Message("user", (REQUESTS[modality],))]
    for event in model.reply(request, modalities=("text", modality)):
        if isinstance(event, MediaDone):
            return time.perf_counter() - began
    raise ValueError(f"the model made no {modality} for {REQUESTS[modality]!r}")


class Denoiser(torch.nn.Module):
    """The image decoder's U-Net, with its whole condition, as diffusers calls it."""

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        self.predict = decoder.predict
        self.dtype, self.device = decoder.unet.dtype, decoder.unet.device
        channels, side, _ = decoder.latent_shape
        self.config = FrozenDict(in_channels=channels, sample_size=side, time_cond_proj_dim=None)

    def forward(
        self, sample: Tensor, timestep: Tensor, encoder_hidden_states: Tensor, **_: Any
    ) -> tuple[Tensor]:
        return (self.predict(sample, timestep.expand(len(sample)), encoder_hidden_states),)


def picture_figures(model: AnyGen, count: int) -> dict[str, float]:
    """Our picture path and diffusers' own pipeline: same weights, steps and guidance.

    Both end with our own VAE, which the pipeline does not know. The pipeline takes all pictures in
    one batch; ours come one after the other on a CPU, with the same bits in any company.
    """
    decoder: Any = model.model.decoders["image"]
    captions = [f"a cartoon {name}" for name in ("cat", "dog", "bus", "cake")][:count]
    seeds = list(range(count))
    with torch.inference_mode():
        wanted = decoder.encode_prompt(captions)
        empty = decoder.encode_prompt([""] * count)
    pipeline = StableDiffusionPipeline(
        vae=decoder.vae.kl,
        text_encoder=None,
        tokenizer=None,
        unet=Denoiser(decoder),
        scheduler=make_solver(decoder.scheduler, decoder.config.solver),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)

    @torch.inference_mode()
    def plain() -> None:
        made = pipeline(
            prompt_embeds=wanted,
            negative_prompt_embeds=empty,
            guidance_scale=decoder.config.guidance,
            num_inference_steps=decoder.config.steps,
            output_type="latent",
        )
        decoder.from_latents(made.images)

    @torch.inference_mode()
    def ours() -> None:
        tasks = [
            RenderRequest(condition, seed) for condition, seed in zip(wanted, seeds, strict=True)
        ]
        decoder.sample(tasks, no_progress, never)

    taken = {"pictures": median(lambda: seconds(ours)), "plain": median(lambda: seconds(plain))}
    return {
        f"{count}_pictures": taken["pictures"],
        f"{count}_pictures_diffusers": taken["plain"],
        f"{count}_pictures_ratio": round(taken["pictures"] / taken["plain"], 3),
    }


if __name__ == "__main__":
    main()
