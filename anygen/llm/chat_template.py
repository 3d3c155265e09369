"""The chat template: the text around the parts of messages, and the end of a turn.

It is the tokenizer's own, or one of configs/templates. No other module depends on the format.
"""

from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError

from anygen.config.loader import CONFIGS
from anygen.core.media import Message
from anygen.llm.tokenization import encode, ids_of

TEMPLATES = CONFIGS / "templates"
# Stands for a part while the chat template is applied; private-use characters are not in its text.
PLACE = "\ue000{}\ue001"
# A template with this line leaves out whitespace beside a medium.
STRIPS = "{%- set strip_beside_media = true -%}"
TemplateMessage = dict[str, str]


def read_template(name: str) -> str:
    """The text of a file in configs/templates. Raises ValueError if there is no such file."""
    path = TEMPLATES / name
    if not path.is_file():
        raise ValueError(f"llm.template is {name!r}; there are {', '.join(shipped())}")
    return path.read_text(encoding="utf-8")


def shipped() -> list[str]:
    return sorted(path.name for path in TEMPLATES.iterdir())


def apply_template(messages: Sequence[Message], tokenizer: Any, reply: bool) -> str:
    """The conversation as text, with PLACE for every part; with `reply` an answer comes next.

    Raises ValueError for messages that the template refuses.
    """
    turns, count = [], 0
    for message in messages:
        places = [PLACE.format(count + index) for index in range(len(message.parts))]
        turns.append({"role": message.role, "content": "".join(places)})
        count += len(places)
    if turns and turns[0]["role"] == "system" and not supports_system_role(tokenizer):
        turns = with_system_in_user_turn(turns)
    return rendered(turns, tokenizer, reply)


def rendered(turns: Sequence[TemplateMessage], tokenizer: Any, reply: bool) -> str:
    """The text of a conversation, with the token that the tokenizer puts before every text.

    Thoughts that Qwen 3 and others would write first are switched off: no answer contains them.
    """
    try:
        text: str = tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=reply, enable_thinking=False
        )
    except TemplateError as error:
        raise ValueError(f"messages: refused by the LLM's chat template: {error}") from error
    adds_bos = encode(tokenizer, "")[:1] == [tokenizer.bos_token_id]
    if adds_bos and not text.startswith(tokenizer.bos_token):
        return str(tokenizer.bos_token) + text
    return text


def strips_beside_media(tokenizer: Any) -> bool:
    return STRIPS in tokenizer.chat_template


def supports_system_role(tokenizer: Any) -> bool:
    """False for templates that refuse the role (Gemma, Mistral) or leave out its text."""
    place = PLACE.format(0)
    turns = [{"role": "system", "content": place}, {"role": "user", "content": "?"}]
    try:
        return place in rendered(turns, tokenizer, reply=True)
    except ValueError:
        return False


def with_system_in_user_turn(turns: Sequence[TemplateMessage]) -> list[TemplateMessage]:
    """The turns with the system prompt at the beginning of the first user's text."""
    system, *others = turns
    if others and others[0]["role"] == "user":
        content = f"{system['content']}\n\n{others[0]['content']}"
        return [{"role": "user", "content": content}, *others[1:]]
    return [{**system, "role": "user"}, *others]


def end_of_turn(tokenizer: Any) -> str:
    """What follows an answer in the template: a special token if it has one, else a text."""
    place = PLACE.format(0)
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": place}]
    ending = rendered(turns, tokenizer, reply=False).partition(place)[2]
    for token in ids_of(ending, tokenizer):
        added = tokenizer.added_tokens_decoder.get(token)
        if added and added.content in ending:  # not so for <unk>, which is a special token too
            return ending[: ending.index(added.content) + len(added.content)]
    return ending.rstrip()
