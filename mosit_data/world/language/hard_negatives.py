"""Hard negatives: scenes whose captions differ from a given one in a single name.

An LLM that conditions a decoder gets the background right long before the second of two objects,
and random captions hardly ever differ in that object alone.
"""

import random
from collections.abc import Sequence

from mosit_data.world.scene import PictureScene, Scene, SoundScene, Thing, in_split
from mosit_data.world.sprites import concept_names
from mosit_data.world.vocabulary import COLOURS, MOTIONS, RELATIONS, SOUNDS, Sound

EACH = 3  # other names of each thing


def hard_negatives(scene: Scene, rng: random.Random) -> list[Scene]:
    """A few scenes of the training split that differ from `scene` in one name."""
    return [negative for negative in changed(scene, rng) if in_split(negative, "train")]


def changed(scene: Scene, rng: random.Random) -> Sequence[Scene]:
    """Scenes of either split that differ in one name."""
    if isinstance(scene, SoundScene):
        return [scene.model_copy(update={"sound": name}) for name in other_sounds(scene, rng)]
    if not isinstance(scene, PictureScene):
        thing, motions = scene.thing, [motion for motion in MOTIONS if motion != scene.motion]
        others = [thing.model_copy(update={"concept": name}) for name in other_names(scene, rng)]
        others.append(thing.model_copy(update={"colour": other_colour(thing, rng)}))
        return [
            *(scene.model_copy(update={"thing": other}) for other in others),
            scene.model_copy(update={"motion": rng.choice(motions)}),
        ]
    scenes: list[Scene] = []
    for name, thing in {thing.concept: thing for thing in scene.things}.items():
        scenes += [changed_things(scene, name, concept=c) for c in other_names(scene, rng)]
        scenes.append(changed_things(scene, name, colour=other_colour(thing, rng)))
    if scene.relation:
        relations = [relation for relation in RELATIONS if relation != scene.relation]
        scenes.append(scene.model_copy(update={"relation": rng.choice(relations)}))
    return scenes


def concepts(scene: Scene) -> list[str]:
    """The names of the visible things, each once."""
    if isinstance(scene, SoundScene):
        return []
    things = scene.things if isinstance(scene, PictureScene) else (scene.thing,)
    return list(dict.fromkeys(thing.concept for thing in things))


def other_names(scene: Scene, rng: random.Random) -> list[str]:
    shown = concepts(scene)
    return rng.sample([name for name in concept_names() if name not in shown], EACH)


def other_sounds(scene: SoundScene, rng: random.Random) -> list[str]:
    """Other sounds that can have the scene's pattern; of an effect, other effects."""
    names = [name for name, sound in SOUNDS.items() if can_play(sound, scene.pattern)]
    names.remove(scene.sound)
    return rng.sample(names, min(EACH, len(names)))


def can_play(sound: Sound, pattern: str | None) -> bool:
    return pattern in sound.patterns if pattern else not sound.patterns


def other_colour(thing: Thing, rng: random.Random) -> str:
    return rng.choice([colour for colour in COLOURS if colour != thing.colour])


def changed_things(scene: PictureScene, name: str, **changes: str) -> PictureScene:
    """The scene with changes to every thing of one name."""
    things = tuple(
        thing.model_copy(update=changes) if thing.concept == name else thing
        for thing in scene.things
    )
    return scene.model_copy(update={"things": things})
