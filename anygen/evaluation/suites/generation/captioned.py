"""What suites of captioned media share: a caption is requested, its medium is the true one."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from anygen.core.modality import TABLE, MediaModality
from anygen.evaluation.suites.base import Answered, Bench, Case, Outcome, Unit
from anygen.evaluation.suites.generation.output import Layout, Prompt, collect, request
from anygen.evaluation.suites.generation.rows import measure_media, shown_prompt


def unit_of(name: str, task: str, caption: str, true: Path, mode: str) -> Unit:
    return Unit(name, task, ("made",), Prompt(caption, mode, true=true))


def path_of(modality: MediaModality, unit: Unit, number: int) -> str:
    """Scorers pair media with true ones by the name of the file."""
    return f"{unit.content.true.stem}{TABLE[modality].suffix}"


def layout(name: str, modality: MediaModality) -> Layout:
    return Layout(name, modality, partial(path_of, modality))


def ask(modality: MediaModality, unit: Unit, seed: int) -> list[Case]:
    return request(unit, modality)


def judge(where: Layout, bench: Bench, answered: Sequence[Answered]) -> list[Outcome]:
    return [
        Outcome(
            {},
            rendered.text,
            shown_prompt(rendered),
            media=rendered.shown,
            numbers=measure_media(bench, rendered, where.modality),
        )
        for rendered in collect(bench, answered, where)
    ]
