import pytest
import torch

from decoders.base import ConditionSpec


def test_a_pooled_vector_stands_behind_the_tokens():
    spec = ConditionSpec(tokens=2, width=3, pooled=4)
    tokens, pooled = torch.arange(12.0).view(2, 2, 3), 100 + torch.arange(8.0).view(2, 4)
    condition = spec.join(tokens, pooled)
    assert condition.shape == (2, 2 * 3 + 4)
    assert condition[1].tolist() == [6, 7, 8, 9, 10, 11, 104, 105, 106, 107]
    parts = spec.split(condition)
    assert torch.equal(parts[0], tokens)
    assert torch.equal(parts[1], pooled)


def test_without_one_a_condition_is_its_tokens():
    spec, tokens = ConditionSpec(tokens=2, width=3), torch.randn(5, 2, 3)
    assert spec.split(tokens) == (tokens, None)
    assert spec.join(tokens, None) is tokens


def test_a_condition_of_another_length_does_not_pass():
    with pytest.raises(RuntimeError):
        ConditionSpec(tokens=2, width=3, pooled=4).split(torch.zeros(1, 11))
