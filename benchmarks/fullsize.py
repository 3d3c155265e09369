"""Speed and memory at full size with random weights: a line of JSON per section.

    python benchmarks/fullsize.py [--size full|tiny] [--device cuda:0] [--dtype bfloat16]
        [--work DIR]

A system of Vicuna-7B's, CLIP-L's and Stable Diffusion 1.5's shapes is written to a folder (16 GB;
with `--work /dev/shm/x` it stays in memory) in the published layouts, and loaded from there as the
real one would be. Ours stands beside transformers' `generate`, diffusers' pipeline and a training
loop of transformers and peft, with the same weights. A section that fails says so on its line, the
others go on, and the exit code is 1. `--size tiny` shows on any CPU that all of this runs; its
figures say nothing.
"""

import argparse
import gc
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from anygen import AnyGen
from anygen.config.placement import Placement
from anygen.config.system import System
from anygen.core.media import Message
from anygen.generation.events import Done, MediaDone
from anygen.memory import workloads
from anygen.memory.planner import Planner
from anygen.model.multimodal import MultimodalModel
from decoders.base import RenderRequest, SampleOptions, never, no_progress
from decoders.parts.latent_diffusion import make_solver
from random_weights import write_system
from training_step import TRAINED, plain_trainee, rate_of, trainee

RUNS, TOKENS, STEPS = 3, 128, 25
BATCHES = (1, 8)
Figures = dict[str, Any]


@dataclass
class Bench:
    size: str
    place: Placement
    work: Path

    @cached_property
    def system(self) -> System:
        return write_system(self.size, self.place, self.work)

    @cached_property
    def model(self) -> AnyGen:
        """Loaded as a user loads it."""
        folder = self.work / "model"
        if not folder.is_dir():
            network = MultimodalModel(self.system, self.work, placement=self.place)
            network.save_pretrained(folder)
            del network
            self.free()
        return AnyGen.from_pretrained(folder, **dict(self.place))

    @property
    def on_gpu(self) -> bool:
        return self.place.device.startswith("cuda")

    def wait(self) -> None:
        if self.on_gpu:
            torch.cuda.synchronize(self.place.device)

    def free(self) -> None:
        gc.collect()
        if self.on_gpu:
            torch.cuda.empty_cache()

    def seconds(self, work: Callable[[], Any]) -> float:
        """The median of RUNS, after one to warm up."""
        taken = []
        for _ in range(RUNS + 1):
            self.wait()
            began = time.perf_counter()
            work()
            self.wait()
            taken.append(time.perf_counter() - began)
        return statistics.median(taken[1:])

    def peak_of(self, work: Callable[[], Any]) -> Figures:
        """The most gigabytes that the allocator of the GPU had given out."""
        if not self.on_gpu:
            work()
            return {}
        self.free()
        torch.cuda.reset_peak_memory_stats(self.place.device)
        work()
        return {"peak_GB": torch.cuda.max_memory_allocated(self.place.device) / 1e9}


def main() -> int:
    parser = argparse.ArgumentParser(description="Speed and memory at full size.")
    parser.add_argument("--size", choices=["full", "tiny"], default="full")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--work", type=Path, help="where the weights go, and stay")
    given = parser.parse_args()
    logging.disable_progress_bar()
    place = Placement(device=given.device, dtype=given.dtype).validate_available()
    work = given.work or Path(tempfile.mkdtemp())
    try:
        return run(Bench(given.size, place, work))
    finally:
        if given.work is None:
            shutil.rmtree(work)


def run(bench: Bench) -> int:
    """The exit code: 1 where a section failed."""
    failed = 0
    for section in SECTIONS:
        began = time.perf_counter()
        line: Figures = {"section": section.__name__}
        try:
            line |= section(bench)
        except Exception as error:  # the others are worth their time all the same
            line["error"] = f"{type(error).__name__}: {error}"
            failed = 1
        bench.free()
        line["section_s"] = time.perf_counter() - began
        print(json.dumps(rounded(line)), flush=True)
    return failed


def rounded(figures: Figures) -> Figures:
    return {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in figures.items()}


# --- sections


def loading(bench: Bench) -> Figures:
    """Seconds to write the random weights, and to load them from there."""
    began = time.perf_counter()
    assert bench.system
    written = time.perf_counter()
    assert bench.model
    bench.wait()
    figures: Figures = {"torch": torch.__version__, "device": bench.place.device}
    if bench.on_gpu:
        figures["device"] = torch.cuda.get_device_name(bench.place.device)
    figures["write_s"] = written - began
    return figures | {"load_s": time.perf_counter() - written}


def decoding(bench: Bench) -> Figures:
    """Tokens per second of greedy text; the plain way is transformers' `generate`."""
    plain = AutoModelForCausalLM.from_pretrained(
        bench.system.llm.base, dtype=bench.place.torch_dtype, device_map={"": bench.place.device}
    )
    prompt = torch.arange(3, 35, device=bench.place.device)[None]
    counts = {"min_new_tokens": TOKENS, "max_new_tokens": TOKENS, "do_sample": False}
    question = [Message("user", (" ".join(f"w{number}" for number in range(3, 35)),))]
    tokens = 0

    def ours() -> None:
        nonlocal tokens
        bench.model.engine.kv_caches.idle.clear()
        events = bench.model.reply(question, modalities=("text",), max_new_tokens=TOKENS)
        tokens = sum(event.new_tokens for event in events if isinstance(event, Done))

    with torch.inference_mode():
        theirs = TOKENS / bench.seconds(lambda: plain.generate(prompt, **counts))
    taken = bench.seconds(ours)
    own = tokens / taken
    return {"tokens_per_s": own, "plain_tokens_per_s": theirs, "times": own / theirs}


def pictures(bench: Bench) -> Figures:
    """Images per second; the plain way is diffusers' own pipeline."""
    decoder: Any = bench.model.model.decoders["image"]
    plain = StableDiffusionPipeline.from_pretrained(
        bench.system.decoders["image"].options["pretrained"],
        dtype=bench.place.torch_dtype,
        safety_checker=None,
        requires_safety_checker=False,
    ).to(bench.place.device)
    plain.scheduler = make_solver(decoder.scheduler, "dpm++")
    plain.set_progress_bar_config(disable=True)
    spec, figures = decoder.condition_spec, {}
    for rows in BATCHES:
        shape = (rows, spec.tokens, spec.width)
        conditions = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        conditions = conditions.to(bench.place.device, bench.place.torch_dtype)
        options = SampleOptions(steps=STEPS, guidance=7.5)
        tasks = [
            RenderRequest(condition, seed, options) for seed, condition in enumerate(conditions)
        ]
        settings = {"num_inference_steps": STEPS, "guidance_scale": 7.5}
        embeds = {"prompt_embeds": conditions}
        embeds["negative_prompt_embeds"] = torch.zeros_like(conditions)

        def ours(tasks: list[RenderRequest] = tasks) -> None:
            with torch.inference_mode():
                decoder.sample(tasks, no_progress, never)

        def theirs(settings: Figures = settings | embeds) -> None:
            plain(**settings)

        own, other = (rows / bench.seconds(work) for work in (ours, theirs))
        figures |= {f"images_per_s_{rows}": own, f"plain_images_per_s_{rows}": other}
        figures[f"times_{rows}"] = own / other
    return figures


def answer(bench: Bench) -> Figures:
    """From a request to its picture, all of it."""
    options: Figures = {"begin": "image", "max_media": 1, "max_new_tokens": 1}
    options["media"] = {"image": {"steps": STEPS}}
    began = time.perf_counter()
    for event in bench.model.reply([Message("user", ("w3 w4 w5",))], **options):
        if isinstance(event, MediaDone):
            return {"text_to_image_s": time.perf_counter() - began}
    raise ValueError("no picture came")


def memory(bench: Bench) -> Figures:
    """Peak gigabytes of a chat whose context is full, beside what `anygen plan` says of it."""
    place = bench.place
    planned = Planner(bench.system, bench.work).chat(place).total / 1e9
    bench.model.engine.kv_caches.idle.clear()
    model = bench.model.model

    def chat() -> None:
        context = workloads.fill_context(model.llm)
        for modality in model.encoder.modalities:
            workloads.encode(model, modality)
        for modality in model.decoders:
            workloads.render(model, modality)
        del context

    return {"planned_GB": planned} | bench.peak_of(chat)


def training(bench: Bench) -> Figures:
    """Tokens per second of LoRA on the frozen LLM, with gradient checkpointing.

    The plain way is peft and transformers with the same matrices, batch and optimizer.
    """
    bench.__dict__.pop("model", None)
    bench.free()
    rows, length = TRAINED[bench.size]
    figures: Figures = {"rows": rows, "length": length}
    for name, make in (("", trainee), ("plain_", plain_trainee)):
        step, base = make(bench.system, bench.place, rows, length)
        found = rate_of(base, rows, length, bench.seconds(step), bench.place.device)
        found |= bench.peak_of(step)
        figures |= {f"{name}{figure}": value for figure, value in found.items()}
        del step, base
        bench.free()
    figures["times"] = figures["tokens_per_s"] / figures["plain_tokens_per_s"]
    return figures


SECTIONS: tuple[Callable[[Bench], Figures], ...] = (
    loading,
    decoding,
    pictures,
    answer,
    memory,
    training,
)

if __name__ == "__main__":
    sys.exit(main())
