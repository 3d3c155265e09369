"""A model whose answers are prepared, for tests of what is made of them."""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

import configs
from anygen.core.media import Message, Part
from anygen.evaluation.judges.judges import unlearned
from anygen.evaluation.results import read_lines, summarize
from anygen.evaluation.runner import measure
from anygen.evaluation.suites.base import Bench, Source
from anygen.evaluation.suites.registry import find_suite
from anygen.evaluation.suites.world.suite import TASKS, make_case
from anygen.evaluation.units import chosen_units
from anygen.generation.answer import Answer
from anygen.generation.request import Request
from decoders import animatediff, audioldm, stable_diffusion
from mosit_data.world.render import render


class Prepared:
    """A model whose answers are prepared; its decoders are real, tiny and untrained."""

    def __init__(self, *answers: Part) -> None:
        self.model = nn.Module()
        folder = Path(configs.__path__[0]) / "mini"
        image = stable_diffusion.build(stable_diffusion.TINY, folder)
        self.model.decoders = nn.ModuleDict(
            {
                "image": image,
                "audio": audioldm.build(audioldm.TINY, folder),
                "video": animatediff.build(animatediff.TINY, decoders={"image": image}),
            }
        )
        self.answers = list(answers)
        self.asked: list[Request] = []

    def reply_many(self, requests: Sequence[Request]) -> list[Answer]:
        self.asked += requests
        said = [Message("assistant", ("Here it is.", self.answers.pop(0))) for _ in requests]
        return [Answer(message, "stop") for message in said]


def truthful(task: str, count: int) -> Prepared:
    """Answers the first cases of a task with true renders, as the judges are scored by."""
    scenes = [unlearned(make_case(task, i, 0).scene) for i in range(count)]
    return Prepared(*(render(scene) for scene in scenes))


def measured(bench: Bench, task: str, out: Path, limit: int) -> dict:
    out.mkdir(exist_ok=True)
    world = find_suite("world")
    units = chosen_units(world.read(Source()), TASKS[task].rows, limit)
    measure(bench, world, units, out, seed=0)
    return summarize(read_lines(out), "world")["rows"]
