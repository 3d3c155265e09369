"""The parts of a diffusers pipeline: published ones, or random ones of any size."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import ConfigMixin, DiffusionPipeline, ModelMixin, SchedulerMixin
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from anygen.io.pretrained import reading
from decoders.parts.pretrained import read_part

PartConfig = Mapping[str, Any]  # the content of a part's config.json


@dataclass(frozen=True)
class PipelineSource:
    """What a pipeline consists of, and how its parts are made."""

    pipeline: str  # the name of its class
    classes: Mapping[str, str]  # class names of its parts, by the names of the parts
    settings: Mapping[str, Any]  # other arguments of the pipeline
    make: Callable[[str, type], Any]  # (name, class) -> the part


def pretrained_source(pretrained: str) -> PipelineSource:
    """A folder in the layout of diffusers, or a Hugging Face id.

    Weights are read part by part, from safetensors only, and not at all on the meta device. Raises
    ValueError if there is no pipeline.
    """
    with reading("pipeline", pretrained):
        index = DiffusionPipeline.load_config(pretrained)
    parts = {name: entry for name, entry in index.items() if isinstance(entry, list | tuple)}
    return PipelineSource(
        index["_class_name"],
        {name: class_name for name, (_, class_name) in parts.items() if class_name},
        {n: v for n, v in index.items() if n not in parts and not n.startswith("_")},
        lambda name, kind: pretrained_part(pretrained, name, kind),
    )


def random_source(
    pipeline: str, configs: Mapping[str, PartConfig], tokenizer: Path | None
) -> PipelineSource:
    """Random weights of the sizes in `configs`, by the names of the parts.

    `tokenizer` is a file of the library `tokenizers`.
    """

    def make(name: str, kind: type) -> Any:
        if kind is PreTrainedTokenizerFast:
            return kind(tokenizer_file=str(tokenizer), **configs[name])
        return random_part(kind, configs[name])

    classes = {name: class_name(name, config) for name, config in configs.items()}
    return PipelineSource(pipeline, classes, {}, make)


def class_name(name: str, config: PartConfig) -> str:
    """As diffusers or transformers writes it into a config; all tokenizers have one class here."""
    if name.startswith("tokenizer"):
        return PreTrainedTokenizerFast.__name__
    named: str = config.get("_class_name") or config["architectures"][0]
    return named


def class_of(name: str) -> type:
    """Raises ValueError for a class of another library."""
    for library in (diffusers, transformers):
        if hasattr(library, name):
            found: type = getattr(library, name)
            return found
    raise ValueError(f"neither diffusers nor transformers has a class {name}")


def pretrained_part(pretrained: str, name: str, kind: Any) -> Any:
    """One part; models are frozen. Raises ValueError if it is incomplete."""
    if issubclass(kind, ModelMixin | PreTrainedModel):
        return read_part(kind, pretrained, name)
    with torch.device("cpu"), reading(kind.__name__, pretrained, name):
        return kind.from_pretrained(pretrained, subfolder=name)


def random_part(kind: Any, config: PartConfig) -> Any:
    """A part with random weights. Schedulers compute when built, which the meta device cannot."""
    if issubclass(kind, SchedulerMixin):
        with torch.device("cpu"):
            return kind.from_config(config)
    if issubclass(kind, ConfigMixin):
        return kind.from_config(config)
    return kind(kind.config_class.from_dict(config))
