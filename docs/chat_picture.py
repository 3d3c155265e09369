"""Draws docs/chat.svg, a picture of a real chat: `python docs/chat_picture.py LINE...`."""

import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

from anygen import AnyGen
from anygen.chat.repl import run_chat
from anygen.chat.session import ChatSettings, Session, loaded
from anygen.terminal.screen import Screen

FOLDER = Path(__file__).parent


def main(lines: list[str]) -> None:
    shown: list[str] = []
    screen = Screen(shown.append, graphics="blocks", max_columns=32)

    def typed() -> Iterator[str]:
        for line in lines:
            shown.append(f"\x1b[1m> {line}\x1b[0m\n")
            yield line

    model = AnyGen.from_pretrained("mini")
    settings = ChatSettings(Path("out"))
    run_chat(Session(loaded(model), settings, screen, AnyGen.from_pretrained), typed())
    console = Console(record=True, width=72, file=io.StringIO())
    console.print(Text.from_ansi("".join(shown)))
    picture = console.export_svg(title="anygen chat")
    own = re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)  # no fonts from the network
    (FOLDER / "chat.svg").write_text(own, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
