"""The tokens of a text as in the code that an LLM was tuned with, at the beginning of a text and in
its middle."""

import json
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast
from transformers.utils import cached_file

from anygen.core.text import from_json

GENERAL = ("PreTrainedTokenizerFast", "TokenizersBackend")  # one class, in transformers 4 and 5


def read_tokenizer(base: Path | str) -> Any:
    """The tokenizer of an LLM. Raises OSError and ValueError as transformers does."""
    if is_general(Path(base)):
        return PreTrainedTokenizerFast.from_pretrained(base)
    # A chat starts sooner without these, which import the settings of all models.
    from transformers import AutoTokenizer, LlamaTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    if not isinstance(tokenizer, LlamaTokenizer):
        return tokenizer
    legacy = is_legacy(base)
    if legacy != tokenizer.legacy:
        tokenizer = AutoTokenizer.from_pretrained(base, legacy=legacy)
    tokenizer.init_kwargs["legacy"] = legacy  # transformers 5 saves it only from there
    return tokenizer


def is_general(folder: Path) -> bool:
    """Whether a folder's tokenizer needs nothing but its tokenizer.json, by its settings."""
    path = folder / "tokenizer_config.json"
    if not path.is_file() or not (folder / "tokenizer.json").is_file():
        return False
    try:
        settings = from_json(path.read_bytes())
    except ValueError:  # transformers will say what is wrong
        return False
    return isinstance(settings, dict) and settings.get("tokenizer_class") in GENERAL


def is_legacy(base: Path | str) -> bool:
    """Whether a Llama's tokenizer puts a space behind `</s>`, too, and not only before a text.

    Files that do not mention `legacy` are from before that setting, or from a release of
    transformers to which it then meant true; release 5 takes it for false, but what it saves
    without the setting has a tokenizer.json that shows it.
    """
    from transformers.models.auto.tokenization_auto import get_tokenizer_config

    settings = get_tokenizer_config(base)
    if settings.get("legacy") is not None:
        return bool(settings["legacy"])
    path = cached_file(base, "tokenizer.json", _raise_exceptions_for_missing_entries=False)
    spaces = json.loads(Path(path).read_text(encoding="utf-8"))["pre_tokenizer"] if path else None
    return spaces is None or spaces.get("prepend_scheme") != "first"


def ids_of(text: str, tokenizer: Any, begins: bool = False, **settings: Any) -> tuple[int, ...]:
    """The tokens of `text` in the middle of another text; with `begins`, of a text of its own.

    SentencePiece adds a space at the beginning of a text, but not before a special token. It never
    merges a line break with what follows, so the tokens after one have no added space.
    """
    settings["add_special_tokens"] = False
    break_ids, ids = tokenizer(["\n", text], **settings).input_ids
    if len(break_ids) == 1 or not text:  # nothing is put before a text
        return tuple(ids)
    if begins and not begins_with_added(ids, text, tokenizer):
        text = f" {text}"
    return tuple(tokenizer(f"\n{text}", **settings).input_ids[len(break_ids) :])


def begins_after(previous: int | None, tokenizer: Any) -> bool:
    """Whether a text begins after a token: after the first of a prompt, and with `legacy` after
    every special token."""
    if previous is None or previous == tokenizer.bos_token_id:
        return True
    if previous not in tokenizer.added_tokens_decoder or not tokenizer.eos_token:
        return False
    texts = [f"{tokenizer.eos_token}a", "a"]
    after, alone = tokenizer(texts, add_special_tokens=False).input_ids
    return bool(after[1:] == alone)


def begins_with_added(ids: list[int], text: str, tokenizer: Any) -> bool:
    added = tokenizer.added_tokens_decoder.get(ids[0])
    return added is not None and text.startswith(added.content)
