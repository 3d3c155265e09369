"""A whole conversation in a terminal of its own, as a person types it, on the tiny model."""

import fcntl
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pyte
import pytest

from anygen.io.media_files import write_media
from support.paths import ROOT

pytestmark = pytest.mark.slow

CTRL_C, CTRL_D, TAB = "\x03", "\x04", "\t"


class Terminal:
    """A chat in a terminal as `pyte` shows it: high enough that nothing scrolls away."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.screen = pyte.Screen(100, 300)
        self.stream = pyte.ByteStream(self.screen)
        self.child, self.end = pty.fork()
        if self.child == 0:
            os.chdir(folder)
            os.environ |= {
                "PYTHONPATH": str(ROOT),
                "XDG_STATE_HOME": str(folder / "state"),
                "TERM": "xterm-256color",
                "PROMPT_TOOLKIT_NO_CPR": "1",
            }
            command = [sys.executable, "-m", "anygen", "chat", "--graphics", "none", *arguments]
            os.execv(sys.executable, command)
        size = struct.pack("HHHH", self.screen.lines, self.screen.columns, 0, 0)
        fcntl.ioctl(self.end, termios.TIOCSWINSZ, size)
        self.mark = 0  # the line that the last question stands on

    def shown(self) -> str:
        """What stands on the screen since the last question."""
        rows = range(self.mark, self.screen.cursor.y + 1)  # `display` would draw all lines
        return "\n".join(map(self.line, rows))

    def line(self, row: int) -> str:
        cells = self.screen.buffer[row]
        return "".join(cells[column].data for column in range(self.screen.columns)).rstrip()

    def wait_until(self, is_so: Callable[[], bool]) -> str:
        while not is_so():
            self.stream.feed(self.read())
        return self.shown()

    def read(self) -> bytes:
        try:
            return os.read(self.end, 4096)
        except OSError:  # how Linux says that the other end is closed
            raise AssertionError(f"the chat ended after {self.shown()!r}") from None

    def wait_for(self, text: str) -> str:
        return self.wait_until(lambda: text in self.shown())

    def wait_for_prompt(self) -> str:
        def is_asking() -> bool:
            cursor = self.screen.cursor
            return cursor.y > self.mark and cursor.x == 2 and self.shown().endswith("\n>")

        return self.wait_until(is_asking)

    def type(self, keys: str) -> None:
        os.write(self.end, keys.encode())

    def ask(self, line: str) -> None:
        self.mark = self.screen.cursor.y
        self.type(line + "\r")

    def say(self, line: str) -> str:
        """Types a line; what is shown until the next prompt."""
        self.ask(line)
        return self.wait_for_prompt()

    def leaves(self) -> int:
        """Reads on until the chat has ended; its exit code."""
        try:
            while os.read(self.end, 65536):
                pass
        except OSError:  # how Linux says that the other end is closed
            os.close(self.end)
        _, status = os.waitpid(self.child, 0)
        return os.waitstatus_to_exitcode(status)


@pytest.fixture
def open_chat(saved_model, tmp_path):
    chats: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        chats.append(Terminal(tmp_path, "--model", str(saved_model), *arguments))
        chats[-1].wait_for_prompt()
        return chats[-1]

    yield start
    for chat in chats:
        try:
            os.kill(chat.child, signal.SIGKILL)
            os.waitpid(chat.child, 0)
        except (ProcessLookupError, ChildProcessError):
            continue


def newest(folder: Path) -> Path:
    return max(folder.glob("*_image.png"))


def test_a_conversation_is_had_stopped_changed_saved_continued_and_made_again(
    open_chat, tmp_path, image
):
    write_media(image, tmp_path / "my cat.png")
    out = tmp_path / "out"
    chat = open_chat("--seed", "5", "--max-new-tokens", "6")

    chat.say("/modalities text")
    chat.say("hello")
    assert "attached [1] image 48x32, my cat.png" in chat.say('what is @"my cat.png" ?')

    chat.say("/set max_new_tokens 100000")
    chat.ask("a long story")
    chat.wait_until(lambda: chat.shown().count("\n") > 1)
    chat.type(CTRL_C)
    assert "(stopped)" in chat.wait_for_prompt()

    chat.say("/set max_new_tokens 9")
    chat.say("/modalities image")
    chat.say("/set steps 900")
    chat.ask("draw")
    chat.wait_for("/900")
    chat.type(CTRL_C)
    assert "(stopped)" in chat.wait_for_prompt()

    chat.say("/set steps 2")
    assert "[2] image 16x16, " in chat.say("draw a dog")
    first = newest(out).read_bytes()
    assert "[2] image 16x16, " in chat.say("/retry 77")
    assert newest(out).read_bytes() != first
    assert "forgot: draw a dog" in chat.say("/undo")

    for name in ("talk.html", "talk.md", "talk.json"):
        assert f"saved {name}" in chat.say(f"/save {name}")
    chat.say("now a bird")
    expected = newest(out).read_bytes()
    chat.type("/bye\r")
    assert chat.leaves() == 0

    shutil.move(out, tmp_path / "before")
    chat = open_chat("--seed", "1")
    assert "loaded talk.json, 3 turns" in chat.say("/load talk.json")
    chat.say("now a bird")
    assert newest(out).read_bytes() == expected
    chat.type(CTRL_D)
    assert chat.leaves() == 0
    assert not (tmp_path / "state").joinpath("anygen", "history").stat().st_mode & 0o077

    path = newest(out)
    command = [sys.executable, "-m", "anygen", "generate", "--from", str(path), "--out", "again"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2"}  # not as then
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "again" / path.name).read_bytes() == expected


def test_keys_complete_a_command_and_a_path_clear_the_line_and_leave(open_chat, tmp_path, image):
    write_media(image, tmp_path / "zebra.png")
    chat = open_chat("--modalities", "text", "--max-new-tokens", "2")
    chat.type(f"/hist{TAB}")
    chat.wait_for("> /history")
    chat.type(f"{CTRL_C}@zeb{TAB}")
    chat.wait_for("> @zebra.png")
    chat.type("\r")
    chat.wait_for("attached [1] image 48x32, zebra.png")
    chat.wait_for_prompt()
    chat.type("nonsense")
    chat.wait_for("> nonsense")
    chat.type(CTRL_C)
    chat.wait_for_prompt()
    chat.type(CTRL_C)
    chat.wait_for("(Ctrl-C again leaves)")
    chat.wait_for_prompt()
    chat.type(CTRL_C)
    assert chat.leaves() == 0
