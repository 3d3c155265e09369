"""ReForm-Eval: 61 sets as multiple choice and short texts, each question five times over.

Li et al. 2023 (arXiv:2310.02569). Every repeat has another instruction, order of options and marks;
`instability` is the entropy of the options that were chosen. In the modes that begin with
`likelihood` no options are shown: their likelihoods as the answer are compared, by the sum over
their tokens or by the mean. A dialogue goes on with what the model answered most often. The mode
`answers` scores prediction files in the form of run_loader_eval.py.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from anygen.evaluation.suites.base import (
    LIKELIHOOD,
    Answered,
    Bench,
    Case,
    Line,
    Metric,
    Numbers,
    Outcome,
    Source,
    Unit,
)
from anygen.evaluation.suites.reading import in_order
from anygen.evaluation.suites.reform import scoring
from anygen.evaluation.suites.reform.catalogue import NAMES, SETS, TaskSet
from anygen.evaluation.suites.reform.predictions import read_predictions
from anygen.evaluation.suites.reform.prompts import (
    GENERATION,
    Instructions,
    instructions,
    read_instructions,
)
from anygen.evaluation.suites.reform.questions import (
    PER_TOKEN,
    Question,
    chosen,
    is_right,
    next_round,
    repeats_of,
)
from anygen.evaluation.suites.reform.readers import Dialogue, Sample, read_set

UNIT = "question"
WHOLE = "accuracy"
MODES = (GENERATION, LIKELIHOOD, PER_TOKEN, "answers")
SPLITS = NAMES
LAYOUT = "ReForm-Eval-Data/huggingface_data/ and in it a folder for each set, such as VQA_v2/"
ROOTS = (".", "huggingface_data", "ReForm-Eval-Data/huggingface_data")


def read(source: Source) -> list[Unit]:
    """A unit for each question of the sets that are there, and for each dialogue.

    Raises ValueError for a folder without any set, and for rows that are not in their layout.
    """
    folder = source.folder("reform", LAYOUT)
    if source.mode == "answers":
        return read_predictions(folder)
    expected = [one for one in SETS if source.split in ("", one.name)]
    root = find_root(folder, expected)
    own = read_instructions(folder)
    return [
        unit
        for task in expected
        if (root / task.file).is_file()
        for unit in in_order(units_of(root, task, own, source.mode))
    ]


def find_root(folder: Path, expected: Sequence[TaskSet]) -> Path:
    for root in (folder / name for name in ROOTS):
        if any((root / one.file).is_file() for one in expected):
            return root
    needed = f"the file {expected[0].file} of {expected[0].name}" if len(expected) == 1 else LAYOUT
    raise ValueError(f"{folder}: has no such set of ReForm-Eval; it needs {needed}")


def units_of(root: Path, task: TaskSet, own: Instructions, mode: str) -> list[Unit]:
    """Open questions are asked in the same way in all modes."""
    texts = instructions(own, task, LIKELIHOOD if mode.startswith(LIKELIHOOD) else GENERATION)
    return [
        Unit(f"{task.name}/{one.id}", task.name, (task.name,), Question(task, one, texts, mode))
        for one in read_set(root, task)
    ]


def ask(unit: Unit, seed: int) -> list[Case]:
    """All repeats; of a dialogue those of its first round. Raises ValueError for its picture."""
    return next_round(unit, [])


def ask_next(unit: Unit, seed: int, texts: Sequence[str | None]) -> list[Case]:
    """The next round of a dialogue."""
    return next_round(unit, texts)


def judge(bench: Bench, answered: Sequence[Answered]) -> list[Outcome]:
    return [score(one.unit, one.texts) for one in answered]


def score(unit: Unit, texts: Sequence[str | None]) -> Outcome:
    query: Question = unit.content
    if isinstance(query.sample, Dialogue) or query.sample.options:
        return score_choices(query, texts)
    if query.task.family == "caption":
        return score_caption(query, query.sample, texts)
    return score_texts(query, query.sample, texts)


def score_choices(query: Question, texts: Sequence[str | None]) -> Outcome:
    """The repeats of all rounds, one after the other. A question without an answer is wrong."""
    repeats = [
        repeat for number in range(len(query.rounds)) for repeat in repeats_of(query, number)
    ]
    answers = [
        "" if text is None else chosen(query, repeat, text) for repeat, text in zip(repeats, texts)
    ]
    right = [is_right(query, repeat, text or "") for repeat, text in zip(repeats, texts)]
    pieces = [slice(place, place + query.count) for place in range(0, len(repeats), query.count)]
    numbers: Numbers = {
        "right": sum(right),
        "asked": len(right),
        "chance": sum(1 / len(one.options) for one in repeats),
        "entropies": [scoring.entropy(answers[piece]) for piece in pieces],
    }
    marked = [scoring.place_in(text or "") is not None for text in texts]
    if query.mode == GENERATION:
        numbers = {**numbers, "marked": sum(marked)}
    if query.task.family == "dialogue":
        shares = [sum(right[piece]) / query.count for piece in pieces]
        numbers = {**numbers, "rounds": [[query.number + n, one] for n, one in enumerate(shares)]}
    unclear = [not found and text is not None for found, text in zip(marked, texts)]
    golds = dict.fromkeys(one.options[one.gold] for one in repeats)
    return outcome(
        query,
        texts,
        {"answer": " / ".join(golds)},
        {"answers": " / ".join(answers)},
        numbers,
        sum(unclear) if query.mode == GENERATION else 0,
    )


def score_texts(query: Question, sample: Sample, texts: Sequence[str | None]) -> Outcome:
    own = [text or "" for text in texts]
    if query.task.fuzzy:
        right = [scoring.has_normalized(text, sample.texts) for text in own]
    else:
        right = [scoring.has_text(text, " ".join(sample.texts)) for text in own]
    words = [max(scoring.token_share(text, gold) for gold in sample.texts) for text in own]
    numbers = {"right": sum(right), "asked": len(right), "words": sum(words)}
    verdict = {"right": f"{sum(right)} of {len(right)}"}
    return outcome(query, texts, {"text": " / ".join(sample.texts)}, verdict, numbers)


def score_caption(query: Question, sample: Sample, texts: Sequence[str | None]) -> Outcome:
    numbers = {"answer": (texts[0] or "").strip(), "references": list(sample.texts)}
    return outcome(query, texts, {"captions": " / ".join(sample.texts)}, {}, numbers)


def outcome(
    query: Question,
    texts: Sequence[str | None],
    truth: Mapping[str, str],
    verdict: Mapping[str, str],
    numbers: Numbers,
    unclear: int = 0,
) -> Outcome:
    own = {"set": query.task.name, query.task.group: query.task.name, **numbers}
    silent = sum(text is not None and not text.strip() for text in texts)
    text = " / ".join(text or "" for text in texts)
    return Outcome({}, text, dict(truth), dict(verdict), numbers=own, unparsed=unclear or silent)


def figures(lines: Sequence[Line]) -> Mapping[str, Metric]:
    """Of the sets; for all lines also those of the groups of sets."""
    found = {name for line in lines for name in line["numbers"]}
    groups = {name: metric for name, metric in scoring.GROUPS.items() if name in found}
    return {**scoring.METRICS, **groups}
