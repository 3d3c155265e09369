"""Whether a medium is of a kind that the encoder knows, and the token that states it."""

# B media, W width of features

import torch
from torch import Tensor, nn
from torch.nn import functional

from encoders.base import Domain


class Familiarity(nn.Module):
    """Logistic regression on summaries of media: are they like those of the training?

    A medium is familiar if its score reaches the threshold, a low quantile of the scores of
    training media. Before calibration every medium is.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.score = nn.Linear(width, 1)
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)
        self.threshold = nn.Parameter(torch.zeros(()))

    def scores(self, summaries_BW: Tensor) -> Tensor:
        """(B,) log odds."""
        normed = self.norm(summaries_BW.to(self.score.weight.dtype))
        return self.score(normed)[:, 0].float()

    def forward(self, summaries_BW: Tensor) -> Tensor:
        """(B,) bool."""
        return self.scores(summaries_BW) >= self.threshold.float()

    def loss(self, familiar_BW: Tensor, other_BW: Tensor) -> Tensor:
        """Cross-entropy of the scores, in which both sides weigh the same, ()."""
        scores = [self.scores(familiar_BW), -self.scores(other_BW)]
        return torch.stack([functional.softplus(-score).mean() for score in scores]).mean()

    def threshold_loss(self, familiar_BW: Tensor, missed: float) -> Tensor:
        """A loss, (), that is least where a share `missed` of the scores is below the threshold.

        It is that of quantile regression (Koenker and Bassett 1978), and does not change scores.
        """
        above = self.scores(familiar_BW).detach() - self.threshold
        return torch.maximum(missed * above, (missed - 1) * above).mean()


def domain_tokens(domains_B: Tensor, width: int) -> Tensor:
    """(B, 1, W): each domain is a constant in channels of its own."""
    rows = torch.eye(len(Domain), device=domains_B.device)[domains_B]
    return rows.repeat_interleave(-(-width // len(Domain)), 1)[:, None, :width]
