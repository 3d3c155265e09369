"""Sixty stories and manuals of the small world: parts, their order, and what they show.

A prompt says what each part shows, so that the truth is exact: thirty stories, and thirty manuals
of numbered steps. Every third one ends with a sound. Scenes are held out, as in the suite world.

| row | right if |
|---|---|
| structure | the media have the modalities of the prompt in its order, each with text before it |
| number | there are as many media of each modality |
| placed | the n-th medium shows the n-th thing |
| ordered | things that are shown are in their order (the longest such subsequence counts) |
| background | the n-th picture has the n-th background |
| named | the text before the n-th medium names its thing |
| whole | structure, and all that is placed |
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anygen.core.media import Media, Message, modality_of
from anygen.evaluation.caption_metrics import common_subsequence
from anygen.evaluation.judges.judges import Judges, truth, unlearned
from anygen.evaluation.metrics import first_named
from anygen.evaluation.suites.base import (
    Answered,
    Bench,
    Case,
    Line,
    Metric,
    Outcome,
    Scores,
    Source,
    Unit,
    media_in,
    text_of,
)
from anygen.evaluation.suites.world.cases import held_out_picture, is_single_and_upright
from anygen.evaluation.suites.world.scoring import OBJECT_WORDS, SOUND_WORDS, make_from
from anygen.generation.answer import Answer
from anygen.generation.options import AnswerOptions
from anygen.generation.request import derive_seed
from mosit_data.world.render import render
from mosit_data.world.scene import Scene, caption, fully, sample_scene

UNIT = "answer"
NEEDS_MODEL = True
COUNT = 60
LENGTHS = (2, 3, 4)
WITH_SOUND = 3  # every so many
NUMBERS = {2: "two", 3: "three", 4: "four"}
TOKENS = 256
ROWS = {
    "structure": "answers with the media of the prompt in its order, each with text before it",
    "number": "answers with as many media as the prompt asks for",
    "placed": "media that show what the prompt says at their place",
    "ordered": "things of the prompt that are shown in its order",
    "background": "pictures with the background that the prompt says at their place",
    "named": "media whose thing the text before them names",
    "whole": "answers that are right in structure and in every medium",
}
STORIES = (
    "Tell me a short story in {count} parts, each with its own {medium}. {parts}",
    "I would like a story with {count} scenes. {parts} Write a sentence for each.",
)
MANUALS = (
    "Write a manual with {count} steps, each with a sentence and what it needs. {parts}",
    "Explain it in {count} steps, one after the other. {parts}",
)
ORDINALS = ("First", "Then", "After that", "In the end")


@dataclass(frozen=True, eq=False)
class Story(Case):
    """A prompt with the scenes that its answer should show."""

    scenes: tuple[Scene, ...] = ()


def read(source: Source) -> list[Unit]:
    """Raises ValueError if there is a folder of data."""
    if source.data is not None:
        raise ValueError("the suite stories makes its own prompts; leave --data out")
    rows = tuple(ROWS)
    return [
        Unit(f"{kind_of(index)}/{index}", kind_of(index), rows, index) for index in range(COUNT)
    ]


def kind_of(index: int) -> str:
    return "manuals" if index % 2 else "stories"


def make_story(index: int, seed: int) -> Story:
    """The same for an index and a seed."""
    rng = random.Random(f"{seed}/stories/{index}")
    count = LENGTHS[index // 2 % len(LENGTHS)]
    scenes = [fully(held_out_picture(rng, is_single_and_upright)) for _ in range(count)]
    if index % WITH_SOUND == 0:
        scenes[-1] = fully(sample_scene("audio", rng, "heldout"))
    is_manual = kind_of(index) == "manuals"
    places = [f"{n}:" for n in range(1, count + 1)] if is_manual else story_places(count)
    parts = " ".join(f"{place} {request_of(scene)}." for place, scene in zip(places, scenes))
    template = rng.choice(MANUALS if is_manual else STORIES)
    medium = "picture or sound" if index % WITH_SOUND == 0 else "picture"
    prompt = template.format(count=NUMBERS[count], parts=parts, medium=medium)
    expected = tuple(scene.type for scene in scenes)
    options = AnswerOptions(max_new_tokens=TOKENS)
    return Story([Message("user", (prompt,))], None, expected, options, tuple(scenes))


def story_places(count: int) -> list[str]:
    return [*ORDINALS[: count - 1], ORDINALS[-1]]


def request_of(scene: Scene) -> str:
    return f"{'let me hear' if scene.type == 'audio' else 'show'} {caption(scene)}"


def ask(unit: Unit, seed: int) -> list[Case]:
    return [make_story(unit.content, seed)]


def judge(bench: Bench, answered: Sequence[Answered]) -> list[Outcome]:
    outcomes = []
    for one in answered:
        [story] = one.cases
        assert isinstance(story, Story), "this suite asks nothing else"
        controls = plain_captions(bench, story, one.seeds[0])
        outcomes.append(score(bench.judges, story, one.answers[0], controls))
    return outcomes


def plain_captions(bench: Bench, story: Story, seed: int) -> list[Media]:
    """Of each scene, by the decoder that makes the answer's."""
    decoders = bench.anygen.model.decoders
    return [
        make_from(decoders[scene.type], [caption(scene)], [derive_seed(seed, place)])[0]
        for place, scene in enumerate(story.scenes)
    ]


def score(judges: Judges, story: Story, answer: Answer, controls: Sequence[Media] = ()) -> Outcome:
    media = media_in(answer)
    sources = {"model": media, "judge": [render(unlearned(scene)) for scene in story.scenes]}
    sources |= {"control": list(controls)} if controls else {}
    scores: Scores = {name: {} for name in ROWS}
    shown = {source: [judges.judge([one])[0] for one in own] for source, own in sources.items()}
    for source, own in sources.items():
        for row, value in shown_scores(story, own, shown[source]).items():
            scores[row][source] = value
    modalities = [modality_of(one) for one in media]
    expected = [scene.type for scene in story.scenes]
    texts = texts_before(answer)
    is_right = modalities == expected and all(text.strip() for text in texts)
    placed, count = scores["placed"]["model"]
    named = sum(subject(scene) == named_in(scene, text) for scene, text in zip(story.scenes, texts))
    scores |= {
        "structure": {"model": (int(is_right), 1)},
        "number": {"model": (int(sorted(modalities) == sorted(expected)), 1)},
        "named": {"model": (named, len(expected))},
        "whole": {"model": (int(is_right and placed == count), 1)},
    }
    labelled = {f"model {number}": one for number, one in enumerate(media, start=1)}
    labelled |= {f"control {number}": one for number, one in enumerate(controls, start=1)}
    true = {"media": ", then ".join(map(subject, story.scenes))}
    verdict = {"media": ", then ".join(map(name_of, shown["model"])) or "nothing"}
    return Outcome(scores, text_of(answer), true, verdict, labelled)


def shown_scores(
    story: Story, media: Sequence[Media], shown: Sequence[Mapping[str, str]]
) -> dict[str, tuple[int, int]]:
    """What media show, whatever the text says."""
    expected = [(scene.type, subject(scene)) for scene in story.scenes]
    found = [(modality_of(one), name_of(verdict)) for one, verdict in zip(media, shown)]
    pictures = [n for n, scene in enumerate(story.scenes) if scene.type == "image"]
    backgrounds = sum(
        n < len(shown) and shown[n].get("background") == truth(story.scenes[n])["background"]
        for n in pictures
    )
    return {
        "placed": (sum(a == b for a, b in zip(expected, found)), len(expected)),
        "ordered": (
            common_subsequence([" ".join(one) for one in expected], [" ".join(f) for f in found]),
            len(expected),
        ),
        "background": (backgrounds, len(pictures)),
    }


def subject(scene: Scene) -> str:
    """The thing or the sound."""
    return name_of(truth(scene))


def name_of(verdict: Mapping[str, str]) -> str:
    return verdict.get("object") or verdict["sound"]


def named_in(scene: Scene, text: str) -> str | None:
    return first_named(text, SOUND_WORDS if scene.type == "audio" else OBJECT_WORDS)


def texts_before(answer: Answer) -> list[str]:
    """The text between each medium and the one before it."""
    texts = [""]
    for part in answer.message.parts:
        if isinstance(part, str):
            texts[-1] += part
        else:
            texts.append("")
    return texts[:-1]


def figures(lines: Sequence[Line]) -> Mapping[str, Metric]:
    return {name: Metric(about) for name, about in ROWS.items()}
