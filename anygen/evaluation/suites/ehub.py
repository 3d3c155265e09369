"""LVLM-eHub: answers that its programs or others wrote, scored from their files.

Xu et al. 2023 (arXiv:2306.09265). A file for each of its sets is a list of `question, answer,
gt_answers`. `accuracy` is the share of answers that hold a right one word for word: normalised as
in VQA, or without special characters for written text and for classes of pictures. `rank` is the
mean of 1 / the place of the first right answer that is there (VisDial), `words` the F1 measure of
single words (key information). `judged` is the share that the language model of --judge holds
right, as in Tiny LVLM-eHub (Shao et al. 2023, arXiv:2308.03729): it marks each answer five times,
by instructions that differ, and the mark that it gives most often counts. The words are ours.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from anygen.evaluation.suites.base import (
    Answered,
    Bench,
    Case,
    Line,
    Metric,
    Numbers,
    Outcome,
    Reader,
    Source,
    Unit,
)
from anygen.evaluation.suites.captions import METRICS as CAPTIONS
from anygen.evaluation.suites.reading import read_json, with_keys
from anygen.evaluation.suites.reform.scoring import (
    by_set,
    has_normalized,
    has_text,
    measured,
    share,
)

UNIT = "answer"
READS = True
WHOLE = "accuracy"
LAYOUT = "a .json for each set, such as VQAv2.json: question, answer, gt_answers"
KINDS = {
    "text": "IIIT5K SVT IC13 IC15 SVTP CUTE80 COCO-Text Total-Text WordArt CTW HOST WOST",
    "class": "ImageNet CIFAR10 CIFAR100 OxfordIIITPet Flowers102",
    "caption": "NoCaps Flickr MSCOCO_caption MSCOCO_caption_test WHOOPSCaption",
    "information": "SROIE FUNSD POIE",
    "rank": "Visdial",
}
KIND_OF = {name: kind for kind, names in KINDS.items() for name in names.split()}
RESULT = "result.json"  # of its program, beside the answers
# For answers that are not plainly right or wrong the five instructions differ as the authors' do.
MIXED = "Mark 0 if the reply holds right and wrong statements"
WORDY = "A right reply with much text around it is marked 1"
CORRECTED = "A right reply is marked 0 if wrong explanations come with it"
INSTRUCTIONS = (
    f"Compare a pupil's reply with the solution of an exercise. {MIXED}. {WORDY}.",
    f"Decide whether a reply means what the solution says. {MIXED}. {WORDY}, if that is true.",
    f"Grade one reply by its meaning, not by its words. {MIXED}. {WORDY}, if that explains it.",
    f"Check a reply against the solution, strictly. {MIXED}. {CORRECTED}.",
    f"Be the examiner: is the reply what the solution asks for? {MIXED}, or options. {CORRECTED}.",
)
FORM = "Give your reasons in a sentence or two, then end with one line: MARK: 1 or MARK: 0."
MARK = re.compile(r"MARK:\W*([01])\b", re.IGNORECASE)
MARK_TOKENS = 256  # of the reasons and the mark


@dataclass(frozen=True)
class Exercise:
    """A question, which may be missing, and the right answers."""

    question: str
    golds: tuple[str, ...]


def read(source: Source) -> list[Unit]:
    """A unit for each answer. Raises ValueError for a folder without answers, or other files."""
    folder = source.folder("ehub", LAYOUT)
    paths = [path for path in sorted(folder.glob("*.json")) if path.name != RESULT]
    if not paths:
        raise ValueError(f"{folder}: has no answers; it needs {LAYOUT}")
    return [unit for path in paths for unit in read_answers(path)]


def read_answers(path: Path) -> list[Unit]:
    rows = read_json(path)
    if not isinstance(rows, list):
        raise ValueError(f"{path}: holds no list of answers")
    units = []
    for number, row in enumerate(rows):
        where = f"{path}: row {number}"
        row = with_keys(row, ("answer", "gt_answers"), where)
        golds = row["gt_answers"]
        golds = tuple(map(str, golds)) if isinstance(golds, list) else (str(golds),)
        if not golds:
            raise ValueError(f"{where}: has no right answer")
        exercise, name = Exercise(str(row.get("question", "")), golds), path.stem
        units.append(Unit(f"{name}/{number}", name, (name,), exercise, (str(row["answer"]),)))
    return units


def ask(unit: Unit, seed: int) -> list[Case]:
    raise ValueError("the suite ehub scores answers that its data hold; it asks nothing")


def judge(bench: Bench, answered: Sequence[Answered]) -> list[Outcome]:
    outcomes = [score(one.unit, one.texts[0] or "") for one in answered]
    return with_marks(bench.reader, answered, outcomes) if bench.reader else outcomes


def with_marks(
    reader: Reader, answered: Sequence[Answered], outcomes: Sequence[Outcome]
) -> list[Outcome]:
    """The outcomes with what a language model holds right.

    An answer without text is wrong. One whose commonest mark cannot be read is wrong, too, and
    counts as unparsed.
    """
    prompts = [
        [marking_prompt(instruction, one.unit.content, text) for instruction in INSTRUCTIONS]
        if (text := (one.texts[0] or "").strip())
        else []
        for one in answered
    ]
    requests = [prompt for own in prompts for prompt in own]
    marks = iter(reader.read(requests, [last_mark] * len(requests), MARK_TOKENS))
    return [marked(outcome, [next(marks) for _ in own]) for outcome, own in zip(outcomes, prompts)]


def marked(outcome: Outcome, marks: Sequence[str]) -> Outcome:
    [(commonest, _)] = Counter(marks or "0").most_common(1)
    numbers = {**outcome.numbers, "judged": int(commonest == "1"), "asked": 1}
    return replace(outcome, numbers=numbers, unparsed=outcome.unparsed + (not commonest))


def marking_prompt(instruction: str, exercise: Exercise, text: str) -> str:
    question = f"Question: {exercise.question}\n" if exercise.question else ""
    return (
        f"{instruction} {FORM}\n\n{question}Solution: {' / '.join(exercise.golds)}\nReply: {text}"
    )


def last_mark(text: str) -> str:
    """Empty for a judgement without one."""
    return next(reversed(MARK.findall(text)), "")


def score(unit: Unit, text: str) -> Outcome:
    golds: Sequence[str] = unit.content.golds
    kind = KIND_OF.get(unit.task, "question")
    numbers: Numbers = {"set": unit.task}
    if kind == "caption":
        numbers = {**numbers, "answer": text.strip(), "references": list(golds)}
    elif kind == "rank":
        numbers = {**numbers, "rank": reciprocal_rank(text, golds), "asked": 1}
    elif kind == "information":
        numbers = {**numbers, "words": words_of(text, golds[0])}
    else:
        compared = kind in ("text", "class")
        right = (
            any(has_text(text, gold) for gold in golds) if compared else has_normalized(text, golds)
        )
        numbers = {**numbers, "right": int(right), "asked": 1, "class": golds[0]}
    silent = int(not text.strip())
    return Outcome({}, text, {"answer": " / ".join(golds)}, {}, numbers=numbers, unparsed=silent)


def reciprocal_rank(text: str, golds: Sequence[str]) -> float:
    places = [place for place, gold in enumerate(golds, start=1) if has_normalized(text, [gold])]
    return 1 / places[0] if places else 0.0


def words_of(text: str, gold: str) -> tuple[int, int, int]:
    """How many words an answer has, the right one has, and both have."""
    own, expected = Counter(text.split()), Counter(gold.split())
    return own.total(), expected.total(), (own & expected).total()


def f1(numbers: Sequence[Numbers]) -> float:
    """Over all words of a set, in percent."""
    own, expected, shared = (sum(values) for values in zip(*(one["words"] for one in numbers)))
    return 200 * shared / (own + expected) if own + expected else 0.0


def class_share(numbers: Sequence[Numbers]) -> float:
    """The mean over the right answers of the share that has them, in percent."""
    classes: dict[str, list[int]] = {}
    for one in numbers:
        classes.setdefault(one["class"], []).append(one["right"])
    return 100 * sum(sum(own) / len(own) for own in classes.values()) / len(classes)


METRICS = {
    "accuracy": measured("answers that hold a right one", "right", share("right")),
    "class_accuracy": measured("the same, mean of the right answers", "class", class_share),
    "rank": measured("reciprocal rank of the first right answer", "rank", share("rank")),
    "words": measured("F1 measure of words", "words", f1),
    "judged": measured("answers that --judge holds right", "judged", share("judged")),
    "cider_d_simple": by_set(CAPTIONS["cider_d_simple"]),
}


def figures(lines: Sequence[Line]) -> Mapping[str, Metric]:
    return METRICS
