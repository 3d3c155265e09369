"""The prompt of a chat: line editing, history, completion, multi-line messages, Ctrl-C, Ctrl-D."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator

from platformdirs import user_state_path
from prompt_toolkit import PromptSession, print_formatted_text
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from anygen.core.text import valid_text

QUOTES = '"""'
PATH_COMMANDS = ("/attach ", "/load ", "/save ")
PATH_WORD = re.compile(r"""(?:^|\s)@["']?([^"']*)$""")


class LineCompleter(Completer):
    """Completes commands where a line begins with a slash, and paths after @ and PATH_COMMANDS."""

    def __init__(self, commands: Collection[str]) -> None:
        self.commands = commands
        self.paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterable[Completion]:
        text = document.text_before_cursor
        if text.startswith("/") and " " not in text:
            names = (name for name in self.commands if name.startswith(text))
            yield from (Completion(name, -len(text)) for name in names)
        path = typed_path(text)
        if path is not None:
            yield from self.paths.get_completions(Document(path), event)


def typed_path(text: str) -> str | None:
    """The start of a path at the end of a line, or None if the line does not end in a path."""
    for command in PATH_COMMANDS:
        if text.startswith(command):
            return text.removeprefix(command).lstrip("\"'")
    match = PATH_WORD.search(text)
    return match[1] if match else None


def typed_lines(
    commands: Collection[str], take_prefill: Callable[[], str], remember: bool = True
) -> Iterator[str]:
    """Yields each message that a person types; `commands` are completed.

    Every prompt starts with the text that `take_prefill` returns, which can be edited. Ctrl-C
    clears the line; pressed twice on an empty line it ends the iteration, as does Ctrl-D. With
    `remember` the lines go into the history file. Raises ValueError if that cannot be written.
    """
    session: PromptSession[str] = PromptSession(
        history=open_history() if remember else InMemoryHistory(),
        completer=LineCompleter(commands),
        complete_while_typing=False,
        key_bindings=key_bindings(),
        enable_open_in_editor=True,  # Ctrl-X Ctrl-E
    )
    leaving = False
    while True:
        try:
            line = session.prompt("> ", default=take_prefill())
            while line.startswith(QUOTES) and not is_whole(line):
                line += "\n" + session.prompt("… ")
        except KeyboardInterrupt:
            if leaving:
                return
            leaving = not session.default_buffer.text
            if leaving:
                print_formatted_text("(Ctrl-C again leaves)")
            continue
        except EOFError:
            return
        leaving = False
        yield unquoted(line)


def is_whole(line: str) -> bool:
    return len(line) >= 2 * len(QUOTES) and line.endswith(QUOTES)


def unquoted(line: str) -> str:
    return line[3:-3] if line.startswith(QUOTES) and is_whole(line) else line


def open_history() -> History:
    """Lines typed in earlier chats, in a file that only this user can read. Raises ValueError."""
    path = user_state_path("anygen") / "history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        path.chmod(0o600)  # the file may exist with wider permissions
    except OSError as error:
        raise ValueError(
            f"{path}: cannot be written ({error.strerror}); chat --no-history works without it"
        ) from error
    return UnicodeHistory(path)


class UnicodeHistory(FileHistory):
    """A history that also accepts typed bytes that are not UTF-8."""

    def store_string(self, string: str) -> None:
        super().store_string(valid_text(string))


def key_bindings() -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return bindings
