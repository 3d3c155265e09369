from pathlib import Path

import pytest

from anygen.batch.rows import media_reader, read_parts
from anygen.chat.session import ChatSettings, Session, loaded
from anygen.chat.transcript import save_conversation
from anygen.conversation.history import Conversation
from anygen.conversation.to_records import read_chat
from anygen.core.content_hash import content_hash
from anygen.core.media import Message
from anygen.core.records import Record, captions_of, media_of_record
from anygen.generation.request import Request
from anygen.terminal.screen import Screen
from mosit_data.formats.convert import Job
from mosit_data.formats.convert import convert as run
from mosit_data.formats.layouts import Layout
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


def convert(sources, out):
    return run(Job(Layout(read_chat), sources, out))


def test_a_saved_chat_becomes_a_record_to_train_on(talk, tmp_path, image, audio):
    out = tmp_path / "data" / "rows.jsonl"
    assert convert([talk], out).kept == 1
    record = Record.model_validate_json(out.read_text())
    assert record.id == "talk"
    assert [turn.role for turn in record.messages] == ["user", "assistant"] * 2
    asked, answered, *_ = [
        read_parts(turn, media_reader([out.parent]), [], "x") for turn in record.messages
    ]
    assert content_hash(asked[1]) == content_hash(image)
    assert content_hash(answered[1]) == content_hash(audio)


def test_a_chat_saved_elsewhere_becomes_records_that_can_be_moved(talk, tmp_path):
    """Its media are copied; a path that leads out of the folder is a fault."""
    out = tmp_path / "data" / "rows.jsonl"
    counts = convert([talk], out)
    assert counts.outside == 0
    record = Record.model_validate_json(out.read_text())
    paths = [medium.path for _, medium in media_of_record(record)]
    assert len(paths) == 2
    assert all(path.startswith("rows_media/") for path in paths)
    assert all((out.parent / path).is_file() for path in paths)
    convert([talk], tmp_path / "rows.jsonl")  # above the media: nothing to copy
    assert not (tmp_path / "rows_media").exists()


def save(exchanges, tmp_path):
    screen = Screen(lambda text: None)
    path = tmp_path / "talk.json"
    chat = Conversation(turns=exchanges)
    save_conversation(Session(loaded(Scripted()), ChatSettings(tmp_path), screen, None, chat), path)
    return path


def test_only_a_question_that_needs_nothing_before_it_is_a_caption(tmp_path, image, audio):
    """ "now another one" shows nothing of what the second picture holds."""
    questions = [(("a red ball",), image), (("now another one",), image)]
    turns = [
        exchange(Request([Message("user", question)]), (answer,), "stop")
        for question, answer in questions
    ]
    counts = convert([save(turns, tmp_path)], tmp_path / "rows.jsonl")
    record = Record.model_validate_json((tmp_path / "rows.jsonl").read_text())
    assert [message.content[0].caption for message in record.messages[1::2]] == ["a red ball", None]
    assert counts.without_caption == 1


def test_a_question_about_a_medium_is_no_caption(talk, tmp_path):
    convert([talk], tmp_path / "rows.jsonl")
    assert captions_of(Record.model_validate_json((tmp_path / "rows.jsonl").read_text())) == []


def test_a_chat_without_a_finished_answer_is_refused(tmp_path):
    stopped = exchange(Request([Message("user", ("a story",))]), ("Once",), "cancelled")
    with pytest.raises(ValueError, match=r"talk\.json: no answer of the chat is finished"):
        convert([save([stopped], tmp_path)], tmp_path / "rows.jsonl")


def test_what_is_no_saved_chat_leaves_no_file(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(ValueError, match=r"x\.json: not a conversation"):
        convert([tmp_path / "x.json"], tmp_path / "rows.jsonl")
    assert not (tmp_path / "rows.jsonl").exists()
