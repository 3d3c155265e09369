"""The few numbers that say how large published models are, so that a plan needs no network.

Each row stands for the config.json files of a model; what is not said is as its class has it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from anygen.config import System

Files = dict[str, dict[str, Any]]  # settings by the file's name in the model's folder

LLMS: dict[str, dict[str, Any]] = {
    "smollm2-135m": {
        "model_type": "llama",
        "vocab_size": 49_152,
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "max_position_embeddings": 8192,
        "tie_word_embeddings": True,
    },
}
MODELS: dict[str, Files] = {name: {"config.json": config} for name, config in LLMS.items()}


@contextmanager
def stand_ins(system: System) -> Iterator[System]:
    """Inside, the system names folders with the configurations of the models that are known here,
    and a tokenizer that stands in for theirs. What else it names is left as it is."""
    with TemporaryDirectory() as folder:
        data = system.model_dump(mode="json")
        yield System.model_validate(replaced(data, Path(folder)))


def replaced(value: Any, folder: Path) -> Any:
    if isinstance(value, Mapping):
        return {key: replaced(item, folder) for key, item in value.items()}
    if isinstance(value, str) and value in MODELS:
        return str(write(value, folder / value))
    return value


def write(name: str, folder: Path) -> Path:
    """The model's configurations, in the published layout."""
    for file, settings in MODELS[name].items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings), encoding="utf-8")
    stand_in_tokenizer().save_pretrained(folder)
    return folder


def stand_in_tokenizer() -> Any:
    """One that knows two tokens: how many a model has, its configuration says."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"?": 0, "</s>": 1}, unk_token="?"))
    made = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="?", eos_token="</s>")
    made.chat_template = "{% for m in messages %}{{ m['content'] }}{{ eos_token }}{% endfor %}"
    return made
