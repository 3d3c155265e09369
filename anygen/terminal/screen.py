"""Where a chat is shown: lines, and a progress that takes itself away."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from anygen.core.media import Media
from anygen.terminal.preview import preview

GAP = "  "  # between text and progress
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass
class Screen:
    """Without `progress` and `graphics` only plain lines are written."""

    write: Callable[[str], None]
    progress: bool = False  # a terminal, on which a line can be rewritten
    graphics: str = "none"  # of previews, see graphics.BACKENDS
    widest: int = 48  # columns of a preview
    _line: str = ""  # the text that stands on the last line
    _progress: str = ""  # or the progress

    @property
    def columns(self) -> int:
        """Of a preview now: the window may have changed."""
        return min(self.widest, shutil.get_terminal_size().columns - 1)

    def say(self, text: str) -> None:
        """Text as it comes, without the control characters that could steer a terminal."""
        self._erase_progress()
        visible = visible_text(text)
        self.write(visible)
        self._line = (self._line + visible).rpartition("\n")[2]

    def line(self, text: str) -> None:
        """A line of its own, or several, with nothing in them that steers a terminal."""
        self.end_line()
        self.write(visible_text(text) + "\n")

    def show(self, media: Media) -> None:
        """A preview of a medium, where the screen has graphics."""
        self.end_line()
        if self.graphics != "none":
            self.write(preview(media, self.columns, self.graphics) + "\n")

    def show_progress(self, text: str) -> None:
        """Behind the text of the last line; what comes next takes it away, and text goes on."""
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
            self.say("\n")

    def _erase_progress(self) -> None:
        if self._progress:
            back = "\b" * len(self._progress)
            self.write(back + " " * len(self._progress) + back)
            self._progress = ""


def width(line: str) -> int:
    """Columns that it takes in a terminal: a Chinese character has two."""
    from prompt_toolkit.utils import get_cwidth

    return get_cwidth(line.expandtabs())


def visible_text(text: str) -> str:
    return CONTROL.sub("", text)
