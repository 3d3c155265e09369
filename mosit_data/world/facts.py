"""The facts in a caption, as names from closed lists: what text encoders learn to distinguish."""

from mosit_data.world.scene import PictureScene, Scene, SoundScene, angle_word, size_word
from mosit_data.world.sprites import concept_names
from mosit_data.world.vocabulary import (
    ANGLES,
    COLOURS,
    COUNTS,
    MOTIONS,
    PATTERNS,
    PITCHES,
    RELATIONS,
    SIZES,
    SOUNDS,
    STYLES,
    TEMPI,
)

UNSAID = ""  # the value of a fact that the caption does not mention


def fact_names(full: bool = False) -> dict[str, tuple[str, ...]]:
    """Every fact and its possible values."""
    return {
        "thing": (UNSAID, *concept_names(full)),
        "other": (UNSAID, *concept_names(full)),
        "relation": (UNSAID, *RELATIONS),
        "count": (UNSAID, *(word for word, _ in COUNTS.values())),
        "size": (UNSAID, *SIZES),
        "angle": (UNSAID, *ANGLES),
        "colour": (UNSAID, *COLOURS),
        "other colour": (UNSAID, *COLOURS),
        "style": (UNSAID, *STYLES),
        "background": (UNSAID, *COLOURS),
        "motion": (UNSAID, *MOTIONS),
        "sound": (UNSAID, *SOUNDS),
        "pattern": (UNSAID, *PATTERNS),
        "pitch": (UNSAID, *PITCHES),
        "tempo": (UNSAID, *TEMPI),
    }


def facts(scene: Scene) -> dict[str, str]:
    """The facts that the scene's caption mentions; all others are UNSAID."""
    values = sound_facts(scene) if isinstance(scene, SoundScene) else seen_facts(scene)
    optional = {"size", "style", "background", "pattern", "pitch", "tempo"} - set(scene.mentions)
    return {name: value for name, value in values.items() if value and name not in optional}


def sound_facts(scene: SoundScene) -> dict[str, str | None]:
    pitch = scene.pitch if scene.pitch != "middle" else None  # captions never mention it
    return {"sound": scene.sound, "pattern": scene.pattern, "pitch": pitch, "tempo": scene.tempo}


def seen_facts(scene: Scene) -> dict[str, str | None]:
    assert not isinstance(scene, SoundScene)
    things = scene.things if isinstance(scene, PictureScene) else (scene.thing,)
    look: dict[str, str | None] = {
        "thing": things[0].concept,
        "size": size_word(things[0]),
        "angle": angle_word(things[0]),
        "colour": things[0].colour,
        "style": scene.style,
        "background": scene.background,
    }
    if not isinstance(scene, PictureScene):
        return look | {"motion": scene.motion}
    if scene.relation:
        other = {"other": things[1].concept, "other colour": things[1].colour}
        return look | {"relation": scene.relation} | other
    return look | {"count": COUNTS[len(things)][0]}
