import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from anygen.chat.session import ChatSettings, Session, loaded
from anygen.chat.transcript import load_conversation, save_conversation
from anygen.checkpoints.model_id import ModelId
from anygen.conversation.history import Conversation, Turn
from anygen.core.content_hash import content_hash
from anygen.core.media import Audio, Image, Media, Message, Video, media_of
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from anygen.io.media_files import read_media
from anygen.terminal.screen import Screen
from decoders.base import SampleOptions
from support.scripted_chat import MODEL_ID, Scripted, exchange

OPTIONS = AnswerOptions(modalities=("text", "image"), max_new_tokens=99)
HOSTILE = "<script>alert('x')</script> & \"so\" \x1b[31m"


def turn(before: Sequence[Message], question: tuple, answer: tuple, **settings) -> Turn:
    request = Request([*before, Message("user", question)], 5, OPTIONS)
    return exchange(request, answer, settings.get("finish", "stop"))


def session_of(conversation: Conversation, model_id: ModelId = MODEL_ID, **settings) -> Session:
    screen, model = Screen(lambda text: None), Scripted()
    model.model_id = model_id
    return Session(loaded(model), ChatSettings(Path("out"), **settings), screen, None, conversation)


@pytest.fixture
def talk(image, audio, video) -> Conversation:
    talk = Conversation(seed=3, questions_asked=4, preamble=(Message("system", ("Be kind.",)),))
    talk.turns.append(turn(talk.messages(), ("like", image), (HOSTILE, audio, "and", video)))
    talk.turns.append(turn(talk.messages(), ("go on",), ("Once",), finish="cancelled"))
    talk.attached.append(Audio(torch.linspace(-1, 1, 1001)[None] / 3, rate=11025))
    return talk


def same(first: Media, second: Media) -> bool:
    return content_hash(first) == content_hash(second)


def test_json_brings_back_every_bit(talk, tmp_path):
    options = AnswerOptions(
        modalities=("text",),
        at_most={"image": 2},
        stop=("The end",),
        media={"image": SampleOptions(steps=5, guidance=2.5)},
    )
    save_conversation(session_of(talk, options=options), tmp_path / "talk.json")
    session = session_of(Conversation())
    assert load_conversation(session, tmp_path / "talk.json") == 2
    loaded = session.conversation
    assert session.settings == ChatSettings(Path("out"), options)
    assert (loaded.seed, loaded.questions_asked) == (3, 4)
    assert [m.role for m in loaded.messages()] == [m.role for m in talk.messages()]
    assert all(same(*pair) for pair in zip(loaded.media(), talk.media(), strict=True))
    for ours, theirs in zip(loaded.turns, talk.turns, strict=True):
        assert ours.finish == theirs.finish
        assert (ours.request.seed, ours.request.options) == (5, OPTIONS)
        assert ours.media_info == theirs.media_info
        assert [p for p in ours.answer.parts if isinstance(p, str)] == [
            p for p in theirs.answer.parts if isinstance(p, str)
        ]


def test_a_saved_conversation_can_be_moved(talk, tmp_path):
    (tmp_path / "here").mkdir()
    save_conversation(session_of(talk), tmp_path / "here" / "talk.json")
    (tmp_path / "here").rename(tmp_path / "there")
    session = session_of(Conversation())
    load_conversation(session, tmp_path / "there" / "talk.json")
    assert len(session.conversation.media()) == 4


def test_what_other_weights_said_is_only_given(talk, tmp_path):
    save_conversation(session_of(talk), tmp_path / "talk.json")
    session = session_of(Conversation(), ModelId("mini", "1" * 64))
    load_conversation(session, tmp_path / "talk.json")
    loaded = session.conversation
    assert loaded.turns == []
    assert len(loaded.preamble) == 5
    assert len(media_of(loaded.messages())) == 3


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"anygen": "x", "turns": 3}', "\x00"])
def test_a_file_that_is_no_saved_conversation_is_one_sentence(tmp_path, text):
    path = tmp_path / "notes.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"notes\.json: not a conversation .*") as caught:
        load_conversation(session_of(Conversation()), path)
    assert "\n" not in str(caught.value)


class Page(HTMLParser):
    """The elements of a page, and whether all of them end."""

    EMPTY = {"meta", "img", "br", "link"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_a_page_holds_everything_itself_and_runs_nothing(talk, tmp_path):
    save_conversation(session_of(talk), tmp_path / "talk.html")
    assert [path.name for path in tmp_path.iterdir()] == ["talk.html"]
    page = Page((tmp_path / "talk.html").read_text())
    assert page.open == []
    assert page.all("script") == []
    pictures = [img for img in page.all("img") if img.get("class") != "spectrogram"]
    players = [*pictures, *page.all("audio"), *page.all("video")]
    assert [p["src"].partition(";")[0] for p in players] == [
        "data:image/png",
        "data:audio/wav",
        "data:video/mp4",
    ]
    assert "http" not in re.sub(r"base64,[^\"]*", "", (tmp_path / "talk.html").read_text())


def test_markdown_links_to_a_folder_beside_it(talk, tmp_path):
    save_conversation(session_of(talk), tmp_path / "my talk.md")
    text = (tmp_path / "my talk.md").read_text()
    links = [Path(name) for name in re.findall(r"\]\(<(.*?)>\)", text)]
    assert [type(read_media(tmp_path / link)) for link in links] == [Image, Audio, Video]
    assert "**assistant** (stopped)" in text


def test_the_json_names_its_media_by_their_place(talk, tmp_path):
    save_conversation(session_of(talk), tmp_path / "talk.json")
    data = json.loads((tmp_path / "talk.json").read_text())
    assert data["turns"][0]["question"][1]["path"] == "talk_media/001_image.png"
