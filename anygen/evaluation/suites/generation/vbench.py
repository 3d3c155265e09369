"""VBench: videos of prompts for sixteen dimensions, of which flickering needs no network.

Huang et al. 2024 (arXiv:2311.17982). Its evaluate.py reads the folder and writes
`.._eval_results.json`, whose dimensions and totals are rows. The constants of the totals are those
of its scripts/constant.py.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from anygen.core.media import Video
from anygen.evaluation.features.plain import steadiness
from anygen.evaluation.suites.base import (
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
from anygen.evaluation.suites.generation.output import MODES as OUTPUT_MODES
from anygen.evaluation.suites.generation.output import (
    Layout,
    Prompt,
    Rendered,
    collect,
    folders,
    request,
)
from anygen.evaluation.suites.generation.rows import (
    has_control,
    mean_of,
    measure_media,
    media_rows,
    shown_prompt,
)
from anygen.evaluation.suites.generation.scored import noted
from anygen.evaluation.suites.reading import finite, in_order, only_file, read_json, with_keys

UNIT = "prompt"
MODES = OUTPUT_MODES
MAKES_MEDIA = True
FILE = "VBench_full_info.json"
SAMPLES = 5
FLICKERING = "temporal_flickering"
MANY_SAMPLES = 25  # of its prompts, as videos that hold still are filtered out
ROW = "vbench"
FLICKER = "flicker"  # not filtered for still videos, so not named as VBench's
SCORER = f"run VBench's evaluate.py with --videos_path {ROW} --output_path {ROW}"
QUALITY_WEIGHT = 4
# The least and the largest value of each dimension, and its weight.
QUALITY = {
    "subject_consistency": (0.1462, 1.0, 1.0),
    "background_consistency": (0.2615, 1.0, 1.0),
    "temporal_flickering": (0.6293, 1.0, 1.0),
    "motion_smoothness": (0.706, 0.9975, 1.0),
    "dynamic_degree": (0.0, 1.0, 0.5),
    "aesthetic_quality": (0.0, 1.0, 1.0),
    "imaging_quality": (0.0, 1.0, 1.0),
}
SEMANTIC = {
    "object_class": (0.0, 1.0, 1.0),
    "multiple_objects": (0.0, 1.0, 1.0),
    "human_action": (0.0, 1.0, 1.0),
    "color": (0.0, 1.0, 1.0),
    "spatial_relationship": (0.0, 1.0, 1.0),
    "scene": (0.0, 0.8222, 1.0),
    "appearance_style": (0.0009, 0.2855, 1.0),
    "temporal_style": (0.0, 0.364, 1.0),
    "overall_consistency": (0.0, 0.364, 1.0),
}
Scores = Mapping[str, float]  # of dimensions


def read(source: Source) -> list[Unit]:
    """A unit for each prompt. Raises ValueError for a file in another layout."""
    path = only_file(source.folder("vbench", FILE), FILE, "the prompts of VBench")
    rows = [with_keys(row, ["prompt_en", "dimension"], str(path)) for row in read_json(path)]
    for row in rows:
        if unknown := [name for name in row["dimension"] if name not in {**QUALITY, **SEMANTIC}]:
            raise ValueError(f"{path}: {unknown[0]!r} is no dimension of VBench")
    return in_order(
        [
            Unit(
                row["prompt_en"],
                "prompts",
                (ROW,),
                Prompt(row["prompt_en"], source.mode, samples_of(row["dimension"])),
            )
            for row in rows
        ]
    )


def samples_of(dimensions: Sequence[str]) -> int:
    return MANY_SAMPLES if FLICKERING in dimensions else SAMPLES


def path_of(unit: Unit, number: int) -> str:
    return f"{unit.content.text}-{number}.mp4"


LAYOUT = Layout(ROW, "video", path_of)


def ask(unit: Unit, seed: int) -> list[Case]:
    return request(unit, "video")


def judge(bench: Bench, answered: Sequence[Answered]) -> list[Outcome]:
    read = {source: read_results(folder) for source, folder in folders(bench, LAYOUT)}
    scores = {source: found for source, found in read.items() if found}
    return [score(bench, rendered, scores) for rendered in collect(bench, answered, LAYOUT)]


def read_results(folder: Path) -> Scores:
    """The score of each dimension, from all files of the scorer; the newest counts."""
    scores: dict[str, float] = {}
    for path in sorted(folder.glob("*_eval_results.json"), key=lambda path: path.stat().st_mtime):
        for name, value in with_keys(read_json(path), (), str(path)).items():
            if name not in {**QUALITY, **SEMANTIC}:
                raise ValueError(f"{path}: {name!r} is no dimension of VBench")
            score = value[0] if isinstance(value, list) and value else value
            scores[name] = finite(score, f"{path}: {name}")
    return scores


def score(bench: Bench, rendered: Rendered, scores: Mapping[str, Scores]) -> Outcome:
    """A dimension's score is of all videos, and stands in every line."""
    numbers: dict[str, Any] = dict(measure_media(bench, rendered, "video"))
    numbers[FLICKER] = {
        source: [100 * steadiness(one) if isinstance(one, Video) else 0.0 for one in media]
        for source, media in rendered.media.items()
    }
    if "model" in scores:
        numbers[ROW] = scores
    return Outcome({}, rendered.text, shown_prompt(rendered), media=rendered.shown, numbers=numbers)


def figures(lines: Sequence[Line]) -> Mapping[str, Metric]:
    scored = [line["numbers"] for line in lines if ROW in line["numbers"]]
    rows: dict[str, Metric] = {}
    if scored:
        found = scored[0][ROW]["model"]
        controlled = has_control(ROW, scored)
        if {**QUALITY, **SEMANTIC}.keys() <= found.keys():
            rows |= {name: total_row(name, about, controlled) for name, about in TOTALS.items()}
        rows |= {name: dimension_row(name, controlled) for name in found}
    plain = media_rows(lines)
    rest = plain if scored else noted(plain, SCORER)
    flickers = [line["numbers"] for line in lines if FLICKER in line["numbers"]]
    if flickers:
        rest[FLICKER] = flicker_row(has_control(FLICKER, flickers))
    return rows | rest


def flicker_row(controlled: bool) -> Metric:
    measure = Measure(
        (FLICKER,),
        partial(mean_of, FLICKER, "model"),
        lambda numbers: mean_of(FLICKER, "model", [numbers]),
        partial(mean_of, FLICKER, "control") if controlled else None,
    )
    return Metric("how little videos change from frame to frame, also still ones", measure=measure)


def dimension_row(name: str, controlled: bool) -> Metric:
    return one_value(f"VBench's {name.replace('_', ' ')}", partial(dimension, name), controlled)


def dimension(name: str, scores: Scores) -> float:
    return 100 * scores[name]


TOTALS = {
    "total": "(4 quality + semantic) / 5",
    "quality": "weighted mean of seven dimensions",
    "semantic": "mean of nine dimensions",
}


def total_row(name: str, about: str, controlled: bool) -> Metric:
    return one_value(f"VBench's {name}: {about}", partial(total, name), controlled)


def total(name: str, scores: Scores) -> float:
    """In percent, of dimensions that are brought from their range to 0 to 1."""
    quality, semantic = (weighted(table, scores) for table in (QUALITY, SEMANTIC))
    both = (QUALITY_WEIGHT * quality + semantic) / (QUALITY_WEIGHT + 1)
    return 100 * {"quality": quality, "semantic": semantic, "total": both}[name]


def weighted(table: Mapping[str, tuple[float, float, float]], scores: Scores) -> float:
    values = [
        weight * (scores[name] - low) / (high - low) for name, (low, high, weight) in table.items()
    ]
    return sum(values) / sum(weight for _, _, weight in table.values())


def one_value(about: str, figure: Any, controlled: bool) -> Metric:
    def value(source: str, numbers: Sequence[Numbers]) -> float:
        result: float = figure(numbers[0][ROW][source])
        return result

    measure = Measure(
        (ROW,),
        partial(value, "model"),
        lambda numbers: 0.0,
        partial(value, "control") if controlled else None,
        has_interval=False,
    )
    return Metric(about, measure=measure)
