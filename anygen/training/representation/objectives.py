"""Losses of pairs of a medium and its caption, as functions of scores and logits alone.

B pairs, Q vectors of a medium, E width of the joint space, N positions or pairs, V size of the
vocabulary.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

FLOOR = 1e-4  # added to the chance of every negative, so that none is out of reach (LAVIS)


def closest_cosines(media_BQE: Tensor, texts_BE: Tensor) -> Tensor:
    """The cosine of each medium's closest vector to each text, (B media, B texts).

    All vectors have length 1 (Li et al. 2023, section 3.1 of BLIP-2).
    """
    return torch.einsum("mqe,te->mtq", media_BQE, texts_BE).max(-1).values


@torch.no_grad()
def draw_negatives(
    scores_BB: Tensor, positive_BB: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A hard negative for each row: its number and that of a column, (N,) and (N,).

    The chance of a column rises with the softmax of the row's scores; positives have none. A row
    of positives alone is left out.
    """
    chances = (scores_BB.softmax(1) + FLOOR).masked_fill(positive_BB, 0)
    rows = (~positive_BB).any(1).nonzero()[:, 0]
    if not len(rows):
        return rows, rows
    drawn = torch.multinomial(chances[rows].float().cpu(), 1, generator=generator)[:, 0]
    return rows, drawn.to(rows.device)


def matching_loss(logits_N2: Tensor, matches_N: Tensor) -> Tensor:
    """Cross-entropy of whether pairs belong together, (); the logit of a match is the second."""
    return F.cross_entropy(logits_N2.float(), matches_N.long())


def captioning_loss(logits_NV: Tensor, tokens_N: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of the next token, (); the share `smoothing` is spread over the vocabulary."""
    return F.cross_entropy(logits_NV.float(), tokens_N, label_smoothing=smoothing)
