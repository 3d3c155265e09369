"""Reading models that others published: complete, or refused in one sentence.

They come from a folder or the Hugging Face hub, through the libraries' own `from_pretrained`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError

FAILURES = (OSError, ImportError, RuntimeError, ValueError, SafetensorError, UnpicklingError)
HUB_ID = re.compile(r"\w[\w.-]*(/[\w.-]+)?")  # the oldest models have no owner: `gpt2`
NAMED = 3  # weights that an error names


def shapes_only() -> bool:
    """Whether models are built on the meta device, where no weights are read."""
    return torch.get_default_device().type == "meta"


@contextmanager
def reading(what: str, source: str, part: str = "") -> Iterator[None]:
    """Turns errors of reading into a ValueError of one sentence.

    `what` is read from `source`, a folder or a Hugging Face id, or from its subfolder `part`.
    Raises ValueError too if `source` is neither.
    """
    if not (source and Path(source).is_dir()) and not HUB_ID.fullmatch(source):
        raise ValueError(
            f"no {what} can be read: there is no folder {source!r}; "
            "give a folder or a Hugging Face id"
        )
    try:
        yield
    except FAILURES as error:
        place = f"{part}/ of {source!r}" if part else repr(source)
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"no {what} can be read from {place}: {reason}") from error


def read_model(kind: Any, source: str, part: str = "", **options: Any) -> Any:
    """A model of the class `kind` of diffusers or transformers, frozen and in evaluation mode.

    `options` are those of its `from_pretrained`. Raises ValueError if the model is not there, is
    damaged, or lacks weights or has them in other shapes.
    """
    with reading(kind.__name__, source, part), torch.inference_mode(False):
        model, report = kind.from_pretrained(
            source, subfolder=part, output_loading_info=True, **options
        )
        check_complete(report)
    return model.eval().requires_grad_(False)


def check_complete(report: dict[str, Any]) -> None:
    """Raises ValueError if the loading info of `from_pretrained` lists weights that do not fit."""
    misshapen = [key for key, *_ in report["mismatched_keys"]]
    wrong = [*sorted(report["missing_keys"]), *sorted(misshapen)]
    if wrong:
        more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        raise ValueError(
            f"weights are missing or have another shape: {', '.join(wrong[:NAMED])}{more}"
        )
