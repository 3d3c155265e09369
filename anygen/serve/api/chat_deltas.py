"""An answer as the deltas of a chat completion, which add up to its message.

OpenAI's client adds deltas up by rules that decide their form: numbers are summed and texts joined,
so that each key of an entry is sent once; an entry of a list is found by its index, which has to
be its position, so that entries come in order. What says something of one chunk alone stands
beside its choices.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from anygen.core.media import Media
from anygen.core.modality import MediaModality
from anygen.generation.answer import AnswerBuilder
from anygen.generation.events import (
    Done,
    Event,
    Forgotten,
    MediaDone,
    MediaFailed,
    MediaProgress,
    MediaStarted,
    TextDelta,
)
from anygen.serve.api.response_items import UNFINISHED, Encode, Link, described
from anygen.serve.encoded_media import EncodedMedia

Delta = dict[str, Any]
LISTS: dict[MediaModality, str] = {"image": "images", "video": "videos"}
GAP = "\n\n"  # in `content`, between texts with a medium between them
AUDIO_ID = "audio_"  # before the hash of a sound


@dataclass
class Finished:
    """A medium that may have to wait for earlier ones of its modality; without a file it failed."""

    encoded: EncodedMedia | None
    facts: dict[str, Any]


@dataclass
class DeltaWriter:
    """Turns the events of an answer into deltas of its message.

    `parts` of the message is the order of the answer: texts with their place in `content`, and
    media with where in the message they stand.
    """

    encode: Encode
    link: Link | None  # where a medium can be fetched; None: it stands in the message
    expires_at: int  # when a medium is no longer kept, seconds since 1970
    parts: int = 0  # that have begun
    length: int = 0  # characters of content
    text_start: int | None = None  # of the text that is being written
    order: dict[MediaModality, list[int]] = field(default_factory=dict)  # media still to be sent
    indices: dict[int, int] = field(default_factory=dict)  # medium of the answer -> part
    finished: dict[int, Finished] = field(default_factory=dict)
    counts: dict[MediaModality, int] = field(default_factory=dict)  # media that have been sent
    done: Done | None = None
    forgotten: Forgotten | None = None
    builder: AnswerBuilder = field(default_factory=AnswerBuilder)

    async def deltas(self, answer: AsyncIterator[Event]) -> AsyncIterator[tuple[Delta, Delta]]:
        """Deltas of the message, and what to say of their chunk alone."""
        async for event in answer:
            self.builder.add(event)
            if isinstance(event, MediaProgress):
                part = self.indices[event.part]
                yield {}, {"part": part, "step": event.step, "steps": event.total}
            for delta in await self.take(event):
                yield delta, {}

    async def take(self, event: Event) -> list[Delta]:
        match event:
            case TextDelta(text):
                return [self.write(text)]
            case MediaStarted(part, modality):
                return [{"parts": [*self.close_text(), self.begin(part, modality)]}]
            case MediaDone(part, medium, seed):
                return self.complete(part, medium, await self.encode(medium), seed)
            case MediaFailed(part, modality, error):
                return self.fail(part, modality, error)
            case Done():
                self.done = event
                return self.end()
            case Forgotten():
                self.forgotten = event
        return []

    # --- text

    def write(self, text: str) -> Delta:
        """A gap before the text belongs to no part."""
        gap = GAP if self.text_start is None and self.length else ""
        if self.text_start is None:
            self.text_start = self.length + len(gap)
        self.length += len(gap) + len(text)
        return {"content": gap + text}

    def close_text(self) -> list[Delta]:
        """The entry of the text that ends here, if there is one."""
        if self.text_start is None:
            return []
        where = {"start": self.text_start, "end": self.length}
        self.text_start = None
        self.parts += 1
        return [{"index": self.parts - 1, "type": "text", **where}]

    # --- media

    def begin(self, part: int, modality: MediaModality) -> Delta:
        self.order.setdefault(modality, []).append(part)
        self.indices[part] = self.parts
        self.parts += 1
        return {"index": self.indices[part], "type": modality}

    def complete(self, part: int, medium: Media, encoded: EncodedMedia, seed: int) -> list[Delta]:
        facts = {"status": "completed", **described(medium, encoded), "seed": seed}
        self.finished[part] = Finished(encoded, facts)
        return self.send_in_order()

    def fail(self, part: int, modality: MediaModality, error: str) -> list[Delta]:
        self.finished[part] = Finished(None, {"status": "failed", "error_message": error})
        return self.send_in_order()

    def send_in_order(self) -> list[Delta]:
        """Finished media before which none of their modality is missing."""
        deltas = []
        for modality, waiting in self.order.items():
            while waiting and waiting[0] in self.finished:
                deltas.append(self.send(modality, waiting.pop(0)))
        return deltas

    def send(self, modality: MediaModality, part: int) -> Delta:
        medium = self.finished[part]
        entry = {"index": self.indices[part], **medium.facts}
        if medium.encoded is None:
            return {"parts": [entry]}
        count = self.counts.get(modality, 0)
        self.counts[modality] = count + 1
        reference, delta = self.placed(modality, count, medium.encoded)
        return {**delta, "parts": [{**entry, "ref": reference}]}

    def placed(
        self, modality: MediaModality, count: int, encoded: EncodedMedia
    ) -> tuple[str, Delta]:
        """Where in the message a medium stands, and the delta that puts it there."""
        if modality == "audio":
            sound = self.sound(encoded)
            if not count:
                return "audio", {"audio": sound}
            return f"audios/{count - 1}", {"audios": [{"index": count - 1, **sound}]}
        name, kind = LISTS[modality], f"{modality}_url"
        url = self.link(encoded) if self.link else encoded.data_url
        return f"{name}/{count}", {name: [{"index": count, "type": kind, kind: {"url": url}}]}

    def sound(self, encoded: EncodedMedia) -> Delta:
        """One piece: a file cannot be cut into pieces whose base64 is joined as text."""
        sound = {
            "id": f"{AUDIO_ID}{encoded.sha256}",
            "data": "" if self.link else encoded.base64,
            "transcript": "",
            "expires_at": self.expires_at,
        }
        return {**sound, "url": self.link(encoded)} if self.link else sound

    # --- the end

    def end(self) -> list[Delta]:
        """Closes the text, and media that have not come."""
        closing = self.close_text()
        deltas = [{"parts": closing}] if closing else []
        for waiting in self.order.values():
            for part in waiting:
                lost = Finished(None, {"status": "failed", "error_message": UNFINISHED})
                self.finished.setdefault(part, lost)
        return [*deltas, *self.send_in_order()]


def add_up(message: Delta, delta: Delta) -> None:
    """Adds a delta to a message, as OpenAI's client does with deltas of this form."""
    for name, value in delta.items():
        if name == "content":
            message["content"] += value
        elif isinstance(value, list):
            entries = message.setdefault(name, [])
            for entry in value:
                if entry["index"] < len(entries):
                    entries[entry["index"]] |= entry
                else:
                    entries.append(dict(entry))
        else:
            message[name] = value
