import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from anygen.chat import Screen, Settings, answer_once, claim_path, parse_line, run_chat
from anygen.events import Done, Event, MediaDone, MediaProgress, MediaStarted, TextDelta
from anygen.generate import derive_seed
from anygen.media import Image, Message
from anygen.media_files import MediaError, read_media, write_media

Script = Callable[[Callable[[], bool]], Iterator[Event]]


class Scripted:
    """A model that answers turn after turn what it is told to, and remembers what it was asked."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.asked: list[tuple[Message, ...]] = []
        self.seeds: list[int] = []

    def reply(
        self, messages: Sequence[Message], *, seed, modalities, max_new_tokens, cancelled
    ) -> Iterator[Event]:
        self.asked.append(tuple(messages))
        self.seeds.append(seed)
        return self.scripts.pop(0)(cancelled)


def says(*texts: str) -> Script:
    def script(cancelled: Callable[[], bool]) -> Iterator[Event]:
        yield from map(TextDelta, texts)
        yield Done("stop", 1, len(texts))

    return script


def shows(media, before: str = "", after: str = "") -> Script:
    def script(cancelled: Callable[[], bool]) -> Iterator[Event]:
        if before:
            yield TextDelta(before)
        yield MediaStarted(0, "image")
        yield MediaProgress(0, 1, 2)
        yield MediaProgress(0, 2, 2)
        yield MediaDone(0, media, seed=77)
        if after:
            yield TextDelta(after)
        yield Done("stop", 1, 1)

    return script


def chat(tmp_path: Path, model: Scripted, *lines: str, seed: int = 0, **screen) -> str:
    shown: list[str] = []
    run_chat(model, lines, Settings(tmp_path / "out"), Screen(shown.append, **screen), seed)
    return "".join(shown)


@pytest.fixture
def cat(tmp_path, image, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_media(image, Path("cat.png"))


def kinds(parts) -> list[str | type]:
    return [part if isinstance(part, str) else type(part) for part in parts]


def test_a_line_without_attachments_is_one_part_of_text():
    assert parse_line("hello there") == ("hello there",)


def test_text_before_and_after_an_attachment_keeps_its_place(cat):
    parts = parse_line("which animal is this? @cat.png Now show it")
    assert kinds(parts) == ["which animal is this?", Image, "Now show it"]


@pytest.mark.parametrize(
    "written", ['@"my cat.png"', "@'my cat.png'", r"@my\ cat.png", '@"{folder}/my cat.png"']
)
def test_a_path_with_spaces_is_quoted_or_escaped(cat, tmp_path, written):
    cat.rename("my cat.png")
    parts = parse_line(f"look: {written.format(folder=tmp_path)} nice")
    assert kinds(parts) == ["look:", Image, "nice"]


def test_punctuation_after_an_attachment_is_text(cat):
    assert kinds(parse_line("is @cat.png?")) == ["is", Image, "?"]


def test_several_attachments_follow_each_other(cat):
    assert kinds(parse_line("@cat.png @cat.png")) == [Image, Image]


def test_a_home_folder_is_found(cat, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert kinds(parse_line("@~/cat.png")) == [Image]


@pytest.mark.parametrize(
    "line",
    ["write to me@cat.png", "thanks @anna", "@", "@ cat.png", '@"so called"', "@" + "x" * 5000],
)
def test_an_at_sign_that_names_no_file_stays_text(cat, line):
    assert parse_line(line) == (line,)


def test_a_medium_that_does_not_exist_is_an_error(cat):
    with pytest.raises(MediaError, match=r"^dog\.png: no such file$"):
        parse_line("what is @dog.png ?")


def test_a_file_that_is_no_medium_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("notes").write_text("buy some milk, and bread")
    with pytest.raises(MediaError, match="notes: holds no picture, sound or video"):
        parse_line("read @notes")


def test_the_answer_is_shown_as_it_comes(tmp_path):
    assert chat(tmp_path, Scripted(says("Hel", "lo")), "hi") == "Hello\n"


def test_a_medium_is_written_and_shown_between_the_texts(tmp_path, image):
    shown = chat(tmp_path, Scripted(shows(image, "Here:", "Nice?")), "a cat")
    path = tmp_path / "out" / "001_image.png"
    assert shown == f"Here:\n[image 48x32]\n{path} (seed 77)\nNice?\n"
    assert read_media(path).pixels.equal(image.pixels)


def test_progress_is_one_line_that_is_taken_away(tmp_path, image):
    shown = chat(tmp_path, Scripted(shows(image, "Here:")), "a cat", progress=True)
    assert shown.startswith(
        "Here:\nimage ...\r         \rimage 1/2\r         \rimage 2/2\r         \r[image 48x32]\n"
    )


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
    assert answer.parts[1] is image


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
    assert all(name in shown for name in ("/help", "/seed N", "/reset", "/bye", "/exit", "@path"))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("/rest", "anygen: no command /rest; did you mean /reset?"),
        ("/xyzzy", "anygen: no command /xyzzy; /help lists them"),
        ("/seed many", "anygen: /seed wants a whole number, not 'many'"),
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


@pytest.fixture
def ctrl_c_interrupts() -> Iterator[None]:
    """As in a terminal; a shell lets what it runs in the background ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted(cancelled: Callable[[], bool]) -> Iterator[Event]:
    yield TextDelta("Once upon")
    signal.raise_signal(signal.SIGINT)
    assert cancelled()
    yield Done("cancelled", 1, 1)


def interrupted_twice(cancelled: Callable[[], bool]) -> Iterator[Event]:
    yield TextDelta("Once upon")
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    yield TextDelta("never")


@pytest.mark.parametrize("script", [interrupted, interrupted_twice])
def test_ctrl_c_stops_the_answer_and_keeps_what_came(tmp_path, script, ctrl_c_interrupts):
    model = Scripted(script, says("ok"))
    before = signal.getsignal(signal.SIGINT)
    assert chat(tmp_path, model, "a story", "go on") == "Once upon\nok\n"
    assert [message.parts for message in model.asked[1]] == [
        ("a story",),
        ("Once upon",),
        ("go on",),
    ]
    assert signal.getsignal(signal.SIGINT) is before


def test_an_answer_that_is_cut_short_says_so(tmp_path):
    def limited(cancelled: Callable[[], bool]) -> Iterator[Event]:
        yield TextDelta("Once upon")
        yield Done("length", 1, 1)

    assert chat(tmp_path, Scripted(limited), "a story").splitlines() == [
        "Once upon",
        "(cut short: an answer has a limit)",
    ]


def test_a_single_answer_that_is_stopped_interrupts(tmp_path, ctrl_c_interrupts):
    shown: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        answer_once(Scripted(interrupted), ("x",), Settings(tmp_path), Screen(shown.append))
    assert "".join(shown) == "Once upon\n"


def test_numbering_goes_on_after_the_highest(tmp_path):
    assert claim_path(tmp_path, "image").name == "001_image.png"
    (tmp_path / "041_audio.wav").touch()
    (tmp_path / "20240101_image.png").touch()
    (tmp_path / "900_notes.txt").touch()
    assert claim_path(tmp_path, "video").name == "042_video.mp4"
    assert claim_path(tmp_path, "audio").name == "043_audio.wav"
