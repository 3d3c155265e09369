"""Near misses: what else could have been meant, were one word of a caption another one.

An LLM that asks a decoder for a picture gets the background right long before the second of two
objects; random captions hardly ever differ in that alone.
"""

import random
from collections.abc import Sequence

from mosit_data.world.scene import PictureScene, Scene, SoundScene, in_split
from mosit_data.world.sprites import concept_names
from mosit_data.world.vocabulary import MOTIONS, RELATIONS, SOUNDS, Sound

EACH = 3  # other names of each thing


def hard_negatives(scene: Scene, rng: random.Random) -> list[Scene]:
    """A few scenes that differ in one name; of those of the training split."""
    return [miss for miss in changed(scene, rng) if in_split(miss, "train")]


def changed(scene: Scene, rng: random.Random) -> Sequence[Scene]:
    if isinstance(scene, SoundScene):
        return [scene.model_copy(update={"sound": name}) for name in other_sounds(scene, rng)]
    if not isinstance(scene, PictureScene):
        renamed = [scene.thing.model_copy(update={"concept": c}) for c in other_names(scene, rng)]
        motions = [motion for motion in MOTIONS if motion != scene.motion]
        return [
            *(scene.model_copy(update={"thing": thing}) for thing in renamed),
            scene.model_copy(update={"motion": rng.choice(motions)}),
        ]
    misses = [
        replaced(scene, old, new) for old in concepts(scene) for new in other_names(scene, rng)
    ]
    if scene.relation:
        relations = [relation for relation in RELATIONS if relation != scene.relation]
        misses.append(scene.model_copy(update={"relation": rng.choice(relations)}))
    return misses


def concepts(scene: Scene) -> list[str]:
    """The names of what is seen, each once."""
    if isinstance(scene, SoundScene):
        return []
    things = scene.things if isinstance(scene, PictureScene) else (scene.thing,)
    return list(dict.fromkeys(thing.concept for thing in things))


def other_names(scene: Scene, rng: random.Random) -> list[str]:
    shown = concepts(scene)
    return rng.sample([name for name in concept_names() if name not in shown], EACH)


def other_sounds(scene: SoundScene, rng: random.Random) -> list[str]:
    """Sounds that have the scene's pattern, or none as well."""
    fitting = [name for name, sound in SOUNDS.items() if can_play(sound, scene.pattern)]
    fitting.remove(scene.sound)
    return rng.sample(fitting, min(EACH, len(fitting)))


def can_play(sound: Sound, pattern: str | None) -> bool:
    return pattern in sound.patterns if pattern else not sound.patterns


def replaced(scene: PictureScene, old: str, new: str) -> PictureScene:
    """Every thing of one name becomes a thing of another."""
    things = tuple(
        thing.model_copy(update={"concept": new}) if thing.concept == old else thing
        for thing in scene.things
    )
    return scene.model_copy(update={"things": things})
