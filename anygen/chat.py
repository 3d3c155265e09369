"""The conversation in the terminal: a line in, text and files out."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import FrameType
from typing import Protocol

from anygen.events import (
    Done,
    Event,
    FinishReason,
    MediaDone,
    MediaProgress,
    MediaStarted,
    TextDelta,
)
from anygen.media import Message, Part, append_text, modality_of
from anygen.media_files import printable, read_media, write_media
from anygen.modality import TABLE, MediaModality, Modality
from anygen.preview import describe, preview
from anygen.request import derive_seed

COMMANDS = {
    "/help": "this list",
    "/seed": "/seed N: start numbering turns again, from another seed; alone: show it",
    "/reset": "forget the conversation",
    "/bye": "leave; so do /exit, /quit and Ctrl-D",
}
LEAVE = ("/bye", "/exit", "/quit")
SUFFIXES = frozenset(suffix for row in TABLE.values() for suffix in row.read_suffixes)
# @"quoted path", @'quoted path' or @path\ with\ escapes, where a word begins.
ATTACHMENT = re.compile(r"""(?<!\S)@(?:"([^"]+)"|'([^']+)'|((?:\\.|[^\s\\])+))""")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Model(Protocol):
    """What a chat needs of `anygen.AnyGen`."""

    def reply(
        self,
        messages: Sequence[Message],
        *,
        seed: int,
        modalities: Sequence[Modality] | None,
        max_new_tokens: int,
        cancelled: Callable[[], bool],
    ) -> Iterator[Event]: ...


@dataclass(frozen=True)
class Settings:
    """What stays the same for a whole chat."""

    out: Path  # the folder of generated media
    modalities: tuple[Modality, ...] | None = None  # None: the model chooses
    max_new_tokens: int = 256


@dataclass
class Screen:
    """Where a chat is shown. Without `progress` and `graphics` only plain lines are written."""

    write: Callable[[str], None]
    progress: bool = False  # a terminal, on which a line can be rewritten
    graphics: str = "none"  # of previews, see graphics.BACKENDS
    columns: int = 48  # of previews
    _line: str = ""  # the text that stands on the last line
    _progress: str = ""  # or the progress

    def say(self, text: str) -> None:
        """Text as it comes, without the control characters that could steer a terminal."""
        self._erase_progress()
        visible = CONTROL.sub("", text)
        self.write(visible)
        self._line = (self._line + visible).rpartition("\n")[2]

    def line(self, text: str) -> None:
        """Whole lines of our own, which may be coloured."""
        self.end_line()
        self.write(text + "\n")

    def show_progress(self, text: str) -> None:
        """A line that the next progress rewrites and anything else takes away."""
        if self.progress:
            self.end_line()
            self._progress = text
            self.write(text)

    def end_line(self) -> None:
        self._erase_progress()
        if self._line:
            self.say("\n")

    def _erase_progress(self) -> None:
        if self._progress:
            self.write("\r" + " " * len(self._progress) + "\r")
            self._progress = ""


@dataclass
class Conversation:
    """What a chat remembers; media stay in it, the user's and the model's."""

    seed: int
    turn: int = 0
    messages: list[Message] = field(default_factory=list)


def run_chat(
    model: Model, lines: Iterable[str], settings: Settings, screen: Screen, seed: int = 0
) -> None:
    """Answers line after line until one says /bye; a line that cannot be sent is explained."""
    conversation = Conversation(seed)
    for line in map(str.strip, lines):
        if line in LEAVE:
            return
        try:
            if line.startswith("/") and not line.startswith("//"):
                run_command(line, conversation, screen)
            elif line:
                parts = parse_line(line.removeprefix("/") if line.startswith("//") else line)
                show_attachments(parts, screen)
                take_turn(model, conversation, parts, settings, screen)
        except (ValueError, OSError) as error:
            screen.line(f"anygen: {CONTROL.sub('', str(error))}")


def answer_once(
    model: Model, parts: tuple[Part, ...], settings: Settings, screen: Screen, seed: int = 0
) -> None:
    """One question, one answer. Raises KeyboardInterrupt after an answer that was stopped."""
    if not take_turn(model, Conversation(seed), parts, settings, screen):
        raise KeyboardInterrupt


def run_command(line: str, conversation: Conversation, screen: Screen) -> None:
    """Changes or shows the conversation. Raises ValueError for a command that is none."""
    name, _, argument = line.partition(" ")
    match name:
        case "/help":
            for command, help_text in COMMANDS.items():
                screen.line(f"{command:8}{help_text}")
            screen.line('@path or @"a path" attaches a file; // begins a text with a slash')
        case "/seed":
            if argument:
                conversation.seed, conversation.turn = parse_seed(argument), 0
            screen.line(f"seed {conversation.seed}")
        case "/reset":
            conversation.messages.clear()
            conversation.turn = 0
        case _:
            near = get_close_matches(name, [*COMMANDS, *LEAVE], 1)
            hint = f"did you mean {near[0]}?" if near else "/help lists them"
            raise ValueError(f"no command {printable(name)}; {hint} (a text may begin with //)")


def parse_seed(argument: str) -> int:
    try:
        return int(argument)
    except ValueError:
        raise ValueError(f"/seed wants a whole number, not {printable(argument)!r}") from None


def parse_line(line: str) -> tuple[Part, ...]:
    """Text and attached media in the order of the line. Raises MediaError.

    `@word` is a file where one exists or where it ends like one (.png); otherwise it is text.
    """
    parts: list[Part] = []
    start = 0
    for match in ATTACHMENT.finditer(line):
        found = attached_path(match)
        if found is None:
            continue
        path, end = found
        parts += [line[start : match.start()].strip(), read_media(path)]
        start = end
    parts.append(line[start:].strip())
    return tuple(part for part in parts if part != "")


def attached_path(match: re.Match[str]) -> tuple[Path, int] | None:
    """The path of an attachment and where it ends; None for an @word that is no file."""
    quoted = match[1] or match[2]
    if quoted:
        path = Path(quoted).expanduser()
        return (path, match.end()) if names_media(path) else None
    word = match[3]
    while word:
        path = Path(re.sub(r"\\(.)", r"\1", word)).expanduser()
        if names_media(path):
            return path, match.start(3) + len(word)
        if word[-1] not in ".,;:!?)":  # "what is @cat.png?" asks about cat.png
            return None
        word = word[:-1]
    return None


def names_media(path: Path) -> bool:
    try:
        return path.suffix.lower() in SUFFIXES or (path.exists() and not path.is_dir())
    except OSError:  # longer than a name can be
        return False


def show_attachments(parts: tuple[Part, ...], screen: Screen) -> None:
    for part in parts:
        if not isinstance(part, str):
            screen.line(f"[attached {describe(part)}]")


def take_turn(
    model: Model,
    conversation: Conversation,
    parts: tuple[Part, ...],
    settings: Settings,
    screen: Screen,
) -> bool:
    """Asks, shows and remembers; what came before Ctrl-C is kept. False if it was stopped."""
    question = Message("user", parts)
    answer: list[Part] = []
    with stop_on_interrupt() as stopped:
        events = model.reply(
            [*conversation.messages, question],
            seed=derive_seed(conversation.seed, conversation.turn),
            modalities=settings.modalities,
            max_new_tokens=settings.max_new_tokens,
            cancelled=stopped,
        )
        finished = show_answer(events, answer, settings.out, screen)
    screen.end_line()
    if answer:  # a question that got nothing leaves no trace
        conversation.messages += [question, Message("assistant", tuple(answer))]
    conversation.turn += 1
    return finished


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C only makes the yielded function true; a second one interrupts at once."""
    interrupts: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        interrupts.append(number)
        signal.signal(signal.SIGINT, previous)

    previous = signal.signal(signal.SIGINT, remember)
    try:
        yield lambda: bool(interrupts)
    finally:
        signal.signal(signal.SIGINT, previous)


def show_answer(events: Iterator[Event], answer: list[Part], out: Path, screen: Screen) -> bool:
    """Fills `answer` as it comes. False if it was stopped."""
    modality: MediaModality | None = None
    try:
        for event in events:
            match event:
                case TextDelta(text):
                    append_text(answer, text)
                    screen.say(text)
                case MediaStarted(_, modality):
                    screen.show_progress(f"{modality} ...")
                case MediaProgress(_, step, total):
                    screen.show_progress(f"{modality} {step}/{total}")
                case MediaDone():
                    answer.append(event.media)
                    show_media(event, out, screen)
                case Done(finish_reason):
                    show_ending(finish_reason, screen)
                    return finish_reason != "cancelled"
    except KeyboardInterrupt:
        return False
    return True


def show_ending(reason: FinishReason, screen: Screen) -> None:
    if reason == "length":
        screen.line("(cut short: an answer has a limit)")


def show_media(event: MediaDone, out: Path, screen: Screen) -> None:
    path = write_media(event.media, claim_path(out, modality_of(event.media)))
    screen.line(preview(event.media, screen.columns, screen.graphics))
    screen.line(f"{printable(path)} (seed {event.seed})")


def claim_path(out: Path, modality: MediaModality) -> Path:
    """An empty file, 001_image.png or the next number: two chats never share a name."""
    out.mkdir(parents=True, exist_ok=True)
    taken = (re.match(r"(\d{3,6})_(?:image|audio|video)\.", path.name) for path in out.iterdir())
    number = max((int(match[1]) for match in taken if match), default=0) + 1
    path = out / f"{number:03d}_{modality}{TABLE[modality].suffix}"
    path.touch(exist_ok=False)
    return path
