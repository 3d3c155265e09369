"""Configurations of published models, so that a plan needs neither their weights nor a network.

The JSON files in `reference/` hold, for each model, the address of the page that publishes it and
the settings of its files in Hugging Face's layout. A setting that is left out has the default
of the model's class. Tests compare the resulting numbers of parameters with the published ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from transformers import PreTrainedTokenizerFast

from anygen.config.system import System

REFERENCE = Path(__file__).parent / "reference"
Files = Mapping[str, Mapping[str, Any]]  # settings by the file's path in the model's folder


@cache
def reference_files() -> dict[str, Files]:
    """The configuration files of every known model, by the model's name."""
    tables = [json.loads(path.read_text(encoding="utf-8")) for path in REFERENCE.glob("*.json")]
    return {name: model["files"] for table in tables for name, model in table.items()}


@contextmanager
def stand_ins(system: System) -> Iterator[System]:
    """Yields the system with known models replaced by folders that hold their configurations.

    Each folder also holds a tokenizer. Names of unknown models stay as they are.
    """
    with TemporaryDirectory() as folder:
        yield System.model_validate(replaced(system.model_dump(mode="json"), Path(folder)))


def replaced(value: Any, folder: Path) -> Any:
    """JSON of a system's settings in which names of known models are folders under `folder`."""
    if isinstance(value, Mapping):
        return {key: replaced(item, folder) for key, item in value.items()}
    if isinstance(value, str) and value in reference_files():
        return str(write(value, folder / value))
    return value


def write(name: str, folder: Path) -> Path:
    """Writes the configurations of a known model in the published layout; returns the folder."""
    tokenizer = stand_in_tokenizer()
    for file, settings in reference_files()[name].items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent.name.startswith("tokenizer"):
            tokenizer.save_pretrained(path.parent)
        else:
            path.write_text(json.dumps(settings), encoding="utf-8")
    tokenizer.save_pretrained(folder)
    return folder


def stand_in_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer of two tokens; the model's configuration gives the size of the vocabulary."""
    from tokenizers import Tokenizer, models

    words = Tokenizer(models.WordLevel({"?": 0, "</s>": 1}, unk_token="?"))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="?", eos_token="</s>", pad_token="</s>"
    )
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{{ eos_token }}{% endfor %}"
    return tokenizer
