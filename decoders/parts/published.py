"""The parts of a diffusers pipeline: those that others published, or random ones of any size."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import ConfigMixin, DiffusionPipeline, ModelMixin, SchedulerMixin
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from decoders.parts.pretrained import read_part, reading

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Source:
    pipeline: str  # the name of its class
    classes: Mapping[str, str]  # of its parts, by their names
    settings: Settings  # of the pipeline itself
    make: Callable[[str, type], Any]  # (name, class) -> the part


def published(pretrained: str) -> Source:
    """A folder in the published layout, or a Hugging Face id.

    Weights are read part by part, as safetensors only; where the default device is `meta` they
    are not read at all. Raises ValueError where there is nothing of the kind.
    """
    index = reading("pipeline", pretrained, "", lambda: DiffusionPipeline.load_config(pretrained))
    parts = {name: entry for name, entry in index.items() if isinstance(entry, list | tuple)}
    return Source(
        index["_class_name"],
        {name: class_name for name, (_, class_name) in parts.items() if class_name},
        {n: v for n, v in index.items() if n not in parts and not n.startswith("_")},
        lambda name, of: read(pretrained, name, of),
    )


def described(pipeline: str, configs: Mapping[str, Settings], tokenizer: Path | None) -> Source:
    """Random weights of the sizes in `configs`, which are those of the parts' config.json.

    `tokenizer` is a `tokenizers` file.
    """

    def make(name: str, of: type) -> Any:
        if of is PreTrainedTokenizerFast:
            return of(tokenizer_file=str(tokenizer), **configs[name])
        return configured(of, configs[name])

    classes = {name: class_named_in(name, config) for name, config in configs.items()}
    return Source(pipeline, classes, {}, make)


def class_named_in(name: str, config: Settings) -> str:
    """As diffusers writes it, or as transformers does; tokenizers are of one class here."""
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


def read(pretrained: str, name: str, of: Any) -> Any:
    """One part; what has weights does not learn. Raises ValueError where it is not whole."""
    if issubclass(of, ModelMixin | PreTrainedModel):
        return read_part(of, pretrained, name)
    with torch.device("cpu"):
        return reading(
            of.__name__, pretrained, name, lambda: of.from_pretrained(pretrained, subfolder=name)
        )


def configured(of: Any, config: Settings) -> Any:
    """A part without weights of its own; schedulers compute, which the device `meta` cannot."""
    if issubclass(of, SchedulerMixin):
        with torch.device("cpu"):
            return of.from_config(config)
    if issubclass(of, ConfigMixin):
        return of.from_config(config)
    return of(of.config_class.from_dict(config))
