"""What queries and the words of a caption attend to, for each objective (BLIP-2, figure 2).

B rows, Q queries, L words of the longest caption, T = Q + L positions. A mask (B, 1, T, T) is true
where the position of the third axis attends to that of the fourth. Nothing attends to padding,
which is false in `words_BL`.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Mask = Callable[[int, Tensor], Tensor]


def bidirectional(queries: int, words_BL: Tensor) -> Tensor:
    """Matching: everything attends to everything."""
    known_B1T = torch.cat([words_BL.new_ones(len(words_BL), queries), words_BL], 1)[:, None]
    positions = known_B1T.shape[-1]
    return known_B1T[:, None].expand(-1, 1, positions, positions)


def unimodal(queries: int, words_BL: Tensor) -> Tensor:
    """Contrast: queries attend to queries, and words to words."""
    position = positions_of(queries, words_BL)
    is_word = position >= queries
    return bidirectional(queries, words_BL) & (is_word[:, None] == is_word)


def causal(queries: int, words_BL: Tensor) -> Tensor:
    """Captioning: queries attend to queries, a word to queries, earlier words and itself."""
    position = positions_of(queries, words_BL)
    last = position.clamp(min=queries - 1)  # that each attends to
    return bidirectional(queries, words_BL) & (position <= last[:, None])


def positions_of(queries: int, words_BL: Tensor) -> Tensor:
    """(T,)."""
    return torch.arange(queries + words_BL.shape[1], device=words_BL.device)
