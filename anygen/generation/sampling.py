"""Chooses the tokens of one answer from logits.

An answer depends on its own seed only: the n-th token is drawn with a number that a hash of the
seed and n gives, so no generator has a state that other answers could share. The computation is on
the CPU, in float64, one row at a time: the same tokens in any batch, on any number of threads.

V is the size of the vocabulary, M the number of modalities with a trigger.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from anygen.config.sampling import Sampling
from anygen.generation.constraints import Choice
from anygen.generation.request import derive_seed
from anygen.llm.language_model import LanguageModel

SEEDS = 2**48  # `derive_seed` is below


class TokenSampler:
    """Chooses one token after another, and remembers which ones there were."""

    def __init__(self, llm: LanguageModel, sampling: Sampling, seed: int) -> None:
        self.llm, self.sampling, self.seed = llm, sampling, seed
        self.chosen = 0  # tokens so far
        self.used: set[int] = set()  # those of them that are text
        self.recent: list[int] = []  # those of text since the last medium
        self.runs: set[tuple[int, ...]] = set()  # of `penalty_after` tokens among these
        self.repeats = not sampling.penalty_after  # whether the penalty acts

    def is_text(self, token: int) -> bool:
        return token < self.llm.signals.vocabulary

    def choose(self, logits: Tensor, choice: Choice) -> int:
        """The next token among those that `choice` allows, from logits (V + M).

        Raises ValueError if the logits are not finite: no token would mean anything.
        """
        llm, signals, logits = self.llm, self.llm.signals, logits.float()
        if self.sampling.repetition_penalty != 1:
            logits = self.penalized(logits)
        logits = self.allowed(logits, choice)
        best = int(logits.argmax())  # of a logit that is NaN, if there is one
        if not logits[best].isfinite():
            raise ValueError(
                "the output of the LLM is not finite; its weights are damaged, or need a higher "
                "precision"
            )
        if self.sampling.temperature:
            number = derive_seed(self.seed, "token", self.chosen) / SEEDS
            best = draw(limited(logits.double().cpu(), self.sampling), number)
        self.chosen += 1
        if best in llm.stops.ids and choice.instead:
            return signals.trigger(choice.instead)
        if self.is_text(best):
            self.remember(best)
            return best
        self.recent.clear()
        self.runs.clear()
        return signals.trigger(signals.modalities[best - signals.vocabulary])

    def remember(self, token: int) -> None:
        """Notes a token of text, and whether it ends a run of tokens that came before."""
        self.used.add(token)
        self.recent.append(token)
        if not self.repeats and len(self.recent) >= self.sampling.penalty_after:
            run = tuple(self.recent[-self.sampling.penalty_after :])
            self.repeats = run in self.runs
            self.runs.add(run)

    def allowed(self, logits: Tensor, choice: Choice) -> Tensor:
        """Logits (V + M), -inf where `choice` does not allow a token."""
        llm, signals, allowed = self.llm, self.llm.signals, logits.clone()
        allowed[llm.silent if choice.text else slice(signals.vocabulary)] = -torch.inf
        if choice.among is not None:
            among = torch.tensor([*choice.among], dtype=torch.long, device=logits.device)
            allowed[:] = -torch.inf
            allowed[among] = logits[among]
        allowed[llm.ends] = logits[llm.ends] if choice.end else -torch.inf
        for index, modality in enumerate(signals.modalities):
            if modality not in (*choice.media, *choice.ending):
                allowed[signals.vocabulary + index] = -torch.inf
        return allowed

    def penalized(self, logits: Tensor) -> Tensor:
        """Logits after the penalty of Keskar et al. 2019 (CTRL, arXiv 1909.05858).

        A negative logit is multiplied, as in transformers. Only tokens of the answer are penalized
        (`prompt_ignore_length` there): it can repeat what the question names. With `penalty_after`
        it acts where a loop has begun: from the start it would spoil sums and code. Triggers are
        exempt: a second picture is no repetition.
        """
        if not self.repeats:
            return logits
        penalty = self.sampling.repetition_penalty
        used = torch.tensor([*self.used], dtype=torch.long, device=logits.device)
        repeated = logits[used]
        return logits.index_copy(
            0, used, torch.where(repeated < 0, repeated * penalty, repeated / penalty)
        )


def limited(logits: Tensor, sampling: Sampling) -> Tensor:
    """Logits (V,) over the temperature, -inf where a token cannot be drawn.

    The order is that of transformers: temperature, top-k, top-p (Holtzman et al. 2020, arXiv
    1904.09751), min-p (Nguyen et al. 2024, arXiv 2407.01082); each sees what the last one left.
    """
    scores = (logits - logits.max()) / sampling.temperature  # no temperature overflows so
    if 0 < sampling.top_k < len(scores):
        scores[scores < scores.topk(sampling.top_k).values[-1]] = -torch.inf
    if sampling.top_p < 1:
        scores = nucleus(scores, sampling.top_p)
    if sampling.min_p > 0:
        scores[scores < math.log(sampling.min_p)] = -torch.inf
    return scores


def nucleus(scores: Tensor, top_p: float) -> Tensor:
    """Scores (V,) without tokens that follow others of a total probability of `top_p`.

    Tokens below a V-th of 1 - `top_p` cannot be in the nucleus, whatever their number, so only the
    few others are sorted.
    """
    probabilities = scores.softmax(0)
    candidates = (probabilities > (1 - top_p) / len(scores)).nonzero()[:, 0]
    ranked, order = probabilities[candidates].sort(descending=True, stable=True)
    kept = candidates[order[ranked.cumsum(0) - ranked < top_p]]
    return torch.full_like(scores, -torch.inf).index_copy(0, kept, scores[kept])


def draw(scores: Tensor, number: float) -> int:
    """The index at which the distribution function of scores (V,) exceeds `number`, in [0, 1)."""
    cumulative = scores.softmax(0).cumsum(0)
    return int(torch.searchsorted(cumulative, cumulative[-1] * number, right=True))
