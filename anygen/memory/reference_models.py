"""Configurations of models that others published, so that a plan needs neither them nor a network.

What is not said is as the model's class has it. The sums of their parameters are the known ones,
which a test keeps.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from anygen.config.system import System
from anygen.memory.reference_pipelines import CLIP_L_TEXT, PIPELINES, Settings

Files = dict[str, Settings]  # by the file's name in the model's folder

# --- LLMs

LLAMA: Settings = {"model_type": "llama"}  # of 7B are the sizes of its class
LLMS: dict[str, Settings] = {
    "smollm2-135m": {
        **LLAMA,
        "vocab_size": 49_152,
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "max_position_embeddings": 8192,
        "tie_word_embeddings": True,
    },
    "lmsys/vicuna-7b-v1.1": {**LLAMA, "max_position_embeddings": 2048},
    "lmsys/vicuna-7b-v1.3": {**LLAMA, "max_position_embeddings": 2048},
    "lmsys/vicuna-7b-v1.5": {**LLAMA, "max_position_embeddings": 4096},
    "meta-llama/Llama-3.1-8B-Instruct": {
        **LLAMA,
        "vocab_size": 128_256,
        "intermediate_size": 14_336,
        "num_key_value_heads": 8,
        "max_position_embeddings": 131_072,
        "tie_word_embeddings": False,
    },
    "mistralai/Mistral-7B-Instruct-v0.3": {
        "model_type": "mistral",
        "vocab_size": 32_768,
        "sliding_window": None,
        "max_position_embeddings": 32_768,
    },
    "Qwen/Qwen3-8B": {
        "model_type": "qwen3",
        "vocab_size": 151_936,
        "hidden_size": 4096,
        "intermediate_size": 12_288,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "max_position_embeddings": 40_960,
        "tie_word_embeddings": False,
    },
}

# --- encoders

CLIP_L_VISION: Settings = {
    "model_type": "clip_vision_model",
    "projection_dim": 768,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 224,
    "patch_size": 14,
}
SO400M: Settings = {
    "model_type": "siglip_vision_model",
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "image_size": 384,
    "patch_size": 14,
}
SIGLIP_TEXT: Settings = {
    "model_type": "siglip_text_model",
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
}
PICTURES: Settings = {"crop_size": 224, "size": {"shortest_edge": 224}}
ENCODERS: dict[str, Files] = {
    "openai/clip-vit-large-patch14": {
        "config.json": {
            "model_type": "clip",
            "projection_dim": 768,
            "text_config": CLIP_L_TEXT,
            "vision_config": CLIP_L_VISION,
        },
        "preprocessor_config.json": {"image_processor_type": "CLIPImageProcessor", **PICTURES},
    },
    "google/siglip-so400m-patch14-384": {
        "config.json": {
            "model_type": "siglip",
            "text_config": SIGLIP_TEXT,
            "vision_config": SO400M,
        },
        "preprocessor_config.json": {
            "image_processor_type": "SiglipImageProcessor",
            "size": {"height": 384, "width": 384},
        },
    },
    "facebook/vjepa2-vitl-fpc64-256": {
        "config.json": {"model_type": "vjepa2", "frames_per_clip": 64},
        "video_preprocessor_config.json": {},
    },
    "laion/clap-htsat-unfused": {
        "config.json": {"model_type": "clap"},
        "preprocessor_config.json": {
            "feature_extractor_type": "ClapFeatureExtractor",
            "truncation": "rand_trunc",
        },
    },
}

# --- as files


def library(class_name: str) -> str:
    """Whose it is, as model_index.json says."""
    import diffusers

    return "diffusers" if hasattr(diffusers, class_name) else "transformers"


def pipeline_files(name: str) -> Files:
    pipeline, parts = PIPELINES[name]
    index = {part: [library(of), of] for part, (of, _) in parts.items()}
    files: Files = {"model_index.json": {"_class_name": pipeline, **index}}
    for part, (_, settings) in parts.items():
        file = "scheduler_config.json" if part == "scheduler" else "config.json"
        files[f"{part}/{file}"] = settings
    return files


def files_of(name: str) -> Files:
    """KeyError for a model that is not known here."""
    if name in LLMS:
        return {"config.json": LLMS[name]}
    return ENCODERS[name] if name in ENCODERS else pipeline_files(name)


@contextmanager
def stand_ins(system: System) -> Iterator[System]:
    """Inside, folders with their configurations stand for the models that are known here, and a
    tokenizer for each of theirs. What else the system names is left as it is."""
    with TemporaryDirectory() as folder:
        yield System.model_validate(replaced(system.model_dump(mode="json"), Path(folder)))


def replaced(value: Any, folder: Path) -> Any:
    if isinstance(value, Mapping):
        return {key: replaced(item, folder) for key, item in value.items()}
    known = isinstance(value, str) and any(value in m for m in (LLMS, ENCODERS, PIPELINES))
    return str(write(value, folder / value)) if known else value


def write(name: str, folder: Path) -> Path:
    """The model's configurations, in the published layout; returns the folder."""
    tokenizer = stand_in_tokenizer()
    for file, settings in files_of(name).items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent.name.startswith("tokenizer"):
            tokenizer.save_pretrained(path.parent)
        else:
            path.write_text(json.dumps(settings), encoding="utf-8")
    tokenizer.save_pretrained(folder)
    return folder


def stand_in_tokenizer() -> Any:
    """It knows two tokens: how many the model has, its configuration says."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"?": 0, "</s>": 1}, unk_token="?"))
    made = PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="?", eos_token="</s>", pad_token="</s>"
    )
    made.chat_template = "{% for m in messages %}{{ m['content'] }}{{ eos_token }}{% endfor %}"
    return made
