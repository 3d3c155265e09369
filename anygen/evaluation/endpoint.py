"""Another system as the model under test: anything behind OpenAI's chat API."""

import base64
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import HTTPError

from anygen.core.media import Media, Message, Part, modality_of
from anygen.core.modality import TABLE
from anygen.generation.answer import Answer
from anygen.generation.request import Request
from anygen.io.chat_endpoint import SCHEMES, ChatEndpoint
from anygen.io.media_files import write_media

PARALLEL = 8  # requests at a time
MIME = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp"}


def is_endpoint(model: str) -> bool:
    return model.startswith(SCHEMES)


@dataclass(frozen=True)
class EndpointModel:
    """A model by its name at an endpoint. Its answers are texts."""

    endpoint: ChatEndpoint
    name: str

    def __str__(self) -> str:
        return f"{self.endpoint.url}#{self.name}"

    def reply_many(self, requests: Sequence[Request]) -> list[Answer]:
        """The answers; one that the endpoint refuses is empty, with the reason.

        Raises ConnectionError if the endpoint does not answer at all.
        """
        with ThreadPoolExecutor(PARALLEL) as pool:
            return list(pool.map(self.reply, requests))

    def reply(self, request: Request) -> Answer:
        options = request.options
        body = {
            "model": self.name,
            "messages": [as_sent(message) for message in request.messages],
            "temperature": options.temperature,
            "max_tokens": options.max_new_tokens,
            "seed": request.seed,
        }
        try:
            return read_answer(self.endpoint.complete(body))
        except HTTPError as error:
            reason = f"HTTP {error.code} {error.reason}"
            return Answer(Message("assistant", ()), "cancelled", (reason,))


def open_endpoint(address: str, endpoint: type[ChatEndpoint] = ChatEndpoint) -> EndpointModel:
    """The model at URL#NAME; without a name, the only one that the endpoint offers.

    Raises ValueError if there are several, or if the endpoint does not list them.
    """
    url, _, name = address.partition("#")
    chat = endpoint(url)
    return EndpointModel(chat, name or only_model(chat))


def only_model(endpoint: ChatEndpoint) -> str:
    try:
        names = [str(one["id"]) for one in endpoint.send("models")["data"]]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{endpoint.url}: does not list its models ({error}); write {endpoint.url}#NAME"
        ) from None
    if len(names) != 1:
        some = ", ".join(names[:8]) or "none"
        raise ValueError(f"{endpoint.url}: has {len(names)} models ({some}); write URL#NAME")
    return names[0]


def as_sent(message: Message) -> dict[str, Any]:
    return {"role": message.role, "content": list(map(part_as_sent, message.parts))}


def part_as_sent(part: Part) -> dict[str, Any]:
    """Pictures and videos as data URLs, sounds as WAV in base64."""
    if isinstance(part, str):
        return {"type": "text", "text": part}
    modality = modality_of(part)
    if modality == "audio":
        data = base64.b64encode(written(part)).decode()
        return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}
    kind = f"{modality}_url"
    return {"type": kind, kind: {"url": data_url(part, modality)}}


def data_url(medium: Media, modality: str) -> str:
    """Of the picture's own file, so that nothing is compressed twice, or of a file we write."""
    path = medium.path
    if path is not None and path.suffix.lower() in MIME and path.is_file():
        data, kind = path.read_bytes(), MIME[path.suffix.lower()]
    else:
        data, kind = written(medium), TABLE[modality_of(medium)].suffix.removeprefix(".")
    return f"data:{modality}/{kind};base64,{base64.b64encode(data).decode()}"


def written(medium: Media) -> bytes:
    """The bytes of a medium's file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"medium{TABLE[modality_of(medium)].suffix}"
        return write_media(medium, path).read_bytes()


def read_answer(data: Any) -> Answer:
    """The text of the first choice; an answer in another form counts as none."""
    match data:
        case {"choices": [{"message": {"content": str(text)}, **rest}, *_]}:
            was_cut = rest.get("finish_reason") == "length"
            return Answer(Message("assistant", (text,)), "length" if was_cut else "stop")
    reason = "the endpoint's answer holds no text"
    return Answer(Message("assistant", ()), "cancelled", (reason,))
