"""Questions about a user's own medium in Chinese, with true answers."""

import random
from collections.abc import Iterator

from mosit_data.world.language.chinese.descriptions import in_chinese
from mosit_data.world.language.chinese.phrases import DESCRIBE, KINDS, QUESTIONS
from mosit_data.world.language.english.questions import Asked, fill
from mosit_data.world.scene import PictureScene, Scene, SoundScene, VideoScene
from mosit_data.world.vocabulary import (
    COLOURS,
    CONCEPT,
    COUNTS,
    MOTIONS,
    PATTERNS,
    PITCHES,
    SOUNDS,
    TEMPI,
)

DIRECTIONS = {"left": "左", "right": "右", "up": "上", "down": "下"}


def questions(rng: random.Random, scene: Scene) -> list[Asked]:
    """Everything that the scene can answer."""
    if isinstance(scene, SoundScene):
        return list(about_sound(scene))
    if isinstance(scene, VideoScene):
        return list(about_video(scene))
    return list(about_picture(scene))


def about_picture(scene: PictureScene) -> Iterator[Asked]:
    yield DESCRIBE["image"], f"这是{in_chinese(scene)}。"
    yield QUESTIONS["background"], f"背景是{COLOURS[scene.background].chinese}。"
    if scene.relation:
        if "of" in scene.relation:
            first, second = (CONCEPT[thing.concept] for thing in scene.things)
            left, right = (first, second) if "left" in scene.relation else (second, first)
            yield QUESTIONS["left"], f"左边是一{left.measure}{left.chinese}。"
            yield QUESTIONS["right"], f"右边是一{right.measure}{right.chinese}。"
        return
    concept, number = CONCEPT[scene.things[0].concept], COUNTS[len(scene.things)][1]
    count = fill(QUESTIONS["count"], m=concept.measure, c=concept.chinese)
    yield count, f"有{number}{concept.measure}{concept.chinese}。"
    if concept.kind != "nature":
        yield fill(QUESTIONS["kind"], k=KINDS[concept.kind]), f"这是{concept.chinese}。"


def about_sound(scene: SoundScene) -> Iterator[Asked]:
    yield DESCRIBE["audio"], f"这是{in_chinese(scene)}。"
    if scene.pattern:
        yield QUESTIONS["instrument"], f"这是{SOUNDS[scene.sound].chinese}。"
        yield QUESTIONS["instrument"], f"这是{SOUNDS[scene.sound].chinese}。"
        yield QUESTIONS["played"], f"它在演奏{PATTERNS[scene.pattern][1]}。"
    if scene.tempo:
        yield QUESTIONS["tempo"], f"是{TEMPI[scene.tempo]}的。"
    if scene.pitch:
        yield QUESTIONS["pitch"], f"是{PITCHES[scene.pitch]}。"


def about_video(scene: VideoScene) -> Iterator[Asked]:
    concept, motion = CONCEPT[scene.thing.concept].chinese, MOTIONS[scene.motion].chinese
    yield DESCRIBE["video"], f"{concept}在{motion}。"
    yield fill(QUESTIONS["doing"], c=concept), f"它在{motion}。"
    yield QUESTIONS["background"], f"背景是{COLOURS[scene.background].chinese}。"
    if scene.motion.startswith("moving"):
        direction = DIRECTIONS[scene.motion.removeprefix("moving ")]
        yield QUESTIONS["direction"], f"它在向{direction}移动。"
