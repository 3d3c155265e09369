"""`/edit 2 make it blue`: a question about a medium that is to be changed."""

import pytest

from anygen.chat.repl import run_chat
from anygen.core.media import Image
from anygen.generation.options import AnswerOptions, Edit
from anygen.io.media_files import write_media
from support.scripted_chat import Scripted, chat, kinds, open_session, says, shows, texts


@pytest.fixture
def dog(cat, image):
    return write_media(Image(255 - image.pixels), cat.with_name("dog.png"))


def test_the_medium_stands_before_the_text_and_is_what_the_answer_begins_with(cat, tmp_path, image):
    model = Scripted(shows(image), shows(image))
    session = open_session(tmp_path, model, lambda text: None)
    run_chat(session, ["like @cat.png", "/edit 2 make it blue"])
    assert kinds(model.asked[1][-1].parts) == [Image, "make it blue"]
    assert model.options[1].edit == Edit(ref=2)
    [first, second] = session.conversation.turns
    assert second.question.parts[0] is first.answer.parts[0]
    assert second.request.edited is first.answer.parts[0]
    assert session.settings.options == AnswerOptions()


def test_the_medium_is_numbered_again_where_it_stands_again(tmp_path, image):
    shown = chat(tmp_path, Scripted(shows(image), shows(image)), "draw", "/edit 1 in blue")
    path = tmp_path / "out" / "001_image.png"
    assert f"attached [2] image 48x32, {path}\n" in shown
    assert "[3] image 48x32, " in shown


def test_a_number_with_a_point_says_how_far(tmp_path, image):
    model = Scripted(shows(image), says("a"), says("b"))
    chat(tmp_path, model, "draw", "/edit 1 0.4 make it blue", "/edit 1 3 cats")
    assert model.options[1].edit == Edit(ref=1, strength=0.4)
    assert kinds(model.asked[1][-1].parts) == [Image, "make it blue"]
    assert kinds(model.asked[2][-1].parts) == [Image, "3 cats"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("/edit 3 in blue", "there is no medium 3; they are numbered 1 to 1"),
        ("/edit 1 1.5 in blue", "strength: Input should be less than or equal to 1"),
        ("/edit 1 look @gone.png", "gone.png: no such file"),
    ],
)
def test_what_cannot_be_edited_is_said_and_not_asked(cat, tmp_path, line, complaint):
    model = Scripted(says("a"))
    shown = chat(tmp_path, model, "@cat.png", line)
    assert shown.endswith(f"anygen: {complaint}\n")
    assert len(model.asked) == 1


def test_what_is_attached_is_edited_where_it_stands(cat, dog, tmp_path):
    model = Scripted(says("a"), says("b"))
    chat(tmp_path, model, "/attach cat.png dog.png", "/edit 2 in blue", "next")
    assert texts(model)[0] == [[Image, Image, "in blue"]]
    assert model.options[0].edit == Edit(ref=2)
    assert model.options[1].edit is None


def test_a_retry_edits_the_same_medium_whatever_is_attached_meanwhile(cat, dog, tmp_path):
    model = Scripted(says("a"), says("b"))
    session = open_session(tmp_path, model, lambda text: None)
    run_chat(session, ["/attach cat.png", "/edit 1 0.3 in blue", "/attach dog.png", "/retry"])
    [turn] = session.conversation.turns
    assert kinds(turn.question.parts) == [Image, Image, "in blue"]
    assert model.options[1].edit == Edit(ref=2, strength=0.3)
    assert turn.request.edited is turn.question.parts[1]
    assert turn.request.edited.path.name == "cat.png"


def test_edit_alone_brings_back_what_can_be_typed_again(tmp_path, image):
    session = open_session(tmp_path, Scripted(shows(image), says("a")), lambda text: None)
    run_chat(session, ["draw", "/edit 1 0.4 in blue", "/edit"])
    assert session.take_prefill() == "/edit 1 0.4 in blue"
