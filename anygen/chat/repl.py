"""The conversation in the terminal: a line in, text and files out."""

from __future__ import annotations

from collections.abc import Iterable

from anygen.chat.attachments import begins_with_path, parse_line
from anygen.chat.session import Session, run_turn, show_attached
from anygen.chat.slash_commands import run_command
from anygen.core.media import Part
from anygen.core.schema import explain


def run_chat(session: Session, lines: Iterable[str]) -> None:
    """Answers line after line until one says /bye; a line that cannot be sent is explained."""
    for line in map(str.strip, lines):
        try:
            read_line(session, line)
        except (ValueError, OSError) as error:
            session.screen.line(f"anygen: {explain(error)}")
        except KeyboardInterrupt:  # a command, such as /record, was stopped
            session.screen.line("(stopped)")
        if session.over:
            return


def read_line(session: Session, line: str) -> None:
    """A command, or what is said to the model. Raises ValueError and OSError."""
    if line.startswith("/") and not line.startswith("//") and not begins_with_path(line):
        run_command(session, line)
    elif line:
        parts = parse_line(line.removeprefix("/") if line.startswith("//") else line)
        show_attached(session, parts)
        run_turn(session, parts)


def answer_once(session: Session, parts: tuple[Part, ...]) -> None:
    """One question, one answer. Raises KeyboardInterrupt after an answer that was stopped."""
    if not run_turn(session, parts):
        raise KeyboardInterrupt
