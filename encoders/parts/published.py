"""Models that others published, through transformers: read strictly, and never trained."""

import pickle
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from pydantic import model_validator
from safetensors import SafetensorError
from transformers import AutoConfig, AutoTokenizer
from transformers.utils import logging

from anygen.core.schema import Strict


class Source(Strict):
    """Where a model comes from; with `pretrained: null` its weights are random."""

    pretrained: str | None = None  # a folder, or the id of a model on the Hugging Face hub
    sizes: dict[str, Any] = {}  # of a random one: `model_type` and more of transformers' config

    @model_validator(mode="after")
    def _one_of_them_is_given(self) -> "Source":
        if (self.pretrained is None) != ("model_type" in self.sizes):
            raise ValueError("name either a pretrained model, or sizes with a model_type")
        return self


def read_config(source: Source, kinds: Collection[str]) -> Any:
    """What transformers knows of the model. Raises ValueError where it cannot be read, and for a
    model_type that is none of `kinds`."""
    if source.pretrained is None:
        check_kind(source.sizes["model_type"], kinds)
        config = AutoConfig.for_model(**source.sizes)
        unknown = source.sizes.keys() - type(config)().to_dict().keys()
        if unknown:
            raise ValueError(f"sizes: {config.model_type} has no setting {min(unknown)}")
        return config
    with reading(source.pretrained):
        config = AutoConfig.from_pretrained(source.pretrained)
    check_kind(config.model_type, kinds)
    return config


def check_kind(kind: str, kinds: Collection[str]) -> None:
    if kind not in kinds:
        raise ValueError(
            f"this encoder is for models of the types {', '.join(kinds)}, and this one is {kind}"
        )


def load(kind: Any, config: Any, source: Source, renamed: Mapping[str, str] | None = None) -> Any:
    """A model of the class `kind` that does not learn.

    `renamed`: patterns of the names in the file, and what they become. Under the meta device no
    weights are read. Raises ValueError where a tensor is missing or of another shape.
    """
    if source.pretrained is None or torch.get_default_device().type == "meta":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # weights that no model saves are the same in every process
            return kind(config).eval().requires_grad_(False)
    with reading(source.pretrained):
        model, report = kind.from_pretrained(
            source.pretrained,
            config=config,
            dtype=torch.get_default_dtype(),
            key_mapping=renamed,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told of below
        )
    wrong = [*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])]
    if wrong:
        raise ValueError(
            f"{source.pretrained} is no whole {kind.__name__}: {len(wrong)} of its tensors are "
            f"missing or of another shape, the first is {min(wrong)}"
        )
    return model.eval().requires_grad_(False)


def read_tokenizer(source: Source) -> Any:
    """Of a pretrained model. Raises ValueError where there is none."""
    assert source.pretrained is not None
    with reading(source.pretrained):
        return AutoTokenizer.from_pretrained(source.pretrained)


@contextmanager
def reading(pretrained: str) -> Iterator[None]:
    """Raises ValueError, one sentence, for what cannot be found or is damaged.

    Else nothing is said: that a tower leaves most of a file unread is as it should be.
    """
    logging.disable_progress_bar()
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    except (OSError, ImportError, SafetensorError, pickle.UnpicklingError) as error:
        [reason, *_] = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(
            f"the encoder's pretrained model {pretrained!r}, be it a folder or a model of the "
            f"Hugging Face hub, cannot be read: {reason}"
        ) from error
    finally:
        logging.set_verbosity(verbosity)
