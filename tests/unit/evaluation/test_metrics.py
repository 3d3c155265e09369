import math

import pytest
import torch
from scipy.stats import binomtest
from transformers import LlamaConfig, LlamaForCausalLM

from anygen.evaluation.metrics import (
    bootstrap_interval,
    first_named,
    is_looping,
    log_likelihood,
    mcnemar,
    overlap,
    paired_interval,
    wilson,
)


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0)],
)
def test_the_interval_is_wilsons(hits, trials, low, high):
    assert wilson(hits, trials) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize("trials", [1, 7, 60, 200])
def test_the_interval_is_that_of_scipy(trials):
    for hits in range(trials + 1):
        expected = binomtest(hits, trials).proportion_ci(method="wilson")
        assert wilson(hits, trials) == pytest.approx((expected.low, expected.high), abs=1e-7)


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


@pytest.mark.parametrize(
    ("lost", "gained", "p"), [(0, 0, 1.0), (3, 3, 1.0), (0, 5, 2 / 32), (1, 9, 22 / 1024)]
)
def test_mcnemars_test_is_a_sign_test_of_what_changed(lost, gained, p):
    assert mcnemar(lost, gained) == mcnemar(gained, lost) == pytest.approx(p)


def test_mcnemars_test_is_that_of_scipy():
    for lost in range(1, 12):
        for gained in range(12):
            expected = binomtest(lost, lost + gained).pvalue
            assert mcnemar(lost, gained) == pytest.approx(expected)


def test_the_interval_of_a_paired_difference_is_agresti_and_mins():
    """By hand, with cells 50.5, 40.5, 20.5 and 50.5 of 162."""
    center, variance = 20 / 162, (40.5 + 20.5 - 20**2 / 162) / 162**2
    low, high = paired_interval(20, 40, 160)
    assert (low + high) / 2 == pytest.approx(center)
    assert (high - low) / 2 == pytest.approx(1.96 * math.sqrt(variance), abs=1e-5)
    assert paired_interval(40, 20, 160) == pytest.approx((-high, -low))
    assert -1 <= paired_interval(2, 0, 2)[0] < 0


def test_a_bootstrap_of_a_mean_is_as_wide_as_its_standard_error():
    values = [i % 2 for i in range(400)]

    def mean(chosen):
        return sum(values[i] for i in chosen) / len(chosen)

    low, high = bootstrap_interval(mean, len(values))
    assert (high - low) / 2 == pytest.approx(1.96 * 0.5 / math.sqrt(400), rel=0.1)
    assert bootstrap_interval(mean, len(values)) == (low, high)


@pytest.mark.parametrize(
    ("text", "was_cut", "looping"),
    [
        ("", False, False),
        ("la femme " * 4, False, False),
        ("La femme, la FEMME! " * 4, False, True),
        ("a b c d " + "e " * 8, False, True),
        ("one two three one two three one two three", True, True),
        ("one two three one two three one two three", False, False),
        ("every word of this one is another", True, False),
        ("很好" * 8, False, True),
    ],
)
def test_text_loops_if_four_words_come_again_and_again(text, was_cut, looping):
    assert is_looping(text, was_cut) is looping
