"""On a terminal, as `pyte` shows what was written."""

import pyte
import pytest

from anygen.terminal.graphics import BACKENDS
from anygen.terminal.screen import Screen


class Terminal:
    def __init__(self, monkeypatch, columns: int = 20) -> None:
        monkeypatch.setenv("COLUMNS", str(columns))
        self.display = pyte.Screen(columns, 6)
        self.display.set_mode(pyte.modes.LNM)  # as a terminal does with what a program writes
        self.screen = Screen(pyte.Stream(self.display).feed, progress=True)

    def lines(self) -> list[str]:
        return "\n".join(line.rstrip() for line in self.display.display).rstrip().split("\n")


@pytest.fixture
def terminal(monkeypatch) -> Terminal:
    return Terminal(monkeypatch)


def test_text_goes_on_where_it_was_when_progress_came_between(terminal):
    for step, word in enumerate(["Once ", "upon ", "a ", "time"]):
        terminal.screen.write_text(word)
        terminal.screen.show_progress(f"v {step}/9")
        assert terminal.lines()[-1].endswith(f"v {step}/9")
    terminal.screen.end_line()
    assert terminal.lines() == ["Once upon a time"]


def test_progress_that_has_no_room_behind_the_text_is_a_line_of_its_own(terminal):
    terminal.screen.write_text("fifteen letters")
    terminal.screen.show_progress("video 1/20")
    assert terminal.lines() == ["fifteen letters", "video 1/20"]
    terminal.screen.write_text("go on")
    assert terminal.lines() == ["fifteen letters", "go on"]


def test_text_over_several_lines_and_wide_characters_are_measured(terminal):
    terminal.screen.write_text("twenty letters here!" + "画一只猫")
    terminal.screen.show_progress("image 1/2")
    terminal.screen.write_text("。")
    assert [line.replace(" ", "") for line in terminal.lines()] == [
        "twentylettershere!",
        "画一只猫。",
    ]


def test_several_media_take_turns_on_the_line(terminal):
    terminal.screen.write_text("Hm")
    for text in ("image 1/2", "video 1/20", "image 2/2"):
        terminal.screen.show_progress(text)
        assert terminal.lines() == [f"Hm  {text}"]
    terminal.screen.line("[1] image")
    assert terminal.lines() == ["Hm", "[1] image"]


def test_progress_is_never_longer_than_a_line(monkeypatch):
    terminal = Terminal(monkeypatch, columns=8)
    terminal.screen.show_progress("video 12/20")
    terminal.screen.write_text("ok")
    assert terminal.lines() == ["ok"]


@pytest.mark.parametrize("graphics", BACKENDS)
@pytest.mark.parametrize("columns", [1, 2, 3])
def test_a_window_of_very_few_columns_shows_everything(
    monkeypatch, image, audio, video, columns, graphics
):
    monkeypatch.setenv("COLUMNS", str(columns))
    shown: list[str] = []
    screen = Screen(shown.append, progress=True, graphics=graphics)
    assert screen.columns == max(1, columns - 1)
    for medium in (image, audio, video):
        screen.write_text("two words")
        screen.show_progress("image 1/2")
        screen.show(medium)
    expected = 0 if graphics == "none" else 3
    assert len([text for text in shown if text.endswith("\n") and text != "\n"]) == expected
