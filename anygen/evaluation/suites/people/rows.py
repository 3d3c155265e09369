"""The rows of people.jsonl: a prompt or a conversation, who might write it, and what they expect.

Media are paths relative to the folder of the file. Any part of what a row expects may be left out.
"""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PositiveInt, ValidationError, model_validator

from anygen.core.modality import MediaModality, Modality
from anygen.core.records import MediaContent, Record, RecordMessage
from anygen.core.schema import Strict, Text, explain_in_line
from anygen.evaluation.judges.pixels import HUES
from anygen.io.media_files import printable
from mosit_data.world.sprites import concept_names
from mosit_data.world.vocabulary import COLOURS, MOTIONS, PATTERNS, RELATIONS, SOUNDS, STYLES

FILE = "people.jsonl"
NAMES = (*concept_names(), *SOUNDS)
MANY = 12  # names that an error does not list


def valid_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    return pattern


def one_of(names: Collection[str]) -> AfterValidator:
    """A name, or several joined by `|`, any of which is right."""

    def check(value: Any) -> Any:
        entries = value if isinstance(value, tuple) else value.split("|")
        for name in entries:
            if name not in names:
                known = f"none of {', '.join(names)}" if len(names) < MANY else "unknown to judges"
                raise ValueError(f"{name!r} is {known}")
        return value

    return AfterValidator(check)


Pattern = Annotated[str, AfterValidator(valid_pattern)]
Objects = tuple[Annotated[str | tuple[str, str], one_of(NAMES)] | None, ...]
Hues = tuple[Annotated[str, one_of(HUES)] | None, ...]
Colours = tuple[Annotated[str, one_of(COLOURS)] | None, ...]
DrawingStyles = tuple[Annotated[str, one_of(STYLES)] | None, ...]
Motions = tuple[Annotated[str, one_of(MOTIONS)] | None, ...]
SoundPatterns = tuple[Annotated[str, one_of(PATTERNS)] | None, ...]
Files = tuple[str | None, ...]
# What is judged on media: a list with an entry for each, null for any; one value holds for all.
JUDGED = (
    *("object", "background", "style", "motion", "pattern", "colour", "count"),
    *("larger_than", "smaller_than"),
)


class Expectation(Strict):
    """What a person would want of the answer. The fields of JUDGED have an entry per medium."""

    media: tuple[MediaModality, ...] = ()  # in this order
    media_any: tuple[tuple[MediaModality, ...], ...] = ()  # instead: any of these sequences
    object: Objects = ()  # a thing or a sound, or [a, b] with their relation
    relation: Annotated[str, one_of(RELATIONS)] | None = None  # of a to b in the picture
    background: Colours = ()
    style: DrawingStyles = ()
    motion: Motions = ()
    pattern: SoundPatterns = ()
    colour: Hues = ()  # of the thing
    count: tuple[PositiveInt | None, ...] = ()
    larger_than: Files = ()  # pictures in the folder, which the thing should differ from
    smaller_than: Files = ()
    match: Pattern = ""  # on all text of the answer, without case; "." is any character
    not_match: Pattern | None = None
    faithful: bool = False  # a plain answer, which should be the base model's
    base: tuple[str, ...] = ()  # what the untouched base model answers

    @property
    def sequences(self) -> tuple[tuple[MediaModality, ...], ...]:
        """The sequences of media that are right."""
        return self.media_any or (self.media,)

    @model_validator(mode="before")
    @classmethod
    def _repeat_single_values(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        sequences = data.get("media_any") or [data.get("media") or []]
        media = max((len(one) for one in sequences if isinstance(one, list)), default=0)
        single = [name for name in JUDGED if name in data and not isinstance(data[name], list)]
        return {**data, **{name: [data[name]] * media for name in single}}

    @model_validator(mode="after")
    def _check_together(self) -> "Expectation":
        if self.media and self.media_any:
            raise ValueError("give either media or media_any")
        if self.faithful and not self.base:
            raise ValueError("base: a faithful answer needs what the base model says")
        longest = max(map(len, self.sequences))
        for name in JUDGED:
            if (entries := len(getattr(self, name))) not in (0, longest):
                raise ValueError(f"{name}: has {entries} entries for {longest} media")
        if any(isinstance(entry, tuple) for entry in self.object) != bool(self.relation):
            raise ValueError("relation: give it where an object is a pair, and only there")
        return self


class Row(Strict):
    """A line of people.jsonl."""

    id: Annotated[str, Field(min_length=1)]
    kind: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]  # a line of the table, part of file names
    who: str = ""  # might write this
    prompt: Text | None = None
    messages: list[RecordMessage] | None = None
    modalities: tuple[Modality, ...] | None = None  # that the answer may hold
    expect: Expectation

    @model_validator(mode="after")
    def _check_messages(self) -> "Row":
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give either prompt or messages")
        if not self.turns or self.turns[-1].role != "user":
            raise ValueError("messages: the last one must have the role user")
        return self

    @property
    def turns(self) -> Sequence[RecordMessage]:
        if self.messages is not None:
            return self.messages
        return Record.model_validate({"id": self.id, "prompt": self.prompt}).messages

    def files(self) -> Iterator[str]:
        """The media that the row names, as paths in its folder."""
        contents = [content for turn in self.turns for content in turn.content]
        for content in contents:
            if isinstance(content, MediaContent):
                if content.path is None:
                    raise ValueError("messages: a medium needs a path")
                yield content.path
        compared = (*self.expect.larger_than, *self.expect.smaller_than)
        yield from (name for name in compared if name is not None)


def read_rows(folder: Path) -> list[Row]:
    """The rows of people.jsonl. Raises ValueError with the file and the line that is not valid."""
    path = folder / FILE
    if not path.is_file():
        raise ValueError(
            f"{printable(folder)}: has no {FILE}; --data takes a folder with {FILE} and the media "
            "that its rows name"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{printable(path)}: is not UTF-8; save it as UTF-8") from None
    rows: list[Row] = []
    numbers: dict[str, int] = {}  # of the lines, by id
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = parse_row(line, folder)
            if row.id in numbers:
                raise ValueError(f"id: {row.id!r} is that of line {numbers[row.id]}")
        except ValueError as error:
            raise ValueError(f"{printable(path)}:{number}: {error}") from None
        numbers[row.id] = number
        rows.append(row)
    if not rows:
        raise ValueError(f"{printable(path)}: has no rows")
    return rows


def parse_row(line: str, folder: Path) -> Row:
    """The row in a line, whose files exist. Raises ValueError with one sentence."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise ValueError("is not a JSON object")
    try:
        row = Row.model_validate(data)
    except ValidationError as error:
        raise ValueError(explain_in_line(error, Row)) from None
    for name in row.files():
        if not (folder / name).is_file():
            raise ValueError(f"there is no file {printable(folder / name)}")
    return row
