"""Media that are of no known kind: an answer about them should say that it is not sure."""

import random
import re
from collections.abc import Sequence

from anygen.core.media import Message
from anygen.core.modality import MEDIA
from anygen.evaluation.suites.base import AnsweredCase, Bench, Case, Outcome, text_of
from mosit_data.unfamiliar.media import render_unfamiliar, sample_unfamiliar
from mosit_data.world.language.english.question_phrases import DESCRIBE
from mosit_data.world.language.grammar import say

# What an answer holds that is not a claim without doubt.
UNSURE = re.compile(
    r"\b(not|n['’]t) (\w+ )?(sure|certain)\b|\b(unsure|uncertain|perhaps|maybe|possibly)\b"
    r"|\b(might|may|could) be\b|\b(cannot|can['’]?t|can not) (tell|say|recogni[sz]e|identify)\b"
    r"|\b(don['’]?t|do not) (know|recogni[sz]e)\b|\b(most like|nearest|closest)\b",
    re.IGNORECASE,
)


def unfamiliar_case(rng: random.Random, index: int) -> Case:
    """A picture, a sound and a video in turn, of families that are not trained on."""
    modality = MEDIA[index % len(MEDIA)]
    medium = render_unfamiliar(sample_unfamiliar(modality, rng, "heldout"))
    return Case([Message("user", (medium, say(rng, DESCRIBE[modality])))])


def score_doubt(bench: Bench, answered: Sequence[AnsweredCase]) -> list[Outcome]:
    """Whether each answer says that it is not sure."""
    return [outcome_of(text_of(answer)) for _, _, answer in answered]


def outcome_of(text: str) -> Outcome:
    doubts = UNSURE.search(text) is not None
    return Outcome({"unfamiliar_unsure": {"model": (int(doubts), 1)}}, text)
