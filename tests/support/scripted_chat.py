"""A chat with a model that answers what a test tells it to."""

from collections.abc import Callable, Iterator
from pathlib import Path

from anygen.chat.repl import run_chat
from anygen.chat.session import ChatSettings, Session, loaded
from anygen.checkpoints.model_id import ModelId
from anygen.conversation.history import Conversation, Turn
from anygen.core.media import Message, Part, media_of
from anygen.generation.answer import MediaInfo
from anygen.generation.events import (
    Done,
    Event,
    FinishReason,
    MediaDone,
    MediaProgress,
    MediaStarted,
    TextDelta,
)
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from anygen.terminal.screen import Screen

MODEL_ID = ModelId("mini", "0" * 64)
Script = Callable[[Callable[[], bool]], Iterator[Event]]


class Scripted:
    """A model that answers turn after turn what it is told to, and remembers what it was asked."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.asked: list[tuple[Message, ...]] = []
        self.seeds: list[int] = []
        self.options: list[AnswerOptions] = []
        self.model_id = MODEL_ID

    def answer(self, request: Request, cancelled) -> Iterator[Event]:
        self.asked.append(tuple(request.messages))
        self.seeds.append(request.seed)
        self.options.append(request.options)
        return self.scripts.pop(0)(cancelled)


def says(*texts: str) -> Script:
    def script(cancelled: Callable[[], bool]) -> Iterator[Event]:
        yield from map(TextDelta, texts)
        yield Done("stop", 1, 0, len(texts))

    return script


def tells(*events: Event) -> Script:
    return lambda cancelled: iter(events)


def shows(media, before: str = "", after: str = "") -> Script:
    def script(cancelled: Callable[[], bool]) -> Iterator[Event]:
        if before:
            yield TextDelta(before)
        yield MediaStarted(0, "image")
        yield MediaProgress(0, "image", 1, 2)
        yield MediaProgress(0, "image", 2, 2)
        yield MediaDone(0, media, seed=77)
        if after:
            yield TextDelta(after)
        yield Done("stop", 1, 0, 1)

    return script


def open_session(tmp_path: Path, model: Scripted, write, seed: int = 0, **screen) -> Session:
    def open_model(name: str) -> Scripted:
        model.model_id = ModelId(name, "1" * 64)
        return model

    settings = ChatSettings(tmp_path / "out")
    conversation = Conversation(seed)
    return Session(loaded(model), settings, Screen(write, **screen), open_model, conversation)


def chat(tmp_path: Path, model: Scripted, *lines: str, seed: int = 0, **screen) -> str:
    shown: list[str] = []
    run_chat(open_session(tmp_path, model, shown.append, seed, **screen), lines)
    return "".join(shown)


def exchange(request: Request, answer: tuple[Part, ...], finish: FinishReason | None = "stop"):
    """A turn in which all media that were asked for were made."""
    media = media_of([message := Message("assistant", answer)])
    made = tuple(MediaInfo(part=part) for part in range(len(media)))
    return Turn(request, message, finish, made)


def kinds(parts) -> list[str | type]:
    return [part if isinstance(part, str) else type(part) for part in parts]


def texts(model: Scripted) -> list[list]:
    """What was asked, question by question, as kinds of parts."""
    return [[kinds(message.parts) for message in asked] for asked in model.asked]
