import signal
from collections.abc import Callable, Iterator

import pytest

from anygen.chat.repl import answer_once
from anygen.chat.slash_commands import COMMANDS
from anygen.chat.turn import reserve_path
from anygen.core.media import Image
from anygen.generation.events import Done, Event, TextDelta
from anygen.generation.request import derive_seed
from anygen.io.media_files import read_media
from anygen.terminal import capture
from support.scripted_chat import Scripted, chat, kinds, open_session, says, shows


def test_the_answer_is_shown_as_it_comes(tmp_path):
    assert chat(tmp_path, Scripted(says("Hel", "lo")), "hi") == "Hello\n"


def test_a_medium_is_written_and_shown_between_the_texts(tmp_path, image):
    shown = chat(tmp_path, Scripted(shows(image, "Here:", "Nice?")), "a cat")
    path = tmp_path / "out" / "001_image.png"
    assert shown == f"Here:\n[1] image 48x32, {path} (seed 77)\nNice?\n"
    assert read_media(path).pixels.equal(image.pixels)


def gone(count: int) -> str:
    """How so many characters are taken away, on any terminal."""
    return "\b" * count + " " * count + "\b" * count


def test_progress_stands_behind_the_text_and_is_taken_away(tmp_path, image):
    shown = chat(tmp_path, Scripted(shows(image, "Here:")), "a cat", progress=True)
    assert shown.startswith(
        f"Here:  image ...{gone(11)}  image 1/2{gone(11)}  image 2/2{gone(11)}\n[1] image 48x32, "
    )


def test_previews_are_as_wide_as_the_window_is_now(tmp_path, image, monkeypatch):
    monkeypatch.setenv("COLUMNS", "13")
    lines = chat(tmp_path, Scripted(shows(image)), "a cat", graphics="ascii").splitlines()
    assert {len(line) for line in lines[:-1]} == {12}


def test_text_on_a_terminal_stays_where_it_is(tmp_path):
    assert chat(tmp_path, Scripted(says("Hel", "lo")), "hi", progress=True) == "Hello\n"


def test_nothing_that_steers_a_terminal_is_written_without_one(tmp_path, image):
    model = Scripted(shows(image, "red \x1b[31m\x07text"))
    shown = chat(tmp_path, model, "a cat")
    assert not any(character in shown for character in "\x1b\r\x07")


def test_the_whole_conversation_is_asked_with_its_media(cat, tmp_path, image):
    model = Scripted(shows(image, "A cat.", "Bye."), says("Yes."), says("No."))
    chat(tmp_path, model, "what is @cat.png", "really?", "sure?")
    assert [m.role for m in model.asked[2]] == ["user", "assistant", "user", "assistant", "user"]
    question, answer, *_ = model.asked[2]
    assert kinds(question.parts) == ["what is", Image]
    assert kinds(answer.parts) == ["A cat.", Image, "Bye."]
    assert answer.parts[1].pixels is image.pixels


def test_each_turn_has_a_seed_of_its_own(tmp_path):
    first, second = Scripted(says("a"), says("b")), Scripted(says("a"), says("b"))
    chat(tmp_path, first, "x", "y", seed=5)
    chat(tmp_path, second, "x", "y", seed=5)
    assert first.seeds == second.seeds == [derive_seed(5, 0), derive_seed(5, 1)]


def test_a_new_seed_starts_numbering_again(tmp_path):
    model = Scripted(says("a"), says("b"))
    assert "seed 5\n" in chat(tmp_path, model, "x", "/seed 5", "y")
    assert model.seeds == [derive_seed(0, 0), derive_seed(5, 0)]


def test_reset_forgets_the_conversation(tmp_path):
    model = Scripted(says("a"), says("b"))
    chat(tmp_path, model, "x", "/reset", "y")
    assert [message.parts for message in model.asked[1]] == [("y",)]
    assert model.seeds[0] == model.seeds[1]


@pytest.mark.parametrize("word", ["/bye", "/exit", "/quit"])
def test_leaving_ends_the_chat(tmp_path, word):
    model = Scripted()
    assert chat(tmp_path, model, word, "too late") == ""


def test_help_lists_every_command(tmp_path):
    shown = chat(tmp_path, Scripted(), "/help")
    assert all(name in shown for name in (*COMMANDS, "@path", "//"))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("/resett", "anygen: no command /resett; did you mean /reset?"),
        ("/xyzzy", "anygen: no command /xyzzy; /help lists them"),
        ("/seed many", "anygen: /seed needs a whole number, not 'many'"),
        ("see @gone.png", "anygen: gone.png: no such file"),
    ],
)
def test_a_line_that_cannot_be_sent_is_explained_and_not_sent(tmp_path, line, complaint):
    model = Scripted()
    assert chat(tmp_path, model, line, "").startswith(complaint)
    assert model.asked == []


def test_two_slashes_send_a_text_with_one(tmp_path):
    model = Scripted(says("ok"))
    chat(tmp_path, model, "//help is a command")
    assert model.asked[0][0].parts == ("/help is a command",)


def test_a_question_that_the_model_refuses_leaves_no_trace(tmp_path):
    def refuse(cancelled) -> Iterator[Event]:
        raise ValueError("the conversation is longer than 2048 tokens")
        yield

    model = Scripted(refuse, says("ok"))
    shown = chat(tmp_path, model, "long", "short")
    assert shown == "anygen: the conversation is longer than 2048 tokens\nok\n"
    assert [message.parts for message in model.asked[1]] == [("short",)]


def interrupted(cancelled: Callable[[], bool]) -> Iterator[Event]:
    yield TextDelta("Once upon")
    signal.raise_signal(signal.SIGINT)
    assert cancelled()
    yield Done("cancelled", 1, 0, 1)


def interrupted_twice(cancelled: Callable[[], bool]) -> Iterator[Event]:
    yield TextDelta("Once upon")
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    yield TextDelta("never")


@pytest.mark.parametrize("script", [interrupted, interrupted_twice])
def test_ctrl_c_stops_the_answer_and_keeps_what_came(tmp_path, script, ctrl_c_interrupts):
    model = Scripted(script, says("ok"))
    before = signal.getsignal(signal.SIGINT)
    assert chat(tmp_path, model, "a story", "go on") == "Once upon\n(stopped)\nok\n"
    assert [message.parts for message in model.asked[1]] == [
        ("a story",),
        ("Once upon",),
        ("go on",),
    ]
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_stops_a_command_and_not_the_chat(tmp_path, monkeypatch):
    def interrupted(seconds: int):
        raise KeyboardInterrupt

    monkeypatch.setattr(capture, "record", interrupted)
    shown = chat(tmp_path, Scripted(says("ok")), "/record 5", "hello")
    assert shown == "recording 5 s ...\n(stopped)\nok\n"


def test_an_answer_that_is_cut_short_says_so(tmp_path):
    def limited(cancelled: Callable[[], bool]) -> Iterator[Event]:
        yield TextDelta("Once upon")
        yield Done("length", 1, 0, 1)

    assert chat(tmp_path, Scripted(limited), "a story").splitlines() == [
        "Once upon",
        "(cut short by its length limit, see /set max_new_tokens)",
    ]


def test_a_single_answer_that_is_stopped_interrupts(tmp_path, ctrl_c_interrupts):
    shown: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        answer_once(open_session(tmp_path, Scripted(interrupted), shown.append), ("x",))
    assert "".join(shown) == "Once upon\n(stopped)\n"


def test_numbering_goes_on_after_the_highest(tmp_path):
    assert reserve_path(tmp_path, "image").name == "001_image.png"
    (tmp_path / "041_audio.wav").touch()
    (tmp_path / "20240101_image.png").touch()
    (tmp_path / "900_notes.txt").touch()
    assert reserve_path(tmp_path, "video").name == "042_video.mp4"
    assert reserve_path(tmp_path, "audio").name == "043_audio.wav"


def test_an_error_that_nobody_foresaw_is_a_line_and_the_conversation_goes_on(tmp_path):
    def fails(cancelled: Callable[[], bool]) -> Iterator[Event]:
        yield TextDelta("Well")
        raise RuntimeError("out of luck")

    model = Scripted(says("Hello"), fails, says("Bye"))
    shown = chat(tmp_path, model, "hi", "and now?", "really?")
    assert "anygen: RuntimeError: out of luck\n" in shown
    assert shown.endswith("Bye\n")
    assert [message.role for message in model.asked[2]][:2] == ["user", "assistant"]
