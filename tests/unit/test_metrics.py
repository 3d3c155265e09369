import math
from types import SimpleNamespace

import pytest
import torch

from anygen.metrics import first_named, log_likelihood, overlap, wilson


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0)],
)
def test_the_interval_is_wilsons(hits, trials, low, high):
    assert wilson(hits, trials) == pytest.approx((low, high), abs=1e-4)


def test_without_trials_everything_is_possible():
    assert wilson(0, 0) == (0.0, 1.0)


def test_each_wanted_medium_counts_once():
    assert overlap(["image", "image", "audio"], ["image", "audio", "video"]) == 2
    assert overlap([], ["image"]) == 0


def test_the_longest_of_two_names_at_one_place_is_said():
    words = {"guitar": "guitar", "electric guitar": "electric guitar"}
    assert first_named("An electric guitar, not a guitar.", words) == "electric guitar"
    assert first_named("A guitar and an electric guitar", words) == "guitar"


def test_a_word_inside_another_is_not_said():
    words = {"car": "car", "cars": "car", "carrot": "carrot"}
    assert first_named("It is a carrot.", words) == "carrot"
    assert first_named("Two CARS!", words) == "car"
    assert first_named("A scarf.", words) is None


def test_the_likelihood_of_an_answer_is_the_sum_over_its_tokens_alone():
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    llm = SimpleNamespace(
        embed=lambda ids: torch.eye(5)[: len(ids)],
        hidden=lambda embeds: embeds,
        logits=lambda hidden: hidden @ logits,
    )
    chances = logits.softmax(-1)
    expected = math.log(chances[2, 1]) + math.log(chances[3, 3])
    assert log_likelihood(llm, [0, 0, 2], [1, 3]) == pytest.approx(expected, abs=1e-5)
