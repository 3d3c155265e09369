"""Draws docs/chat.svg, a picture of a real chat: `python docs/chat_picture.py LINE...`."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

from anygen import AnyGen
from anygen.chat import Screen, Settings, run_chat

FOLDER = Path(__file__).parent


def main(lines: list[str]) -> None:
    shown: list[str] = []
    screen = Screen(shown.append, color=True, columns=32)

    def typed() -> Iterator[str]:
        for line in lines:
            shown.append(f"\x1b[1m> {line}\x1b[0m\n")
            yield line

    run_chat(AnyGen.from_pretrained("mini"), typed(), Settings(FOLDER / "chat"), screen)
    console = Console(record=True, width=72, file=io.StringIO())
    console.print(Text.from_ansi("".join(shown)))
    console.save_svg(str(FOLDER / "chat.svg"), title="anygen chat")


if __name__ == "__main__":
    main(sys.argv[1:])
