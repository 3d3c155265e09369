"""What mini writes around its media: short, and the sentence repeats what was asked for."""

import random

from anygen.core.modality import MediaModality
from mosit_data.world.scene import PictureScene, Scene, caption

LEAD_INS = {"{here}.": 74, "Sure, {low}.": 10, "Of course. {here}.": 6, "": 10}
CLOSINGS = ("I hope you like it.", "Tell me if I should change something.")


def name_of(scene: Scene) -> str:
    return named(scene.type, caption(scene))


def named(modality: MediaModality, text: str) -> str:
    """ "a video of a car moving left", "two cats": a caption with the word for its modality."""
    if modality == "video":
        return f"a video of {text}"
    if modality == "audio" and not text.startswith("the sound") and "playing" not in text:
        return f"the sound of {text}"
    return text


def here_is(scene: Scene) -> str:
    """ "Here are two cats"."""
    many = isinstance(scene, PictureScene) and len(scene.things) > 1 and not scene.relation
    return f"Here {'are' if many else 'is'} {name_of(scene)}"


def lead_in(rng: random.Random, scene: Scene) -> str:
    """The words before a medium; seldom none."""
    here = here_is(scene)
    pattern = rng.choices(list(LEAD_INS), list(LEAD_INS.values()))[0]
    return pattern.format(here=here, low=here[0].lower() + here[1:])


def also(scene: Scene) -> str:
    """The words before a further medium of the same answer."""
    here = here_is(scene)
    return f"And {here[0].lower()}{here[1:]}."


def closing(rng: random.Random) -> str:
    return rng.choice(CLOSINGS) if rng.random() < 0.06 else ""
