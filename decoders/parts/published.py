"""The parts of a diffusers pipeline: those that others published, or random ones of any size."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import ConfigMixin, DiffusionPipeline, ModelMixin, SchedulerMixin
from safetensors import SafetensorError
from transformers import PreTrainedModel, PreTrainedTokenizerFast

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
    with saying_what_is_missing(pretrained, "model_index.json"):
        index = DiffusionPipeline.load_config(pretrained)
    parts = {name: entry for name, entry in index.items() if isinstance(entry, list | tuple)}
    return Source(
        index["_class_name"],
        {name: class_name for name, (_, class_name) in parts.items() if class_name},
        {n: v for n, v in index.items() if n not in parts and not n.startswith("_")},
        lambda name, of: read_part(pretrained, name, of),
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
    raise ValueError(f"pretrained: neither diffusers nor transformers has a class {name}")


def read_part(pretrained: str, name: str, of: Any) -> Any:
    """In torch's default precision, but what is unsafe there; it does not learn."""
    networks = ModelMixin | PreTrainedModel
    with saying_what_is_missing(pretrained, name):
        if issubclass(of, networks) and torch.get_default_device().type == "meta":
            return configured(of, read_config(pretrained, name, of))
        if not issubclass(of, networks):
            with torch.device("cpu"):
                return of.from_pretrained(pretrained, subfolder=name)
        precision = "torch_dtype" if issubclass(of, ModelMixin) else "dtype"
        settings = {precision: torch.get_default_dtype(), "use_safetensors": True}
        part = of.from_pretrained(pretrained, subfolder=name, **settings)
        return part.requires_grad_(False)


def read_config(pretrained: str, name: str, of: Any) -> Settings:
    if issubclass(of, ModelMixin):
        return of.load_config(pretrained, subfolder=name)
    return of.config_class.get_config_dict(pretrained, subfolder=name)[0]


def configured(of: Any, config: Settings) -> Any:
    """A part without weights of its own; schedulers compute, which the device `meta` cannot."""
    if issubclass(of, SchedulerMixin):
        with torch.device("cpu"):
            return of.from_config(config)
    if issubclass(of, ConfigMixin):
        return of.from_config(config)
    return of(of.config_class.from_dict(config))


@contextmanager
def saying_what_is_missing(pretrained: str, what: str) -> Iterator[None]:
    """Raises ValueError instead of what the libraries raise."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"pretrained: {what} cannot be read from {pretrained!r}: {reason}"
        ) from error
