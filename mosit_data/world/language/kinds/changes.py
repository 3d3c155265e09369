"""Follow-ups: a change of a medium, a way back to an earlier one, talk about what was made."""

import random

from anygen.core.modality import MediaModality
from mosit_data.world.language.chinese import phrases as chinese
from mosit_data.world.language.english import changes as words
from mosit_data.world.language.english.answers import name_of
from mosit_data.world.language.grammar import Bank, say
from mosit_data.world.language.keyboard import typed
from mosit_data.world.language.kinds.edits import edited, thing_of
from mosit_data.world.language.kinds.scenes import (
    changeable,
    is_changeable,
    movable,
    portrait,
    requested_scene,
    unmentioned,
)
from mosit_data.world.language.kinds.single import answer, request, request_and_answer
from mosit_data.world.language.kinds.understanding import ask_about
from mosit_data.world.language.language import Language
from mosit_data.world.language.turns import Turns, assistant, scenes, shuffled, user
from mosit_data.world.scene import PictureScene, Scene, SoundScene, Split, in_split
from mosit_data.world.vocabulary import CONCEPT

ORDINALS = ("first", "second", "third")
OPENINGS: Bank = (  # requests that leave the thing to the assistant
    "[surprise me|draw something|anything you like|draw whatever you want|show me something nice]",
    "[something|an animal|a picture] for [my|the] [kids|fridge|desktop][, you choose|]",
    "[you choose|you decide|your choice|up to you][, a picture please|]",
    "[paint|draw] [anything|a random thing|what you want][, please|]",
    "[show|draw] me a random [picture|thing|animal]",
    "I don't care what, just [draw|show] something",
)

SOUND_OPENINGS: Bank = (
    "[play something|play anything|let me hear something|make a sound|some music please]",
    "[any|a random] [instrument|sound], [please|your choice|you choose]",
    "[surprise me with|play me] [a sound|some music|an instrument]",
    "I want to [hear something|listen to something][, you pick|]",
    "[music|sound], [whatever you like|no matter which]",
)
VIDEO_OPENINGS: Bank = (
    "[show me|make] [a|any|some] [video|clip|animation][, you choose|, whatever you like|]",
    "[animate something|film something|a video of anything]",
    "[surprise me with|let me watch] a [video|clip]",
    "I want to watch something[, your choice|]",
    "something that moves, [please|you choose]",
)


def change(rng: random.Random, split: Split, language: Language) -> Turns:
    """One to three follow-ups that change a medium from the model or from the user."""
    scene = changeable(rng, split)
    if rng.random() < 0.75:
        turns = request_and_answer(rng, scene, language, split)
    else:
        text, new = follow_up(rng, scene, split, language)
        turns = [user(*shuffled(rng, scene, text)), answer(rng, new, language)]
        scene = new
    for _ in range(rng.choice([1, 1, 1, 2, 3] if split == "train" else [1])):
        if not is_changeable(scene):
            break
        text, scene = follow_up(rng, scene, split, language)
        turns += [user(text), answer(rng, scene, language)]
    return turns


def follow_up(
    rng: random.Random, scene: Scene, split: Split, language: Language, typing: bool = True
) -> tuple[str, Scene]:
    """A request for a change, and the changed scene."""
    table = words.CHANGES if language == "english" else chinese.CHANGES
    for _ in range(100):
        edit = edited(rng, scene, split, table)
        if in_split(edit.scene, split):
            break
    values = edit.values if language == "english" else edit.chinese
    text = say(rng, table[edit.kind], split, **values)
    return (typed(rng, text) if typing else text), edit.scene


def another_thing(rng: random.Random, split: Split, language: Language) -> Turns:
    """Two or three pictures in turn, and then a way back to an earlier one."""
    media = [portrait(rng, split, concept, "image") for concept in rng.sample(list(CONCEPT), 3)]
    media = media[: rng.choice([2, 2, 3])]
    turns = request_and_answer(rng, media[0], "english", split)
    for scene in media[1:]:
        text = say(rng, words.NEXT, split, a=name_of(scene))
        turns += [user(typed(rng, text)), answer(rng, scene, "english")]
    return turns + go_back(rng, media, split)


def go_back(rng: random.Random, media: list[Scene], split: Split) -> Turns:
    """An earlier picture once more, usually with a change."""
    index = rng.randrange(len(media) - 1)
    scene, which = media[index], ORDINALS[index]
    assert isinstance(scene, PictureScene)
    concept = thing_of(scene).concept
    if rng.random() < 0.25:
        text = say(rng, words.BACK_ONLY, split, which=which, c=concept)
        return [user(typed(rng, text)), answer(rng, scene, "english")]
    change_text, new = follow_up(rng, scene, split, "english", typing=False)
    text = say(rng, words.BACK, split, which=which, c=concept, change=change_text)
    return [user(typed(rng, text)), answer(rng, new, "english")]


def revisit(rng: random.Random, split: Split, language: Language) -> Turns:
    """Two media in one answer, and then a change of one of them."""
    media = [changeable(rng, split) for _ in range(2)]
    parts: list[str | Scene] = []
    for index, scene in enumerate(media):
        name = f"{'And here' if index else 'Here'} is {name_of(scene)}."
        parts += [name, scene]
    listed = " and ".join(name_of(scene) for scene in media)
    index = rng.randrange(2)
    change_text, new = follow_up(rng, media[index], split, "english", typing=False)
    back = f"{rng.choice(('the', 'take the', 'about the', 'now the'))} {ORDINALS[index]} one"
    text = f"{back}{rng.choice((', ', ': '))}{change_text}"
    first = rng.choice(("show me {x}", "give me {x}", "{x}, please", "I want {x}")).format(x=listed)
    return [
        user(typed(rng, first)),
        assistant(*parts),
        user(typed(rng, text)),
        answer(rng, new, "english"),
    ]


def make_and_ask(rng: random.Random, split: Split, language: Language) -> Turns:
    """A request for a medium, and a question about the result."""
    if language == "english" and rng.random() < 0.3:
        return made_what(rng, split)
    turns = request_and_answer(rng, requested_scene(rng, split), language, split)
    [(question, reply)] = ask_about(rng, scenes(turns)[0], 1, language, split)
    return [*turns, user(typed(rng, question)), assistant(reply)]


def made_what(rng: random.Random, split: Split) -> Turns:
    """A medium that the assistant chose, and the question what it is."""
    if rng.random() < 0.6:
        kind = rng.choices(list(ANYTHING), (60, 25, 15))[0]
        scene = unmentioned(sample_chosen(rng, split, kind))
        opening = typed(rng, say(rng, ANYTHING[kind], split))
    else:
        scene = requested_scene(rng, split)
        opening = request(rng, scene, "english", split)
    parts = (scene,) if rng.random() < 0.5 else (rng.choice(("Here you go.", "Here it is.")), scene)
    bank = words.MADE_WHAT
    if isinstance(scene, SoundScene):
        bank = words.PLAYED_WHAT
    elif not isinstance(scene, PictureScene):
        bank = words.FILMED_WHAT
    reply = f"It is {name_of(scene)}."
    if isinstance(scene, PictureScene) and len(scene.things) > 1 and not scene.relation:
        reply = f"They are {name_of(scene)}."
    return [
        user(opening),
        assistant(*parts),
        user(typed(rng, say(rng, bank, split))),
        assistant(reply),
    ]


ANYTHING: dict[MediaModality, Bank] = {
    "image": OPENINGS,
    "audio": SOUND_OPENINGS,
    "video": VIDEO_OPENINGS,
}


def sample_chosen(rng: random.Random, split: Split, modality: MediaModality) -> Scene:
    """What the assistant makes when it may choose."""
    if modality == "audio":
        return requested_scene(rng, split, "audio")
    return portrait(rng, split, rng.choice(movable(split)), modality)


def praise(rng: random.Random, split: Split, language: Language) -> Turns:
    """Thanks for a medium, and sometimes the next request."""
    turns = request_and_answer(rng, requested_scene(rng, split), language, split)
    if language == "chinese":
        text = rng.choice(("谢谢！", "真好看！", "太棒了", "谢谢，很喜欢", "好可爱啊"))
        return [*turns, user(text), assistant("不客气！很高兴你喜欢。")]
    text = typed(rng, say(rng, words.PRAISE, split))
    turns += [user(text), assistant(rng.choice(words.PRAISE_ANSWERS))]
    if rng.random() < 0.3:
        turns += request_and_answer(rng, requested_scene(rng, split), language, split)
    return turns
