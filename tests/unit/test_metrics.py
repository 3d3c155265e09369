import math

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

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
    settings = LlamaConfig(
        vocab_size=8,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(settings).eval()
    chances = model(torch.tensor([[5, 6, 2, 1]])).logits[0].softmax(-1)
    expected = math.log(chances[1, 2].item()) + math.log(chances[2, 1].item())
    assert log_likelihood(model, [5, 6], [2, 1]) == pytest.approx(expected, abs=1e-5)
