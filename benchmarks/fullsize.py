"""Speed and memory at full size with random weights: one line of JSON, ratios within one run.

    python benchmarks/fullsize.py [--size full|tiny] [--device cuda:0] [--dtype bfloat16]
        [--work DIR]

A system of Vicuna-7B's, CLIP-L's and Stable Diffusion 1.5's shapes is written to a folder (22 GB),
in the published layouts, and loaded from there as the real one would be. Ours stands beside
transformers' `generate` and beside diffusers' pipeline, with the same weights. `--size tiny` shows
on any CPU that all of this runs; its figures say nothing.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)
from transformers.convert_slow_tokenizer import bytes_to_unicode

from anygen import AnyGen
from anygen.config.placement import Placement
from anygen.config.system import System
from anygen.core.media import Message
from anygen.generation.events import MediaDone
from anygen.memory.planner import Planner
from anygen.memory.reference_models import reference_files
from decoders.base import SampleOptions, Task, never, no_progress
from decoders.parts.latent_diffusion import make_solver

RUNS, TOKENS, STEPS = 3, 128, 25
BATCHES = (1, 8)
VICUNA = reference_files()["lmsys/vicuna-7b-v1.1"]["config.json"]
CLIP = reference_files()["openai/clip-vit-large-patch14"]["config.json"]
SD_15 = {
    file.split("/")[0]: dict(settings)
    for file, settings in reference_files()["stable-diffusion-v1-5/stable-diffusion-v1-5"].items()
}
SIZES: dict[str, dict[str, Any]] = {
    "full": {
        "llm": VICUNA,
        "vision": CLIP["vision_config"],
        **{part: SD_15[part] for part in ("unet", "vae", "text_encoder", "scheduler")},
    },
    "tiny": {
        "llm": {
            "vocab_size": 512,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
        },
        "vision": CLIP["vision_config"]
        | {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
        | {"num_attention_heads": 4, "image_size": 28},
        "unet": SD_15["unet"]
        | {"sample_size": 8, "block_out_channels": [32, 64], "layers_per_block": 1}
        | {"down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"]}
        | {"up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"]}
        | {"attention_head_dim": 4, "cross_attention_dim": 32},
        "vae": SD_15["vae"]
        | {"block_out_channels": [32, 32], "layers_per_block": 1}
        | {"down_block_types": ["DownEncoderBlock2D"] * 2}
        | {"up_block_types": ["UpDecoderBlock2D"] * 2},
        "text_encoder": {"hidden_size": 32, "intermediate_size": 64}
        | {"num_hidden_layers": 1, "num_attention_heads": 2},
        "scheduler": SD_15["scheduler"],
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed and memory at full size.")
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--work", type=Path, help="where the weights go, and stay")
    given = parser.parse_args()
    place = Placement(device=given.device, dtype=given.dtype).validate_available()
    work = given.work or Path(tempfile.mkdtemp())
    try:
        print(json.dumps(measured(SIZES[given.size], place, work)))
    finally:
        if given.work is None:
            shutil.rmtree(work)


def measured(sizes: dict[str, Any], place: Placement, work: Path) -> dict[str, Any]:
    system = write_system(sizes, place, work)
    folder = work / "model"
    AnyGen(system, work).save_pretrained(folder)
    model = AnyGen.from_pretrained(folder, **dict(place))
    figures: dict[str, Any] = {"torch": torch.__version__, "device": name_of(place.device)}
    figures |= decoding(model, system, place)
    figures |= pictures(model, system, place)
    figures |= latency(model)
    return figures | memory(model, system, work, place)


def name_of(device: str) -> str:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def seconds(work: Callable[[], Any], device: str) -> float:
    """The median of RUNS, after one to warm up."""
    taken = []
    for _ in range(RUNS + 1):
        began = time.perf_counter()
        work()
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[1:])


# --- random weights in the published layouts


def write_system(sizes: dict[str, Any], place: Placement, work: Path) -> System:
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    with torch.device(place.device):
        write_llm(sizes["llm"], place.torch_dtype, work / "llm")
        write_pipeline(sizes, work / "sd")
    described = {
        "llm": {"base": str(work / "llm"), "signals": {"tokens": {"image": 4}}},
        "encoder": {"name": "clip", "sizes": dict(sizes["vision"])},
        "input_projector": {"kind": "linear"},
        "output_projector": {"kind": "transformer", "width": 512, "layers": 4, "heads": 4},
        "decoders": {"image": {"name": "stable_diffusion", "pretrained": str(work / "sd")}},
    }
    return System.model_validate(described)


def write_llm(settings: dict[str, Any], dtype: torch.dtype, folder: Path) -> None:
    if (folder / "config.json").is_file():
        return
    config = LlamaConfig(**{k: v for k, v in settings.items() if k != "model_type"})
    words = {"<unk>": 0, "<s>": 1, "</s>": 2}
    words |= {f"w{number}": number for number in range(3, config.vocab_size)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    fast.chat_template = "{% for m in messages %}{{ m['content'] }}{{ eos_token }}{% endfor %}"
    fast.save_pretrained(folder)
    LlamaForCausalLM(config).to(dtype).save_pretrained(folder)


def write_pipeline(sizes: dict[str, Any], folder: Path) -> None:
    if (folder / "model_index.json").is_file():
        return
    letters = list(bytes_to_unicode().values())
    names = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{x}</w>" for x in letters)]
    vocabulary = {name: number for number, name in enumerate(names)}
    text = CLIPTextConfig(
        **sizes["text_encoder"] | {"vocab_size": len(names), "bos_token_id": 0, "eos_token_id": 1}
    )
    StableDiffusionPipeline(
        vae=AutoencoderKL.from_config(sizes["vae"]),
        text_encoder=CLIPTextModel(text),
        tokenizer=CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77),
        unet=UNet2DConditionModel.from_config(sizes["unet"]),
        scheduler=DDIMScheduler.from_config(sizes["scheduler"]),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)


# --- figures


def decoding(model: AnyGen, system: System, place: Placement) -> dict[str, float]:
    """Tokens per second of greedy text; the plain way is transformers' `generate`."""
    plain = AutoModelForCausalLM.from_pretrained(
        system.llm.base, dtype=place.torch_dtype, device_map={"": place.device}
    )
    prompt = torch.arange(3, 35, device=place.device)[None]
    counts = {"min_new_tokens": TOKENS, "max_new_tokens": TOKENS, "do_sample": False}
    asked = [Message("user", (" ".join(f"w{number}" for number in range(3, 35)),))]

    def ours() -> None:
        model.engine.kv_caches.idle.clear()
        list(model.reply(asked, modalities=("text",), max_new_tokens=TOKENS))

    with torch.inference_mode():
        theirs = TOKENS / seconds(lambda: plain.generate(prompt, **counts), place.device)
    own = TOKENS / seconds(ours, place.device)
    return {"tokens_per_s": own, "plain_tokens_per_s": theirs, "decode_times": own / theirs}


def pictures(model: AnyGen, system: System, place: Placement) -> dict[str, float]:
    """Images per second; the plain way is diffusers' own pipeline."""
    decoder: Any = model.model.decoders["image"]
    plain = StableDiffusionPipeline.from_pretrained(
        system.decoders["image"].options["pretrained"],
        dtype=place.torch_dtype,
        safety_checker=None,
        requires_safety_checker=False,
    ).to(place.device)
    plain.scheduler = make_solver(decoder.scheduler, "dpm++")
    plain.set_progress_bar_config(disable=True)
    spec, figures = decoder.condition_spec, {}
    for rows in BATCHES:
        shape = (rows, spec.tokens, spec.width)
        wanted = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        wanted = wanted.to(place.device, place.torch_dtype)
        options = SampleOptions(steps=STEPS, guidance=7.5)
        tasks = [Task(condition, seed, options) for seed, condition in enumerate(wanted)]
        told = {"prompt_embeds": wanted, "negative_prompt_embeds": torch.zeros_like(wanted)}
        told |= {"num_inference_steps": STEPS, "guidance_scale": 7.5}

        def ours(tasks: list[Task] = tasks) -> None:
            with torch.inference_mode():
                decoder.sample(tasks, no_progress, never)

        def theirs(told: dict[str, Any] = told) -> None:
            plain(**told)

        own, other = (rows / seconds(work, place.device) for work in (ours, theirs))
        figures |= {f"images_per_s_{rows}": own, f"plain_images_per_s_{rows}": other}
        figures[f"image_times_{rows}"] = own / other
    return figures


def latency(model: AnyGen) -> dict[str, float]:
    """From a request to its picture, all of it."""
    options = {"begin": "image", "max_media": 1, "max_new_tokens": 1}
    options["media"] = {"image": {"steps": STEPS}}
    began = time.perf_counter()
    for event in model.reply([Message("user", ("w3 w4 w5",))], **options):
        if isinstance(event, MediaDone):
            return {"text_to_image_s": time.perf_counter() - began}
    raise ValueError("no picture came")


def memory(model: AnyGen, system: System, work: Path, place: Placement) -> dict[str, float]:
    """Peak gigabytes of one answer with a picture, beside what `anygen plan` says of a chat."""
    planned = Planner(system, work).needs(place, rows=1, length=512).peaks["chat"].total / 1e9
    if not place.device.startswith("cuda"):
        return {"planned_GB": planned}
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(place.device)
    latency(model)
    return {"planned_GB": planned, "peak_GB": torch.cuda.max_memory_allocated(place.device) / 1e9}


if __name__ == "__main__":
    main()
