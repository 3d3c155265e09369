"""Encoder models that others published, read through transformers and never trained."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import torch
from pydantic import model_validator
from transformers import AutoConfig, AutoTokenizer
from transformers.utils import logging

from anygen.core.schema import Strict
from anygen.io.pretrained import read_model, reading, shapes_only


class ModelSettings(Strict):
    """Where a model comes from. With `pretrained: null` its weights are random."""

    pretrained: str | None = None  # a folder, or a Hugging Face id
    sizes: dict[str, Any] = {}  # of a random model: `model_type`, and more of transformers' config

    @model_validator(mode="after")
    def _pretrained_or_sizes(self) -> "ModelSettings":
        if (self.pretrained is None) != ("model_type" in self.sizes):
            raise ValueError("name either a pretrained model, or sizes with a model_type")
        return self


def read_config(settings: ModelSettings, kinds: Collection[str]) -> Any:
    """The model's config of transformers.

    Raises ValueError if it cannot be read or its model_type is not among `kinds`.
    """
    if settings.pretrained is None:
        check_kind(settings.sizes["model_type"], kinds)
        config = AutoConfig.for_model(**settings.sizes)
        unknown = settings.sizes.keys() - type(config)().to_dict().keys()
        if unknown:
            raise ValueError(f"sizes: {config.model_type} has no setting {min(unknown)}")
        return config
    with reading("config", settings.pretrained), quiet():
        config = AutoConfig.from_pretrained(settings.pretrained)
    check_kind(config.model_type, kinds)
    return config


def check_kind(kind: str, kinds: Collection[str]) -> None:
    if kind not in kinds:
        raise ValueError(
            f"this encoder is for models of the types {', '.join(kinds)}, and this one is {kind}"
        )


def load(
    kind: Any,
    config: Any,
    settings: ModelSettings,
    renamed: Mapping[str, str] = MappingProxyType({}),
) -> Any:
    """A frozen model of the class `kind`.

    `renamed` maps patterns of the names in the file to names in the model. On the meta device no
    weights are read. Raises ValueError if a tensor is missing or has another shape.
    """
    if settings.pretrained is None or shapes_only():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # no checkpoint has these weights: every process makes the same
            return kind(config).eval().requires_grad_(False)
    with quiet():
        return read_model(
            kind,
            settings.pretrained,
            config=config,
            dtype=torch.get_default_dtype(),
            key_mapping=dict(renamed) or None,
            ignore_mismatched_sizes=True,  # read_model names them
        )


def read_processor(kind: Any, settings: ModelSettings) -> Any:
    """The processor of class `kind` of a pretrained model. Raises ValueError without one."""
    assert settings.pretrained is not None
    with reading(kind.__name__, settings.pretrained), quiet():
        return kind.from_pretrained(settings.pretrained)


def read_tokenizer(settings: ModelSettings) -> Any:
    """The tokenizer of a pretrained model. Raises ValueError without one."""
    assert settings.pretrained is not None
    with reading("tokenizer", settings.pretrained), quiet():
        return AutoTokenizer.from_pretrained(settings.pretrained)


@contextmanager
def quiet() -> Iterator[None]:
    """Silences transformers: that a tower leaves most of a file unread is intended."""
    logging.disable_progress_bar()
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
