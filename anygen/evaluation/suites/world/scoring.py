"""How the answers of the suite `world` are scored.

A score is (right, judged) of a row and a source. The sources are `model`, the answer; `control`,
the same decoder with the plain caption and the same seed; `judge`, the true render, which shows
what the judge itself gets right; and `nearest`, the answer judged by the nearest true render.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from anygen.core.media import Image, Media, modality_of
from anygen.evaluation.judges.judges import Judges, Verdict, truth, unlearned
from anygen.evaluation.judges.nearest import nearest
from anygen.evaluation.judges.pixels import HUES, count_things, main_colour
from anygen.evaluation.judges.steadiness import frames_alike, has_still_background
from anygen.evaluation.metrics import first_named, overlap
from anygen.evaluation.suites.base import (
    AnsweredCase,
    Bench,
    Case,
    Outcome,
    Score,
    ScoreAnswers,
    Scores,
    media_in,
    text_of,
)
from anygen.generation.answer import Answer
from anygen.generation.request import derive_seed
from anygen.model.multimodal import MultimodalModel
from decoders.base import Decoder, RenderRequest, never, no_progress
from mosit_data.world.render import render
from mosit_data.world.scene import PictureScene, Scene, SoundScene, VideoScene, caption
from mosit_data.world.vocabulary import CONCEPTS, MOTIONS, SOUNDS, plural

# The keys of a verdict that each row scores; cases whose truth has none of them are not scored.
# A single key is the class of a case, and the report has a confusion matrix of the row.
KEYS: dict[str, tuple[str, ...]] = {
    "picture_object": ("object",),
    "picture_style": ("style",),
    "picture_background": ("background",),
    "picture_count": ("count",),
    "picture_colour": ("colour",),
    "pair_relation": ("left", "right", "top", "bottom"),
    "sound_name": ("sound",),
    "sound_pattern": ("pattern",),
    "video_object": ("object",),
    "video_motion": ("motion",),
    "crossmodal": ("object", "sound"),
    "trigger_precision": ("media",),
    "trigger_recall": ("media",),
    "understand_object": ("object",),
    "understand_instrument": ("sound",),
    "understand_motion": ("motion",),
}

# Rows that need no right answer, because they are about a medium itself.
MEASURES: dict[str, Callable[[Judges, Any], Score]] = {
    "video_background": lambda judges, video: (int(has_still_background(video)), 1),
    "video_identity": frames_alike,
}

# The words that name an object, a sound or a motion in an answer, and what they name.
OBJECT_WORDS = {word: c.name for c in CONCEPTS for word in (c.name, plural(c.name))}
SOUND_WORDS = {word: name for name in SOUNDS for word in (name, plural(name))}
SOUND_WORDS |= {"drums": "drum kit", "drum": "drum kit", "bagpipe": "bagpipes"}
MOTION_WORDS = {word: name for name, m in MOTIONS.items() for word in (name, m.verb)}


def score_media(*rows: str) -> ScoreAnswers:
    """Scores the first medium of the expected modality, in these rows."""

    def score(bench: Bench, answered: Sequence[AnsweredCase]) -> list[Outcome]:
        cases, seeds, answers = zip(*answered)
        controls = make_controls(bench.anygen.model, cases, seeds)
        return [
            score_medium(
                bench.judges,
                case,
                text_of(answer),
                {"model": first_expected(case, answer), "control": control},
                rows,
            )
            for case, answer, control in zip(cases, answers, controls)
        ]

    return score


def first_expected(case: Case, answer: Answer) -> Media | None:
    media = media_in(answer)
    return next((medium for medium in media if modality_of(medium) in case.expected), None)


def make_controls(
    model: MultimodalModel, cases: Sequence[Case], seeds: Sequence[int]
) -> list[Media]:
    """What the decoders render from plain captions; `seeds` are those of the requests."""
    media: dict[int, Media] = {}
    for modality in {case.expected[0] for case in cases}:
        rows = [index for index, case in enumerate(cases) if case.expected[0] == modality]
        captions = [caption(scene_of(cases[index])) for index in rows]
        media_seeds = [derive_seed(seeds[index], 0) for index in rows]  # of the first medium
        media |= dict(zip(rows, make_from(model.decoders[modality], captions, media_seeds)))
    return [media[index] for index in range(len(cases))]


def make_from(decoder: Decoder, captions: Sequence[str], seeds: Sequence[int]) -> list[Media]:
    with torch.inference_mode():
        conditions = decoder.encode_prompt(captions)
        requests = [RenderRequest(condition, seed) for condition, seed in zip(conditions, seeds)]
        return decoder.sample(requests, no_progress, never)


def score_medium(
    judges: Judges,
    case: Case,
    text: str,
    sources: Mapping[str, Media | None],
    rows: Sequence[str],
) -> Outcome:
    """Scores every source in every row; a missing medium is wrong."""
    scene = scene_of(case)
    media = {name: medium for name, medium in sources.items() if medium is not None}
    right = truth(scene) | true_pixels(scene)
    judged = {**media, "judge": render(unlearned(scene))}
    verdicts = {
        name: judges.judge([medium])[0] | seen_pixels(medium) for name, medium in judged.items()
    }
    if "model" in media:
        verdicts["nearest"] = nearest(media["model"], scene)
    scores: Scores = {}
    for row in rows:
        if measure := MEASURES.get(row):
            measured = {name: measure(judges, medium) for name, medium in judged.items()}
            missing = (0, measured["judge"][1])
            scores[row] = dict.fromkeys(sources, missing) | measured
        elif scored := {key: name for key, name in right.items() if key in KEYS[row]}:
            scores[row] = dict(row_scores(scored, [*sources, "judge"], verdicts))
    return Outcome(scores, text, right, verdicts.get("model", {}), media | {"true": render(scene)})


def true_pixels(scene: Scene) -> Verdict:
    """The part of the truth that pixels show without a judge's network."""
    if not isinstance(scene, PictureScene) or scene.relation:
        return {}
    colour = scene.things[0].colour
    return {"count": str(len(scene.things))} | ({"colour": colour} if colour in HUES else {})


def seen_pixels(medium: Media) -> Verdict:
    if not isinstance(medium, Image):
        return {}
    return {"count": str(count_things(medium)), "colour": main_colour(medium)}


def scene_of(case: Case) -> Scene:
    assert case.scene is not None, "every case of this task has a scene"
    return case.scene


def row_scores(
    right: Verdict, sources: Sequence[str], verdicts: Mapping[str, Verdict]
) -> Iterator[tuple[str, Score]]:
    for source in sources:
        yield source, (int(agrees(verdicts.get(source, {}), right)), 1)
    if right.keys() <= verdicts.get("nearest", {}).keys():
        yield "nearest", (int(agrees(verdicts["nearest"], right)), 1)


def agrees(verdict: Verdict, right: Verdict) -> bool:
    return all(verdict.get(key) == name for key, name in right.items())


def score_triggers(bench: Bench, answered: Sequence[AnsweredCase]) -> list[Outcome]:
    """Precision and recall of the media in the answers, by their modalities."""
    outcomes = []
    for case, _, answer in answered:
        media = [modality_of(medium) for medium in media_in(answer)]
        right = overlap(media, case.expected)
        scores: Scores = {
            "trigger_precision": {"model": (right, len(media))},
            "trigger_recall": {"model": (right, len(case.expected))},
        }
        right_kinds, verdict = {"media": kinds(case.expected)}, {"media": kinds(media)}
        outcomes.append(Outcome(scores, text_of(answer), right_kinds, verdict))
    return outcomes


def kinds(modalities: Sequence[str]) -> str:
    return " + ".join(sorted(modalities)) or "none"


def score_words(row: str, words: dict[str, str]) -> ScoreAnswers:
    """Scores whether the first of `words` in the answer is the right one."""
    [key] = KEYS[row]

    def score(bench: Bench, answered: Sequence[AnsweredCase]) -> list[Outcome]:
        outcomes = []
        for case, _, answer in answered:
            text, right = text_of(answer), subject(scene_of(case))
            named = first_named(text, words)
            verdict = {key: named} if named else {}
            scores: Scores = {row: {"model": (int(named == right), 1)}}
            outcomes.append(Outcome(scores, text, {key: right}, verdict))
        return outcomes

    return score


def subject(scene: Scene) -> str:
    """What the answer to the general question about a scene must name."""
    if isinstance(scene, PictureScene):
        return scene.things[0].concept
    if isinstance(scene, VideoScene):
        return scene.motion
    assert isinstance(scene, SoundScene)
    return scene.sound
