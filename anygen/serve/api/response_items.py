"""An answer as the items of a response, in its order, and as the events that make them.

A part of the answer has the index of its item from the moment at which it begins, so that media
which are finished late stand where they were requested.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from anygen.core.media import Audio, Media, Video, modality_of
from anygen.core.modality import MediaModality
from anygen.generation.answer import AnswerBuilder
from anygen.generation.events import (
    Done,
    Event,
    Forgotten,
    MediaDone,
    MediaFailed,
    MediaPreview,
    MediaProgress,
    MediaStarted,
    TextDelta,
)
from anygen.serve.api.common import new_id
from anygen.serve.encoded_media import EncodedMedia

Item = dict[str, Any]
WireEvent = dict[str, Any]
IMAGE = "image_generation_call"
# The type of an item and the prefix of its id; those that OpenAI lacks have a slug of ours.
ITEMS: dict[MediaModality, tuple[str, str]] = {
    "image": (IMAGE, "ig"),
    "audio": ("anygen:audio", "au"),
    "video": ("anygen:video", "vi"),
}
Encode = Callable[[Media], Awaitable[EncodedMedia]]
Link = Callable[[EncodedMedia], str]


@dataclass
class ItemWriter:
    """Turns the events of an answer into items, and into events of the Responses API."""

    encode: Encode
    link: Link | None  # where a medium can be fetched; None: it stands in its item
    encode_preview: Encode
    items: list[Item] = field(default_factory=list)
    media: dict[int, int] = field(default_factory=dict)  # part of the answer -> index of its item
    previews: Counter[int] = field(default_factory=Counter)  # so far, by part
    text: int | None = None  # the index of the message that is being written
    done: Done | None = None
    forgotten: Forgotten | None = None
    builder: AnswerBuilder = field(default_factory=AnswerBuilder)

    async def events(self, answer: AsyncIterator[Event]) -> AsyncIterator[WireEvent]:
        async for event in answer:
            self.builder.add(event)
            if isinstance(event, MediaPreview):
                yield self.preview(event.part, await self.encode_preview(event.media))
            for each in await self.take(event):
                yield each

    async def take(self, event: Event) -> list[WireEvent]:
        match event:
            case TextDelta(text):
                return self.write(text)
            case MediaDone(part, medium, seed):
                return self.complete(part, medium, await self.encode(medium), seed)
            case MediaStarted(part, modality):
                return [*self.close_text(), *self.begin(part, modality)]
            case MediaProgress(part, _, step, total):
                return [self.about(part, "anygen:media.progress", step=step, steps=total)]
            case MediaFailed(part, _, error):
                return [self.fail(part, "model_error", error)]
            case Done():
                self.done = event
                return self.end(event)
            case Forgotten():
                self.forgotten = event
        return []

    # --- text

    def write(self, text: str) -> list[WireEvent]:
        opening = [] if self.text is not None else self.open_text()
        assert self.text is not None
        self.items[self.text]["content"][0]["text"] += text
        delta = self.of_text("response.output_text.delta", delta=text, logprobs=[])
        return [*opening, delta]

    def open_text(self) -> list[WireEvent]:
        item: Item = {
            "type": "message",
            "id": new_id("msg"),
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        self.text = len(self.items)
        self.items.append(item)
        added = {"type": "response.output_item.added", "output_index": self.text, "item": {**item}}
        part = output_text("")
        item["content"] = [part]
        return [added, self.of_text("response.content_part.added", part={**part})]

    def close_text(self) -> list[WireEvent]:
        if self.text is None:
            return []
        item = self.items[self.text]
        item["status"] = "completed"
        [part] = item["content"]
        closing = [
            self.of_text("response.output_text.done", text=part["text"], logprobs=[]),
            self.of_text("response.content_part.done", part={**part}),
            {"type": "response.output_item.done", "output_index": self.text, "item": item},
        ]
        self.text = None
        return closing

    def of_text(self, kind: str, **fields: Any) -> WireEvent:
        assert self.text is not None
        where = {"item_id": self.items[self.text]["id"], "output_index": self.text}
        return {"type": kind, **where, "content_index": 0, **fields}

    # --- media

    def begin(self, part: int, modality: MediaModality) -> list[WireEvent]:
        kind, prefix = ITEMS[modality]
        item: Item = {"type": kind, "id": new_id(prefix), "status": "in_progress"}
        # OpenAI's client takes an unknown item for a message, and code that walks over the content
        # of a message needs some.
        item |= {"result": None} if kind == IMAGE else {"role": "assistant", "content": []}
        index = self.media[part] = len(self.items)
        self.items.append(item)
        events = [{"type": "response.output_item.added", "output_index": index, "item": {**item}}]
        if kind == IMAGE:
            events += [self.about(part, f"response.{IMAGE}.{s}") for s in STAGES]
        return events

    def complete(
        self, part: int, medium: Media, encoded: EncodedMedia, seed: int
    ) -> list[WireEvent]:
        item = self.items[self.media[part]]
        item |= {"status": "completed", **described(medium, encoded), "seed": seed}
        name = "result" if item["type"] == IMAGE else "data"
        if self.link:
            item["url"] = self.link(encoded)
        else:
            item[name] = encoded.base64
        ended = [self.about(part, f"response.{IMAGE}.completed")] if item["type"] == IMAGE else []
        return [*ended, self.item_done(part)]

    def preview(self, part: int, encoded: EncodedMedia) -> WireEvent:
        """What an image looks like so far."""
        index = self.previews[part]
        self.previews[part] += 1
        fields = {"partial_image_index": index, "partial_image_b64": encoded.base64}
        return self.about(part, f"response.{IMAGE}.partial_image", **fields)

    def fail(self, part: int, code: str, message: str) -> WireEvent:
        """A medium that failed: the answer goes on without it."""
        error = {"code": code, "message": message, "param": None, "type": "model_error"}
        self.items[self.media[part]] |= {"status": "failed", "error": error}
        return self.item_done(part)

    def item_done(self, part: int) -> WireEvent:
        index = self.media[part]
        kind = "response.output_item.done"
        return {"type": kind, "output_index": index, "item": self.items[index]}

    def about(self, part: int, kind: str, **fields: Any) -> WireEvent:
        index = self.media[part]
        return {"type": kind, "item_id": self.items[index]["id"], "output_index": index, **fields}

    # --- the end

    def end(self, done: Done) -> list[WireEvent]:
        """Closes what is open. A text that announces a withheld medium ends before that."""
        if self.text is not None and done.finish_reason == "withheld":
            kept = self.builder.parts[self.text :]  # its parts have the indices of the items
            self.items[self.text]["content"][0]["text"] = kept[0] if kept else ""
        closing = self.close_text()
        reason = done.finish_reason
        missing = [
            part
            for part, index in self.media.items()
            if self.items[index]["status"] == "in_progress"
        ]
        return [*closing, *(self.fail(part, reason, UNFINISHED) for part in missing)]


STAGES = ("in_progress", "generating")
UNFINISHED = "the answer ended before this medium was finished"


def output_text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def described(medium: Media, encoded: EncodedMedia) -> dict[str, Any]:
    """What a client needs to show or play a medium, beside its bytes."""
    facts: dict[str, Any] = {"media_id": encoded.sha256}
    if modality_of(medium) == "image":
        return {**facts, "output_format": encoded.format, "size": size_of(medium)}
    facts["format"] = encoded.format
    if isinstance(medium, Audio):
        channels = medium.samples.shape[0]
        return {
            **facts,
            "sample_rate": medium.rate,
            "channels": channels,
            "duration": medium.seconds,
        }
    assert isinstance(medium, Video)
    return {**facts, "fps": medium.fps, "duration": medium.seconds, "size": size_of(medium)}


def size_of(medium: Media) -> str:
    """Width x height."""
    assert not isinstance(medium, Audio)
    pixels = medium.frames if isinstance(medium, Video) else medium.pixels
    return f"{pixels.shape[-1]}x{pixels.shape[-2]}"
