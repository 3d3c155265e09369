"""A scene in the words of a user: it mentions what the scene's caption mentions, and no more."""

import random
from typing import NamedTuple

from mosit_data.world.language.english.words.motions import (
    ADJECTIVES,
    motion_phrase,
    present_participle,
    third_person,
)
from mosit_data.world.language.english.words.names import (
    ANGLE_ADJECTIVES,
    COUNTED,
    EFFECT_NOUNS,
    EFFECTS,
    PATTERN_PHRASES,
    PATTERN_TAGS,
    PITCH_ADJECTIVES,
    SIZE_ADJECTIVES,
    SOUND_NAMES,
    STYLE_ADJECTIVES,
    STYLE_PHRASES,
    TEMPO_ADJECTIVES,
    plural_of,
    thing_name,
)
from mosit_data.world.language.grammar import expand
from mosit_data.world.scene import (
    PictureScene,
    Scene,
    SoundScene,
    Thing,
    VideoScene,
    angle_word,
    size_word,
)
from mosit_data.world.vocabulary import SOUNDS, article

PLACES = (  # behind a thing
    " on {a} background",
    " on {a} background",
    " on {c}",
    " on {c}",
    " with {a} background",
    " against {a} background",
    " in front of {a} background",
    " against {c}",
    " over {a} background",
    " on a plain {c} background",
    " with {c} behind it",
    " with {c} in the background",
    " on a {c} [backdrop|page|wall|surface|card]",
    " in front of a {c} [wall|backdrop|sky]",
    " with a {c} [backdrop|sky]",
    ", {c} background",
    ", {c} background",
    ", background {c}",
    ", [with |]the background [in |should be |]{c}",
    ", all {c} behind",
)
PLURAL_PLACES = tuple(place for place in PLACES if "it" not in place.split())
TAG_PLACES = ("{c} background", "{c} background", "background {c}", "on {c}", "{c} bg", "bg: {c}")
RELATED: dict[str, tuple[str, ...]] = {
    "to the left of": (
        "{a} to the left of {b}",
        "{a} to the left of {b}",
        "{a} left of {b}",
        "{a} on the left of {b}",
        "{a} on the left and {b} on the right",
        "{a} on the left side, {b} on the right side",
        "on the left {a} and on the right {b}",
        "on the left side {a}, next to it {b}",
    ),
    "to the right of": (
        "{a} to the right of {b}",
        "{a} to the right of {b}",
        "{a} right of {b}",
        "{a} on the right of {b}",
        "{a} on the right and {b} on the left",
        "{a} on the right side, {b} on the left side",
        "on the right {a} and on the left {b}",
    ),
    "above": (
        "{a} above {b}",
        "{a} above {b}",
        "{a} over {b}",
        "{a} on top of {b}",
        "{a} at the top and {b} at the bottom",
        "{a} at the top, below it {b}",
        "{a} and under it {b}",
        "{a} with {b} below it",
    ),
    "below": (
        "{a} below {b}",
        "{a} below {b}",
        "{a} under {b}",
        "{a} beneath {b}",
        "{a} underneath {b}",
        "{a} at the bottom and {b} at the top",
        "{a} at the bottom, above it {b}",
        "{a} with {b} above it",
    ),
}

LISTED: dict[str, tuple[str, ...]] = {  # only in the form without articles
    "to the left of": (
        "left: {a}, right: {b}",
        "{a} (left) and {b} (right)",
        "{a} left, {b} right",
    ),
    "to the right of": (
        "right: {a}, left: {b}",
        "{a} (right) and {b} (left)",
        "{a} right, {b} left",
    ),
    "above": ("top: {a}, bottom: {b}", "{a} (top) and {b} (bottom)", "{a} up, {b} down"),
    "below": ("bottom: {a}, top: {b}", "{a} (bottom) and {b} (top)", "{a} down, {b} up"),
}


class Description(NamedTuple):
    """Three forms of the same description."""

    full: str  # "a spinning pizza on blue"
    bare: str  # "spinning pizza, blue background": without the first article
    clause: str = ""  # "a pizza spins on blue": of videos
    order: str = ""  # "a pizza spin on blue", after "make" or "watch": of videos


def describe(rng: random.Random, scene: Scene) -> Description:
    if isinstance(scene, SoundScene):
        return describe_sound(rng, scene)
    if isinstance(scene, VideoScene):
        return describe_video(rng, scene)
    if scene.relation:
        return describe_pair(rng, scene)
    return describe_things(rng, scene)


# --- pictures ---


def describe_things(rng: random.Random, scene: PictureScene) -> Description:
    count = len(scene.things)
    noun, after = noun_and_style(rng, scene, scene.things[0], many=count > 1)
    where, tag = place(rng, scene, many=count > 1)
    if count > 1:
        number = rng.choice(COUNTED[count])
        full = f"{number} {noun}{after}{where}"
        return Description(full, tagged(rng, f"{number} {noun}", after, tag))
    one = f"{rng.choice(COUNTED[1])} {noun}" if rng.random() < 0.05 else article(noun)
    return Description(f"{one}{after}{where}", tagged(rng, noun, after, tag))


def describe_pair(rng: random.Random, scene: PictureScene) -> Description:
    assert scene.relation
    first, second = (noun_and_style(rng, scene, thing)[0] for thing in scene.things)
    relation = rng.choice(RELATED[scene.relation])
    where, tag = place(rng, scene, many=True)
    full = relation.format(a=article(first), b=article(second)) + where
    listed = LISTED[scene.relation] if rng.random() < 0.25 else (relation,)
    bare = rng.choice(listed).format(a=first, b=second)
    return Description(full, tagged(rng, bare, "", tag))


def noun_and_style(
    rng: random.Random, scene: PictureScene | VideoScene, thing: Thing, many: bool = False
) -> tuple[str, str]:
    """The thing with its adjectives, and what is said about the style after it."""
    words, after = [], ""
    if "size" in scene.mentions and (size := size_word(thing)):
        words.append(rng.choice(SIZE_ADJECTIVES[size]))
    if angle := angle_word(thing):
        words.append(rng.choice(ANGLE_ADJECTIVES[angle]))
    if thing.colour and (is_pair(scene) or rng.random() < 0.85):
        words.append(thing.colour)
    elif thing.colour:
        after = rng.choice((" in {}", ", all {}", ", {}", " that is {}")).format(thing.colour)
        after = after.replace("that is", "that are") if many else after
    if "style" in scene.mentions:
        if is_pair(scene) or rng.random() < 0.55:
            words.insert(rng.randint(0, len(words)), rng.choice(STYLE_ADJECTIVES[scene.style]))
        else:
            phrase = rng.choice(STYLE_PHRASES[scene.style])
            joiner = " " if phrase.split()[0] in ("in", "as", "like") else ", "
            after += joiner + phrase
    name = thing_name(rng, thing.concept)
    words.append(plural_of(name) if many else name)
    return " ".join(words), after


def is_pair(scene: PictureScene | VideoScene) -> bool:
    return isinstance(scene, PictureScene) and scene.relation is not None


def place(
    rng: random.Random, scene: PictureScene | VideoScene, many: bool = False
) -> tuple[str, str]:
    """The background in a sentence and in a list; empty if it is not mentioned."""
    if "background" not in scene.mentions:
        return "", ""
    colour, bank = scene.background, PLURAL_PLACES if many else PLACES
    where = expand(rng, rng.choice(bank), a=article(colour), c=colour)
    return where, rng.choice(TAG_PLACES).format(c=colour)


def tagged(rng: random.Random, noun: str, after: str, tag: str) -> str:
    """A list as people type it: "cat, 3d, white background"."""
    if not tag:
        return noun + after
    if rng.random() < 0.12 and "background" in tag:
        return f"{tag}, {noun}{after}"
    comma = " " if tag.startswith("on ") else rng.choice((", ", ", ", " - ", ". ", " "))
    return noun + after + comma + tag


# --- videos ---


def describe_video(rng: random.Random, scene: VideoScene) -> Description:
    noun, after = noun_and_style(rng, scene, scene.thing)
    where, tag = place(rng, scene)
    motion = motion_phrase(rng, scene.thing.concept, scene.motion)
    moving, moves = present_participle(motion), third_person(motion)
    clause = f"{article(noun)}{after} {moves}{where}"
    order = f"{article(noun)}{after} {motion}{where}"
    if scene.motion in ADJECTIVES and rng.random() < 0.35:
        adjective = rng.choice(ADJECTIVES[scene.motion])
        bare = f"{adjective} {noun}"
        return Description(
            f"{article(bare)}{after}{where}", tagged(rng, bare, after, tag), clause, order
        )
    forms = [
        f"{noun} {moving}",
        f"{noun} {moving}",
        f"{noun} that {moves}",
        f"{noun} which {moves}",
    ]
    phrase = rng.choice(forms)
    style = after if after.startswith(",") else f",{after}" if after else ""
    bare = rng.choice((f"{noun} {moving}", f"{noun}, {moving}", phrase))
    return Description(
        article(phrase) + style + where, tagged(rng, bare, style, tag), clause, order
    )


# --- sounds ---


def describe_sound(rng: random.Random, scene: SoundScene) -> Description:
    if scene.pattern is None:
        full = expand(rng, rng.choice(EFFECTS[scene.sound]))
        noun = rng.choice(EFFECT_NOUNS[scene.sound])
        return Description(
            full, rng.choice((f"{noun} sound", f"{noun} noise", without_article(full)))
        )
    names = SOUND_NAMES[scene.sound]
    name = names[0] if rng.random() < 0.75 else rng.choice(names)
    tempo = mentioned(rng, TEMPO_ADJECTIVES, scene, "tempo")
    pitch = mentioned(rng, PITCH_ADJECTIVES, scene, "pitch")
    if "pattern" in scene.mentions:
        return melody(rng, scene, name, tempo, pitch)
    adjectives = " ".join(word for word in (pitch, tempo) if word)
    noun = f"{adjectives} {name}".strip()
    tail = ", ".join(word for word in (tempo, pitch) if word)
    listed = f"{name}, {tail}" if tail else name
    if SOUNDS[scene.sound].countable:
        return Description(article(noun), rng.choice((noun, listed)))
    return Description(rng.choice((noun, f"the {noun}")), rng.choice((noun, listed)))


def melody(rng: random.Random, scene: SoundScene, name: str, tempo: str, pitch: str) -> Description:
    """An instrument and what it plays."""
    assert scene.pattern
    pattern = rng.choice(PATTERN_PHRASES[scene.pattern])
    tags = [rng.choice(PATTERN_TAGS[scene.pattern]), tempo, pitch]
    bare = ", ".join([name, *(tag for tag in tags if tag)])
    adverb = {"slow": "slowly", "fast": "fast", "quick": "quickly"}.get(tempo, "")
    instrument = article(name) if SOUNDS[scene.sound].countable else f"the {name}"
    on = rng.choice((f"the {name}", instrument))
    if tempo and adverb and rng.random() < 0.5:
        how = f" {adverb}"
        on, instrument = with_adjective(on, pitch), with_adjective(instrument, pitch)
        return Description(
            rng.choice((f"{pattern} on {on}, played{how}", f"{instrument} playing {pattern}{how}")),
            bare,
        )
    words = " ".join(word for word in (pitch, tempo) if word)
    instrument, on = with_adjective(instrument, words), with_adjective(on, words)
    full = rng.choice(
        (f"{pattern} on {on}", f"{instrument} playing {pattern}", f"{instrument} with {pattern}")
    )
    return Description(full, bare)


def mentioned(
    rng: random.Random, adjectives: dict[str, tuple[str, ...]], scene: SoundScene, name: str
) -> str:
    """An adjective for the tempo or the pitch; a middle pitch is never mentioned."""
    if name not in scene.mentions:
        return ""
    return rng.choice(adjectives.get(getattr(scene, name), ("",)))


def with_adjective(noun: str, words: str) -> str:
    """`noun` begins with an article."""
    if not words:
        return noun
    first, _, name = noun.partition(" ")
    return f"the {words} {name}" if first == "the" else article(f"{words} {name}")


def without_article(words: str) -> str:
    for start in ("a ", "an ", "the "):
        if words.startswith(start):
            return words.removeprefix(start)
    return words
