"""The tokens of a text as in the code that an LLM was tuned with, at the beginning of a text and in
its middle."""

import json
import threading
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

from jinja2 import Template, TemplateError
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, ConfigDict
from tokenizers import AddedToken, Tokenizer

from anygen.core.text import from_json

TOKENIZER, SETTINGS, TEMPLATE = "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"
# Files from which transformers takes more tokens and templates.
MORE_FILES = ("added_tokens.json", "special_tokens_map.json", "additional_chat_templates")
SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token")
VARIABLES = {"messages", "add_generation_prompt", "enable_thinking", *SPECIAL_TOKENS}
ENCODING = threading.Lock()  # see `encode`
MAX_PLAIN_VOCABULARY = 100_000  # beyond it transformers mends tokenizers of Mistral


class TokenizerSettings(BaseModel):
    """The settings of a tokenizer that its tokenizer.json describes, as transformers 5 writes them.

    With more settings than these it is another one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    tokenizer_class: Literal["PreTrainedTokenizerFast", "TokenizersBackend"]
    backend: Literal["tokenizers"]
    bos_token: str | None = None
    eos_token: str | None = None
    unk_token: str | None = None
    pad_token: str | None = None
    clean_up_tokenization_spaces: Literal[False] = False
    is_local: bool = True
    local_files_only: bool = True
    model_max_length: float | None = None


class PlainTokenizer:
    """What answers need of `PreTrainedTokenizerFast`, without transformers.

    To import that takes half as long as to import torch. Ids and texts are the same.
    """

    def __init__(self, backend: Tokenizer, settings: TokenizerSettings, template: str) -> None:
        self.backend, self.chat_template = backend, template
        self.bos_token, self.eos_token = settings.bos_token, settings.eos_token
        tokens = settings.model_dump(include={*SPECIAL_TOKENS}, exclude_none=True)
        self.special_tokens_map: dict[str, str] = tokens

    @property
    def bos_token_id(self) -> int | None:
        return None if self.bos_token is None else self.backend.token_to_id(self.bos_token)

    @property
    def eos_token_id(self) -> int | None:
        return None if self.eos_token is None else self.backend.token_to_id(self.eos_token)

    @property
    def added_tokens_decoder(self) -> dict[int, AddedToken]:
        return self.backend.get_added_tokens_decoder()

    def get_vocab(self) -> dict[str, int]:
        return self.backend.get_vocab()

    def __call__(
        self,
        text: str | Sequence[str],
        add_special_tokens: bool = True,
        split_special_tokens: bool = False,
    ) -> SimpleNamespace:
        """`input_ids` of a text, or of each of several."""
        self.backend.encode_special_tokens = split_special_tokens
        texts = [text] if isinstance(text, str) else text
        encoded = self.backend.encode_batch(texts, add_special_tokens=add_special_tokens)
        ids = [one.ids for one in encoded]
        return SimpleNamespace(input_ids=ids[0] if isinstance(text, str) else ids)

    def decode(self, ids: Iterable[int], skip_special_tokens: bool = False) -> str:
        text: str = self.backend.decode([*map(int, ids)], skip_special_tokens=skip_special_tokens)
        return text

    def apply_chat_template(
        self, messages: Sequence[dict[str, str]], tokenize: Literal[False], **variables: Any
    ) -> str:
        """The text of a conversation. Raises TemplateError for what the template refuses."""
        template = plain_template(self.chat_template)
        assert template is not None
        return template.render(messages=messages, **self.special_tokens_map, **variables)


def read_plain_tokenizer(folder: Path, template: str | None = None) -> PlainTokenizer | None:
    """The tokenizer in a folder with its own chat template or with another.

    None if it needs more than `PlainTokenizer` has, or if its files cannot be read: transformers
    says what is wrong.
    """
    if any((folder / name).exists() for name in MORE_FILES):
        return None
    try:
        settings = TokenizerSettings.model_validate(from_json((folder / SETTINGS).read_bytes()))
        text = (folder / TEMPLATE).read_text(encoding="utf-8") if template is None else template
        backend = Tokenizer.from_file(str(folder / TOKENIZER))
    except Exception:  # the one that tokenizers raises has no other type
        return None
    plain = is_plain(backend, settings) and plain_template(text) is not None
    return PlainTokenizer(backend, settings, text) if plain else None


def is_plain(backend: Tokenizer, settings: TokenizerSettings) -> bool:
    """Whether transformers would change nothing of what a tokenizer.json describes."""
    stated = settings.model_dump(include={*SPECIAL_TOKENS}, exclude_none=True).values()
    expected = {repr(AddedToken(token, special=True, normalized=False)) for token in stated}
    found = {repr(token) for token in backend.get_added_tokens_decoder().values()}
    return (
        expected <= found
        and backend.padding is None
        and backend.truncation is None
        and backend.get_vocab_size() <= MAX_PLAIN_VOCABULARY
    )


@lru_cache
def plain_template(source: str) -> Template | None:
    """A chat template that uses nothing of transformers' own; None for any other.

    Templates are code of strangers: they see their variables, and no function.
    """
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals.clear()
    del environment.filters["tojson"]  # transformers has another
    try:
        names = find_undeclared_variables(environment.parse(source))
        return environment.from_string(source) if names <= VARIABLES else None
    except TemplateError:
        return None


def read_tokenizer(base: Path | str) -> Any:
    """The tokenizer of an LLM. Raises OSError and ValueError as transformers does."""
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


def is_legacy(base: Path | str) -> bool:
    """Whether a Llama's tokenizer puts a space behind `</s>`, too, and not only before a text.

    Files that do not mention `legacy` are from before that setting, or from a release of
    transformers to which it then meant true; release 5 takes it for false, but what it saves
    without the setting has a tokenizer.json that shows it.
    """
    from transformers.models.auto.tokenization_auto import get_tokenizer_config
    from transformers.utils import cached_file

    settings = get_tokenizer_config(base)
    if settings.get("legacy") is not None:
        return bool(settings["legacy"])
    path = cached_file(base, TOKENIZER, _raise_exceptions_for_missing_entries=False)
    spaces = json.loads(Path(path).read_text(encoding="utf-8"))["pre_tokenizer"] if path else None
    return spaces is None or spaces.get("prepend_scheme") != "first"


def encode(tokenizer: Any, text: str | Sequence[str], **settings: Any) -> Any:
    """The ids of a text, or of each of several. For any thread.

    A tokenizer keeps `split_special_tokens` between its calls, so another thread's call would make
    role markers of a user's text, or text of the template's role markers.
    """
    with ENCODING:
        return tokenizer(text, **settings).input_ids


def ids_of(text: str, tokenizer: Any, begins: bool = False, **settings: Any) -> tuple[int, ...]:
    """The tokens of `text` in the middle of another text; with `begins`, of a text of its own.

    SentencePiece adds a space at the beginning of a text, but not before a special token. It never
    merges a line break with what follows, so the tokens after one have no added space.
    """
    settings["add_special_tokens"] = False
    break_ids, ids = encode(tokenizer, ["\n", text], **settings)
    if len(break_ids) == 1 or not text:  # nothing is put before a text
        return tuple(ids)
    if begins and not begins_with_added(ids, text, tokenizer):
        text = f" {text}"
    return tuple(encode(tokenizer, f"\n{text}", **settings)[len(break_ids) :])


def begins_after(previous: int | None, tokenizer: Any) -> bool:
    """Whether a text begins after a token: after the first of a prompt, and with `legacy` after
    every special token."""
    if previous is None or previous == tokenizer.bos_token_id:
        return True
    if previous not in tokenizer.added_tokens_decoder or not tokenizer.eos_token:
        return False
    texts = [f"{tokenizer.eos_token}a", "a"]
    after, alone = encode(tokenizer, texts, add_special_tokens=False)
    return bool(after[1:] == alone)


def begins_with_added(ids: list[int], text: str, tokenizer: Any) -> bool:
    added = tokenizer.added_tokens_decoder.get(ids[0])
    return added is not None and text.startswith(added.content)
