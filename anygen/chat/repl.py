"""The loop of a chat: every line that comes in is a command, or a message that is answered."""

from __future__ import annotations

from collections.abc import Iterable

from anygen.chat.attachments import begins_with_path, parse_line
from anygen.chat.display import show_attached
from anygen.chat.session import Session
from anygen.chat.slash_commands import run_command
from anygen.chat.turn import run_turn
from anygen.core.media import Part
from anygen.core.schema import explain


def run_chat(session: Session, lines: Iterable[str]) -> None:
    """Handles lines until one of them is /bye. An error is shown as one line; the chat goes on.

    So it does after any error whatever, as the conversation would be lost with it.
    """
    for line in map(str.strip, lines):
        try:
            handle_line(session, line)
        except Exception as error:
            session.screen.line(f"anygen: {explain(error)}")
        except KeyboardInterrupt:  # stops a command such as /record, not the chat
            session.screen.line("(stopped)")
        if session.over:
            return


def handle_line(session: Session, line: str) -> None:
    """Runs a command, or answers a message. Raises ValueError and OSError."""
    if line.startswith("/") and not line.startswith("//") and not begins_with_path(line):
        run_command(session, line)
    elif line:
        parts = parse_line(line.removeprefix("/") if line.startswith("//") else line)
        show_attached(session.screen, parts, len(session.conversation.media()))
        run_turn(session, parts)


def answer_once(session: Session, parts: tuple[Part, ...]) -> None:
    """Answers one question. Raises KeyboardInterrupt if Ctrl-C stopped the answer."""
    if not run_turn(session, parts):
        raise KeyboardInterrupt
