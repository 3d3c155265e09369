"""On a model whose media depend on all that it was asked, so that nothing can be forgotten."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from anygen.chat import run_chat
from anygen.conversation import Conversation
from anygen.events import Done, Event, MediaDone, MediaStarted, TextDelta
from anygen.media import Audio, Image, Media, Message
from anygen.media_files import read_comment, write_media
from anygen.provenance import digest, read_provenance, remake, write_again
from anygen.request import Maker, derive_seed
from anygen.screen import Screen
from anygen.session import Session, Settings, ready


class Painter:
    """Answers with words, a picture and a sound drawn from all the messages and settings."""

    maker = Maker("mini", "0" * 64)

    def reply(self, messages: Sequence[Message], *, seed, cancelled, **settings) -> Iterator[Event]:
        told = [
            part if isinstance(part, str) else digest(part) for m in messages for part in m.parts
        ]
        yield TextDelta(f"I heard {len(told)} things: ")
        for part, make in enumerate((self.picture, self.sound)):
            yield MediaStarted(part, "image")
            medium_seed = derive_seed(seed, part, *told, str(settings))
            yield MediaDone(part, make(torch.Generator().manual_seed(medium_seed)), medium_seed)
        yield Done("stop", 1, 1)

    @staticmethod
    def picture(generator: torch.Generator) -> Media:
        return Image(torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8, generator=generator))

    @staticmethod
    def sound(generator: torch.Generator) -> Media:
        return Audio(torch.rand((1, 100), generator=generator), 16000)


@pytest.fixture
def session(tmp_path, monkeypatch) -> Session:
    monkeypatch.chdir(tmp_path)
    screen = Screen(lambda text: None)
    return Session(ready(Painter()), Settings(Path("out")), screen, None, Conversation(seed=9))


def again(path: Path) -> tuple[Path, bool]:
    return write_again(remake(Painter(), read_provenance(path)), path, Path("again"))


def test_every_file_of_a_chat_can_be_made_again_to_the_byte(session, image):
    write_media(image, "cat.png")
    run_chat(session, ["a @cat.png", "/set steps 3", "/modalities image,audio", "b", "/retry", "c"])
    made = sorted(Path("out").iterdir())
    assert len(made) == 8
    for path in made:
        copy, same = again(path)
        assert same
        assert copy.read_bytes() == path.read_bytes()


def test_an_exported_file_can_be_made_again_too(session):
    run_chat(session, ["a", "/export 1 copy.jpg", "/export 2 copy.flac"])
    for name in ("copy.jpg", "copy.flac"):
        _, same = again(Path(name))
        assert same


def test_only_what_led_to_the_file_is_told(session):
    run_chat(session, ["first", "second", "/undo", "third"])
    told = read_provenance(Path("out/005_image.png"))
    assert [turn.question[0].text for turn in told.turns] == ["first", "third"]


def test_a_file_that_was_attached_and_changed_since_is_named(session, image):
    write_media(image, "cat.png")
    run_chat(session, ["a @cat.png"])
    write_media(replace(image, pixels=255 - image.pixels), "cat.png")
    with pytest.raises(ValueError, match=r"cat\.png: is not the image that it was then"):
        again(Path("out/001_image.png"))


def test_a_file_that_was_attached_and_is_gone_is_named(session, image):
    write_media(image, "cat.png")
    run_chat(session, ["a @cat.png"])
    Path("cat.png").unlink()
    with pytest.raises(ValueError, match=r"cat\.png: no such file"):
        again(Path("out/001_image.png"))


def test_another_file_of_that_name_is_not_lost(session, image):
    run_chat(session, ["a"])
    Path("again").mkdir()
    other = write_media(image, "again/001_image.png").read_bytes()
    with pytest.raises(ValueError, match=r"001_image\.png: is there and differs"):
        again(Path("out/001_image.png"))
    assert Path("again/001_image.png").read_bytes() == other


@pytest.mark.parametrize("comment", [None, "a nice picture", '{"anygen": "0.1.0"}'])
def test_a_file_that_tells_nothing_of_anygen_is_one_sentence(image, tmp_path, comment):
    path = write_media(image, tmp_path / "cat.png", comment)
    with pytest.raises(ValueError, match=r"cat\.png: does not tell how it was made"):
        read_provenance(path)


def test_the_metadata_are_json_that_others_can_read(session):
    run_chat(session, ["a big cat"])
    told = json.loads(read_comment(Path("out/002_audio.wav")))
    assert told["model"] == "mini"
    assert told["turns"][0]["seed"] == derive_seed(9, 0)
    assert told["part"] == 1
    assert told["threads"] == torch.get_num_threads()
