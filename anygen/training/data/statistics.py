"""What is in a set of records: tables of lengths, media, writing and duplicates."""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from anygen.core.records import MediaContent, Record, TextContent, media_of_record
from anygen.core.text import folded, to_json

SHOWN = 8  # values of a table; the others are counted together
NAMES = 60  # characters of a value


@dataclass
class Statistics:
    """Of the records that were added."""

    rows: int = 0
    turns: list[int] = field(default_factory=list)  # messages per row
    words: dict[str, list[int]] = field(default_factory=dict)  # per message, by role
    positions: list[int] = field(default_factory=list)  # per row, if a system was named
    media: Counter[str] = field(default_factory=Counter)
    writing: Counter[str] = field(default_factory=Counter)  # rows by their script
    sources: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    contents: Counter[bytes] = field(default_factory=Counter)  # hashes of what rows say

    def add(self, record: Record) -> None:
        self.rows += 1
        self.turns.append(len(record.messages))
        for message in record.messages:
            texts = [part.text for part in message.content if isinstance(part, TextContent)]
            count = len(" ".join(texts).split())
            self.words.setdefault(message.role, []).append(count)
        self.media.update(describe(*medium) for medium in media_of_record(record))
        self.writing[script_of(record)] += 1
        self.sources[record.source or "not named"] += 1
        self.licences[record.licence or "not named"] += 1
        self.contents[content_of(record)] += 1

    @property
    def duplicates(self) -> int:
        """Rows that say what an earlier row says."""
        return self.rows - len(self.contents)

    def lines(self) -> Iterator[str]:
        """The tables as text."""
        yield row("rows", f"{self.rows:,}, of which {self.duplicates:,} repeat an earlier one")
        for name, values in (
            ("messages", self.turns),
            *((f"words, {role}", counts) for role, counts in self.words.items()),
            ("positions", self.positions),
        ):
            if values:
                yield row(name, spread_of(values))
        for name, counts in (
            ("media", self.media),
            ("writing", self.writing),
            ("source", self.sources),
            ("licence", self.licences),
        ):
            yield from table(name, counts)


def row(name: str, text: str) -> str:
    return f"{name:20}{text}"


def spread_of(values: Sequence[int]) -> str:
    ordered = sorted(values)
    middle, high = ordered[len(ordered) // 2], ordered[int(0.95 * (len(ordered) - 1))]
    return (
        f"{ordered[0]:,} to {ordered[-1]:,}; half have up to {middle:,}, 95 % up to {high:,}; "
        f"{sum(ordered):,} in all"
    )


def table(name: str, counts: Counter[str]) -> Iterator[str]:
    """One line per value, the most frequent first."""
    for index, (value, count) in enumerate(counts.most_common(SHOWN)):
        yield row("" if index else name, f"{count:>9,}  {value[:NAMES]}")
    if len(counts) > SHOWN:
        rest = sum(counts.values()) - sum(count for _, count in counts.most_common(SHOWN))
        yield row("", f"{rest:>9,}  of {len(counts) - SHOWN} others")


def describe(role: str, medium: MediaContent) -> str:
    """Such as `image of the assistant, caption only`."""
    if medium.ref is not None:
        return f"{medium.type} of the {role}, an earlier one"
    alone = ", caption only" if medium.is_caption_only else ""
    return f"{medium.type} of the {role}{alone}"


def script_of(record: Record) -> str:
    """The script of most letters of a record, such as `latin`, `cjk` or `cyrillic`."""
    scripts: Counter[str] = Counter()
    for message in record.messages:
        for part in message.content:
            if isinstance(part, TextContent):
                letters = Counter(letter for letter in part.text if letter.isalpha())
                for letter, count in letters.items():
                    name = unicodedata.name(letter, "other")
                    scripts[name.split()[0].lower()] += count
    return scripts.most_common(1)[0][0] if scripts else "no letters"


def content_of(record: Record) -> bytes:
    """A hash of what a record says: spaces, case and its id do not matter."""
    digest = hashlib.blake2b(digest_size=16)
    for message in record.messages:
        digest.update(f"\0{message.role}".encode())
        for part in message.content:
            if isinstance(part, TextContent):
                text = folded(part.text)
            else:
                text = to_json(part.model_dump(exclude_none=True))
            digest.update(f"\1{text}".encode())
    return digest.digest()
