"""Lines of OpenAI's batch files, as rows: `{"custom_id": ..., "url": ..., "body": {...}}`.

The body is that of the endpoint in `url`. What it sets is read under OpenAI's names; a parameter
that would change the answer and is not known here is refused by its name.
"""

from __future__ import annotations

from typing import Any

from anygen.core.schema import did_you_mean

# OpenAI's name -> the option
OPTIONS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "max_tokens": "max_new_tokens",
    "max_completion_tokens": "max_new_tokens",
    "max_output_tokens": "max_new_tokens",
    "stop": "stop",
}
# Parameters that decide nothing about the content of an answer.
IGNORED = (
    *("model", "user", "metadata", "store", "service_tier", "safety_identifier", "stream"),
    *("prompt_cache_key", "output_format", "quality", "moderation"),
)
NEUTRAL: dict[str, list[Any]] = {  # values that change nothing
    "n": [1],
    "response_format": ["url", "b64_json", {"type": "text"}],
    "size": ["auto"],
}
EXTENSION = "anygen"  # of what the server reads: see `anygen.serve.parameters.Extension`
KNOWN = ("messages", "prompt", "input", "instructions", "seed", "n", "size", *OPTIONS, EXTENSION)
IMAGES = "/v1/images/generations"
URLS = ("/v1/chat/completions", "/v1/responses", IMAGES)


def is_openai_line(data: dict[str, Any]) -> bool:
    return "custom_id" in data and "body" in data


def plain_line(data: dict[str, Any]) -> dict[str, Any]:
    """The row that a line stands for. Raises ValueError."""
    url, body = data.get("url"), data["body"]
    if not isinstance(body, dict):
        raise ValueError("body: should be an object")
    if url not in URLS:
        raise ValueError(f"url: {url!r} is none of {', '.join(URLS)}")
    row: dict[str, Any] = {"id": data["custom_id"], "options": {}}
    if url == IMAGES:
        row["modality"] = "image"
    for name, value in body.items():
        if name not in IGNORED and value is not None and value not in NEUTRAL.get(name, ()):
            (read_extension if name == EXTENSION else read_parameter)(row, name, value)
    return row


def read_extension(row: dict[str, Any], name: str, value: Any) -> None:
    """Adds the seed and the options that a request to the server names. Raises ValueError."""
    if not isinstance(value, dict):
        raise ValueError(f"body.{name}: should be an object")
    options = {key: each for key, each in value.items() if key not in ("seed", "deliver")}
    row["options"] |= options
    if value.get("seed") is not None:
        row["seed"] = value["seed"]


def read_parameter(row: dict[str, Any], name: str, value: Any) -> None:
    """Adds a parameter of a body to a row. Raises ValueError."""
    earlier, is_image = row.get("messages", []), "modality" in row
    match name:
        case "messages" | "prompt" | "seed" | "modalities":
            row[name] = value
        case "input":
            question = [{"role": "user", "content": value}]
            row["messages"] = [*earlier, *(question if isinstance(value, str) else list(value))]
        case "instructions":
            row["messages"] = [{"role": "system", "content": value}, *earlier]
        case "n" if is_image:
            row["options"]["exactly.image"] = value
        case "size" if is_image:
            row["options"]["image.size"] = square(value)
        case _ if name in OPTIONS:
            is_stop = name == "stop" and isinstance(value, str)
            row["options"][OPTIONS[name]] = [value] if is_stop else value
        case _:
            raise ValueError(
                f"body.{name}: is not read by anygen{did_you_mean(name, KNOWN)}; "
                f"it reads {', '.join(KNOWN)}"
            )


def square(size: Any) -> int:
    """The side of a picture of `64x64`. Raises ValueError."""
    width, _, height = str(size).partition("x")
    if width != height or not width.isdigit():
        raise ValueError(f"body.size: {size!r} is no square such as 64x64")
    return int(width)
