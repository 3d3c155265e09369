"""Messages of clients as messages of the model: the parts of batch files, with inline media."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import ValidationError

from anygen.batch.openai_lines import ROLES
from anygen.batch.parts import data_of, plain_content, read_data_url, scheme_of
from anygen.core.media import Media, Message, Part, modality_of
from anygen.core.modality import MediaModality
from anygen.core.records import MediaContent, RecordMessage, TextContent
from anygen.core.schema import explain
from anygen.io.media_files import MediaError, read_bytes
from anygen.io.remote import RefusedAddressError, fetch
from anygen.serve.encoded_media import EncodedMedia
from anygen.serve.errors import ApiError
from anygen.serve.store import Kind, StoredFile

STORED = re.compile(r"(?:https?://[^/?#]+)?/v1/media/([0-9a-f]{64})")


class Find(Protocol):
    def __call__(self, key: str, kind: type[Kind], /) -> Kind | None:
        """The value that is kept under an id, if it is of that kind."""


@dataclass
class MessageReader:
    """Reads the messages of one request; media lie in it, or are kept. For any thread but that of
    the event loop.
    """

    find: Find
    max_media: int
    media_hosts: Collection[str]  # from which media may be downloaded
    media: int = field(default=0, init=False)  # so far

    def message(self, role: str, content: Any, where: str) -> Message:
        """`where` names the message in errors. Raises ApiError and ValueError."""
        role = ROLES.get(role, role)
        name = f"{where}.content"
        entries = list(content) if isinstance(content, list) else [content]
        files: dict[int, Media] = {}
        for index, entry in enumerate(entries):
            found = file_of(entry)
            if found is not None:
                files[index] = self.file(*found, f"{name}.{index}")
                entries[index] = {"type": "text", "text": ""}  # keeps the place of the medium
        others = entries if isinstance(content, list) else content
        data = {"role": role, "content": plain_content(others, name)}
        try:
            record = RecordMessage.model_validate(data)
        except ValidationError as error:
            problem = explain(error).splitlines()[0]
            raise ValueError(f"{where}.{problem}") from None
        parts = [
            files[i] if i in files else self.part(one, f"{name}.{i}")
            for i, one in enumerate(record.content)
        ]
        return Message(record.role, tuple(parts))

    def file(self, file: Mapping[str, Any], modality: MediaModality | None, where: str) -> Media:
        """The medium of a part that names an uploaded file, or one of unnamed modality."""
        if file.get("file_id") is not None:
            kept = self.find(str(file["file_id"]), StoredFile)
            if kept is None:
                raise ApiError(404, f"{where}: this server has no such file", "file_not_found")
            return self.decode(kept.data, modality, where)
        if isinstance(file.get("file_url"), str):
            return self.decode(self.fetched(file["file_url"], where), modality, where)
        data = file.get("file_data")
        if not isinstance(data, str):
            raise ValueError(f"{where}: give file_id, file_url, or file_data in base64")
        url = data if scheme_of(data) == "data" else f"data:;base64,{data}"
        return self.decode(data_of(url, where), modality, where)

    def decode(self, data: bytes, modality: MediaModality | None, where: str) -> Media:
        """The medium in the bytes of a file. Raises MediaError and ApiError."""
        self.count(where)
        medium = read_bytes(data, where)
        if modality not in (None, modality_of(medium)):
            raise MediaError(f"{where}: the type is {modality}, and it is {modality_of(medium)}")
        return medium

    def part(self, content: TextContent | MediaContent, where: str) -> Part:
        if isinstance(content, TextContent):
            return content.text
        if content.path is None:
            raise ValueError(f"{where}: a medium of a request has a URL")
        return self.medium(content.path, content.type, where)

    def medium(self, url: str, modality: MediaModality, where: str) -> Media:
        """The medium in a data: URL, one that this server has made, or one of an allowed host."""
        if scheme_of(url) == "data":
            self.count(where)
            return read_data_url(url, modality, where)
        stored = STORED.fullmatch(url)
        if stored:
            return self.stored(stored[1], modality, where)
        return self.decode(self.fetched(url, where), modality, where)

    def fetched(self, url: str, where: str) -> bytes:
        """What is at a URL of an allowed host. Raises ApiError and MediaError."""
        if not self.media_hosts:
            problem = f"{where}: media are neither downloaded nor read from paths; send a data: URL"
            raise ApiError(400, problem, "remote_media_refused", where)
        try:
            return fetch(url, self.media_hosts, where)
        except RefusedAddressError as error:
            raise ApiError(400, str(error), "remote_media_refused", where) from error

    def count(self, where: str) -> None:
        """One medium more. Raises ApiError."""
        self.media += 1
        if self.media > self.max_media:
            raise ApiError(
                400, f"{where}: a request has at most {self.max_media} media", "too_many_media"
            )

    def stored(self, sha256: str, modality: MediaModality, where: str) -> Media:
        encoded = self.find(sha256, EncodedMedia)
        if encoded is None:
            raise ApiError(
                404, f"{where}: this server no longer has that medium", "media_not_found", where
            )
        return self.decode(encoded.data, modality, where)


def file_of(entry: Any) -> tuple[Mapping[str, Any], MediaModality | None] | None:
    """What says which file a part is, and its modality if the part names it; None for others."""
    if not isinstance(entry, Mapping):
        return None
    kind = entry.get("type")
    if kind == "file":
        inner = entry.get("file")
        return (inner if isinstance(inner, Mapping) else {}), None
    if kind == "input_file":
        return entry, None
    if kind == "input_image" and entry.get("file_id") is not None:
        return entry, "image"
    return None


def merged(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Messages in which neighbours of the assistant are one: an answer may be several items."""
    found: list[Message] = []
    for message in messages:
        if found and message.role == found[-1].role == "assistant":
            found[-1] = Message("assistant", (*found[-1].parts, *message.parts))
        else:
            found.append(message)
    return tuple(found)


def answerable(messages: Sequence[Message], where: str) -> tuple[Message, ...]:
    """The messages, if the user has the last word. Raises ValueError."""
    if not messages or messages[-1].role != "user":
        raise ValueError(f"{where}: the last message must be the user's: it is answered")
    if messages[-1].is_empty:
        raise ValueError(f"{where}: the last message is empty; write a text or add a medium")
    return tuple(messages)
