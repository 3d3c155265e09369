"""How far generated media are from true ones, as sets of points; and how well each is recognised.

N and M points of R numbers, C classes. All sums are in float64.
"""

import torch
from torch import Tensor

KERNEL_SIZE, KERNEL_SUBSETS = 1000, 100  # of the kernel distance, as published
SPLITS = 10  # of the inception score, as published
ENOUGH = 10  # points for each dimension; with fewer a Frechet distance is mostly bias
SIZES = 15  # sets of increasing size, from which the distance of infinitely many is extrapolated
TINY = 1e-6


def frechet_distance(first_NR: Tensor, second_MR: Tensor) -> float:
    """The Frechet distance of two sets of points, as of normal distributions.

    |m1 - m2|^2 + tr(S1 + S2) - 2 tr((S1 S2)^(1/2)) with unbiased covariances (Dowson and Landau
    1982, Journal of Multivariate Analysis 12:450). It is biased upwards for few points: of normal
    points in 32 dimensions against others of the same distribution it is about 49 for 8 points, 9
    for 64, and 0.5 for 1,000.
    """
    (mean, covariance), (other, others) = map(moments, (first_NR, second_MR))
    values, vectors = torch.linalg.eigh(covariance)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    shared = torch.linalg.eigvalsh(root @ others @ root).clamp(min=0).sqrt().sum()
    distance = (mean - other).square().sum() + covariance.trace() + others.trace() - 2 * shared
    return max(0.0, float(distance))


def moments(points_NR: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (R,) and the covariance (R, R) of points."""
    points = points_NR.double()
    return points.mean(0), torch.atleast_2d(points.T.cov())


def frechet_at_infinity(first_NR: Tensor, second_MR: Tensor) -> float:
    """The Frechet distance that infinitely many first points would have to these second ones.

    It falls nearly linearly in 1 / N, so it is the intercept of a line through the distances of
    random subsets of N / 2 to N points (Chong and Forsyth 2020, arXiv:1911.07023).
    """
    generator = torch.Generator().manual_seed(0)
    count = len(first_NR)
    sizes = torch.linspace(count / 2, count, SIZES).round().long().tolist()
    subsets = [torch.randperm(count, generator=generator)[:size] for size in sizes]
    distances = [frechet_distance(first_NR[chosen], second_MR) for chosen in subsets]
    lines = torch.stack([torch.ones(SIZES), 1 / torch.tensor(sizes)], 1).double()
    found = torch.linalg.lstsq(lines, torch.tensor(distances, dtype=torch.float64)[:, None])
    return float(found.solution[0])


def kernel_distance(first_NR: Tensor, second_MR: Tensor, most: int = KERNEL_SIZE) -> float:
    """The kernel distance (KID, Binkowski et al. 2018, arXiv:1801.01401), which has no bias.

    The squared maximum mean discrepancy with the kernel (x . y / R + 1)^3: the mean over random
    subsets of at most so many points each, or the value of all points if there are no more.
    """
    size = min(most, len(first_NR), len(second_MR))
    if size == len(first_NR) == len(second_MR):
        return squared_discrepancy(first_NR, second_MR)
    generator = torch.Generator().manual_seed(0)

    def subset(points_NR: Tensor) -> Tensor:
        return points_NR[torch.randperm(len(points_NR), generator=generator)[:size]]

    values = [
        squared_discrepancy(subset(first_NR), subset(second_MR)) for _ in range(KERNEL_SUBSETS)
    ]
    return sum(values) / len(values)


def squared_discrepancy(first_NR: Tensor, second_NR: Tensor) -> float:
    """Of two sets of the same size, without the products of a point with itself."""
    first, second = first_NR.double(), second_NR.double()
    own = [without_diagonal(kernel(points, points)).mean() for points in (first, second)]
    return float(own[0] + own[1] - 2 * kernel(first, second).mean())


def kernel(first_NR: Tensor, second_MR: Tensor) -> Tensor:
    """(N, M)."""
    return (first_NR @ second_MR.T / first_NR.shape[1] + 1) ** 3


def without_diagonal(square_NN: Tensor) -> Tensor:
    return square_NN[~torch.eye(len(square_NN), dtype=torch.bool)]


def inception_score(probabilities_NC: Tensor, splits: int = SPLITS) -> float | None:
    """exp of the mean divergence of a medium's classes from those of all (Salimans et al. 2016).

    The mean over splits in the order of the points; None with fewer than two points in a split.
    """
    if len(probabilities_NC) < 2 * splits:
        return None
    scores = []
    for chunk in probabilities_NC.double().tensor_split(splits):
        scores.append(divergence(chunk, chunk.mean(0, keepdim=True)).mean().exp())
    return float(torch.stack(scores).mean())


def divergence(first_NC: Tensor, second_NC: Tensor) -> Tensor:
    """The Kullback-Leibler divergence (N,) of distributions, in nats."""
    return (torch.special.xlogy(first_NC, first_NC) - torch.special.xlogy(first_NC, second_NC)).sum(
        -1
    )


def tag_divergence(generated_C: Tensor, true_C: Tensor, sigmoid: bool = False) -> float:
    """How far the tags of a generated sound are from the true one's, from their logits.

    sum p_true ln(p_true / (p_generated + 1e-6)), as audioldm_eval computes it: over classes of a
    softmax, or with `sigmoid` of independent tags.
    """
    generated, true = (
        logits.double().sigmoid() if sigmoid else logits.double().softmax(-1)
        for logits in (generated_C, true_C)
    )
    return float(torch.special.xlogy(true, true / (generated + TINY)).sum())
