"""A system of published shapes with random weights, in the published layouts."""

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
    PreTrainedTokenizerFast,
)
from transformers.convert_slow_tokenizer import bytes_to_unicode

from anygen.config.placement import Placement
from anygen.config.system import System
from anygen.memory.reference_models import reference_files

SHARD = "2GB"  # safetensors holds a whole file in memory while it writes it
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


def write_system(size: str, place: Placement, work: Path) -> System:
    """The system's LLM and its Stable Diffusion in `work`; what is there already is kept."""
    sizes = SIZES[size]
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    with torch.device(place.device):
        write_llm(sizes["llm"], place.torch_dtype, work / "llm")
        write_pipeline(sizes, place.torch_dtype, work / "sd")
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
    model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    fast.save_pretrained(folder)
    model.save_pretrained(folder, max_shard_size=SHARD)


def write_pipeline(sizes: dict[str, Any], dtype: torch.dtype, folder: Path) -> None:
    if (folder / "model_index.json").is_file():
        return
    letters = list(bytes_to_unicode().values())
    names = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{x}</w>" for x in letters)]
    vocabulary = {name: number for number, name in enumerate(names)}
    text = CLIPTextConfig(
        **sizes["text_encoder"] | {"vocab_size": len(names), "bos_token_id": 0, "eos_token_id": 1}
    )
    StableDiffusionPipeline(
        vae=AutoencoderKL.from_config(sizes["vae"]).to(dtype),
        text_encoder=CLIPTextModel(text).to(dtype),
        tokenizer=CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77),
        unet=UNet2DConditionModel.from_config(sizes["unet"]).to(dtype),
        scheduler=DDIMScheduler.from_config(sizes["scheduler"]),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
