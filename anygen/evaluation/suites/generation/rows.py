"""Figures of media that were made: of each alone, of each with its prompt, and of all as a set.

Numbers of a unit are by row and source (`model`, `control`): a list with a value for each sample.
Sets are compared by the points of their media (`points_NAME`), which also have the source `true`.
A medium that was not made has the cosine 0, and no points.

P points of R numbers, C classes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from anygen.core.modality import MediaModality
from anygen.evaluation.features.distances import (
    ENOUGH,
    frechet_at_infinity,
    frechet_distance,
    inception_score,
    kernel_distance,
    tag_divergence,
)
from anygen.evaluation.features.extractors import Extractor, Features, of_modality
from anygen.evaluation.features.packing import packed, unpacked
from anygen.evaluation.judges.judges import Verdict
from anygen.evaluation.suites.base import Bench, Line, Measure, Metric, Numbers
from anygen.evaluation.suites.generation.output import Prompt, Rendered
from anygen.io.media_files import read_media

MADE = "made"
POINTS, LOGITS, CUT = "points_", "logits_", "cut_"
DEPICTS = "A photo depicts "  # before a caption in the published CLIPScore
CLIP_WEIGHT = 2.5  # likewise
KINDS: Mapping[MediaModality, tuple[str, ...]] = {  # of extractors that can judge a modality
    "image": ("clip", "inception", "inception_clean"),
    "audio": ("clap", "tagger", "vggish"),
    "video": ("i3d",),
}

# Prefixes of the names of rows with a value for each sample: what it is, its unit, and whether
# less is better.
SAMPLE_ROWS: Mapping[str, tuple[str, str, bool]] = {
    MADE: ("prompts that a medium was made for", "%", False),
    "clipscore_": ("CLIPScore: 2.5 times the cosine of medium and prompt", "/ 100", False),
    "clip_cosine_": ("cosine of picture and prompt, times 100", "/ 100", False),
    "clap_cosine_": ("CLAP score: cosine of sound and prompt, times 100", "/ 100", False),
    "kl_softmax_": ("divergence of the tags from the true sound's, one tag each", "nats", True),
    "kl_sigmoid_": ("divergence of the tags from the true sound's, tags alone", "nats", True),
}

Values = dict[str, dict[str, Any]]  # row -> source -> a value for each sample
SetFigure = Callable[[Tensor, Tensor], float]


def measure_media(bench: Bench, rendered: Rendered, modality: MediaModality) -> Values:
    """The numbers of a unit, of all extractors of its modality."""
    prompt: Prompt = rendered.unit.content
    values: Values = {
        MADE: {
            s: [100.0 * (one is not None) for one in media] for s, media in rendered.media.items()
        }
    }
    for extractor in of_modality(bench.extractors, modality):
        found = {
            source: [None if one is None else extractor.read(one) for one in media]
            for source, media in rendered.media.items()
        }
        values |= similarities(extractor, prompt.text, found)
        if prompt.true is not None:
            true = extractor.read(read_media(prompt.true))
            values |= tag_divergences(extractor, true, found)
            values[f"{POINTS}{extractor.name}"] = packed_points({**found, "true": [true]})
        if any(one is not None and one.logits is not None for one in found["model"]):
            values[f"{LOGITS}{extractor.name}"] = packed_logits(found)
    return values


Found = Mapping[str, Sequence[Features | None]]


def similarities(extractor: Extractor, text: str, found: Found) -> Values:
    """The cosines of media with the prompt; of a picture also as CLIPScore weights them."""
    if extractor.embed_texts is None:
        return {}
    is_picture = extractor.modality == "image"
    plain, depicts = extractor.embed_texts([text, f"{DEPICTS}{text}"])
    name = "clip_cosine_" if is_picture else "clap_cosine_"
    values = {f"{name}{extractor.name}": by_source(found, partial(cosine, plain), 0.0)}
    values[f"{CUT}{extractor.name}"] = {"model": [float(extractor.cut(text))]}
    if is_picture:
        values[f"clipscore_{extractor.name}"] = by_source(found, partial(clip_score, depicts), 0.0)
    return values


def by_source(found: Found, value: Callable[[Features], float], missing: float) -> dict[str, Any]:
    return {
        source: [missing if one is None else round(value(one), 5) for one in features]
        for source, features in found.items()
    }


def cosine(text_R: Tensor, features: Features) -> float:
    """Times 100."""
    return 100 * float(torch.cosine_similarity(text_R, features.points[0], dim=0))


def clip_score(text_R: Tensor, features: Features) -> float:
    """Times 100 (Hessel et al. 2021, arXiv:2104.08718)."""
    return CLIP_WEIGHT * max(0.0, cosine(text_R, features))


def tag_divergences(extractor: Extractor, true: Features, found: Found) -> Values:
    """Of a sound that was not made: that of one whose tags are all equally likely."""
    if extractor.modality != "audio" or true.logits is None:
        return {}
    logits = true.logits

    def value(sigmoid: bool, features: Features) -> float:
        assert features.logits is not None, "an extractor gives logits always or never"
        return tag_divergence(features.logits, logits, sigmoid)

    equal = Features(true.points, torch.zeros_like(logits))
    return {
        f"{name}{extractor.name}": by_source(found, partial(value, way), value(way, equal))
        for name, way in (("kl_softmax_", False), ("kl_sigmoid_", True))
    }


def packed_points(found: Found) -> dict[str, list[str]]:
    return {
        source: [packed(point.numpy()) for one in features if one for point in one.points]
        for source, features in found.items()
    }


def packed_logits(found: Found) -> dict[str, list[str]]:
    return {
        source: [packed(one.logits.numpy()) for one in features if one and one.logits is not None]
        for source, features in found.items()
    }


# --- rows of the table


def media_rows(lines: Sequence[Line]) -> dict[str, Metric]:
    """The rows that the lines have numbers for."""
    keys = sorted({key for line in lines for key in line["numbers"]})
    rows: dict[str, Metric] = {}
    for key in keys:
        numbers = [line["numbers"] for line in lines if key in line["numbers"]]
        if key.startswith(POINTS):
            rows |= distance_rows(key, numbers)
        elif key.startswith(LOGITS):
            rows |= score_rows(key, numbers)
        else:
            kind = next((kind for kind in SAMPLE_ROWS if key.startswith(kind)), None)
            if kind:
                about, scale, at_most = SAMPLE_ROWS[kind]
                row = sample_row(key, about, scale, at_most, has_control(key, numbers))
                rows[key] = replace(row, note=cut_note(key.removeprefix(kind), numbers))
    return rows


def cut_note(name: str, numbers: Sequence[Numbers]) -> str:
    """How many prompts are longer than a network with texts can read."""
    count = sum(one[f"{CUT}{name}"]["model"][0] for one in numbers if f"{CUT}{name}" in one)
    return (
        f"{count:.0f} of {len(numbers)} prompts are longer than the network reads" if count else ""
    )


def has_control(key: str, numbers: Sequence[Numbers]) -> bool:
    return all("control" in one[key] for one in numbers)


def sample_row(key: str, about: str, scale: str, at_most: bool, controlled: bool) -> Metric:
    """The mean over units of the mean over their samples."""

    def quality(numbers: Numbers) -> float:
        value = mean_of(key, "model", [numbers])
        return -value if at_most else value

    measure = Measure(
        (key,),
        partial(mean_of, key, "model"),
        quality,
        partial(mean_of, key, "control") if controlled else None,
    )
    return Metric(about, at_most=at_most, measure=measure, scale=scale)


def mean_of(key: str, source: str, numbers: Sequence[Numbers]) -> float:
    values = [one[key][source] for one in numbers]
    return sum(sum(samples) / len(samples) for samples in values) / len(values)


def distance_rows(key: str, numbers: Sequence[Numbers]) -> dict[str, Metric]:
    """The Frechet and the kernel distance to the true media, named after network and number."""
    name = key.removeprefix(POINTS)
    count = sum(len(one[key]["model"]) > 0 for one in numbers)
    texts = [text for one in numbers for text in one[key]["model"]]
    if count < 2:
        return {}
    width = unpacked(texts[:1]).shape[1]
    controlled = has_control(key, numbers) and any(one[key]["control"] for one in numbers)
    note = ""
    if len(texts) < ENOUGH * width:
        note = (
            f"{len(texts)} points in {width} dimensions are mostly bias; compare only with as many"
        )
    figures: dict[str, tuple[str, SetFigure, str]] = {
        f"fd_{name}_n{count}": ("Frechet distance to the true media", frechet_distance, note),
        f"kd_{name}_n{count}": ("kernel distance to the true media", kernel_distance, ""),
    }
    if not note:
        about = "Frechet distance to the true media, of infinitely many"
        figures[f"fd_infinity_{name}_n{count}"] = (about, frechet_at_infinity, "")
    return {
        row: set_row(key, about, partial(distance, figure, key), controlled, reservation)
        for row, (about, figure, reservation) in figures.items()
    }


def distance(figure: SetFigure, key: str, source: str, numbers: Sequence[Numbers]) -> float | None:
    """None without two points in each set."""
    sets = [[text for one in numbers for text in one[key][name]] for name in (source, "true")]
    if any(len(texts) < 2 for texts in sets):
        return None
    points, true = (torch.from_numpy(unpacked(texts)) for texts in sets)
    return figure(points, true)


def set_row(
    key: str, about: str, figure: Callable[..., float | None], controlled: bool, note: str = ""
) -> Metric:
    measure = Measure(
        (key,),
        partial(figure, "model"),
        alike,
        partial(figure, "control") if controlled else None,
        digits=5,
        has_interval=False,
    )
    return Metric(about, at_most=True, measure=measure, scale="", note=note)


def alike(numbers: Numbers) -> float:
    """A medium alone has no distance between sets."""
    return 0.0


def score_rows(key: str, numbers: Sequence[Numbers]) -> dict[str, Metric]:
    name = key.removeprefix(LOGITS)
    count = sum(len(one[key]["model"]) for one in numbers)
    row = set_row(key, "inception score", partial(set_score, key), has_control(key, numbers))
    return {f"is_{name}_n{count}": Metric(row.figure, measure=row.measure, scale="")}


def set_score(key: str, source: str, numbers: Sequence[Numbers]) -> float | None:
    texts = [text for one in numbers for text in one[key][source]]
    if not texts:
        return None
    return inception_score(torch.from_numpy(unpacked(texts)).softmax(1))


def shown_prompt(rendered: Rendered) -> Verdict:
    """The truth of an outcome."""
    return {"prompt": rendered.unit.content.text}
