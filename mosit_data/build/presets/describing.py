"""MiniGPT-4's second stage (Zhu et al. 2023): describe, go on if short, mend, look again."""

from __future__ import annotations

import random
import re

from anygen.core.text import folded
from mosit_data.build.dialogues import RawDialogue, RefusalError
from mosit_data.build.jobs import Job
from mosit_data.build.presets.about import DETAIL, answers_to, description
from mosit_data.build.presets.base import Kind, Step, Texts

SHORT = 60  # words of a description that is to go on, about 80 tokens
DRAFT, MORE, MENDED, VERDICT = range(4)  # the steps

SEE_RULES = """Describe what you see, hear or watch in as much detail as you can. Answer with the
description alone."""
MEND_RULES = """Mend a description: drop repeated sentences, sentences that break off, lines that
are no sentences, and words of another language. Change nothing else. Answer with the description
alone."""
CHECK_RULES = """You are shown a picture and a description of it. Is all of it true of the picture,
in whole sentences and without repetition? Answer yes or no."""


def ask(job: Job, earlier: Texts) -> str:
    return "Describe it in detail."


def ask_more(job: Job, earlier: Texts) -> str:
    return f"{earlier[DRAFT]}\n\nContinue this description."


def joined(job: Job, earlier: Texts) -> str:
    return " ".join(filter(None, (earlier[DRAFT].strip(), earlier[MORE].strip())))


def mended_text(job: Job, earlier: Texts) -> str:
    return earlier[MENDED].strip()


def is_short(job: Job, earlier: Texts) -> bool:
    return len(earlier[DRAFT].split()) < SHORT


# --- the grammar


def more(rng: random.Random, job: Job, earlier: Texts) -> str:
    """Another description, which repeats much of the first, as those of models do."""
    return description(rng, job, ())


def mend(rng: random.Random, job: Job, earlier: Texts) -> str:
    return without_repetition(joined(job, earlier))


def look_again(rng: random.Random, job: Job, earlier: Texts) -> str:
    text = mended_text(job, earlier)
    return "yes" if text and without_repetition(text) == text else "no"


def without_repetition(text: str) -> str:
    """The whole sentences of a text, each once."""
    kept: dict[str, str] = {}
    for sentence in re.findall(r"[^.!?\s][^.!?]*[.!?]", text):
        kept.setdefault(folded(sentence), sentence)
    return " ".join(kept.values())


def parse(job: Job, texts: Texts) -> RawDialogue:
    """Raises RefusalError unless the last look confirms the description."""
    verdict = texts[VERDICT].strip().lower()
    if not verdict.startswith("yes"):
        raise RefusalError("second_look", f"a second look at it ends with {verdict[:40]!r}")
    return answers_to(DETAIL)(job, [without_repetition(texts[MENDED])])


DESCRIBED = Kind(
    "description",
    (
        Step(SEE_RULES, ask, description, sees=True),
        Step(SEE_RULES, ask_more, more, sees=True, is_needed=is_short),
        Step(MEND_RULES, joined, mend),
        Step(CHECK_RULES, mended_text, look_again, sees=True),
    ),
    parse,
    max_words=300,
)
