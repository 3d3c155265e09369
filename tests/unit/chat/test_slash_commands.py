from collections.abc import Iterator

import pytest

from anygen.chat import turn
from anygen.chat.repl import run_chat
from anygen.chat.session import ChatSettings
from anygen.conversation.provenance import read_provenance
from anygen.core.media import Image
from anygen.generation.events import Event
from anygen.generation.options import AnswerOptions
from anygen.generation.request import derive_seed
from anygen.io.media_files import read_media
from decoders.base import SampleOptions
from support.scripted_chat import Scripted, chat, open_session, says, shows, texts


def test_what_is_attached_stands_before_the_next_message_and_before_no_other(cat, tmp_path):
    model = Scripted(says("a"), says("b"))
    shown = chat(tmp_path, model, "/attach cat.png", "what is it?", "sure?")
    assert shown.startswith("attached [1] image 48x32, cat.png\n")
    assert texts(model)[1] == [[Image, "what is it?"], ["a"], ["sure?"]]


def test_what_is_dropped_is_not_asked(cat, tmp_path):
    model = Scripted(says("a"))
    chat(tmp_path, model, "/attach 'cat.png' cat.png", "/drop", "hello")
    assert texts(model) == [[["hello"]]]


def test_what_is_attached_stays_after_a_question_that_is_refused(cat, tmp_path):
    def refuse(cancelled) -> Iterator[Event]:
        raise ValueError("too long")
        yield

    model = Scripted(refuse, says("a"))
    chat(tmp_path, model, "/attach cat.png", "what?", "again?")
    assert texts(model)[1] == [[Image, "again?"]]


def test_undo_forgets_the_last_question_and_its_answer(tmp_path):
    model = Scripted(says("a"), says("b"), says("c"))
    chat(tmp_path, model, "x", "y", "/undo", "z")
    assert texts(model)[2] == [["x"], ["a"], ["z"]]


def test_retry_asks_the_same_with_another_seed(tmp_path):
    model = Scripted(says("a"), says("b"), says("c"), says("d"))
    chat(tmp_path, model, "x", "/retry", "/retry 77", "y")
    assert texts(model)[:3] == [[["x"]]] * 3
    assert model.seeds[:3] == [derive_seed(0, 0), derive_seed(0, 1), 77]
    assert texts(model)[3] == [["x"], ["c"], ["y"]]


def test_a_retry_that_is_refused_brings_the_turn_back(tmp_path):
    def refuse(cancelled) -> Iterator[Event]:
        raise ValueError("too long")
        yield

    model = Scripted(says("a"), refuse, says("b"))
    chat(tmp_path, model, "x", "/retry", "y")
    assert texts(model)[2] == [["x"], ["a"], ["y"]]


def test_edit_with_a_text_asks_that_instead(cat, tmp_path):
    model = Scripted(says("a"), says("b"))
    chat(tmp_path, model, "a dgo", "/edit a dog @cat.png")
    assert texts(model)[1] == [["a dog", Image]]


def test_edit_alone_brings_the_question_back_to_the_prompt(cat, tmp_path):
    session = open_session(tmp_path, Scripted(says("a")), lambda text: None)
    run_chat(session, ["what is @cat.png ?", "/edit"])
    assert session.take_prefill() == 'what is @"cat.png" ?'
    assert session.take_prefill() == ""


@pytest.mark.parametrize("command", ["/undo", "/retry", "/edit"])
def test_without_a_question_there_is_nothing_to_go_back_to(tmp_path, command):
    shown = chat(tmp_path, Scripted(), command)
    assert shown == "anygen: there is no question to go back to\n"


def test_media_are_counted_through_the_conversation(cat, tmp_path, image):
    model = Scripted(shows(image), shows(image))
    shown = chat(tmp_path, model, "like @cat.png", "again", "/export 3 copy.jpg", "/history")
    assert "attached [1] image 48x32, cat.png" in shown
    assert "[2] image 48x32, " in shown
    assert "[3] image 48x32, " in shown
    assert isinstance(read_media("copy.jpg"), Image)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("/export 1 x.png", "there is no picture, sound or video yet"),
        ("/attach", "write /attach PATH"),
        ("/attach gone.png", "gone.png: no such file"),
        ("/drop", "nothing is attached to the next message"),
        ("/attach ~nosuch/x.png", "~nosuch/x.png: no such file"),
        ("/save x.doc", "x.doc: a conversation is saved as .html, .md, .json"),
        ("/save", "write /save FILE.html, .md or .json; quote a path with spaces"),
        ("/load gone.json", "gone.json: No such file or directory"),
        ("/load /dev/zero", "/dev/zero: is a folder, a device or a pipe, not a file"),
        ("/load .", ".: is a folder, a device or a pipe, not a file"),
        ("/set steps 0", "steps cannot be '0': Input should be greater than 0"),
        (
            "/set guidance much",
            "guidance cannot be 'much': Input should be a valid number, unable to parse string as "
            "a number",
        ),
        ("/set image.stepps 3", "no setting 'image.stepps'; did you mean steps?"),
        ("/set steps", "write /set steps VALUE, or default as the value"),
        ("/modalities smell", "no modality 'smell'; there are text, image, audio, video"),
        ("/tokens", "there is no answer yet"),
    ],
)
def test_a_command_that_cannot_be_done_says_why(tmp_path, monkeypatch, line, complaint):
    monkeypatch.chdir(tmp_path)
    assert chat(tmp_path, Scripted(), line) == f"anygen: {complaint}\n"


def test_a_file_that_is_nested_too_deeply_is_no_conversation(tmp_path):
    path = tmp_path / "deep.json"
    path.write_text("[" * 5000)
    shown = chat(tmp_path, Scripted(), f"/load {path}")
    reason = "not a conversation that anygen saved as .json: the JSON is nested too deeply"
    assert shown == f"anygen: {path}: {reason}\n"


def test_settings_are_asked_with(tmp_path):
    model = Scripted(says("ok"))
    lines = ("/set steps 7", "/set guidance 2.5", "/set max_new_tokens 9", "/modalities image,text")
    chat(tmp_path, model, *lines, "x")
    sample = SampleOptions(steps=7, guidance=2.5)
    assert model.options[0] == AnswerOptions(
        modalities=("text", "image"),
        max_new_tokens=9,
        media={"image": sample, "audio": sample, "video": sample},
    )


def test_set_alone_shows_what_is_set_and_what_can_be(tmp_path):
    lines = chat(tmp_path, Scripted(), "/set", "/set image.steps 7", "/set").splitlines()
    assert lines[0] == "all settings have their defaults"
    assert lines[1].startswith("/set NAME VALUE changes one of temperature, ")
    assert lines[2] == lines[3] == "image.steps 7"


def test_settings_that_contradict_each_other_are_one_line(tmp_path):
    shown = chat(tmp_path, Scripted(), "/set begin image", "/modalities text")
    assert shown.splitlines()[1:] == [
        "anygen: begin: no image may be made, so an answer cannot begin so"
    ]


def test_tokens_tells_what_was_read_and_made(tmp_path):
    shown = chat(tmp_path, Scripted(says("a", "b")), "x", "/tokens")
    assert "the last answer read 1 tokens, 0 of them from its cache, and wrote 2" in shown


def test_a_system_prompt_holds_for_a_whole_conversation(tmp_path):
    model = Scripted(says("a"), says("b"))
    shown = chat(
        tmp_path,
        model,
        "/system Be brief.",
        "x",
        "/system Be long.",
        "/reset",
        "/system Be kind.",
        "y",
    )
    assert texts(model) == [[["Be brief."], ["x"]], [["Be kind."], ["y"]]]
    assert "anygen: a system prompt applies to a whole conversation; /reset starts a new" in shown


def test_another_model_begins_another_conversation(tmp_path):
    model = Scripted(says("a"), says("b"))
    shown = chat(tmp_path, model, "x", "/model big", "/reset", "/model big", "/model")
    assert "anygen: a model applies to a whole conversation; /reset starts a new one\n" in shown
    assert shown.endswith("model big\nmodel big\n")


def test_files_tell_how_they_were_made_unless_told_not_to(tmp_path, image):
    session = open_session(tmp_path, Scripted(shows(image), shows(image)), lambda text: None)
    run_chat(session, ["a cat"])
    session.settings = ChatSettings(tmp_path / "out", metadata=False)
    run_chat(session, ["a dog"])
    provenance = read_provenance(tmp_path / "out" / "001_image.png")
    assert provenance.turns[0].question[0].text == "a cat"
    with pytest.raises(ValueError, match=r"002_image\.png: does not record how it was made"):
        read_provenance(tmp_path / "out" / "002_image.png")


def test_when_the_disk_is_full_what_was_said_is_kept(tmp_path, image, monkeypatch):
    def full(media, path, comment=None):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(turn, "write_media", full)
    model = Scripted(shows(image, "Here:"), says("ok"))
    shown = chat(tmp_path, model, "a cat", "go on")
    assert "No space left on device" in shown
    assert texts(model)[1] == [["a cat"], ["Here:", Image], ["go on"]]
    assert not list((tmp_path / "out").iterdir())
