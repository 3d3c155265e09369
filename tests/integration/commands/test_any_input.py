"""Whatever is typed, no traceback comes of it, and nothing that was made before is lost."""

import io
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image as PILImage

from anygen import AnyGen
from anygen.chat.repl import run_chat
from anygen.chat.session import ChatSettings, Session, loaded
from anygen.cli.main import main
from anygen.conversation.history import Conversation
from anygen.conversation.transcript_file import open_conversation, read_transcript
from anygen.core.content_hash import content_hash
from anygen.core.media import Message
from anygen.generation.options import AnswerOptions
from anygen.io.media_files import read_media, write_media
from anygen.terminal import capture, playback
from anygen.terminal.screen import Screen
from support.any_input import DEEP, arguments, lines, piped

pytestmark = pytest.mark.slow

CHAT_EXAMPLES, COMMAND_EXAMPLES = 150, 200
# These may take a turn back, or put others in its place.
FORGETTING = ("/undo", "/reset", "/clear", "/load", "/edit", "/retry")
bounded = settings(
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # to make a failing example smaller takes minutes
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def model(saved_model):
    return AnyGen.from_pretrained(saved_model)


@pytest.fixture
def folder(tmp_path, monkeypatch, model, saved_model, audio):
    """The current folder and the home folder, with files to name; nothing opens a window."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write_files(audio)
    monkeypatch.setattr(AnyGen, "from_pretrained", lambda *name, **placement: model)
    monkeypatch.setattr(playback, "PLAYERS", {})
    monkeypatch.setattr(playback, "find_device", lambda audio: None)
    monkeypatch.setattr(playback, "start", lambda command: None)
    monkeypatch.setattr(capture, "record", refuse)
    monkeypatch.setattr(capture, "clipboard_image", refuse)
    return tmp_path


def refuse(*arguments: object) -> None:
    raise ValueError("there is no such device")


def write_files(audio) -> None:
    """Those that exist among the paths of support/any_input.py."""
    picture = PILImage.new("RGB", (8, 8), "red")
    for name in ("cat.png", "my cat.png"):
        picture.save(name)
    write_media(audio, "tone.wav")
    Path("half.png").write_bytes(Path("cat.png").read_bytes()[:40])
    Path("empty.png").touch()
    Path("text.png").write_text("no picture")
    Path("folder").mkdir()
    Path("system.yaml").write_text("encoder: {name: anything}\ndecoders: {}\n")
    Path("deep.yaml").write_text("a: " + "[" * DEEP)
    Path("deep.json").write_text("[" * DEEP)
    Path("deep.jsonl").write_text('{"id": ' + "[" * DEEP + '\n{"id": "x", "prompt": "hi"}\n')
    Path("rows.jsonl").write_text('{"id": "a", "prompt": "hi"}\n')


@pytest.fixture
def fresh(folder) -> Callable[[], Path]:
    """A function that goes to a new copy of the folder, and removes the last one."""
    numbers = count()

    def go() -> Path:
        shutil.rmtree(folder / "copies", ignore_errors=True)
        copy = folder / "copies" / str(next(numbers))
        os.chdir(folder)
        ignored = shutil.ignore_patterns("copies")
        shutil.copytree(folder, copy, ignore=ignored)
        os.chdir(copy)
        return copy

    return go


# --- the chat


@pytest.fixture
def beginning(folder, model) -> Conversation:
    """A conversation with a picture in it."""
    session = open_chat(model, Conversation(), StringIO())
    run_chat(session, ["draw"])
    [turn] = session.conversation.turns
    assert turn.media_info
    return session.conversation


def open_chat(model: AnyGen, conversation: Conversation, shown: StringIO) -> Session:
    chosen = ChatSettings(Path("out"), AnswerOptions(max_new_tokens=3, max_media=1))
    screen = Screen(shown.write, graphics="ascii")
    return Session(loaded(model), chosen, screen, AnyGen.from_pretrained, conversation)


def content(conversation: Conversation) -> list[tuple[str, list[str]]]:
    """All messages, with hashes for their media, and what is attached."""
    messages = [*conversation.messages(), Message("user", tuple(conversation.attached))]
    return [
        (m.role, [p if isinstance(p, str) else content_hash(p) for p in m.parts]) for m in messages
    ]


def test_any_lines_leave_a_chat_that_goes_on_and_can_be_saved(fresh, beginning, model):
    first = beginning.turns[0]

    @settings(bounded, max_examples=CHAT_EXAMPLES)
    @given(st.lists(lines, min_size=1, max_size=3))
    def check(typed: list[str]) -> None:
        fresh()
        shown = StringIO()
        session = open_chat(model, replace(beginning, turns=[first], attached=[]), shown)
        run_chat(session, typed)
        assert not re.search("^anygen: \\w+(Error|Exception)", shown.getvalue(), re.MULTILINE)
        if not any(line.strip().startswith(FORGETTING) for line in typed):
            assert session.conversation.turns[0] is first
        session.over = False
        run_chat(session, ["/save kept.json"])
        saved = open_conversation(read_transcript(Path("kept.json")), Path(), model.model_id)
        assert content(saved) == content(session.conversation)

    check()


# --- the command line


def run_command(arguments: list[str], stdin: bytes) -> tuple[object, str]:
    """The exit code of a command, and what it wrote to stderr."""
    err = io.BytesIO()
    before = sys.argv, sys.stdin, sys.stdout, sys.stderr
    sys.argv = ["anygen", *arguments]
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
    sys.stdout = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    sys.stderr = io.TextIOWrapper(err, encoding="utf-8", write_through=True)
    try:
        main()
    except SystemExit as stopped:
        return stopped.code, err.getvalue().decode(errors="replace")
    finally:
        sys.argv, sys.stdin, sys.stdout, sys.stderr = before
    raise AssertionError("a command ends with an exit code")


def test_any_command_ends_with_a_sentence_and_whole_records(fresh, saved_model):
    limits = ["--model", str(saved_model), "--max-new-tokens", "3", "--set", "max_media=1"]

    @settings(bounded, max_examples=COMMAND_EXAMPLES)
    @given(arguments, piped)
    def check(typed: list[str], stdin: bytes) -> None:
        folder = fresh()
        answers = typed[:1] in (["chat"], ["generate"])
        typed = [word.replace("\0", "") for word in typed]  # which no argument can hold
        code, err = run_command([*typed, *(limits if answers else [])], stdin)
        assert code in (0, 2, 3), err
        assert code != 2 or typed == [] or err
        assert "Traceback" not in err
        for records in folder.rglob("records.jsonl"):
            for record in map(json.loads, records.read_text().splitlines()):
                paths = [part["path"] for part in record["content"] if "path" in part]
                assert all(read_media(records.parent / path) for path in paths)

    check()
