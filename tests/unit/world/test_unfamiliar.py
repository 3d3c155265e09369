"""Unfamiliar media: made by a seed, of families that training and measuring do not share."""

import random
import re

import pytest
import torch

from anygen.core.media import Audio, Image, Video
from anygen.core.modality import MEDIA
from mosit_data.unfamiliar.media import (
    FAMILIES,
    UnfamiliarMedium,
    render_unfamiliar,
    sample_unfamiliar,
)
from mosit_data.unfamiliar.sounds import PROGRAMS
from mosit_data.world.language.own_media import SURE, UNSURE, ask_about_own, named
from mosit_data.world.vocabulary import SOUNDS

ALL = [
    (modality, split, family)
    for modality in MEDIA
    for split in ("train", "heldout")
    for family in FAMILIES[modality][split]
]


def data(medium):
    match medium:
        case Image():
            return medium.pixels
        case Audio():
            return medium.samples
        case Video():
            return medium.frames


@pytest.mark.parametrize(("modality", "split", "family"), ALL)
def test_a_medium_is_a_function_of_its_seed(modality, split, family):
    once, again, other = (
        data(render_unfamiliar(UnfamiliarMedium(modality, split, family, seed)))
        for seed in (3, 3, 4)
    )
    assert torch.equal(once, again)
    assert once.shape != other.shape or not torch.equal(once, other)


@pytest.mark.parametrize("family", [*FAMILIES["audio"]["train"], *FAMILIES["audio"]["heldout"]])
def test_an_unfamiliar_sound_is_as_long_and_as_loud_as_those_of_the_world(family):
    split = "train" if family in FAMILIES["audio"]["train"] else "heldout"
    sound = render_unfamiliar(UnfamiliarMedium("audio", split, family, 0))
    assert sound.samples.shape == (1, 49152)
    assert sound.samples.isfinite().all()
    assert float(sound.samples.abs().max()) == pytest.approx(0.7, abs=1e-4)


def test_training_and_held_out_families_are_different_ones():
    for modality in MEDIA:
        train, heldout = (FAMILIES[modality][split] for split in ("train", "heldout"))
        shared = train.keys() & heldout.keys()
        assert shared <= {"instrument"}  # whose programs differ
    assert not set(PROGRAMS["train"]) & set(PROGRAMS["heldout"])


def test_no_unfamiliar_instrument_is_one_of_the_vocabulary():
    known = {sound.program for sound in SOUNDS.values() if sound.patterns != ("beat",)}
    assert not known & {*PROGRAMS["train"], *PROGRAMS["heldout"]}


def test_samples_are_of_the_split_that_is_asked_for():
    rng = random.Random(0)
    for modality in MEDIA:
        rows = [sample_unfamiliar(modality, rng, "heldout") for _ in range(20)]
        assert {row.family for row in rows} <= FAMILIES[modality]["heldout"].keys()


@pytest.mark.parametrize("modality", MEDIA)
def test_an_unsure_answer_says_so_and_names_what_is_nearest(modality):
    name = "harp" if modality == "audio" else "tabby"
    rng = random.Random(0)
    answers = {ask_about_own(rng, modality, name, sure=False)[1] for _ in range(200)}
    assert answers == {
        UNSURE[language][modality].format(x=named(name, language)) for language in UNSURE
    }
    sure = {ask_about_own(rng, modality, name, sure=True)[1] for _ in range(400)}
    assert len(sure) == sum(len(SURE[language][modality]) for language in SURE)
    assert not answers & sure
    assert all(re.search(r"harp|tabby|竖琴", answer) for answer in answers | sure)


def test_names_take_the_article_that_one_hears():
    assert named("Egyptian cat", "english") == "an Egyptian cat"
    assert named("applause", "english") == "applause"
    assert named("harp", "chinese") == "竖琴"
    assert named("tabby", "chinese") == " tabby "
