"""The confidence of encoders, in small exact cases."""

import pytest
import torch

from encoders.base import Domain
from encoders.parts.domain import Familiarity, domain_tokens
from encoders.parts.vision import CERTAIN, is_certain


def test_everything_is_familiar_before_calibration():
    assert Familiarity(4)(torch.randn(5, 4)).all()


def test_a_medium_whose_score_reaches_the_threshold_is_familiar():
    familiarity = Familiarity(2)
    with torch.no_grad():
        familiarity.score.weight.copy_(torch.tensor([[1.0, 0.0]]))
        familiarity.threshold.fill_(0.5)
    rows = torch.tensor([[3.0, 1.0], [1.0, 3.0]])  # normalised to [1, -1] and [-1, 1]
    torch.testing.assert_close(
        familiarity.scores(rows), torch.tensor([1.0, -1.0]), atol=1e-4, rtol=0
    )
    assert familiarity(rows).tolist() == [True, False]


@torch.no_grad()
def test_the_threshold_costs_least_at_the_quantile():
    familiarity = Familiarity(2)
    rows = torch.zeros(100, 2)
    familiarity.scores = lambda rows: torch.arange(100.0)
    costs = {}
    for threshold in range(0, 100):
        familiarity.threshold.fill_(threshold - 0.5)
        costs[threshold] = float(familiarity.threshold_loss(rows, 0.105))
    assert min(costs, key=costs.get) in (10, 11)  # 10 or 11 of 100 scores are below


def test_the_threshold_does_not_teach_the_scores():
    familiarity = Familiarity(3)
    familiarity.threshold_loss(torch.randn(6, 3), 0.1).backward()
    assert familiarity.score.weight.grad is None
    assert familiarity.threshold.grad is not None


def test_both_sides_of_the_score_weigh_the_same_whatever_their_numbers():
    familiarity = Familiarity(3)
    with torch.no_grad():
        familiarity.score.bias.fill_(2.0)
    one, many = torch.randn(1, 3), torch.randn(50, 3)
    expected = (torch.tensor(-2.0).exp().log1p() + torch.tensor(2.0).exp().log1p()) / 2
    torch.testing.assert_close(familiarity.loss(one, many), expected)
    torch.testing.assert_close(familiarity.loss(many, one), expected)


@pytest.mark.parametrize("width", [3, 7, 1280])
def test_tokens_of_domains_have_no_channel_in_common(width):
    tokens = domain_tokens(torch.tensor(list(Domain)), width)[:, 0]
    assert tokens.shape == (3, width)
    assert (tokens @ tokens.T).fill_diagonal_(0).eq(0).all()
    assert tokens.sum(0).eq(1).all()


def test_a_class_is_certain_by_its_distance_from_all_others_in_deviations():
    logits = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    logits = (logits - logits.mean()) / logits.std()
    peaked = logits.clone()
    peaked[7] = 2 * CERTAIN
    both = torch.stack([logits, peaked])
    assert is_certain(both).tolist() == [False, True]
    assert is_certain(5 + 30 * both).tolist() == [False, True]  # whatever the scale
