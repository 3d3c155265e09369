"""Dialogues about the small world are true, complete and within their split."""

import random

import pytest

from anygen.core.modality import MEDIA
from anygen.core.records import MediaContent, Record, RecordMessage, TextContent
from mosit_data.world.language.dialogues import (
    KINDS,
    sample_caption_pair,
    sample_dialogue,
    sample_request,
)
from mosit_data.world.language.edits import edit
from mosit_data.world.language.questions import ask_about
from mosit_data.world.language.talk import UNKNOWN
from mosit_data.world.scene import (
    PictureScene,
    SoundScene,
    Thing,
    caption,
    in_split,
    parse_scene,
    sample_scene,
)
from mosit_data.world.vocabulary import CONCEPT, SOUNDS


def dialogues(split: str = "train", count: int = 400) -> list[Record]:
    rng = random.Random(11)
    return [sample_dialogue(rng, split) for _ in range(count)]


def media(turns: list[RecordMessage]) -> list[MediaContent]:
    return [c for turn in turns for c in turn.content if isinstance(c, MediaContent)]


def words(turn: RecordMessage) -> str:
    return " ".join(c.text for c in turn.content if isinstance(c, TextContent))


def test_a_dialogue_is_a_record_whose_turns_alternate() -> None:
    for dialogue in dialogues():
        assert Record.model_validate_json(dialogue.model_dump_json()) == dialogue
        roles = [turn.role for turn in dialogue.messages]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        assert all(turn.content for turn in dialogue.messages)


def test_the_same_generator_gives_the_same_dialogues() -> None:
    assert dialogues(count=20) == dialogues(count=20)


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_all_media_of_a_dialogue_are_of_its_split(split) -> None:
    for dialogue in dialogues(split):
        for content in media(dialogue.messages):
            assert in_split(parse_scene(content.scene), split)


def test_what_the_assistant_makes_carries_the_caption_of_its_scene() -> None:
    for dialogue in dialogues():
        for turn in dialogue.messages:
            for content in media([turn]):
                scene = parse_scene(content.scene)
                assert content.type == scene.type
                expected = caption(scene) if turn.role == "assistant" else None
                assert content.caption == expected


def test_every_kind_of_content_comes_from_both_sides() -> None:
    seen = {(t.role, c.type) for d in dialogues() for t in d.messages for c in t.content}
    assert seen == {(role, kind) for role in ("user", "assistant") for kind in ("text", *MEDIA)}


@pytest.mark.parametrize("kind", KINDS["english"], ids=lambda kind: kind.__name__)
def test_each_kind_of_dialogue_can_be_sampled_in_both_splits(kind) -> None:
    for split in ("train", "heldout"):
        assert kind(random.Random(1), split, "english")


def test_no_phrase_is_left_unfilled() -> None:
    for dialogue in dialogues(count=2000):
        for turn in dialogue.messages:
            assert "{" not in words(turn)
            assert "  " not in words(turn)


def test_about_one_dialogue_in_eight_is_chinese() -> None:
    chinese = sum(any("一" <= c <= "鿿" for c in words(d.messages[0])) for d in dialogues())
    assert 25 < chinese < 85


def test_the_words_of_a_request_and_of_the_caption_agree_on_colours() -> None:
    for modality in ("image", "video"):
        for seed in range(100):
            asked, made, *_ = sample_request(modality, random.Random(seed), "train").messages
            if not words(asked).isascii():
                continue
            [medium] = media([made])
            scene = parse_scene(medium.scene)
            assert (scene.background in words(asked)) == (scene.background in medium.caption)


def test_a_refusal_makes_nothing() -> None:
    unknown = [name for names in UNKNOWN.values() for name in names]
    refused = 0
    for dialogue in dialogues(count=2000):
        for turn, reply in zip(dialogue.messages[::2], dialogue.messages[1::2], strict=True):
            if any(f" {name} " in f" {words(turn).rstrip('.?')} " for name in unknown):
                refused += not media([reply])
    assert refused > 50


@pytest.mark.parametrize("modality", MEDIA)
def test_a_caption_pair_shows_and_asks_and_the_answer_is_text(modality) -> None:
    pair = sample_caption_pair(modality, random.Random(3), "train")
    assert [c.type for c in media(pair.messages[:1])] == [modality]
    assert not media(pair.messages[1:])
    scene = parse_scene(media(pair.messages)[0].scene)
    name = scene.sound if isinstance(scene, SoundScene) else caption(scene).split()[0]
    assert name.lower() in words(pair.messages[1]).lower()


@pytest.mark.parametrize("modality", MEDIA)
def test_each_request_is_answered_by_one_medium_of_its_kind(modality) -> None:
    for seed in range(40):
        turns = sample_request(modality, random.Random(seed), "heldout").messages
        for asked, answered in zip(turns[::2], turns[1::2], strict=True):
            assert not media([asked])
            assert [c.type for c in media([answered])] == [modality]


def test_the_answers_about_a_picture_are_true() -> None:
    cat, bus = (
        Thing(concept=name, x=x, y=0.5, size=0.4) for name, x in (("cat", 0.3), ("bus", 0.7))
    )
    two = PictureScene(things=(cat, bus), relation="to the left of", style="3d", background="green")
    facts = dict(ask_about(random.Random(1), two, 100, "english"))
    assert facts["What colour is the background?"] == "The background is green."
    assert facts["In which style is it drawn?"] == "It is drawn in 3d style."
    assert facts["Where is the bus?"] == "The bus is to the right of the cat."
    assert facts["What is to the right of the cat?"] == "It is a bus."


def test_the_answers_about_a_sound_are_true() -> None:
    organ = SoundScene(sound="organ", pattern="falling", pitch="high", tempo="slow")
    facts = dict(ask_about(random.Random(1), organ, 100, "english"))
    assert facts["Which instrument is this?"] == "It is an organ."
    assert facts["What does the melody do?"] == "The melody falls."
    assert facts["Is it high or low?"] == "It is high."


def test_an_edit_changes_the_scene_and_says_how() -> None:
    rng = random.Random(5)
    for modality in MEDIA:
        for _ in range(100):
            scene = sample_scene(modality, rng)
            request, changed = edit(rng, scene, "english")
            assert changed != scene
            assert request


def test_what_has_a_sound_can_be_drawn() -> None:
    assert all(sound.concept in CONCEPT for sound in SOUNDS.values() if sound.concept)
