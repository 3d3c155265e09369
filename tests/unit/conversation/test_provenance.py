"""On a model whose media depend on all that it was asked, so that nothing can be forgotten."""

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from anygen.chat.repl import run_chat
from anygen.chat.session import ChatSettings, Session, loaded
from anygen.checkpoints.model_id import ModelId
from anygen.config.placement import Placement
from anygen.config.sampling import Sampling
from anygen.conversation.history import Conversation
from anygen.conversation.provenance import (
    Provenance,
    read_provenance,
    regenerate,
    write_regenerated,
)
from anygen.core.content_hash import content_hash
from anygen.core.media import Audio, Image, Media
from anygen.generation.events import Done, Event, MediaDone, MediaStarted, TextDelta
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request, derive_seed
from anygen.io.media_files import read_comment, read_media, write_media
from anygen.terminal.screen import Screen
from decoders.base import never


class Painter:
    """Answers with words, a picture and a sound drawn from all the messages and settings.

    The sound can come first, though it is asked for second, and the picture not at all.
    """

    model_id = ModelId("mini", "0" * 64)

    def __init__(self, order: tuple[int, ...] = (0, 1)) -> None:
        self.order = order

    def answer(self, request: Request, cancelled=never) -> Iterator[Event]:
        parts = [part for message in request.messages for part in message.parts]
        told = [part if isinstance(part, str) else content_hash(part) for part in parts]
        yield TextDelta(f"I heard {len(told)} things: ")
        yield MediaStarted(0, "image")
        yield MediaStarted(1, "audio", fallback=True)
        for part in self.order:
            medium_seed = derive_seed(request.seed, part, *told, str(request.options.edit))
            make = (self.picture, self.sound)[part]
            yield MediaDone(part, make(torch.Generator().manual_seed(medium_seed)), medium_seed)
        yield Done("stop", 1, 0, 1)

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
    return Session(loaded(Painter()), ChatSettings(Path("out")), screen, None, Conversation(seed=9))


def assert_all_are_made_again(count: int) -> None:
    made = sorted(Path("out").iterdir())
    assert len(made) == count
    for path in made:
        copy, same = again(path)
        assert same
        assert copy.read_bytes() == path.read_bytes()


def again(path: Path) -> tuple[Path, bool]:
    return write_regenerated(regenerate(Painter(), read_provenance(path)), path, Path("again"))


def test_every_file_of_a_chat_can_be_made_again_to_the_byte(session, image):
    write_media(image, "cat.png")
    run_chat(session, ["a @cat.png", "/set steps 3", "/modalities image,audio", "b", "/retry", "c"])
    assert_all_are_made_again(8)


def test_an_exported_file_can_be_made_again_too(session):
    run_chat(session, ["a", "/export 1 copy.jpg", "/export 2 copy.flac"])
    for name in ("copy.jpg", "copy.flac"):
        _, same = again(Path(name))
        assert same


def test_what_was_made_and_is_edited_is_made_again_too(session, image):
    write_media(image, "cat.png")
    run_chat(session, ["a @cat.png", "/edit 2 in blue", "/edit 3 0.4 but louder", "/edit 1 in red"])
    assert_all_are_made_again(8)
    told = read_provenance(Path("out/008_audio.wav"))
    assert [turn.question[0].ref for turn in told.turns[1:]] == [2, 3, 1]
    assert [turn.options.edit.ref for turn in told.turns[1:]] == [2, 3, 1]


def test_edits_outlive_saving_and_loading(session):
    run_chat(session, ["a", "/edit 2 0.4 louder", "/save talk.json", "/load talk.json"])
    first, second = session.conversation.turns
    assert second.question.parts[0] is first.answer.parts[2]
    assert second.request.edited is first.answer.parts[2]
    saved = json.loads(Path("talk.json").read_text())["turns"][1]["question"][0]
    assert (saved["ref"], saved["path"]) == (2, "talk_media/002_audio.wav")
    assert not list(Path("talk_media").glob("003_*"))
    run_chat(session, ["/edit 2 0.2 softer", "c", "/edit 1 in blue"])
    assert_all_are_made_again(10)


def test_what_was_done_in_another_order_is_made_again(session):
    for order in [(1, 0), (1,), (0, 1)]:
        session.loading = loaded(Painter(order))
        run_chat(session, ["a"])
    assert_all_are_made_again(5)


def test_a_deadline_is_no_reason_to_make_less_of_it_again(session):
    session.settings = ChatSettings(Path("out"), AnswerOptions(deadline=1))
    run_chat(session, ["a"])
    asked = []

    class Careful(Painter):
        def answer(self, request: Request, cancelled=never) -> Iterator[Event]:
            asked.append(request.options.deadline)
            return super().answer(request)

    regenerate(Careful(), read_provenance(Path("out/002_audio.wav")))
    assert asked == [None]


def test_media_whose_condition_was_a_caption_say_so(session):
    run_chat(session, ["a"])
    told = json.loads(read_comment(Path("out/002_audio.wav")))
    assert told["turns"][0]["made"] == [
        {"part": 0, "fallback": False},
        {"part": 1, "fallback": True},
    ]


def test_a_reference_to_what_does_not_exist_is_one_sentence(session):
    run_chat(session, ["a", "/edit 1 in blue"])
    told = read_comment(Path("out/003_image.png")).replace('"ref":1', '"ref":9', 1)
    with pytest.raises(ValueError, match="ref: no medium 9 comes before this image"):
        regenerate(Painter(), Provenance.model_validate_json(told))


def test_only_what_led_to_the_file_is_told(session):
    run_chat(session, ["first", "second", "/undo", "third"])
    told = read_provenance(Path("out/005_image.png"))
    assert [turn.question[0].text for turn in told.turns] == ["first", "third"]


def test_a_file_that_was_attached_and_changed_since_is_named(session, image):
    write_media(image, "cat.png")
    run_chat(session, ["a @cat.png"])
    write_media(replace(image, pixels=255 - image.pixels), "cat.png")
    with pytest.raises(ValueError, match=r"cat\.png: is no longer the image it was then"):
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
    with pytest.raises(ValueError, match=r"001_image\.png: exists and differs"):
        again(Path("out/001_image.png"))
    assert Path("again/001_image.png").read_bytes() == other


@pytest.mark.parametrize("comment", [None, "a nice picture", '{"anygen": "0.1.0"}', "[" * 5000])
def test_a_file_that_tells_nothing_of_anygen_is_one_sentence(image, tmp_path, comment):
    path = write_media(image, tmp_path / "cat.png", comment)
    with pytest.raises(ValueError, match=r"cat\.png: does not record how it was made"):
        read_provenance(path)


def test_the_metadata_are_json_that_others_can_read(session):
    run_chat(session, ["a big cat"])
    told = json.loads(read_comment(Path("out/002_audio.wav")))
    assert told["model"] == "mini"
    assert told["turns"][0]["seed"] == derive_seed(9, 0)
    assert told["part"] == 1
    assert told["threads"] == torch.get_num_threads()


def test_a_file_records_the_placement_of_its_model_and_what_else_decides_the_last_bits(session):
    model = session.model
    model.model_id = ModelId("mini", "0" * 64, Placement(dtype="bfloat16"))
    run_chat(session, ["a"])
    provenance = read_provenance(Path("out/001_image.png"))
    assert provenance.placement == Placement(dtype="bfloat16")
    assert provenance.differences() == []
    older = provenance.model_copy(update={"environment": {"torch": "1.0"}})
    [difference] = older.differences()
    assert difference == f"it was made with torch 1.0, this is torch {version('torch')}"


def test_a_file_is_made_again_with_the_sampling_that_its_model_had_then(session):
    session.model.model_id = ModelId("mini", "0" * 64, sampling=Sampling(repetition_penalty=1.1))
    run_chat(session, ["/set temperature 0.5", "a"])
    provenance = read_provenance(Path("out/001_image.png"))
    asked = []

    class Later(Painter):
        model_id = ModelId("mini", "0" * 64, sampling=Sampling(temperature=1.0, top_k=50))

        def answer(self, request, cancelled=never):
            asked.append(request.options.over(self.model_id.sampling))
            return super().answer(request, cancelled)

    regenerate(Later(), provenance)
    assert asked == [Sampling(temperature=0.5, repetition_penalty=1.1)]


def test_a_file_of_a_release_that_recorded_less_is_still_read(session):
    run_chat(session, ["a"])
    path = Path("out/001_image.png")
    comment = json.loads(read_comment(path))
    del comment["placement"], comment["environment"], comment["sampling"]
    write_media(read_media(path), Path("old.png"), json.dumps(comment))
    provenance = read_provenance(Path("old.png"))
    assert (provenance.placement, provenance.differences()) == (Placement(), [])
    assert again(Path("old.png"))[1]
