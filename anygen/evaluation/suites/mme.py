"""MME: two questions with yes or no about each picture, in ten perception and four cognition tasks.

Fu et al. 2023 (arXiv:2306.13394); the figures are those of its calculation.py: of each task the
accuracy over questions plus that over pictures with both right, each of 100. In the mode
`likelihood` the likelier one of Yes and No is the answer. In the mode `answers` the answers are
read from files of its form, a line for each question: picture, question, gold, answer.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from anygen.evaluation.suites.base import (
    LIKELIHOOD,
    Answered,
    Bench,
    Case,
    Line,
    Measure,
    Metric,
    Numbers,
    Outcome,
    Source,
    Unit,
)
from anygen.evaluation.suites.reading import PICTURES, find_by_stem, in_order, question

UNIT = "picture"
MODES = ("questions", LIKELIHOOD, "answers")
PERCEPTION = (
    "existence",
    "count",
    "position",
    "color",
    "posters",
    "celebrity",
    "scene",
    "landmark",
    "artwork",
    "OCR",
)
COGNITION = (
    "commonsense_reasoning",
    "numerical_calculation",
    "text_translation",
    "code_reasoning",
)
SUMS = {"perception": PERCEPTION, "cognition": COGNITION}
LAYOUT = "a folder for each task, such as existence/, with pictures and a .txt for each"
ROOTS = (
    ".",
    "MME_Benchmark",
    "MME_Benchmark_release_version",
    "MME_Benchmark_release_version/MME_Benchmark",
)
YES_NO = ("Yes", "No")
PER_PICTURE = 2
CHANCE = 75.0  # of a task: 1/2 and 1/4 of 100


def read(source: Source) -> list[Unit]:
    """A unit for each picture of the tasks that are there.

    Raises ValueError for a text without its picture, and for one without two questions.
    """
    if source.mode == "answers":
        return read_answers(source.folder("mme", "a file of answers for each task"))
    root = find_root(source.folder("mme", LAYOUT))
    return [
        unit
        for group, tasks in SUMS.items()
        for task in tasks
        if (root / task).is_dir()
        for unit in in_order(read_task(root / task, (task, group), source.mode))
    ]


def find_root(folder: Path) -> Path:
    for root in (folder / name for name in ROOTS):
        if any((root / task).is_dir() for tasks in SUMS.values() for task in tasks):
            return root
    raise ValueError(f"{folder}: has no task of MME; it needs {LAYOUT}")


def read_task(folder: Path, rows: tuple[str, str], mode: str) -> list[Unit]:
    """Texts lie beside the pictures, or both in folders of their own."""
    texts, pictures = folder / "questions_answers_YN", folder / "images"
    if not (texts.is_dir() and pictures.is_dir()):
        texts = pictures = folder
    units = []
    for path in texts.glob("*.txt"):
        picture = find_by_stem([pictures / path.stem])
        if picture is None:
            raise ValueError(f"{path}: has no picture {pictures / path.stem}{PICTURES[0]}")
        content = (picture, read_pair(path), YES_NO if mode == LIKELIHOOD else ())
        units.append(Unit(f"{folder.name}/{path.stem}", folder.name, rows, content))
    return units


def read_pair(path: Path) -> list[tuple[str, str]]:
    """The questions with yes or no. Raises ValueError if there are not two of them."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    pairs = [tuple(map(str.strip, line.rsplit("\t", 1))) for line in lines]
    good = [(pair[0], pair[1].lower()) for pair in pairs if len(pair) == PER_PICTURE]
    if len(lines) != PER_PICTURE or len(good) != PER_PICTURE:
        raise ValueError(
            f"{path}: has {len(lines)} lines; it needs two, each a question, a tab, and Yes or No"
        )
    if wrong := [gold for _, gold in good if gold not in ("yes", "no")]:
        raise ValueError(f"{path}: the answer {wrong[0]!r} is neither Yes nor No")
    return good


def read_answers(folder: Path) -> list[Unit]:
    units = [
        unit
        for group, tasks in SUMS.items()
        for task in tasks
        if (path := folder / f"{task}.txt").is_file()
        for unit in in_order(read_answered_task(path, (task, group)))
    ]
    if not units:
        raise ValueError(f"{folder}: has no answers to MME, such as {PERCEPTION[0]}.txt")
    return units


def read_answered_task(path: Path, rows: tuple[str, str]) -> list[Unit]:
    """Raises ValueError for a line without four columns, and for a picture without two lines."""
    pictures: dict[str, list[list[str]]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        columns = line.split("\t")
        if len(columns) != 4:
            raise ValueError(f"{path}:{number}: has {len(columns)} columns; it needs four")
        pictures.setdefault(columns[0], []).append(columns[1:])
    units = []
    for name, lines in pictures.items():
        if len(lines) != PER_PICTURE:
            raise ValueError(f"{path}: has {len(lines)} lines about {name}; it needs two")
        pairs = [(text, gold.lower()) for text, gold, _ in lines]
        answers = tuple(answer for _, _, answer in lines)
        units.append(Unit(f"{path.stem}/{name}", path.stem, rows, (None, pairs, ()), answers))
    return units


def ask(unit: Unit, seed: int) -> list[Case]:
    picture, pairs, choices = unit.content
    return [question(text, picture, choices=choices) for text, _ in pairs]


def judge(bench: Bench, answered: Sequence[Answered]) -> list[Outcome]:
    return [score(one.unit, one.texts) for one in answered]


def score(unit: Unit, texts: Sequence[str | None]) -> Outcome:
    task, group = unit.rows
    golds = [gold for _, gold in unit.content[1]]
    answers = ["other" if text is None else yes_or_no(text) for text in texts]
    right = [int(answer == gold) for answer, gold in zip(answers, golds)]
    return Outcome(
        {},
        " / ".join(text or "" for text in texts),
        {"answers": " ".join(golds)},
        {"answers": " ".join(answers)},
        numbers={task: right, group: {"task": task, "right": right}},
        unparsed=sum(answer == "other" for answer, text in zip(answers, texts) if text is not None),
    )


def yes_or_no(text: str) -> str:
    """The first four characters decide; blanks before the answer count."""
    start = text.lower()[:4]
    return "yes" if "yes" in start else "no" if "no" in start else "other"


def points(right: Sequence[Sequence[int]]) -> float:
    """Of one task, of 200: `right` has both answers of each picture."""
    both = sum(all(pair) for pair in right)
    share = sum(map(sum, right)) / sum(map(len, right))
    return 100 * share + 100 * both / len(right)


def task_points(task: str, numbers: Sequence[Numbers]) -> float:
    return points([row[task] for row in numbers])


def group_points(group: str, numbers: Sequence[Numbers]) -> float:
    """The sum over the tasks."""
    tasks: dict[str, list[Sequence[int]]] = {}
    for row in numbers:
        tasks.setdefault(row[group]["task"], []).append(row[group]["right"])
    return sum(map(points, tasks.values()))


def figures(lines: Sequence[Line]) -> Mapping[str, Metric]:
    """The tasks that were measured, each before the sum of its group."""
    measured = {line["task"] for line in lines}
    metrics: dict[str, Metric] = {}
    for group, tasks in SUMS.items():
        found = [task for task in tasks if task in measured]
        metrics |= {task: task_metric(task) for task in found}
        metrics[group] = group_metric(group, len(found))
    return metrics


def task_metric(task: str) -> Metric:
    def quality(numbers: Numbers) -> float:
        return float(sum(numbers[task]))

    measure = Measure((task,), partial(task_points, task), quality)
    about = f"accuracy plus accuracy of whole pictures, {task}"
    return Metric(about, measure=measure, scale="of 200", chance=CHANCE)


def group_metric(group: str, count: int) -> Metric:
    def quality(numbers: Numbers) -> float:
        return float(sum(numbers[group]["right"]))

    measure = Measure((group,), partial(group_points, group), quality)
    about = f"sum of {count} of the {len(SUMS[group])} tasks"
    return Metric(about, measure=measure, scale=f"of {200 * count}", chance=CHANCE * count)
