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
HIDDEN = 128  # a linear classifier of 6,400 prompts errs twice as often


class Router(nn.Module):
    """A small classifier of the hidden state at the last position of a prompt."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, HIDDEN)
        self.output = nn.Linear(HIDDEN, 1)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, states: Tensor, kept: Tensor | float = 1.0) -> Tensor:
        """Hidden states (..., D) of the untouched base LLM -> log-odds of the expert, (...).

        In training they are multiplied by `kept` (..., D), the factors of dropout.
        """
        normalized = F.layer_norm(states.float(), states.shape[-1:])
        scores: Tensor = self.output(F.gelu(self.hidden(normalized * kept)))
        return scores[..., 0]


def layers_before(count: int) -> int:
    """How many of the `count` layers of an LLM the router's hidden state has passed."""
    return max(1, round(DEPTH * count))
