"""Lines of OpenAI's batch files, as rows: `{"custom_id": ..., "url": ..., "body": {...}}`.

The body is that of the endpoint in `url`, read by the policy of `anygen serve`: what it sets is
read under OpenAI's names, what changes no answer is ignored, what cannot be done may have its
neutral values alone, and all else is refused by its name. Tests compare the tables with the schemas
of the endpoints, which need FastAPI and so cannot be used here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from anygen.core.schema import did_you_mean
from anygen.generation.options import AnswerOptions

IMAGES = "/v1/images/generations"
EXTENSION = "anygen"  # of what the server reads: see `anygen.serve.parameters.Extension`
MAX_IMAGES, MAX_PREVIEWS = 10, 3  # of a line
COUNT, FLAG = TypeAdapter(int), TypeAdapter(bool)  # also as texts, which endpoints take, too
SIZE = re.compile(r"([1-9][0-9]{0,4})x\1")
ROLES = {"developer": "system"}  # as OpenAI calls it -> as the model does
# Of a message of a chat, what changes no answer, and what an answer has that holds no media.
UNREAD = ("name", "parts", "refusal", "annotations")
OTHER_MEDIA = ("images", "audio", "audios", "videos")

Row = dict[str, Any]
Reader = Callable[[Row, Any, str], None]  # adds a value to a row; the text names it in errors
Table = Mapping[str, Reader]  # by parameter; where two set one thing, the later one counts


def add(row: Row, values: Mapping[str, Any], table: Table, where: str) -> None:
    """Adds to a row what an object says. Raises ValueError."""
    for name in values:
        if name not in table:
            hint, known = did_you_mean(name, table).rstrip("?"), ", ".join(table)
            raise ValueError(f"{where}.{name}: unknown parameter{hint}; there are {known}")
    for name, read in table.items():
        if values.get(name) is not None:
            read(row, values[name], f"{where}.{name}")


def key(name: str) -> Reader:
    """Reads the key of a row of that name."""

    def read(row: Row, value: Any, _: str) -> None:
        row[name] = value

    return read


def option(name: str) -> Reader:
    def read(row: Row, value: Any, _: str) -> None:
        row["options"][name] = value

    return read


def only(*neutral: Any) -> Reader:
    """Refuses all other values."""

    def read(_: Row, value: Any, where: str) -> None:
        if not any(same(value, each) for each in neutral):
            shown = " or ".join(map(repr, neutral)) or "null"
            raise ValueError(f"{where}: {value!r} is not supported; leave it out or give {shown}")

    return read


def same(value: Any, neutral: Any) -> bool:
    """Equal, where true is not 1."""
    return bool(value == neutral) and isinstance(value, bool) == isinstance(neutral, bool)


def ignore(_: Row, value: Any, where: str) -> None:
    pass


# --- what is more than a value of its own


def read_messages(row: Row, value: Any, where: str) -> None:
    if not isinstance(value, list):
        raise ValueError(f"{where}: should be a list")
    row["messages"] = [plain_turn(turn) for turn in value]


def read_input(row: Row, value: Any, where: str) -> None:
    if not isinstance(value, str | list):
        raise ValueError(f"{where}: should be a text or a list")
    items = [{"role": "user", "content": value}] if isinstance(value, str) else value
    row["messages"] = [plain_item(item) for item in items]


def read_instructions(row: Row, value: Any, where: str) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{where}: should be a text")
    if value:
        row["messages"] = [{"role": "system", "content": value}, *row.get("messages", [])]


def plain_turn(turn: Any) -> Any:
    """A turn of a chat as a message of a row."""
    if not isinstance(turn, dict):
        return turn
    rest = {
        name: value
        for name, value in turn.items()
        if name not in UNREAD and value is not None and (value or name not in OTHER_MEDIA)
    }
    return {**with_known_role(rest), "content": turn.get("content") or ""}


def plain_item(item: Any) -> Any:
    """An item of an input as a message of a row, which takes the role and the content of one."""
    if not isinstance(item, dict) or item.get("type", "message") != "message":
        return item
    return with_known_role({name: item[name] for name in ("role", "content") if name in item})


def with_known_role(message: Row) -> Row:
    role = message.get("role")
    return {**message, "role": ROLES[role]} if isinstance(role, str) and role in ROLES else message


def read_seed(row: Row, value: Any, where: str) -> None:
    if isinstance(value, int | float) and value < 0:
        raise ValueError(f"{where}: should be a whole number from 0")
    row["seed"] = value


def read_count(row: Row, value: Any, where: str) -> None:
    """How many images the answer has, even if that is more than one has by default."""
    count = count_of(value, 1, MAX_IMAGES, where)
    row["options"]["exactly.image"] = count
    if count > AnswerOptions().max_media:
        row["options"].setdefault("max_media", count)


def read_previews(_: Row, value: Any, where: str) -> None:
    """How many there are of each image of a stream."""
    count_of(value, 0, MAX_PREVIEWS, where)


def count_of(value: Any, least: int, most: int, where: str) -> int:
    try:
        count = COUNT.validate_python(value)
    except ValidationError:
        count = least - 1
    if not least <= count <= most:
        raise ValueError(f"{where}: should be a whole number from {least} to {most}")
    return count


def flag(value: Any) -> bool | None:
    """The value of a flag as endpoints read it, such as "false"; None for what they refuse."""
    try:
        return FLAG.validate_python(value)
    except ValidationError:
        return None


def read_stream(row: Row, value: Any, where: str) -> None:
    if flag(value) is not False:
        only(False)(row, value, where)


def read_stop(row: Row, value: Any, where: str) -> None:
    row["options"]["stop"] = [value] if isinstance(value, str) else value


def read_size(row: Row, value: Any, where: str) -> None:
    """The side of a square picture."""
    if value == "auto":
        return
    found = SIZE.fullmatch(str(value))
    if not found:
        raise ValueError(f"{where}: {value!r} is no size of a square, such as 64x64, or auto")
    row["options"]["image.size"] = int(found[1])


def read_sound(row: Row, value: Any, where: str) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: should be an object")
    add(row, value, SOUND, where)


def read_tools(row: Row, value: Any, where: str) -> None:
    if not isinstance(value, list):
        raise ValueError(f"{where}: should be a list")
    for index, tool in enumerate(value):
        if not isinstance(tool, dict) or tool.get("type") != "image_generation":
            raise ValueError(f"{where}.{index}: the one tool is image_generation")
        add(row, tool, IMAGE_TOOL, f"{where}.{index}")


def read_tool_choice(row: Row, value: Any, where: str) -> None:
    if value == {"type": "image_generation"}:
        row["options"]["exactly"] = {"image": 1}
    elif value != "auto":
        raise ValueError(f'{where}: give auto, or {{"type": "image_generation"}}')


def read_extension(row: Row, value: Any, where: str) -> None:
    """The seed and the options that a request to the server names."""
    if not isinstance(value, dict):
        raise ValueError(f"{where}: should be an object")
    only("inline", "url")(row, value.get("deliver", "inline"), f"{where}.deliver")
    options = {name: each for name, each in value.items() if name not in ("seed", "deliver")}
    one_medium = ("modalities", "exactly") if "modality" in row else ()
    for name in options:
        if name not in AnswerOptions.model_fields:
            hint = did_you_mean(name, AnswerOptions.model_fields)
            raise ValueError(f"{where}.{name}: unknown key{hint}")
        if name in row["options"] or name in row or name in one_medium:
            raise ValueError(f"{where}.{name}: the line already says so outside of {EXTENSION}")
    row["options"] |= options
    if value.get("seed") is not None and "seed" not in row:
        read_seed(row, value["seed"], f"{where}.seed")


# --- the tables

SOUND: Table = {"format": only("wav"), "voice": ignore}
IMAGE_TOOL: Table = {
    "type": ignore,
    "size": read_size,
    "output_format": only("png"),
    "partial_images": read_previews,
    "action": only("auto", "generate"),
    "background": only("auto", "opaque"),
    "quality": only("auto"),
    "input_fidelity": only(),
    "input_image_mask": only(),
    "output_compression": only(100),
    "model": ignore,
    "moderation": ignore,
}
ANSWER: Table = {  # parameters of both endpoints whose answers may hold anything
    "model": ignore,
    "temperature": option("temperature"),
    "top_p": option("top_p"),
    "stream": read_stream,
    "stream_options": ignore,
    "top_logprobs": only(0),
    "service_tier": only("auto", "default"),
    "parallel_tool_calls": ignore,
    "user": ignore,
    "metadata": ignore,
    "safety_identifier": ignore,
    "prompt_cache_key": ignore,
    "prompt_cache_retention": ignore,
    "prompt_cache_options": ignore,
}
ENDPOINTS: dict[str, Table] = {
    "/v1/chat/completions": {
        **ANSWER,
        "messages": read_messages,
        "seed": read_seed,
        "max_tokens": option("max_new_tokens"),
        "max_completion_tokens": option("max_new_tokens"),
        "stop": read_stop,
        "modalities": key("modalities"),
        "audio": read_sound,
        "n": only(1),
        "frequency_penalty": only(0),
        "presence_penalty": only(0),
        "logit_bias": only({}),
        "logprobs": only(False),
        "response_format": only({"type": "text"}),
        "tools": only([]),
        "tool_choice": only("none", "auto"),
        "functions": only([]),
        "function_call": only("none", "auto"),
        "prediction": only(),
        "web_search_options": only(),
        "reasoning_effort": only("none"),
        "verbosity": only("medium"),
        "store": only(False),
        "moderation": ignore,
        EXTENSION: read_extension,
    },
    "/v1/responses": {
        **ANSWER,
        "input": read_input,
        "instructions": read_instructions,
        "max_output_tokens": option("max_new_tokens"),
        "truncation": only("auto"),
        "tools": read_tools,
        "tool_choice": read_tool_choice,
        "store": ignore,
        "previous_response_id": only(),
        "text": only({}, {"format": {"type": "text"}}),
        "include": only([]),
        "background": only(False),
        "conversation": only(),
        "prompt": only(),
        "reasoning": only({}),
        "max_tool_calls": only(),
        EXTENSION: read_extension,
    },
    IMAGES: {
        "model": ignore,
        "prompt": key("prompt"),
        "size": read_size,
        "seed": read_seed,
        "steps": option("image.steps"),
        "guidance": option("image.guidance"),
        "negative_prompt": option("image.negative"),
        "response_format": only("b64_json", "url"),  # the answer is a file
        "output_format": only("png"),
        "stream": read_stream,
        "partial_images": read_previews,
        "background": only("auto", "opaque"),
        "quality": only("auto", "standard"),
        "style": only(),
        "output_compression": only(100),
        "moderation": ignore,
        "user": ignore,
        "safety_identifier": ignore,
        EXTENSION: read_extension,
        "n": read_count,
    },
}
URLS = tuple(ENDPOINTS)


def is_openai_line(data: dict[str, Any]) -> bool:
    return "custom_id" in data and "body" in data


def plain_line(data: dict[str, Any]) -> Row:
    """The row that a line stands for. Raises ValueError."""
    url, body = data.get("url"), data["body"]
    if not isinstance(body, dict):
        raise ValueError("body: should be an object")
    if data.get("method", "POST") != "POST":
        raise ValueError(f"method: should be POST, not {data['method']!r}")
    if url not in URLS:
        raise ValueError(f"url: {url!r} is none of {', '.join(URLS)}")
    row: Row = {"id": data["custom_id"], "options": {}}
    if url == IMAGES:
        row["modality"] = "image"
    add(row, body, ENDPOINTS[url], "body")
    return row
