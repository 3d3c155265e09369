"""What a schema cannot see: the order of turns, and how texts and media agree."""

import pytest

from anygen.core.record_faults import faults_of
from anygen.core.records import Record
from support.own_data import picture


def record(*turns):
    messages = [{"role": role, "content": content} for role, content in turns]
    return Record.model_validate({"id": "a", "messages": messages})


HI, HELLO = ("user", "hi"), ("assistant", "hello")
SHOWN = picture("a.png")


@pytest.mark.parametrize(
    "turns",
    [
        [HI, HELLO],
        [("system", "be brief"), HI, HELLO, HI, HELLO],
        [("assistant", [{"type": "text", "text": "Mix."}, picture("a.png", "a bowl")])],
        [HI, ("assistant", [picture(None, "a cat")])],
        [("user", [SHOWN, {"type": "text", "text": "what?"}]), HELLO],
        [("user", "what does <image> do in an SVG file?"), HELLO],
        [HI, ("assistant", "Write <video><source src='a.mp4'></video> there.")],
        [
            ("user", [SHOWN]),
            HELLO,
            ("user", [{"type": "image", "ref": 1}, {"type": "text", "text": "in blue"}]),
            ("assistant", [picture("b.png", "a blue cat")]),
        ],
    ],
)
def test_a_sound_record_has_no_faults(turns):
    assert list(faults_of(record(*turns))) == []


@pytest.mark.parametrize(
    ("turns", "fault"),
    [
        ([], "there is no message to learn from"),
        ([("system", "be brief")], "there is no message to learn from"),
        ([HI], "the last message is the user's, so that the answer is missing"),
        ([HI, HI, HELLO], "messages 1 and 2 are both the user's; join them"),
        ([HI, HELLO, HELLO], "messages 2 and 3 are both the assistant's; join them"),
        ([HELLO, HI, HELLO], "message 1 is the assistant's; a dialogue begins with the user"),
        ([HI, ("system", "x"), HELLO], "message 2 is the system's; that one comes first"),
        ([HI, ("assistant", " \n")], "message 2: the assistant's content is empty"),
        ([("user", []), HELLO], "message 1: the user's content is empty"),
        (
            [HI, ("assistant", [SHOWN])],
            "message 2: the image has no caption, and what the assistant makes needs one",
        ),
        (
            [HI, ("assistant", [picture("a.png", " ")])],
            "message 2: the image has no caption, and what the assistant makes needs one",
        ),
        (
            [("user", "<image>\nwhat is it?"), HELLO],
            "message 1: the text holds <image>, a marker of other formats; remove it, and put the "
            "image in its place in the content",
        ),
        (
            [HI, ("assistant", "Here: <Image>a cat</Image>, as you like")],
            "message 2: the text holds <Image>, a marker of other formats; remove it, and put the "
            "image in its place in the content",
        ),
        (
            [HI, ("assistant", "Here: <VIDEO>a\ncat<VIDEO-Placeholder></VIDEO>")],
            "message 2: the text holds <VIDEO>, a marker of other formats; remove it, and put the "
            "video in its place in the content",
        ),
        (
            [("user", [{"type": "audio", "ref": 1}, SHOWN]), HELLO],
            "medium 1: medium 1 is not an earlier audio",
        ),
        (
            [
                HI,
                ("assistant", [picture(None, "a cat")]),
                ("user", [{"type": "image", "ref": 1}]),
                HELLO,
            ],
            "medium 2: of medium 1 only the caption is known",
        ),
    ],
)
def test_a_fault_is_one_sentence(turns, fault):
    assert list(faults_of(record(*turns))) == [fault]
