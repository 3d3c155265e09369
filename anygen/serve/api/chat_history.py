"""Messages of chat completions; an answer that comes back is read in the order that it had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anygen.core.media import Message, Part
from anygen.core.modality import MediaModality
from anygen.serve.api.chat_deltas import AUDIO_ID, LISTS
from anygen.serve.content import MessageReader, answerable
from anygen.serve.errors import ApiError, unknown_parameter

Source = tuple[MediaModality, str]  # a medium's modality, and its URL
MEDIA_KEYS = ("images", "audio", "audios", "videos")
# Of a message of an answer that OpenAI's client sends back; the last ones are always empty here.
KEYS = {"role", "content", "name", "parts", "refusal", "annotations", *MEDIA_KEYS}
CALLS = ("tool_calls", "function_call", "tool_call_id")


def read_messages(turns: list[Any], reader: MessageReader) -> tuple[Message, ...]:
    """Raises ValueError and ApiError."""
    messages = [read_turn(turn, f"messages.{i}", reader) for i, turn in enumerate(turns)]
    return answerable(messages, "messages")


def read_turn(turn: Any, where: str, reader: MessageReader) -> Message:
    if not isinstance(turn, Mapping):
        raise ValueError(f"{where}: should be an object")
    role = turn.get("role")
    calls = [name for name in CALLS if turn.get(name)]
    if calls or role in ("tool", "function"):
        name = f"{where}.{calls[0] if calls else 'role'}"
        raise ApiError(400, f"{name}: this model calls no tools", "unsupported_value", name)
    unknown = [name for name in turn if name not in KEYS and turn[name] is not None]
    if unknown:
        raise unknown_parameter(f"{where}.{unknown[0]}")
    if role == "assistant" and any(turn.get(name) for name in MEDIA_KEYS):
        return Message("assistant", read_answer(turn, where, reader))
    return reader.message(str(role), turn.get("content") or "", where)


def read_answer(turn: Mapping[str, Any], where: str, reader: MessageReader) -> tuple[Part, ...]:
    """The parts of an answer of this server, or of one that has media beside its text."""
    try:
        sources = media_in(turn)
        located = located_parts(turn, sources)
    except (KeyError, TypeError, IndexError, AttributeError):
        raise ValueError(f"{where}: its media are not in the form of an answer") from None
    return tuple(
        part if isinstance(part, str) else reader.medium(part[1], part[0], where)
        for part in located
    )


def media_in(turn: Mapping[str, Any]) -> dict[str, Source]:
    """The media of a message under the references that `parts` has for them."""
    found: dict[str, Source] = {}
    for modality, name in LISTS.items():
        for index, entry in enumerate(turn.get(name) or []):
            found[f"{name}/{index}"] = modality, entry[f"{modality}_url"]["url"]
    if turn.get("audio"):
        found["audio"] = "audio", sound_url(turn["audio"])
    for index, entry in enumerate(turn.get("audios") or []):
        found[f"audios/{index}"] = "audio", sound_url(entry)
    return found


def sound_url(sound: Mapping[str, Any]) -> str:
    """Its data, or else its id, by which the server may still have it."""
    if sound.get("data"):
        return f"data:;base64,{sound['data']}"
    return f"/v1/media/{sound['id'].removeprefix(AUDIO_ID)}"


def located_parts(turn: Mapping[str, Any], sources: Mapping[str, Source]) -> list[str | Source]:
    """In the order of `parts`; without it, the text comes first."""
    content = turn.get("content") or ""
    if not isinstance(content, str):
        raise TypeError
    if turn.get("parts") is None:
        return [*([content] if content else []), *sources.values()]
    located: list[str | Source] = []
    for part in turn["parts"]:
        if part["type"] == "text":
            located.append(content[part["start"] : part["end"]])
        elif "ref" in part:
            located.append(sources[part["ref"]])
    return located
