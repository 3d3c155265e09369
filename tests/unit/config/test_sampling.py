"""Settings of sampling: their ranges, what contradicts, and which of two wins."""

import pytest
from pydantic import ValidationError
from transformers import GenerationConfig

from anygen.config.sampling import Sampling, SamplingOptions
from anygen.generation.options import AnswerOptions
from anygen.llm.backbone import find_sampling


class Base:
    """An LLM's files, as far as they concern sampling."""

    def __init__(self, **stated):
        self.generation_config = GenerationConfig(**stated)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("temperature", "warm"),
        ("top_k", -1),
        ("top_k", 1.5),
        ("top_p", 0),
        ("top_p", 1.01),
        ("min_p", -0.1),
        ("min_p", 1.1),
        ("penalty_after", -1),
        ("repetition_penalty", 0),
        ("repetition_penalty", 2.5),
        ("repetition_penalty", float("nan")),
    ],
)
def test_values_out_of_range_are_refused(name, value):
    with pytest.raises(ValidationError, match=name):
        AnswerOptions(**{name: value})


@pytest.mark.parametrize(("name", "value"), [("top_k", 5), ("top_p", 0.9), ("min_p", 0.1)])
def test_a_limit_on_what_is_drawn_needs_a_temperature(name, value):
    complaint = f"{name}: limits which tokens are drawn, but none are where the temperature is 0"
    with pytest.raises(ValidationError, match=complaint):
        AnswerOptions(temperature=0, **{name: value})
    options = SamplingOptions(**{name: value})
    with pytest.raises(ValueError, match=complaint):
        options.over(Sampling())
    assert options.over(Sampling(temperature=0.5)) == Sampling(temperature=0.5, **{name: value})


def test_what_a_request_leaves_out_is_the_models():
    defaults = Sampling(temperature=0.7, top_k=50, top_p=0.9, repetition_penalty=1.1)
    assert SamplingOptions().over(defaults) == defaults
    warm = SamplingOptions(temperature=1.0, top_k=0).over(defaults)
    assert warm == Sampling(temperature=1.0, top_k=0, top_p=0.9, repetition_penalty=1.1)
    greedy = SamplingOptions(temperature=0, top_k=0, top_p=1).over(defaults)
    assert greedy == Sampling(repetition_penalty=1.1)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({}, Sampling()),
        ({"temperature": 0.6, "top_p": 0.9}, Sampling()),
        ({"repetition_penalty": 1.1}, Sampling(repetition_penalty=1.1)),
        ({"do_sample": True}, Sampling(temperature=1.0, top_k=50)),
        (
            {"do_sample": True, "temperature": 0.6, "top_p": 0.9, "top_k": 0},
            Sampling(temperature=0.6, top_p=0.9),
        ),
        (
            {"do_sample": True, "temperature": 1e-6, "repetition_penalty": 1.05, "min_p": 0.1},
            Sampling(temperature=1e-6, top_k=50, min_p=0.1, repetition_penalty=1.05),
        ),
    ],
)
def test_an_llms_generation_config_means_what_it_means_to_transformers(stated, expected):
    assert find_sampling(Base(**stated), SamplingOptions()) == expected


def test_a_systems_settings_stand_before_those_of_its_llm():
    base = Base(do_sample=True, temperature=0.6, top_p=0.9)
    found = find_sampling(base, SamplingOptions(temperature=0, repetition_penalty=1.2))
    assert found == Sampling(repetition_penalty=1.2)
    with pytest.raises(ValueError, match=r"llm\.sampling\.top_k: limits which tokens are drawn"):
        find_sampling(Base(), SamplingOptions(top_k=5))


def test_an_llm_whose_files_are_out_of_range_is_refused():
    base = Base(do_sample=True, temperature=9.0)
    with pytest.raises(ValueError, match=r"generation_config.json of llm.base: temperature: Input"):
        find_sampling(base, SamplingOptions())
