"""What a request says in words is what its scene shows."""

import random
import re

import pytest

from mosit_data.world.language.dialogues import sample_dialogue, sample_plain
from mosit_data.world.language.english import unknown
from mosit_data.world.language.english.requests import core
from mosit_data.world.language.english.words.facts import FACTS
from mosit_data.world.language.english.words.motions import present_participle, third_person
from mosit_data.world.language.english.words.names import COUNTED, OTHER_NAMES, plural_of
from mosit_data.world.language.kinds.near_misses import near_misses
from mosit_data.world.language.kinds.scenes import (
    counted_scene,
    movable,
    pair_scene,
    requested_scene,
    usual_motion,
)
from mosit_data.world.language.kinds.stories import comic, story
from mosit_data.world.language.kinds.talking import refuse, refuse_in_part
from mosit_data.world.scene import (
    PictureScene,
    Scene,
    SoundScene,
    caption,
    is_held_out,
    parse_scene,
)
from mosit_data.world.vocabulary import COLOURS, CONCEPT, SOUND_OF, SOUNDS, plural

NAMES = {
    form: concept
    for concept in CONCEPT
    for name in (concept, *OTHER_NAMES.get(concept, ()))
    for form in (name, plural_of(name))
}
FINDS_NAME = re.compile(rf"\b({'|'.join(sorted(NAMES, key=len, reverse=True))})\b")
NUMBER = {word: number for number, words in COUNTED.items() if number > 1 for word in words}
FINDS_NUMBER = re.compile(rf"\b({'|'.join(sorted(NUMBER, key=len, reverse=True))}) ")


def things(text: str) -> set[str]:
    """The concepts that a text names, by the longest name at each place."""
    return {NAMES[name] for name in FINDS_NAME.findall(text)}


def concepts(scene: Scene) -> set[str]:
    assert not isinstance(scene, SoundScene)
    shown = scene.things if isinstance(scene, PictureScene) else (scene.thing,)
    return {thing.concept for thing in shown}


@pytest.mark.parametrize("modality", ["image", "video"])
def test_a_request_names_what_its_scene_shows(modality) -> None:
    rng = random.Random(8)
    for _ in range(400):
        scene = requested_scene(rng, "train", modality)
        text = core(rng, scene, "train")
        assert concepts(scene) <= things(text) or not text.isascii()


def test_a_request_for_two_things_names_both_in_the_order_of_the_caption() -> None:
    rng = random.Random(9)
    for _ in range(300):
        scene = pair_scene(rng, "train")
        first, second = (thing.concept for thing in scene.things)
        names = [NAMES[name] for name in FINDS_NAME.findall(core(rng, scene, "train"))]
        assert names.index(first) < names.index(second)


def test_a_request_for_several_says_how_many() -> None:
    rng = random.Random(10)
    for _ in range(300):
        scene = counted_scene(rng, "train")
        numbers = FINDS_NUMBER.findall(core(rng, scene, "train"))
        assert len(scene.things) in {NUMBER[word] for word in numbers}


@pytest.mark.parametrize("modality", ["image", "video"])
def test_a_request_names_the_colours_that_its_caption_names_and_no_other(modality) -> None:
    rng = random.Random(8)
    for _ in range(500):
        scene = requested_scene(rng, "train", modality)
        text = set(re.findall("[a-z]+", core(rng, scene, "train")))
        assert text & COLOURS.keys() == set(caption(scene).split()) & COLOURS.keys()


def test_nearly_every_sentence_is_new() -> None:
    rng = random.Random(12)
    first = [sample_dialogue(rng).messages[0].content for _ in range(600)]
    texts = {part.text for parts in first for part in parts if part.type == "text"}
    assert len(texts) > 480


def test_what_is_unknown_is_refused_and_what_is_offered_is_known() -> None:
    rng = random.Random(6)
    for _ in range(200):
        turns = refuse(rng, "train", "english")
        reply = turns[1].content[0].text
        assert reply.startswith(("I cannot", "I do not"))
        for medium in (part for turn in turns for part in turn.content if part.type != "text"):
            scene = parse_scene(medium.scene)
            assert (scene.sound if medium.type == "audio" else medium.caption) in reply


def test_nothing_unknown_is_a_name_of_something_known() -> None:
    tables = (unknown.PICTURES, unknown.VIDEOS)
    for near, entries in ((n, e) for rows in tables for n, e in rows.items()):
        assert near in CONCEPT
        bare = {re.sub("^(an?|the) ", "", entry) for entry in entries}
        assert bare.isdisjoint(NAMES)
    for near, entries in unknown.SOUNDS.items():
        assert near in SOUNDS
        assert {re.sub("^an? ", "", entry) for entry in entries}.isdisjoint(SOUNDS)
    assert unknown.NOISES.keys().isdisjoint(SOUND_OF)
    assert not set(unknown.PLAYED_ONLY) & CONCEPT.keys()


def test_a_known_thing_in_an_unknown_way_is_made_and_the_limit_is_named() -> None:
    rng = random.Random(7)
    for _ in range(50):
        [words, medium] = refuse_in_part(rng, "train")[1].content
        assert words.text.startswith("I cannot")
        assert medium.caption in words.text


@pytest.mark.parametrize("kind", [story, comic])
def test_all_that_a_story_mentions_is_in_its_pictures(kind) -> None:
    rng = random.Random(13)
    for _ in range(150):
        parts = kind(rng, "train", "english")[1].content
        text = " ".join(part.text for part in parts if part.type == "text")
        pictures = [parse_scene(part.scene) for part in parts if part.type != "text"]
        shown = set().union(*map(concepts, pictures))
        words = set(re.findall("[a-z]+", text.lower()))
        assert words & CONCEPT.keys() <= shown
        assert len(text.split()) >= 15


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_the_usual_motion_of_a_thing_is_of_the_split(split) -> None:
    assert movable("train") == tuple(CONCEPT)
    for concept in movable(split):
        motion = ("motion", concept, usual_motion(concept, split))
        assert is_held_out(motion) == (split == "heldout")


def test_near_misses_share_a_thing_and_ask_for_different_things() -> None:
    rng = random.Random(14)
    for _ in range(200):
        concept = rng.choice(list(CONCEPT))
        group = near_misses(rng, "train", concept)
        assert len({miss.modality for miss in group}) > 1
        assert all(concept in things(miss.text) for miss in group)


def test_plain_turns_end_with_a_question_in_words() -> None:
    rng = random.Random(15)
    for _ in range(300):
        turns = sample_plain(rng)
        assert [turn.role for turn in turns] == ["user", "assistant"] * (len(turns) // 2) + ["user"]
        assert [part.type for part in turns[-1].content] == ["text"]


def test_every_thing_and_every_instrument_has_a_fact() -> None:
    instruments = {name for name, sound in SOUNDS.items() if sound.patterns}
    assert CONCEPT.keys() | instruments <= FACTS.keys()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cat", "cats"),
        ("bus", "buses"),
        ("blue cartoon fish", "blue cartoon fish"),
        ("flat sheep", "flat sheep"),
        ("3d butterfly", "3d butterflies"),
        ("red cactus", "red cacti"),
        ("ice cream", "ice creams"),
    ],
)
def test_the_noun_of_a_description_is_put_into_the_plural(name, expected) -> None:
    assert plural(name) == expected


@pytest.mark.parametrize(
    ("phrase", "third", "participle"),
    [
        ("fly up", "flies up", "flying up"),
        ("get bigger", "gets bigger", "getting bigger"),
        ("go left", "goes left", "going left"),
        ("rise", "rises", "rising"),
        ("spin around", "spins around", "spinning around"),
        ("rush right", "rushes right", "rushing right"),
    ],
)
def test_a_motion_is_inflected(phrase, third, participle) -> None:
    assert third_person(phrase) == third
    assert present_participle(phrase) == participle
