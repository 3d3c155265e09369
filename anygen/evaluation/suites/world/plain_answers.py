"""Plain answers beside the base model's own: whether they are the same, and how likely they are.

A case compares our greedy answer with that of the untouched base model, which also scores both. A
model with a router should leave these prompts to the base model; only what it leaves must be equal.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch

from anygen.config.system import LanguageModelSettings
from anygen.core.media import Message
from anygen.evaluation.metrics import is_looping, log_likelihood
from anygen.evaluation.suites.base import (
    AnsweredCase,
    Bench,
    Measure,
    Numbers,
    Outcome,
    Scores,
    text_of,
)
from anygen.generation.answer import Answer
from anygen.llm.kv_cache import KVCache
from anygen.llm.language_model import LanguageModel
from anygen.llm.prompt import Tokens, build_prompt, plain_ids
from anygen.llm.router import Router
from anygen.model.building import find_base

KEYS = ("ours_tokens", "ours_sum", "base_tokens", "base_sum")


def score_plain(bench: Bench, answered: Sequence[AnsweredCase]) -> list[Outcome]:
    """Numbers: the summed log-likelihood and the tokens, of our answer and of the base's."""
    model = bench.anygen.model
    base = untouched(find_base(model.system.llm.base, model.folder))
    outcomes = []
    for case, _, answer in answered:
        router = model.llm.router
        # Before a router, the base LLM reads no system prompt of ours.
        messages = case.messages if router else model.with_system_prompt(case.messages)
        ids = prompt_ids(base, messages)
        routed = is_left(router, base, ids) if router else None
        theirs = greedy_answer(base, ids, case.options.max_new_tokens)
        outcomes.append(compare(base, ids, answer, theirs, routed))
    return outcomes


def compare(
    llm: LanguageModel, ids: Sequence[int], answer: Answer, theirs: str, routed: bool | None
) -> Outcome:
    """`theirs` is the base model's answer; `routed` says whether the prompt was left to it.

    It is None without a router, where every answer should be equal.
    """
    ours = text_of(answer)
    right = {"text_clean": not is_looping(ours, answer.finish == "length")}
    if routed is not None:
        right["plain_routed"] = routed
    if routed is not False:
        right["plain_equal"] = ours == theirs
    scores: Scores = {name: {"model": (int(value), 1)} for name, value in right.items()}
    truth = {"the base model's": theirs}
    return Outcome(scores, ours, truth, numbers=likelihoods(llm, ids, ours, theirs))


def is_left(router: Router, llm: LanguageModel, ids: Sequence[int]) -> bool:
    """Whether a router leaves a prompt to the base LLM, whose states it reads."""
    cache = KVCache()
    with torch.inference_mode():
        llm.read([(cache, llm.embed(torch.tensor(ids)), ids)])
        assert cache.middle is not None
        return bool(router(cache.middle.to(router.output.weight.device)) <= 0)


def prompt_ids(llm: LanguageModel, messages: Sequence[Message]) -> list[int]:
    """The tokens of a conversation of text, up to where its answer begins."""
    pieces = build_prompt(messages, llm.tokenizer, reply=True)
    return [i for piece in pieces if isinstance(piece, Tokens) for i in piece.ids]


@torch.inference_mode()
def greedy_answer(llm: LanguageModel, ids: Sequence[int], most: int) -> str:
    """What transformers' `generate` makes of the untouched model."""
    prompt = torch.tensor([ids])
    output = llm.base.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=most,
        do_sample=False,
        repetition_penalty=1.0,
        pad_token_id=llm.tokenizer.eos_token_id,
    )
    text: str = llm.tokenizer.decode(output[0, len(ids) :], skip_special_tokens=True)
    return text.strip()


def likelihoods(llm: LanguageModel, ids: Sequence[int], ours: str, theirs: str) -> Numbers:
    numbers: dict[str, float] = {}
    for whose, text in (("ours", ours), ("base", theirs)):
        tokens = plain_ids(text, llm.tokenizer)
        numbers[f"{whose}_tokens"] = len(tokens)
        numbers[f"{whose}_sum"] = log_likelihood(llm.base, ids, tokens) if tokens else 0.0
    return numbers


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
