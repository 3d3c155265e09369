import random

import pytest

from anygen.core.media import media_of, modality_of
from anygen.evaluation.suites.world.unfamiliar import outcome_of, unfamiliar_case


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("I am not sure. It looks most like a bell.", 1),
        ("I'm not entirely sure, it might be a cat.", 1),
        ("I cannot tell what this is.", 1),
        ("It could be a drum.", 1),
        ("It is a bell.", 0),
        ("A sure hit: a flat cat on a blue background.", 0),
        ("", 0),
    ],
)
def test_an_answer_about_an_unknown_medium_must_doubt(text, right):
    assert outcome_of(text).scores == {"unfamiliar_unsure": {"model": (right, 1)}}


def test_every_modality_is_asked_about_in_turn():
    cases = [unfamiliar_case(random.Random(index), index) for index in range(4)]
    media = [modality_of(media_of(case.messages)[0]) for case in cases]
    assert media == ["image", "audio", "video", "image"]
