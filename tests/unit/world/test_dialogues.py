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
from mosit_data.world.language.english.question_phrases import NEXT_TO, ON_SIDE
from mosit_data.world.language.english.questions import Filled, questions
from mosit_data.world.language.kinds.changes import follow_up
from mosit_data.world.language.kinds.scenes import changeable
from mosit_data.world.language.kinds.understanding import ask_about
from mosit_data.world.scene import (
    PictureScene,
    SoundScene,
    Thing,
    caption,
    in_split,
    parse_scene,
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
    for dialogue in dialogues(split, 150):
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
    for dialogue in dialogues(count=800):
        for turn in dialogue.messages:
            assert "{" not in words(turn)
            assert "  " not in words(turn)


def test_about_one_dialogue_in_eight_is_chinese() -> None:
    chinese = sum(any("一" <= c <= "鿿" for c in words(d.messages[0])) for d in dialogues())
    assert 25 < chinese < 85


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
        for request, reply in zip(turns[::2], turns[1::2], strict=True):
            assert not media([request])
            assert [c.type for c in media([reply])] == [modality]


def test_the_answers_about_a_picture_are_true() -> None:
    cat, bus = (
        Thing(concept=name, x=x, y=0.5, size=0.4) for name, x in (("cat", 0.3), ("bus", 0.7))
    )
    two = PictureScene(things=(cat, bus), relation="to the left of", style="3d", background="green")
    facts = {reply for _, reply in ask_about(random.Random(1), two, 100, "english")}
    assert "The background is green." in facts
    assert "It is drawn in 3d style." in facts
    assert "The bus is to the right of the cat." in facts
    assert "The bus is to the left of the cat." not in facts
    assert "I see a cat and a bus." in facts
    asked = questions(random.Random(1), two)
    [beside] = {
        reply
        for q, reply in asked
        if isinstance(q, Filled) and q.bank is NEXT_TO and q.values["c"] == "cat"
    }
    assert beside == "It is a bus."
    assert (ON_SIDE["left"], "It is a cat.") in asked
    assert (ON_SIDE["right"], "It is a bus.") in asked


def test_the_answers_about_a_sound_are_true() -> None:
    organ = SoundScene(sound="organ", pattern="falling", pitch="high", tempo="slow")
    facts = {reply for _, reply in ask_about(random.Random(1), organ, 100, "english")}
    assert {"It is an organ.", "The melody falls.", "It is high.", "It is slow."} <= facts


def test_a_change_is_of_the_split_and_says_what_changes() -> None:
    rng = random.Random(5)
    for _ in range(300):
        scene = changeable(rng, "train")
        text, changed = follow_up(rng, scene, "train", "english", typing=False)
        assert text
        assert in_split(changed, "train")
        if changed.type == scene.type == "image" and changed.background != scene.background:
            again = changed.mentions == scene.mentions
            assert again or changed.background in text


def test_what_has_a_sound_can_be_drawn() -> None:
    assert all(sound.concept in CONCEPT for sound in SOUNDS.values() if sound.concept)
