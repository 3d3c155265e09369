"""Contrast of media with their captions, both ways. B pairs."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def equal_captions(captions: Sequence[str], device: torch.device) -> Tensor:
    """Which captions are equal, (B, B): media with equal ones are positives of each other."""
    numbers = torch.tensor([captions.index(caption) for caption in captions], device=device)
    return numbers[:, None] == numbers


def contrastive_loss(scores_BB: Tensor, positive_BB: Tensor, smoothing: float = 0.0) -> Tensor:
    """InfoNCE of media (rows) with texts (columns), both ways, ().

    The positives of a row share its target; `positive_BB` is symmetric with a true diagonal. The
    share `smoothing` of the target is spread over all columns.
    """
    positive = positive_BB.to(scores_BB.dtype)
    target = positive / positive.sum(1, keepdim=True)  # symmetric: the same both ways
    both = [F.cross_entropy(s, target, label_smoothing=smoothing) for s in (scores_BB, scores_BB.T)]
    return torch.stack(both).mean()
