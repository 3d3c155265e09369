"""Changes of a scene: another background, the other direction, one more of the same.

An `Edit` holds the scene that fulfils the request, and the values of the words for it. A changed
picture keeps the style and the background of the one before, mentioned or not.
"""

import random
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from mosit_data.world.language.chinese.descriptions import MOVES, PATTERN_WORDS
from mosit_data.world.language.chinese.phrases import OPPOSITE as CHINESE_OPPOSITE
from mosit_data.world.language.chinese.phrases import PITCH_VALUES as CHINESE_PITCH
from mosit_data.world.language.chinese.phrases import SIZE_VALUES as CHINESE_SIZE
from mosit_data.world.language.chinese.phrases import TEMPO_VALUES as CHINESE_TEMPO
from mosit_data.world.language.english import changes as words
from mosit_data.world.language.english.words.motions import (
    motion_phrase,
    present_participle,
    third_person,
)
from mosit_data.world.language.english.words.names import PATTERN_PHRASES
from mosit_data.world.language.kinds.scenes import unmentioned, usual_colour, usual_motion
from mosit_data.world.scene import (
    PLACES,
    SIZES,
    Mention,
    PictureScene,
    Scene,
    SoundScene,
    Split,
    Thing,
    VideoScene,
    centred,
    fully,
    related,
    size_word,
    sound_scene,
    video_scene,
)
from mosit_data.world.vocabulary import (
    COLOURS,
    CONCEPT,
    COUNTS,
    MOTIONS,
    RELATIONS,
    SOUND_OF,
    SOUNDS,
    STYLES,
    TEMPI,
    article,
    plural,
    with_article,
)

LARGE, SMALL = SIZES["large"], SIZES["small"]
OPPOSITE = {"left": "right", "right": "left", "up": "down", "down": "up"}


class Edit(NamedTuple):
    kind: str  # a row of CHANGES
    scene: Scene
    values: dict[str, str] = {}
    chinese: dict[str, str] = {}


def other(rng: random.Random, names: Iterable[str], than: str | None) -> str:
    return rng.choice([name for name in names if name != than])


def mentioning(scene: Scene, name: Mention, **changes: Any) -> Scene:
    """The scene with `changes`, and `name` in its caption."""
    mentions = tuple(dict.fromkeys((*scene.mentions, name)))
    return scene.model_copy(update={**changes, "mentions": mentions})


def thing_of(scene: PictureScene | VideoScene) -> Thing:
    return scene.thing if isinstance(scene, VideoScene) else scene.things[0]


def with_thing(scene: PictureScene | VideoScene, **changes: Any) -> Scene:
    """The scene with another colour, size or concept of its thing."""
    new = thing_of(scene).model_copy(update=changes)
    update = {"thing": new} if isinstance(scene, VideoScene) else {"things": (new,)}
    return scene.model_copy(update=update)


def keep_look(new: Scene, old: PictureScene | VideoScene) -> Scene:
    """`new` with the style, the background and the colour of `old`, which its caption mentions."""
    look = {"style": old.style, "background": old.background, "shade": old.shade}
    new = new.model_copy(update={**look, "mentions": ("style", "background")})
    assert isinstance(new, PictureScene | VideoScene)
    return with_thing(new, colour=thing_of(old).colour)


# --- pictures and videos ---


def recolour_background(rng: random.Random, scene: PictureScene | VideoScene, split: Split) -> Edit:
    colour = other(rng, COLOURS, scene.background)
    new = mentioning(scene, "background", background=colour)
    return Edit("background", new, {"v": colour}, chinese_colour(colour))


def chinese_colour(colour: str) -> dict[str, str]:
    """红色, and short 红"""
    name = COLOURS[colour].chinese
    return {"v": name, "s": name.removesuffix("色")}


def restyle(rng: random.Random, scene: PictureScene | VideoScene, split: Split) -> Edit:
    style = other(rng, STYLES, scene.style)
    new = mentioning(scene, "style", style=style)
    value = rng.choice(words.STYLE_VALUES[style])
    return Edit("style", new, {"v": value}, {"v": STYLES[style].chinese})


def recolour_thing(rng: random.Random, scene: PictureScene | VideoScene, split: Split) -> Edit:
    thing = thing_of(scene)
    colour = rng.choice([c for c in COLOURS if c not in (thing.colour, scene.background)])
    values = {"v": colour, "c": thing.concept}
    chinese = {"v": COLOURS[colour].chinese, "c": CONCEPT[thing.concept].chinese}
    return Edit("colour", with_thing(scene, colour=colour), values, chinese)


def replace_thing(rng: random.Random, scene: PictureScene | VideoScene, split: Split) -> Edit:
    old = thing_of(scene).concept
    concept = other(rng, CONCEPT, old)
    new = with_thing(scene, concept=concept, colour=None)
    values = {"v": concept, "a": article(concept), "c": old, "ac": article(old)}
    return Edit("concept", new, values, {"v": CONCEPT[concept].chinese, "c": CONCEPT[old].chinese})


def resize(rng: random.Random, scene: PictureScene, split: Split) -> Edit:
    size = size_word(scene.things[0])
    word = {"small": "large", "large": "small"}.get(size) or rng.choice(("small", "large"))
    side = (LARGE if word == "large" else SMALL) / 64
    new = mentioning(with_thing(scene, size=side, x=0.5, y=0.5), "size")
    chinese = CHINESE_SIZE[word]
    values = {
        "v": rng.choice(words.SIZE_VALUES[word]),
        "w": rng.choice(words.SIZES_THAN[word]),
        "o": words.OPPOSITE[word],
        "c": scene.things[0].concept,
    }
    return Edit("size", new, values, {"v": chinese, "o": CHINESE_OPPOSITE[chinese]})


def multiply(rng: random.Random, scene: PictureScene, split: Split) -> Edit:
    """Two to four of the thing."""
    number = rng.choice(list(PLACES))
    first, *others = PLACES[number]
    thing = scene.things[0]
    x, y = first
    new = thing.model_copy(update={"x": x, "y": y, "size": SMALL / 64})
    things = (new, *(new.model_copy(update={"x": x, "y": y}) for x, y in others))
    mentions = tuple(name for name in scene.mentions if name != "size")
    word, chinese = COUNTS[number]
    concept = CONCEPT[thing.concept]
    value = rng.choice((word, word, str(number), f"{word} {plural(concept.name)}"))
    new_scene = scene.model_copy(update={"things": things, "mentions": mentions})
    return Edit(
        "count", new_scene, {"v": value}, {"v": chinese + concept.measure + concept.chinese}
    )


def add(rng: random.Random, scene: PictureScene, split: Split) -> Edit:
    """Another thing beside the one that is there. The new thing comes first in the caption."""
    old = scene.things[0]
    concept = other(rng, CONCEPT, old.concept)
    relation = rng.choice(list(RELATIONS))
    while True:
        new = related(rng, (concept, old.concept))
        if new.relation == relation and new.things[0].concept == concept:
            break
    first, second = new.things
    things = (
        first.model_copy(update={"colour": None}),
        second.model_copy(update={"colour": old.colour}),
    )
    look = {"style": scene.style, "background": scene.background, "shade": scene.shade}
    mentions = tuple(name for name in scene.mentions if name != "size")
    changed = new.model_copy(update={**look, "things": things, "mentions": mentions})
    where = f"{relation} {rng.choice(('it', f'the {old.concept}'))}"
    return Edit("add", changed, {"a": article(concept), "r": where})


def animate(rng: random.Random, scene: PictureScene | VideoScene, split: Split) -> Edit:
    """The thing moves, or moves in another way."""
    than = scene.motion if isinstance(scene, VideoScene) else None
    motion, concept = other(rng, MOTIONS, than), thing_of(scene).concept
    new = keep_look(video_scene(rng, concept, motion), scene)
    phrase = motion_phrase(rng, concept, motion)
    values = {"v": phrase, "ing": present_participle(phrase), "s": third_person(phrase)}
    chinese = {"v": rng.choice(MOVES[motion])}
    return Edit("moving" if than else "motion", new, values, chinese)


def reverse(rng: random.Random, scene: VideoScene, split: Split) -> Edit | None:
    direction = scene.motion.removeprefix("moving ")
    if direction not in OPPOSITE:
        return None
    new = scene.model_copy(update={"motion": f"moving {OPPOSITE[direction]}"})
    return Edit("reverse", new, {"d": direction}, {"d": direction})


def as_video(rng: random.Random, scene: PictureScene, split: Split) -> Edit | None:
    """A video without a word on how the thing moves."""
    motion = usual_motion(scene.things[0].concept, split)
    if motion is None:
        return None
    return Edit("video", keep_look(video_scene(rng, scene.things[0].concept, motion), scene))


def freeze(rng: random.Random, scene: VideoScene, split: Split) -> Edit:
    return Edit("still", keep_look(centred(rng, (scene.thing.concept,)), scene))


def hear(rng: random.Random, scene: PictureScene | VideoScene, split: Split) -> Edit | None:
    name = SOUND_OF.get(thing_of(scene).concept)
    return Edit("hear", unmentioned(sound_scene(rng, name))) if name else None


def again(rng: random.Random, scene: Scene, split: Split) -> Edit:
    """Another one of the same: its caption mentions what was asked for the first time."""
    changes: dict[str, Any] = {}
    if isinstance(scene, SoundScene):
        changes["transpose"] = rng.randint(-3, 3)
    else:
        for name, values in (("style", STYLES), ("background", COLOURS)):
            if name not in scene.mentions:
                changes[name] = rng.choice(list(values))
    return Edit("again", scene.model_copy(update=changes))


# --- sounds ---


def repattern(rng: random.Random, scene: SoundScene, split: Split) -> Edit | None:
    if scene.pitch is None:
        return None
    pattern = other(rng, SOUNDS[scene.sound].patterns, scene.pattern)
    new = mentioning(scene, "pattern", pattern=pattern)
    values = {"v": rng.choice(PATTERN_PHRASES[pattern])}
    return Edit("pattern", new, values, {"v": rng.choice(PATTERN_WORDS[pattern])})


def retune(rng: random.Random, scene: SoundScene, split: Split) -> Edit | None:
    if scene.pitch is None:
        return None
    pitch = other(rng, ("low", "high"), scene.pitch)
    return pitched(rng, mentioning(scene, "pitch", pitch=pitch), pitch, CHINESE_PITCH[pitch])


def pace(rng: random.Random, scene: SoundScene, split: Split) -> Edit | None:
    if scene.tempo is None:
        return None
    tempo = other(rng, TEMPI, scene.tempo)
    return pitched(rng, mentioning(scene, "tempo", tempo=tempo), tempo, CHINESE_TEMPO[tempo])


def pitched(rng: random.Random, scene: Scene, name: str, chinese: str) -> Edit:
    values = {
        "v": rng.choice(words.PITCH_VALUES[name]),
        "w": rng.choice(words.PITCHES_THAN[name]),
        "o": words.OPPOSITE[name],
    }
    return Edit("pitch", scene, values, {"v": chinese, "o": CHINESE_OPPOSITE[chinese]})


def reinstrument(rng: random.Random, scene: SoundScene, split: Split) -> Edit | None:
    if scene.pitch is None:
        return None
    melodic = [name for name, sound in SOUNDS.items() if len(sound.patterns) > 1]
    sound = other(rng, melodic, scene.sound)
    values = {"v": sound, "a": with_article(sound, sound), "the": f"the {sound}"}
    new = scene.model_copy(update={"sound": sound})
    return Edit("sound", new, values, {"v": SOUNDS[sound].chinese})


def replace_effect(rng: random.Random, scene: SoundScene, split: Split) -> Edit | None:
    """An effect can only be changed into another effect."""
    if scene.pattern is not None:
        return None
    effects = [name for name, sound in SOUNDS.items() if not sound.patterns]
    sound = other(rng, effects, scene.sound)
    values = {"v": sound, "a": with_article(sound, sound)}
    new = scene.model_copy(update={"sound": sound})
    return Edit("effect", new, values, {"v": SOUNDS[sound].chinese})


def draw_source(rng: random.Random, scene: SoundScene, split: Split) -> Edit | None:
    """A picture of what makes the sound."""
    concept = SOUNDS[scene.sound].concept
    if concept is None:
        return None
    return Edit("draw", unmentioned(usual_colour(centred(rng, (concept,)))))


Editor = Callable[[random.Random, Any, Split], Edit | None]
EDITORS: dict[type, tuple[Editor, ...]] = {
    PictureScene: (
        *(recolour_background, recolour_background, restyle, restyle, recolour_thing),
        *(recolour_thing, replace_thing, resize, resize, multiply, add, animate, animate),
        *(as_video, as_video, hear, again, again),
    ),
    VideoScene: (
        *(recolour_background, restyle, recolour_thing, replace_thing, animate, reverse),
        *(reverse, freeze, hear, again),
    ),
    SoundScene: (
        *(repattern, retune, retune, pace, reinstrument, replace_effect, draw_source),
        *(draw_source, again),
    ),
}


def edited(rng: random.Random, scene: Scene, split: Split, kinds: Iterable[str]) -> Edit:
    """A change of one of the kinds. `scene` is a sound or shows a single thing."""
    allowed = frozenset(kinds)
    while True:
        editor = rng.choice(EDITORS[type(scene)])
        start = scene if editor is again else known_of(scene)
        change = editor(rng, start, split)
        if change and change.kind in allowed:
            return change


def known_of(scene: Scene) -> Scene:
    """What the assistant knows of a medium that is there: how it looks, and what it plays."""
    if not isinstance(scene, SoundScene):
        return fully(scene)
    return mentioning(scene, "pattern") if scene.pattern else scene
