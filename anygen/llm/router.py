"""Decides at the beginning of an answer whether the base LLM or the media expert gives it.

The expert is the base LLM with LoRA, which it has learned to read media and to make them with. It
reads the prompts that it answers by itself, into a KV cache of its own. All other answers are the
untouched base LLM's. Adapters that the modality chooses are those of Abouelenin et al. 2025
("Phi-4-Mini", arXiv 2503.01743). An adapter that acts on answers alone could share the base LLM's
cache (activated LoRA: Greenewald et al. 2025, arXiv 2504.12397), but has to learn anew, through
what the base LLM makes of them, to read media: docs/benchmarks.md has what that costs.

D width of the LLM.
"""

import torch.nn.functional as F
from torch import Tensor, nn

DEPTH = 5 / 6  # share of the layers before the hidden state that it reads


class Router(nn.Module):
    """A linear classifier of the hidden state at the last position of a prompt."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Hidden states (..., D) of the untouched base LLM -> log-odds of the expert, (...)."""
        scores: Tensor = self.linear(F.layer_norm(hidden.float(), hidden.shape[-1:]))
        return scores[..., 0]


def layers_before(count: int) -> int:
    """How many of the `count` layers of an LLM the router's hidden state has passed."""
    return max(1, round(DEPTH * count))
