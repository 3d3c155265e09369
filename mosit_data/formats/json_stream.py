"""JSON files of any size: lists and objects are read member by member, never as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anygen.io.media_files import printable

CHUNK = 1 << 20  # characters
GZIP = b"\x1f\x8b"  # begins such a file
SPACE = " \t\r\n"
# An error of a cut-off value stands this near the end at most: `-Infinity` or `\uD83D\uDE00`.
CUT_OFF = 16


def encoding_fault(path: Path) -> str:
    """Why a file cannot be read as text. Raises OSError."""
    with path.open("rb") as stream:
        is_packed = stream.read(len(GZIP)) == GZIP
    return "is compressed by gzip; unpack it" if is_packed else "is not UTF-8; save it as UTF-8"


class JsonStream:
    """A JSON document that is decoded from its beginning to its end.

    Every method raises ValueError, which names file and line, where the document is damaged.
    """

    def __init__(self, path: Path, chunk: int = CHUNK) -> None:
        self.path = path
        self.name = printable(path.name)
        self.line = 1  # of the position, from 1
        self._stream = path.open(encoding="utf-8-sig", newline="")
        self._chunk = chunk
        self._decoder = json.JSONDecoder()
        self._text = ""
        self._at = 0
        self._ended = False

    def __enter__(self) -> JsonStream:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def peek(self) -> str:
        """The next character that is not white space, or an empty text at the end."""
        while True:
            start = self._at
            while self._at < len(self._text) and self._text[self._at] in SPACE:
                self._at += 1
            self.line += self._text.count("\n", start, self._at)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read(self._chunk):
                return ""

    def value(self) -> Any:
        """Decodes the next value."""
        if not self.peek():
            raise self.damaged("the file ends where a value should begin")
        size = self._chunk
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                cut_off = error.msg.startswith("Unterminated string")
                cut_off |= error.pos >= len(self._text) - CUT_OFF
                if not (cut_off and self._read(size)):
                    self.line += self._text.count("\n", self._at, error.pos)
                    reason = "the file ends in the middle of a value" if cut_off else error.msg
                    raise self.damaged(reason) from None
            except RecursionError:
                raise self.damaged("the JSON is nested too deeply") from None
            else:
                if not self._may_go_on(value, end) or not self._read(size):
                    self.line += self._text.count("\n", self._at, end)
                    self._at = end
                    return value
            size *= 2

    def members(self) -> Iterator[str]:
        """The keys of the object, or the positions in the list, which begins here.

        The caller reads the value of each before the next one is requested.
        """
        opening = self.peek()
        if opening not in ("[", "{"):
            raise self.damaged("a list or an object should begin here")
        self._at += 1
        closing = "]" if opening == "[" else "}"
        count = 0
        while self.peek() != closing:
            if count:
                self._skip(",", closing)
            yield self._key() if opening == "{" else str(count)
            count += 1
        self._at += 1

    def damaged(self, reason: str) -> ValueError:
        return ValueError(f"{self.name}:{self.line}: {reason}")

    def _may_go_on(self, value: Any, end: int) -> bool:
        """Whether the value may be the beginning of a number, of which the next chunk has more."""
        rest = self._text[end : end + CUT_OFF + 1]
        is_number = isinstance(value, int | float)
        return is_number and len(rest) <= CUT_OFF and rest[:1] not in (*SPACE, *",]}")

    def _key(self) -> str:
        key = self.value() if self.peek() == '"' else None
        if not isinstance(key, str):
            raise self.damaged("a key in quotes should stand here")
        self._skip(":", ":")
        return key

    def _skip(self, character: str, other: str) -> None:
        if self.peek() != character:
            expected = " or ".join(dict.fromkeys((character, other)))
            raise self.damaged(
                f"{expected} should stand here" if self.peek() else f"the file ends before {other}"
            )
        self._at += 1

    def _read(self, size: int) -> bool:
        """Drops what has been decoded and appends up to `size` characters."""
        try:
            more = "" if self._ended else self._stream.read(size)
        except UnicodeDecodeError:
            raise ValueError(f"{self.name}: {encoding_fault(self.path)}") from None
        self._ended = not more
        self._text, self._at = self._text[self._at :] + more, 0
        return bool(more)
