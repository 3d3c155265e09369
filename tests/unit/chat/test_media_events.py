"""Media that are late, fail or are not waited for, as a chat shows and keeps them."""

from pathlib import Path

import pytest

from anygen.chat.repl import run_chat
from anygen.core.media import Audio, Image
from anygen.generation.events import (
    Done,
    Forgotten,
    MediaDone,
    MediaFailed,
    MediaProgress,
    MediaStarted,
    TextDelta,
)
from anygen.io.media_files import read_media
from support.scripted_chat import Scripted, chat, kinds, open_session, says, tells

DONE = Done("stop", 1, 0, 1)


def late(image, audio, *end):
    """A picture and a sound, while the text goes on; the sound is done first."""
    return tells(
        TextDelta("See "),
        MediaStarted(0, "image"),
        TextDelta("and "),
        MediaProgress(0, "image", 1, 9),
        MediaStarted(1, "audio"),
        TextDelta("hear."),
        MediaProgress(1, "audio", 1, 2),
        MediaDone(1, audio, seed=8),
        *end,
    )


def test_media_that_are_late_stand_where_they_were_asked_for(cat, tmp_path, image, audio):
    model = Scripted(late(image, audio, MediaDone(0, image, seed=7), DONE), says("ok"))
    session = open_session(tmp_path, model, lambda text: None)
    run_chat(session, ["both @cat.png", "go on"])
    said = session.conversation.turns[0].answer.parts
    assert kinds(said) == ["See ", Image, "and ", Audio, "hear."]
    assert [made.part for made in session.conversation.turns[0].media_info] == [0, 1]
    assert session.conversation.medium(2).path.name == "002_image.png"
    assert model.asked[1][1].parts == said


def test_media_that_are_late_have_the_number_of_their_place(cat, tmp_path, image, audio):
    model = Scripted(late(image, audio, MediaDone(0, image, seed=7), DONE))
    shown = chat(tmp_path, model, "both @cat.png")
    assert shown.splitlines()[1:] == [
        "See and hear.",
        f"[3] audio 0.5 s, 16000 Hz, {tmp_path / 'out' / '001_audio.wav'} (seed 8)",
        f"[2] image 48x32, {tmp_path / 'out' / '002_image.png'} (seed 7)",
    ]


@pytest.mark.parametrize("end", [[], [MediaFailed(0, "image", "out of memory")]], ids=["", "fails"])
def test_one_that_never_comes_takes_no_number(tmp_path, image, audio, end):
    reason = "stop" if end else "deadline"
    session = open_session(
        tmp_path,
        Scripted(late(image, audio, *end, Done(reason, 1, 0, 1))),
        (shown := []).append,
    )
    run_chat(session, ["both"])
    path = tmp_path / "out" / "001_audio.wav"
    assert f"[2] audio 0.5 s, 16000 Hz, {path} (seed 8)\n" in "".join(shown)
    assert f"(now [1] audio 0.5 s, 16000 Hz, {path})\n" in "".join(shown)
    [turn] = session.conversation.turns
    assert kinds(turn.answer.parts) == ["See ", "and ", Audio, "hear."]
    assert [made.part for made in turn.media_info] == [1]
    assert isinstance(session.conversation.medium(1), Audio)


def test_a_medium_that_fails_is_a_line_and_the_answer_goes_on(tmp_path, image):
    events = (
        TextDelta("Here:"),
        MediaStarted(0, "video"),
        MediaFailed(0, "video", "out of memory"),
        MediaStarted(1, "image"),
        MediaDone(1, image, seed=7),
        DONE,
    )
    shown = chat(tmp_path, Scripted(tells(*events)), "a film")
    path = tmp_path / "out" / "001_image.png"
    assert shown == f"Here:\n(no video: out of memory)\n[1] image 48x32, {path} (seed 7)\n"


def test_what_the_model_reads_no_longer_is_said_once(tmp_path):
    def forgets(messages: int):
        return tells(Forgotten(messages, 1), TextDelta("ok"), DONE)

    model = Scripted(forgets(2), forgets(2), forgets(4), forgets(4))
    shown = chat(tmp_path, model, "a", "b", "c", "/reset", "d")
    assert shown.splitlines() == [
        "(too long: the model no longer reads the first 2 messages or their 1 media)",
        "ok",
        "ok",
        "(too long: the model no longer reads the first 4 messages or their 1 media)",
        "ok",
        "(too long: the model no longer reads the first 4 messages or their 1 media)",
        "ok",
    ]


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ("length", "(cut short by its length limit, see /set max_new_tokens)"),
        ("deadline", "(cut short by its time limit, see /set deadline)"),
        ("cancelled", "(stopped)"),
    ],
)
def test_an_answer_that_is_cut_short_says_so(tmp_path, reason, line):
    model = Scripted(tells(TextDelta("Once"), Done(reason, 1, 0, 1)))
    assert chat(tmp_path, model, "a story") == f"Once\n{line}\n"


def test_files_are_those_that_are_named(tmp_path, image, audio):
    session = open_session(
        tmp_path, Scripted(late(image, audio, MediaDone(0, image, 7), DONE)), lambda text: None
    )
    run_chat(session, ["both"])
    picture, sound = session.conversation.media()
    assert isinstance(read_media(picture.path), Image)
    assert isinstance(read_media(sound.path), Audio)
    assert {Path(m.path).name for m in (picture, sound)} == {"001_audio.wav", "002_image.png"}
