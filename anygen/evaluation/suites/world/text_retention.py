"""Is the text still the base model's? Plain answers, as likely as the untouched base finds them.

A case compares our answer with the base model's own greedy one; both are scored by the base.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from anygen.config.system import LanguageModel as Settings
from anygen.evaluation.metrics import log_likelihood
from anygen.evaluation.suites.base import Answered, Bench, Outcome, words_of
from anygen.llm.language_model import LanguageModel
from anygen.llm.prompt import plain_ids
from anygen.model.building import find_base
from anygen.training.text_rows import answer_batch, prompt_ids


def score_general(bench: Bench, answered: Sequence[Answered]) -> list[Outcome]:
    """Numbers: the sum of log-likelihoods and the tokens, of our answer and of the base's."""
    model = bench.anygen.model
    settings = model.system.llm
    base = untouched(find_base(settings.base, model.folder))
    outcomes = []
    for case, _, answer in answered:
        prompt = str(case.messages[0].parts[0])
        ids = prompt_ids(base, settings.system_prompt, prompt)
        ours = words_of(answer)
        [theirs] = answer_batch(base, settings.system_prompt, [prompt])
        numbers: dict[str, float] = {}
        for whose, text in (("ours", ours), ("base", theirs)):
            said = plain_ids(text, base.tokenizer)
            numbers[f"{whose}_tokens"] = len(said)
            numbers[f"{whose}_sum"] = log_likelihood(base.base, ids, said) if said else 0.0
        outcomes.append(Outcome({}, ours, numbers=numbers))
    return outcomes


@cache
def untouched(base: Path | str) -> LanguageModel:
    """The base LLM as it was published: LoRA adds nothing before it is trained."""
    return LanguageModel(Settings(), base, ()).eval()


def general_loss(numbers: Sequence[dict[str, float]]) -> float | None:
    """By how many percent our mean log-likelihood per token is below the base's; None without."""
    total = {key: sum(row[key] for row in numbers) for key in (numbers[0] if numbers else ())}
    if not total or not total["ours_tokens"] or not total["base_tokens"]:
        return None
    ours = total["ours_sum"] / total["ours_tokens"]
    base = total["base_sum"] / total["base_tokens"]
    return 100 * (base - ours) / abs(base)
