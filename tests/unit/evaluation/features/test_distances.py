"""Distances between sets of points, against closed forms and worked values."""

import numpy as np
import pytest
import scipy.linalg
import torch

from anygen.evaluation.features.distances import (
    frechet_at_infinity,
    frechet_distance,
    inception_score,
    kernel_distance,
    squared_discrepancy,
    tag_divergence,
)


def normal(count, width, seed):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def waves(count, width, phase):
    numbers = torch.arange(count * width, dtype=torch.float64)
    return (0.013 * numbers.square() + phase).sin().reshape(count, width)


def test_distances_and_scores_are_those_of_torchmetrics():
    """Of torchmetrics 1.9.0: _compute_fid, poly_mmd, and InceptionScore with one split."""
    first, second = waves(40, 6, 0), 1.5 * waves(40, 6, 1) + 0.2
    assert frechet_distance(first, second) == pytest.approx(1.35396900744834)
    assert kernel_distance(first, second) == pytest.approx(0.32317892602069)
    assert inception_score((3 * first).softmax(-1), splits=1) == pytest.approx(2.06407864335706)


def test_the_frechet_distance_of_normal_distributions_is_the_closed_form():
    """Means (0, 0) and (1, 1), covariances diag(1, 4) and diag(4, 9): 2 + 1 + 1."""
    corners = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    unit = corners * (3 / 4) ** 0.5  # so that unbiased variances are 1
    first, second = unit * torch.tensor([1.0, 2.0]), unit * torch.tensor([2.0, 3.0]) + 1
    assert frechet_distance(first, second) == pytest.approx(4)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-9)


def test_the_frechet_distance_is_that_of_scipys_matrix_root():
    first = normal(40, 6, 0) @ normal(6, 6, 1)
    second = normal(50, 6, 2) @ normal(6, 6, 3) + 0.5
    (mean, covariance), (other, others) = (
        (points.numpy().astype(float).mean(0), np.cov(points.numpy().astype(float).T))
        for points in (first, second)
    )
    root = scipy.linalg.sqrtm(covariance @ others).real
    expected = ((mean - other) ** 2).sum() + np.trace(covariance + others - 2 * root)
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("count", "distance"), [(8, 48.8), (64, 9.4), (1000, 0.55)])
def test_few_points_are_far_from_others_of_the_same_distribution(count, distance):
    distances = [
        frechet_distance(normal(count, 32, seed), normal(count, 32, 100 + seed))
        for seed in range(4)
    ]
    assert sum(distances) / 4 == pytest.approx(distance, rel=0.15)


def test_the_distance_at_infinity_has_less_of_that_bias():
    reference = normal(20_000, 8, 7)
    points = normal(200, 8, 8)
    assert abs(frechet_at_infinity(points, reference)) < 0.3 * frechet_distance(points, reference)


def test_the_kernel_distance_of_four_points_is_worked_out():
    """Products of (1,0), (0,1) with (1,1), (0,0): 1 + 1 - 2 * (3.375 + 1) / 2."""
    first = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    second = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    assert squared_discrepancy(first, second) == pytest.approx(-2.375)
    assert kernel_distance(first, second) == pytest.approx(-2.375)


def test_the_kernel_distance_of_many_points_is_a_mean_over_subsets():
    """It is near to 0 for one distribution, and grows with the gap between two."""
    first, second = normal(300, 4, 0), normal(300, 4, 1)
    near, far = (kernel_distance(first, second + gap, most=100) for gap in (0, 1))
    assert abs(near) < 0.1 < 1 < far


def test_the_inception_score_of_two_sure_media_is_worked_out():
    probabilities = torch.tensor([[0.9, 0.1], [0.1, 0.9]])
    assert inception_score(probabilities, splits=1) == pytest.approx(1.4449, abs=1e-4)
    assert inception_score(torch.full((20, 5), 0.2)) == pytest.approx(1)
    assert inception_score(probabilities) is None


def test_every_split_of_the_inception_score_is_compared_with_its_own_mean():
    """All media of a split have one class, so that no split is varied."""
    classes = torch.eye(10).repeat_interleave(2, 0)
    assert inception_score(classes) == pytest.approx(1)
    assert inception_score(classes, splits=1) == pytest.approx(10)


def test_the_divergence_of_tags_is_worked_out():
    generated, true = torch.tensor([0.0, 0.0]), torch.tensor([3.0, 1.0]).log()
    assert tag_divergence(generated, true) == pytest.approx(0.1308, abs=1e-4)
    assert tag_divergence(true, true) == pytest.approx(0, abs=1e-5)
    # sigmoid: 3/4 and 1/2 of the true one's tags, 1/2 and 1/2 of the generated one's
    assert tag_divergence(generated, true, sigmoid=True) == pytest.approx(
        0.75 * np.log(0.75 / 0.5) + 0.5 * np.log(1.0), abs=1e-5
    )
