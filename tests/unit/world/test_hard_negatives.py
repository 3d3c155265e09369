"""Near misses differ from what was meant in one name, and never leave the training split."""

import random

import pytest

from anygen.core.modality import MEDIA
from mosit_data.world.language.hard_negatives import hard_negatives
from mosit_data.world.scene import caption, in_split, sample_scene


@pytest.mark.parametrize("modality", MEDIA)
def test_a_near_miss_reads_differently_and_is_of_the_training_split(modality):
    rng = random.Random(0)
    for _ in range(200):
        scene = sample_scene(modality, rng, "train")
        said = caption(scene.model_copy(update={"mentions": ()}))
        for miss in hard_negatives(scene, rng):
            assert caption(miss.model_copy(update={"mentions": ()})) != said
            assert in_split(miss, "train")


def test_both_of_two_things_are_missed():
    rng = random.Random(1)
    scene = next(s for s in iter(lambda: sample_scene("image", rng), None) if s.relation)
    first, second = (thing.concept for thing in scene.things)
    missed = [{thing.concept for thing in miss.things} for miss in hard_negatives(scene, rng)]
    assert any(first in names and second not in names for names in missed)
    assert any(second in names and first not in names for names in missed)
