"""How much of the base model's text is retained: the likelihood of plain answers under it.

A case compares our answer with the base model's own greedy answer; the base scores both.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from anygen.config.system import LanguageModelSettings
from anygen.evaluation.metrics import log_likelihood
from anygen.evaluation.suites.base import (
    AnsweredCase,
    Bench,
    Measure,
    Numbers,
    Outcome,
    text_of,
)
from anygen.llm.language_model import LanguageModel
from anygen.llm.prompt import plain_ids
from anygen.model.building import find_base
from anygen.training.text_rows import answer_batch, prompt_ids

KEYS = ("ours_tokens", "ours_sum", "base_tokens", "base_sum")


def score_retention(bench: Bench, answered: Sequence[AnsweredCase]) -> list[Outcome]:
    """Numbers: the summed log-likelihood and the tokens, of our answer and of the base's."""
    model = bench.anygen.model
    settings = model.system.llm
    base = untouched(find_base(settings.base, model.folder))
    outcomes = []
    for case, _, answer in answered:
        prompt = str(case.messages[0].parts[0])
        ids = prompt_ids(base, settings.system_prompt, prompt)
        ours = text_of(answer)
        [theirs] = answer_batch(base, settings.system_prompt, [prompt])
        numbers: dict[str, float] = {}
        for whose, text in (("ours", ours), ("base", theirs)):
            tokens = plain_ids(text, base.tokenizer)
            numbers[f"{whose}_tokens"] = len(tokens)
            numbers[f"{whose}_sum"] = log_likelihood(base.base, ids, tokens) if tokens else 0.0
        outcomes.append(Outcome({}, ours, numbers=numbers))
    return outcomes


@cache
def untouched(base: Path | str) -> LanguageModel:
    """The base LLM as published: untrained LoRA changes nothing."""
    return LanguageModel(LanguageModelSettings(), base, ()).eval()


def retention_loss(numbers: Sequence[Numbers]) -> float | None:
    """By how many percent our mean log-likelihood per token is below the base's.

    None if either has no tokens.
    """
    total = {key: sum(row[key] for row in numbers) for key in KEYS}
    if not total["ours_tokens"] or not total["base_tokens"]:
        return None
    ours = total["ours_sum"] / total["ours_tokens"]
    base = total["base_sum"] / total["base_tokens"]
    return 100 * (base - ours) / abs(base)


def excess(numbers: Numbers) -> float:
    """By how much our answer is more likely than the base's own, in nats per token."""
    return mean_log_likelihood(numbers, "ours") - mean_log_likelihood(numbers, "base")


def mean_log_likelihood(numbers: Numbers, whose: str) -> float:
    """Per token, in nats, under the base model."""
    mean: float = numbers[f"{whose}_sum"] / max(1, numbers[f"{whose}_tokens"])
    return mean


RETENTION = Measure(KEYS, retention_loss, excess)
