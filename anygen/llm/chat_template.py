"""The chat template: what stands around the parts of messages, and what ends a turn.

It is the tokenizer's own, or one of configs/templates. Nothing is known of the LLM beside it.
"""

from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError

from anygen.config.loader import CONFIGS
from anygen.core.media import Message

TEMPLATES = CONFIGS / "templates"
# Stands for a part while the chat template is applied; private-use characters are not in its text.
PLACE = "\ue000{}\ue001"
TemplateMessage = dict[str, str]


def read_template(name: str) -> str:
    """A file in configs/templates. ValueError where there is none."""
    path = TEMPLATES / name
    if not path.is_file():
        raise ValueError(f"llm.template is {name!r}; there are {', '.join(shipped())}")
    return path.read_text(encoding="utf-8")


def shipped() -> list[str]:
    return sorted(path.name for path in TEMPLATES.iterdir())


def apply_template(messages: Sequence[Message], tokenizer: Any, reply: bool) -> str:
    """The chat template with a place for every part; `reply`: up to where the assistant speaks.

    Raises ValueError for messages that it refuses.
    """
    turns, count = [], 0
    for message in messages:
        places = [PLACE.format(count + index) for index in range(len(message.parts))]
        turns.append({"role": message.role, "content": "".join(places)})
        count += len(places)
    if turns and turns[0]["role"] == "system" and not knows_system(tokenizer):
        turns = told_by_user(turns)
    return rendered(turns, tokenizer, reply)


def rendered(turns: Sequence[TemplateMessage], tokenizer: Any, reply: bool) -> str:
    """What is to be read, with the token that the tokenizer puts before every text.

    Qwen 3 and others would think aloud first: what they think is no part of an answer.
    """
    try:
        text: str = tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=reply, enable_thinking=False
        )
    except TemplateError as error:
        raise ValueError(f"messages: the chat template of this LLM says: {error}") from error
    begins = tokenizer("").input_ids[:1] == [tokenizer.bos_token_id]
    if begins and not text.startswith(tokenizer.bos_token):
        return str(tokenizer.bos_token) + text
    return text


def knows_system(tokenizer: Any) -> bool:
    """Some templates refuse the role (Gemma, Mistral), some leave out what it says."""
    place = PLACE.format(0)
    turns = [{"role": "system", "content": place}, {"role": "user", "content": "?"}]
    try:
        return place in rendered(turns, tokenizer, reply=True)
    except ValueError:
        return False


def told_by_user(turns: Sequence[TemplateMessage]) -> list[TemplateMessage]:
    """What the system says, in the first user's mouth."""
    system, *others = turns
    if others and others[0]["role"] == "user":
        said = f"{system['content']}\n\n{others[0]['content']}"
        return [{"role": "user", "content": said}, *others[1:]]
    return [{**system, "role": "user"}, *others]


def end_of_turn(tokenizer: Any) -> str:
    """What the template lets an assistant end its turn with: a token of its own, else a text."""
    place = PLACE.format(0)
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": place}]
    ending = rendered(turns, tokenizer, reply=False).partition(place)[2]
    for token in ids_of(ending, tokenizer):
        added = tokenizer.added_tokens_decoder.get(token)
        if added and added.content in ending:  # what is unknown is such a token, too
            return ending[: ending.index(added.content) + len(added.content)]
    return ending.rstrip()


def ids_of(text: str, tokenizer: Any, **settings: Any) -> tuple[int, ...]:
    """As `text` is spelt in the middle of another.

    SentencePiece puts a space before what it takes for a beginning, also before a line break; and
    a line break never joins what follows it there, so that what is spelt after one has no space.
    """
    settings["add_special_tokens"] = False
    begun, ids = tokenizer(["\n", text], **settings).input_ids
    if len(begun) > 1:
        ids = tokenizer("\n" + text, **settings).input_ids[len(begun) :]
    return tuple(ids)
