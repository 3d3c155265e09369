"""MIMIC-IT: instructions in one file, base64 pictures in another, joined by their ids.

    DC_instructions.json {"meta": {...}, "data": {"DC_INS_1": {"instruction": "Why wet?",
      "answer": "It rained.", "image_ids": ["DC_IMG_7_1", "DC_IMG_7_2"],
      "rel_ins_ids": ["DC_INS_4"]}}}
    DC.json {"DC_IMG_7_1": "<base64>", ...}
    DC_train.json {"DC_INS_1": ["DC_INS_4"], ...}

The pictures may also be `DC.parquet`, with the columns `id` and `base64`. In DC, TVC and E4D
several pictures are the frames of a clip, which becomes a video of one frame a second.

Examples come first, as earlier turns: the instructions in `rel_ins_ids` or, where there is a
`DC_train.json`, those that it lists. It then also decides which instructions are trained on, as it
does for Otter; the others are those of a split that is held out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from anygen.core.records import Content, MediaContent, RecordMessage
from anygen.io.media_files import printable
from mosit_data.formats.json_stream import JsonStream
from mosit_data.formats.media_folder import MediaFolder, decode_base64
from mosit_data.formats.rows import Kept, RawRow, Refusal, raw_row, read_rows
from mosit_data.formats.schema import Row, Texts, convert_row, exchange, text

END, TRAIN_END = "_instructions.json", "_train.json"
CLIPS = ("DC_", "TVC_", "E4D_")  # prefixes of ids


class MimicitRow(Row):
    instruction: str
    answer: str
    image_ids: Texts = []
    rel_ins_ids: Texts = []


@dataclass(frozen=True)
class Subset:
    """A pair of files, all of it, since an instruction may name any other."""

    rows: Mapping[str, RawRow]
    pictures: Mapping[str, str]  # paths by ids
    examples: Mapping[str, Any] | None  # ids of those that come first, by ids; None: no such file


class JoinedRow(MimicitRow):
    """An instruction and all that its ids stand for."""

    id: str
    pictures: list[str]
    examples: list[JoinedRow] = []

    def to_messages(self, media: MediaFolder) -> list[RecordMessage]:
        earlier = [message for row in self.examples for message in row.to_messages(media)]
        question = [*self.media(media), *text(self.instruction)]
        return [*earlier, *exchange(question, text(self.answer))]

    def media(self, folder: MediaFolder) -> list[Content]:
        if len(self.pictures) > 1 and self.id.startswith(CLIPS):
            return [MediaContent(type="video", path=folder.store_clip(self.pictures))]
        return [MediaContent(type="image", path=path) for path in self.pictures]


def read(path: Path, media: MediaFolder) -> Iterator[Kept | Refusal]:
    """The instructions of a file, or of the files in a folder. Raises ValueError."""
    found = sorted(path.glob(f"*{END}")) if path.is_dir() else [path]
    if not found or not all(file.name.endswith(END) for file in found):
        raise ValueError(f"{printable(path)}: name a file that ends in {END}, or its folder")
    for file in found:
        rows = {row.name: row for row in read_instructions(file)}
        subset = Subset(rows, pictures(file, media), read_examples(file))
        for row in subset.rows.values():
            yield convert_row(row, partial(joined, row.name, subset), media)


def joined(name: str, subset: Subset, data: Mapping[str, Any], examples: bool = True) -> JoinedRow:
    """Raises ValueError for ids that the files do not have."""
    row = MimicitRow.model_validate(data)
    for number in row.image_ids:
        if number not in subset.pictures:
            raise ValueError(f"{number}: no such picture, or a damaged one")
    if examples and subset.examples is not None:
        if name not in subset.examples:
            raise ValueError(f"is not in the file that ends in {TRAIN_END}")
        row = MimicitRow.model_validate({**data, "rel_ins_ids": subset.examples[name]})
    others = row.rel_ins_ids if examples else []
    for other in others:
        if other not in subset.rows:
            raise ValueError(f"{other}: no such instruction")
    return JoinedRow(
        **row.model_dump(include={*MimicitRow.model_fields} - {"id"}),
        id=name,
        pictures=[subset.pictures[number] for number in row.image_ids],
        examples=[joined(other, subset, subset.rows[other].data, False) for other in others],
    ).with_unread(row.model_extra or {})


def read_instructions(path: Path) -> Iterator[RawRow]:
    with JsonStream(path) as stream:
        for key in object_keys(stream):
            if key != "data":
                stream.value()
                continue
            for name in object_keys(stream):
                stream.peek()
                row = raw_row(path, stream.line, stream.value())
                yield replace(row, name=name)


def read_examples(instructions: Path) -> dict[str, Any] | None:
    """The ids in DC_train.json by ids, None without the file. Raises ValueError, OSError."""
    path = sibling(instructions, TRAIN_END)
    if not path.is_file():
        return None
    with JsonStream(path) as stream:
        return {name: stream.value() for name in object_keys(stream)}


def pictures(instructions: Path, media: MediaFolder) -> dict[str, str]:
    """Writes the pictures of DC.json or DC.parquet, and returns the paths of those that are whole.

    Raises ValueError, OSError.
    """
    paths = {}
    for name, data in encoded_pictures(instructions):
        with suppress(ValueError):  # rows that need it are refused
            paths[str(name)] = media.store(decode_base64(str(data)))
    return paths


def encoded_pictures(instructions: Path) -> Iterator[tuple[Any, Any]]:
    """Ids and base64 texts."""
    table = sibling(instructions, ".parquet")
    if table.is_file():
        yield from ((row.data.get("id"), row.data.get("base64")) for row in read_rows(table))
        return
    with JsonStream(sibling(instructions, ".json")) as stream:
        yield from ((name, stream.value()) for name in object_keys(stream))


def sibling(instructions: Path, end: str) -> Path:
    """Of DC_instructions.json the file DC and `end`."""
    return instructions.with_name(instructions.name.removesuffix(END) + end)


def object_keys(stream: JsonStream) -> Iterator[str]:
    if stream.peek() != "{":
        raise stream.damaged("an object should begin here")
    return stream.members()
