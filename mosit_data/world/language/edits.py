"""Follow-ups that change a scene: "now make the background red"."""

import random
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from mosit_data.world.language.phrases import EDIT, Language
from mosit_data.world.scene import (
    Mention,
    PictureScene,
    Scene,
    SoundScene,
    Thing,
    VideoScene,
    centred,
    size_word,
    sound_scene,
    video_scene,
)
from mosit_data.world.vocabulary import (
    COLOURS,
    CONCEPT,
    MOTIONS,
    PATTERNS,
    PITCHES,
    SOUND_OF,
    SOUNDS,
    STYLES,
    TEMPI,
    article,
)

RESIZED = {"small": ("smaller", 0.38), "large": ("larger", 0.9)}  # in widths of the picture


class Edit(NamedTuple):
    """The requested scene, and the words for the change."""

    kind: str  # a row of phrases.EDIT
    scene: Scene
    value: str = ""
    chinese: str = ""


def edit(rng: random.Random, scene: Scene, language: Language) -> tuple[str, Scene]:
    """A request and the scene that fulfils it. `scene` is a sound or shows a single thing."""
    while True:
        change = rng.choice(EDITORS[type(scene)])(rng, scene)
        if change and change.kind in EDIT[language]:
            return request(rng, change, language), change.scene


def request(rng: random.Random, change: Edit, language: Language) -> str:
    words = rng.choice(EDIT[language][change.kind])
    if language == "chinese":
        return words.format(value=change.chinese)
    named = change.value
    a_value = article(named) if named and is_countable(named) else named
    return words.format(value=named, a_value=a_value, the_value=f"the {named}")


def is_countable(name: str) -> bool:
    return name not in SOUNDS or SOUNDS[name].countable


def mentioning(scene: Scene, name: Mention, **changes: Any) -> Scene:
    """The scene with `changes`, and `name` in its caption."""
    mentions = tuple(dict.fromkeys((*scene.mentions, name)))
    return scene.model_copy(update={**changes, "mentions": mentions})


def other(rng: random.Random, names: Iterable[str], than: str | None) -> str:
    return rng.choice([name for name in names if name != than])


# --- pictures and videos ---


def recolour(rng: random.Random, scene: PictureScene | VideoScene) -> Edit:
    colour = other(rng, COLOURS, scene.background)
    new = mentioning(scene, "background", background=colour)
    return Edit("background", new, colour, COLOURS[colour].chinese)


def restyle(rng: random.Random, scene: PictureScene | VideoScene) -> Edit:
    style = other(rng, STYLES, scene.style)
    return Edit("style", mentioning(scene, "style", style=style), style, STYLES[style].chinese)


def replace_thing(rng: random.Random, scene: PictureScene | VideoScene) -> Edit:
    thing = thing_of(scene)
    concept = other(rng, CONCEPT, thing.concept)
    new = thing.model_copy(update={"concept": concept, "colour": None})
    changes = {"thing": new} if isinstance(scene, VideoScene) else {"things": (new,)}
    chinese = CONCEPT[concept].chinese
    return Edit("concept", scene.model_copy(update=changes), concept, chinese)


def resize(rng: random.Random, scene: PictureScene) -> Edit:
    word, size = RESIZED[other(rng, RESIZED, size_word(scene.things[0]))]
    thing = scene.things[0].model_copy(update={"size": size, "x": 0.5, "y": 0.5})
    return Edit("size", mentioning(scene, "size", things=(thing,)), word)


def animate(rng: random.Random, scene: PictureScene | VideoScene) -> Edit:
    than = scene.motion if isinstance(scene, VideoScene) else None
    motion = other(rng, MOTIONS, than)
    new = keep_look(video_scene(rng, thing_of(scene).concept, motion), scene)
    return Edit("motion", new, motion, MOTIONS[motion].chinese)


def freeze(rng: random.Random, scene: VideoScene) -> Edit:
    return Edit("still", keep_look(centred(rng, (scene.thing.concept,)), scene))


def hear(rng: random.Random, scene: PictureScene | VideoScene) -> Edit | None:
    name = SOUND_OF.get(thing_of(scene).concept)
    if name is None:
        return None
    return Edit("hear", sound_scene(rng, name).model_copy(update={"mentions": ()}))


def thing_of(scene: PictureScene | VideoScene) -> Thing:
    return scene.thing if isinstance(scene, VideoScene) else scene.things[0]


def keep_look(new: Scene, old: PictureScene | VideoScene) -> Scene:
    """`new` in the style and on the background of `old`; its caption mentions the same of them."""
    mentions = tuple(name for name in old.mentions if name != "size")
    look = {"style": old.style, "background": old.background, "shade": old.shade}
    return new.model_copy(update={**look, "mentions": mentions})


# --- sounds ---


def repattern(rng: random.Random, scene: SoundScene) -> Edit | None:
    if scene.pitch is None:
        return None
    pattern = other(rng, SOUNDS[scene.sound].patterns, scene.pattern)
    return Edit("pattern", mentioning(scene, "pattern", pattern=pattern), PATTERNS[pattern][0])


def retune(rng: random.Random, scene: SoundScene) -> Edit | None:
    if scene.pitch is None:
        return None
    pitch = other(rng, [name for name in PITCHES if name != "middle"], scene.pitch)
    return Edit("pitch", mentioning(scene, "pitch", pitch=pitch), pitch)


def pace(rng: random.Random, scene: SoundScene) -> Edit | None:
    if scene.tempo is None:
        return None
    tempo = other(rng, TEMPI, scene.tempo)
    return Edit("tempo", mentioning(scene, "tempo", tempo=tempo), tempo, TEMPI[tempo])


def reinstrument(rng: random.Random, scene: SoundScene) -> Edit | None:
    if scene.pitch is None:
        return None
    melodic = [name for name, sound in SOUNDS.items() if len(sound.patterns) > 1]
    sound = other(rng, melodic, scene.sound)
    new = scene.model_copy(update={"sound": sound})
    return Edit("sound", new, sound, SOUNDS[sound].chinese)


def draw(rng: random.Random, scene: SoundScene) -> Edit | None:
    concept = SOUNDS[scene.sound].concept
    if concept is None:
        return None
    return Edit("draw", centred(rng, (concept,)).model_copy(update={"mentions": ()}))


def replace_sound(rng: random.Random, scene: SoundScene) -> Edit | None:
    """An effect can only be changed into another effect."""
    if scene.pattern is not None:
        return None
    effects = [name for name, sound in SOUNDS.items() if not sound.patterns]
    sound = other(rng, effects, scene.sound)
    new = scene.model_copy(update={"sound": sound})
    return Edit("effect", new, sound, SOUNDS[sound].chinese)


Editor = Callable[[random.Random, Any], Edit | None]
EDITORS: dict[type, tuple[Editor, ...]] = {
    PictureScene: (recolour, restyle, replace_thing, resize, animate, animate, hear),
    VideoScene: (recolour, restyle, replace_thing, animate, freeze, hear),
    SoundScene: (repattern, retune, pace, reinstrument, replace_sound, draw, draw),
}
