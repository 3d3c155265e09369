from pathlib import Path

import pytest

from anygen.batch.rows import read_parts
from anygen.chat.session import ChatSettings, Session, loaded
from anygen.chat.transcript import save_conversation
from anygen.conversation.history import Conversation
from anygen.conversation.to_records import convert
from anygen.core.content_hash import content_hash
from anygen.core.media import Message
from anygen.core.records import Record, captions_of
from anygen.generation.request import Request
from anygen.terminal.screen import Screen
from support.scripted_chat import Scripted, exchange


@pytest.fixture
def talk(image, audio, tmp_path) -> Path:
    """A chat of three turns, of which the second was stopped."""
    exchanges = [
        exchange(Request([Message("user", question)]), answer, finish)
        for question, answer, finish in [
            (("like this", image, "but loud"), ("Listen:", audio), "stop"),
            (("a story",), ("Once upon",), "cancelled"),
            (("thanks",), ("You are welcome.",), "stop"),
        ]
    ]
    screen = Screen(lambda text: None)
    talk = Conversation(turns=exchanges)
    path = tmp_path / "chats" / "talk.json"
    save_conversation(Session(loaded(Scripted()), ChatSettings(tmp_path), screen, None, talk), path)
    return path


def test_a_saved_chat_becomes_a_record_to_train_on(talk, tmp_path, image, audio):
    out = tmp_path / "data" / "rows.jsonl"
    assert convert([talk], out) == 1
    record = Record.model_validate_json(out.read_text())
    assert record.id == "talk"
    assert [turn.role for turn in record.messages] == ["user", "assistant"] * 2
    asked, answered, *_ = [read_parts(turn, out.parent, [], "x") for turn in record.messages]
    assert content_hash(asked[1]) == content_hash(image)
    assert content_hash(answered[1]) == content_hash(audio)
    assert captions_of(record) == ["like this but loud"]


def test_what_is_no_saved_chat_leaves_no_file(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(ValueError, match=r"x\.json: not a conversation"):
        convert([tmp_path / "x.json"], tmp_path / "rows.jsonl")
    assert not (tmp_path / "rows.jsonl").exists()
