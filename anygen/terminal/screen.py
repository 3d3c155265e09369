"""The output of a chat: streamed text, lines, previews, and progress that erases itself."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from anygen.core.media import Media
from anygen.terminal.preview import preview

GAP = "  "  # between the text and the progress
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass
class Screen:
    """Writes plain lines only, unless `progress` or `graphics` is set."""

    write: Callable[[str], None]
    progress: bool = False  # whether the output is a terminal, whose last line can be rewritten
    graphics: str = "none"  # how previews are drawn, one of graphics.BACKENDS
    max_columns: int = 48  # of a preview
    _line: str = ""  # the text on the last line
    _progress: str = ""  # the progress shown behind it

    @property
    def columns(self) -> int:
        """The width of a preview, which the size of the window limits; at least 1."""
        return max(1, min(self.max_columns, shutil.get_terminal_size().columns - 1))

    def write_text(self, text: str) -> None:
        """Continues the last line, without control characters that could steer the terminal."""
        self._erase_progress()
        visible = visible_text(text)
        self.write(visible)
        self._line = (self._line + visible).rpartition("\n")[2]

    def line(self, text: str) -> None:
        """Writes separate lines, without control characters that could steer the terminal."""
        self.end_line()
        self.write(visible_text(text) + "\n")

    def show(self, media: Media) -> None:
        """Draws a preview of a medium, if the screen has graphics."""
        self.end_line()
        if self.graphics != "none":
            self.write(preview(media, self.columns, self.graphics) + "\n")

    def show_progress(self, text: str) -> None:
        """Shows progress behind the last line's text until anything else is written."""
        if not self.progress:
            return
        self._erase_progress()
        columns = shutil.get_terminal_size().columns
        if self._line and width(self._line) % columns + len(GAP + text) >= columns:
            self.end_line()
        self._progress = ((GAP if self._line else "") + text)[: columns - 1]
        self.write(self._progress)

    def end_line(self) -> None:
        self._erase_progress()
        if self._line:
            self.write_text("\n")

    def _erase_progress(self) -> None:
        if self._progress:
            back = "\b" * len(self._progress)
            self.write(back + " " * len(self._progress) + back)
            self._progress = ""


def width(line: str) -> int:
    """Columns of a line in a terminal, where a Chinese character takes two."""
    from prompt_toolkit.utils import get_cwidth

    return get_cwidth(line.expandtabs())


def visible_text(text: str) -> str:
    return CONTROL.sub("", text)
