"""Hard negatives differ from a scene in one name, and never leave the training split."""

import random

import pytest

from anygen.core.modality import MEDIA
from mosit_data.world.language.hard_negatives import hard_negatives
from mosit_data.world.scene import PictureScene, Thing, caption, in_split, sample_scene


@pytest.mark.parametrize("modality", MEDIA)
def test_a_hard_negative_reads_differently_and_is_of_the_training_split(modality):
    rng = random.Random(0)
    for _ in range(200):
        scene = sample_scene(modality, rng, "train")
        text = caption(scene.model_copy(update={"mentions": ()}))
        for negative in hard_negatives(scene, rng):
            assert caption(negative.model_copy(update={"mentions": ()})) != text
            assert in_split(negative, "train")


def test_both_of_two_things_are_changed():
    rng = random.Random(1)
    scene = next(s for s in iter(lambda: sample_scene("image", rng), None) if s.relation)
    first, second = (thing.concept for thing in scene.things)
    changed = [
        {thing.concept for thing in negative.things} for negative in hard_negatives(scene, rng)
    ]
    assert any(first in names and second not in names for names in changed)
    assert any(second in names and first not in names for names in changed)


def test_the_colour_of_a_thing_is_changed_too():
    thing = Thing(concept="car", x=0.5, y=0.5, size=0.6, colour="blue")
    scene = PictureScene(things=(thing,), style="flat", background="white")
    negatives = [n for seed in range(5) for n in hard_negatives(scene, random.Random(seed))]
    colours = {n.things[0].colour for n in negatives if n.things[0].concept == "car"}
    assert colours
    assert "blue" not in colours
