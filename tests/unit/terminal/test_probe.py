import fcntl
import os
import pty
import struct
import termios
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.input import create_input
from prompt_toolkit.input.typeahead import clear_typeahead, get_typeahead
from prompt_toolkit.output import DummyOutput

from anygen.terminal.graphics import choose_graphics
from anygen.terminal.probe import NARROW, QUESTION, column_pixels, find_pixel_graphics

COLORFUL = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
VT100 = b"\x1b[?1;2c"
XTERM = b"\x1b[?64;1;2;6;9;15;16;17;18;21;22;28c"
SIXEL = b"\x1b[?62;4;22c"


@dataclass
class Line:
    """A pseudoterminal: the program has the streams, the test plays the terminal behind `end`."""

    end: int
    stream_in: TextIO
    stream_out: TextIO

    def answer(self, answer: bytes) -> threading.Thread:
        """Waits for the whole question, then answers."""

        def play_terminal() -> None:
            heard = b""
            while not heard.endswith(QUESTION.encode()):
                heard += os.read(self.end, 1024)
            os.write(self.end, answer)

        thread = threading.Thread(target=play_terminal)
        thread.start()
        return thread

    def settings(self) -> list:
        return termios.tcgetattr(self.stream_in)


@pytest.fixture
def line() -> Iterator[Line]:
    end, program = pty.openpty()
    with os.fdopen(program) as stream_in, os.fdopen(os.dup(program), "w") as stream_out:
        yield Line(end, stream_in, stream_out)
        clear_typeahead(create_input(stream_in))  # it outlives the descriptor
    os.close(end)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"\x1b_Gi=31;OK\x1b\\" + SIXEL, "kitty"),
        (b"\x1b_Gi=31;ENOTSUPPORTED:no\x1b\\" + VT100, "blocks"),
        (b"\x1b_Gi=31;ENOTSUPPORTED:no\x1b\\" + SIXEL, "sixel"),
        (SIXEL, "sixel"),
        (b"\x1b[?4;6c", "blocks"),  # a VT132, not sixels: the first parameter is the class
        (XTERM, "blocks"),
        (VT100, "blocks"),
        (b"\xff\x00\x1b[31;4m4\x1b_Gi=\x1b[?;;c", "blocks"),
    ],
)
def test_the_terminal_is_asked_what_it_draws(line, answer, expected):
    before = line.settings()
    thread = line.answer(answer)
    streams = line.stream_in, line.stream_out
    assert choose_graphics(None, *streams, COLORFUL, timeout=None) == expected
    thread.join()
    assert line.settings() == before


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"", "iterm"),
        (b"\x1bP>|iTerm2 3.5.14\x1b\\", "iterm"),
        (b"\x1bP>|WezTerm 20240203-110809\x1b\\", "iterm"),
        (b"\x1bP>|SomeMultiplexer 1.0\x1b\\", "blocks"),
        (b"\x1bP>|libvterm(0.3)\x1b\\", "blocks"),
    ],
)
def test_a_terminal_that_gives_another_name_is_not_the_one_that_started_it(line, name, expected):
    environ = {**COLORFUL, "TERM_PROGRAM": "iTerm.app"}
    thread = line.answer(name + VT100)
    streams = line.stream_in, line.stream_out
    assert choose_graphics(None, *streams, environ, timeout=None) == expected
    thread.join()


def test_a_terminal_is_known_by_its_name_where_the_environment_was_lost(line):
    thread = line.answer(b"\x1bP>|WezTerm 20240203-110809\x1b\\" + VT100)
    streams = line.stream_in, line.stream_out
    assert choose_graphics(None, *streams, COLORFUL, timeout=None) == "iterm"
    thread.join()


@pytest.mark.parametrize("said", [b"", b"hello", b"\x1b_Gi=31;OK", b"\x1b[?62;4"])
def test_a_terminal_that_does_not_answer_has_characters(line, said):
    before = line.settings()
    os.write(line.end, said)
    streams = line.stream_in, line.stream_out
    assert choose_graphics(None, *streams, COLORFUL, timeout=0.0) == "blocks"
    assert line.settings() == before


def test_what_a_terminal_prints_of_the_question_is_wiped_off(line):
    thread = line.answer(VT100)
    find_pixel_graphics(line.stream_in, line.stream_out, timeout=None)
    thread.join()
    assert os.read(line.end, 1024) == b"\r\x1b[K"


def test_the_terminal_is_as_before_after_an_interrupt(line):
    class Interrupted:
        def write(self, text: str) -> None:
            raise KeyboardInterrupt

    before = line.settings()
    with pytest.raises(KeyboardInterrupt):
        find_pixel_graphics(line.stream_in, Interrupted(), timeout=None)
    assert line.settings() == before


def test_what_was_typed_meanwhile_is_in_the_prompt(line):
    os.write(line.end, b"caf")
    thread = line.answer("é".encode() + b"\x1b_Gi=31;OK\x1b\\ and" + SIXEL + b" tea\n")
    assert find_pixel_graphics(line.stream_in, line.stream_out, timeout=None) == "kitty"
    thread.join()
    session: PromptSession[str] = PromptSession(
        input=create_input(line.stream_in), output=DummyOutput()
    )
    assert session.prompt() == "café and tea"


def test_a_broken_answer_is_not_typed_into_the_prompt(line):
    thread = line.answer(b"tea\x1b_Gi=31;O" + VT100 + b"\n")
    find_pixel_graphics(line.stream_in, line.stream_out, timeout=None)
    thread.join()
    assert [press.key for press in get_typeahead(create_input(line.stream_in))] == ["t", "e", "a"]


def test_a_column_is_as_wide_as_the_terminal_says(line):
    size = struct.pack("4H", 24, 80, 80 * 9 + 5, 24 * 18)
    fcntl.ioctl(line.stream_out, termios.TIOCSWINSZ, size)
    assert column_pixels(line.stream_out.fileno()) == 9


def test_a_column_is_narrow_where_nobody_says(line, tmp_path):
    assert column_pixels(line.stream_out.fileno()) == NARROW
    fcntl.ioctl(line.stream_out, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    assert column_pixels(line.stream_out.fileno()) == NARROW
    with (tmp_path / "file").open("w") as file:
        assert column_pixels(file.fileno()) == NARROW
