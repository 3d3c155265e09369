"""Descriptions of a scene that differ from its caption: as people phrase it, and in Chinese."""

import random

from anygen.core.modality import MediaModality
from mosit_data.world.language.phrases import PLURAL, Language
from mosit_data.world.scene import (
    PictureScene,
    Scene,
    SoundScene,
    Thing,
    VideoScene,
    angle_word,
    caption,
    size_word,
)
from mosit_data.world.vocabulary import (
    ANGLES,
    COLOURS,
    CONCEPT,
    COUNTS,
    MOTIONS,
    PATTERNS,
    PITCHES,
    RELATIONS,
    SIZES,
    SOUNDS,
    STYLES,
    TEMPI,
    article,
)

SOUND_PREFIX = "the sound of "
PLACES = ("with {} background", "against {} background", "in front of {} background")


def paraphrase(rng: random.Random, scene: Scene, language: Language) -> str:
    """A description that mentions what the caption mentions, in other words."""
    if language == "chinese":
        return in_chinese(scene)
    if isinstance(scene, SoundScene):
        return paraphrase_sound(rng, scene)
    return paraphrase_look(rng, scene)


def paraphrase_sound(rng: random.Random, scene: SoundScene) -> str:
    text = caption(scene)
    if scene.pattern is None or rng.random() < 0.5:
        return text
    instrument = caption(without(scene, "pattern"))
    if "pattern" in scene.mentions:
        return f"{PATTERNS[scene.pattern][0]} on {instrument}"
    return SOUND_PREFIX + instrument


def paraphrase_look(rng: random.Random, scene: PictureScene | VideoScene) -> str:
    text = caption(scene)
    if "style" in scene.mentions and is_single(scene) and rng.random() < 0.3:
        bare = caption(without(scene, "style", "background"))
        place = caption(scene).removeprefix(caption(without(scene, "background")))
        text = f"{bare} in {scene.style} style{place}"
    if isinstance(scene, VideoScene) and rng.random() < 0.3:
        text = text.replace(scene.motion, f"that {MOTIONS[scene.motion].verb}")
    coloured = article(scene.background)
    if rng.random() < 0.4:
        text = text.replace(f"on {coloured} background", rng.choice(PLACES).format(coloured))
    return text


def fill(template: str, described: str, noun: str = "") -> str:
    """A phrase about what is described; in the plural unless the description has an article."""
    if not described.startswith(("a ", "an ", "the ")):
        for singular, many in PLURAL:
            template = template.replace(singular, many)
    bare = described.removeprefix(SOUND_PREFIX)
    return template.format(x=described, bare=bare, noun=noun)


def is_single(scene: Scene) -> bool:
    return isinstance(scene, PictureScene) and len(scene.things) == 1


def without(scene: Scene, *names: str) -> Scene:
    """The scene with a caption that leaves `names` out."""
    left = tuple(name for name in scene.mentions if name not in names)
    return scene.model_copy(update={"mentions": left})


def named(scene: Scene) -> str:
    """The caption with the word for its modality, for requests that mix modalities."""
    kinds: dict[MediaModality, str] = {
        "image": "a picture of ",
        "audio": SOUND_PREFIX,
        "video": "a video of ",
    }
    return kinds[scene.type] + caption(scene).removeprefix(SOUND_PREFIX)


# --- Chinese ---


def in_chinese(scene: Scene) -> str:
    """The caption in Chinese."""
    if isinstance(scene, SoundScene):
        return chinese_sound(scene)
    place = f"{COLOURS[scene.background].chinese}背景上" if "background" in scene.mentions else ""
    if isinstance(scene, VideoScene):
        return place + chinese_thing(scene, scene.thing) + MOTIONS[scene.motion].chinese
    things = [chinese_thing(scene, thing) for thing in scene.things[:2]]
    if scene.relation:
        return f"{place}{things[0]}在{things[1]}的{RELATIONS[scene.relation]}"
    return place + things[0]


def chinese_thing(scene: PictureScene | VideoScene, thing: Thing) -> str:
    """一只小小的扁平风格的蓝色的猫"""
    count = 1
    if isinstance(scene, PictureScene) and not scene.relation:
        count = len(scene.things)
    size = SIZES.get(size_word(thing), "") if "size" in scene.mentions else ""
    style = STYLES[scene.style].chinese + "的" if "style" in scene.mentions else ""
    concept = CONCEPT[thing.concept]
    angle = ANGLES.get(angle_word(thing), "")
    colour = COLOURS[thing.colour].chinese + "的" if thing.colour else ""
    return COUNTS[count][1] + concept.measure + size + angle + style + colour + concept.chinese


def chinese_sound(scene: SoundScene) -> str:
    """一段慢速的小号演奏的上行旋律"""
    sound = SOUNDS[scene.sound].chinese
    if scene.pattern is None:
        return sound
    tempo = TEMPI[scene.tempo] + "的" if scene.tempo and "tempo" in scene.mentions else ""
    pitch = scene.pitch if "pitch" in scene.mentions and scene.pitch != "middle" else None
    how = tempo + (PITCHES[pitch] + "的" if pitch else "") + sound
    if "pattern" in scene.mentions:
        return f"一段{how}演奏的{PATTERNS[scene.pattern][1]}"
    return f"一段{how}的声音"
