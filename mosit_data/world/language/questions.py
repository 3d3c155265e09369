"""Questions about a scene and their true answers."""

import random
from collections.abc import Callable, Iterator

from mosit_data.world.language.phrases import DESCRIBE, Language
from mosit_data.world.scene import (
    PictureScene,
    Scene,
    SoundScene,
    Thing,
    VideoScene,
    caption,
    fully,
    size_word,
)
from mosit_data.world.vocabulary import (
    COLOURS,
    CONCEPT,
    CONCEPTS,
    COUNTS,
    MOTIONS,
    PATTERNS,
    PITCHES,
    SOUNDS,
    TEMPI,
    article,
    plural,
    with_article,
)
from mosit_data.world.wording import in_chinese

QuestionAnswer = tuple[str, str]
INVERSE = {
    "to the left of": "to the right of",
    "to the right of": "to the left of",
    "above": "below",
    "below": "above",
}
MELODY = {
    "rising": "The melody rises.",
    "falling": "The melody falls.",
    "repeated": "The same note is repeated.",
    "chord": "There is no melody, it is a chord.",
    "beat": "There is no melody, it is a drum beat.",
}


def ask_about(
    rng: random.Random, scene: Scene, count: int, language: Language
) -> list[QuestionAnswer]:
    """`count` different questions that the scene can answer, or all if there are fewer."""
    generators = {"english": ENGLISH, "chinese": CHINESE}[language]
    questions = list(generators[type(scene)](rng, scene))
    return rng.sample(questions, min(count, len(questions)))


def describe(rng: random.Random, scene: Scene) -> QuestionAnswer:
    """The general question, answered by a full description or by the scene's caption."""
    return described(rng, fully(scene) if rng.random() < 0.7 else scene)


def described(rng: random.Random, scene: Scene) -> QuestionAnswer:
    """The general question, answered by the scene's caption."""
    return rng.choice(DESCRIBE[scene.type]), sentence(caption(scene))


def sentence(words: str) -> str:
    return words[0].upper() + words[1:] + "."


# --- pictures ---


def about_picture(rng: random.Random, scene: PictureScene) -> Iterator[QuestionAnswer]:
    yield describe(rng, scene)
    yield from about_look(scene)
    yield from about_presence(rng, scene)
    if scene.relation:
        yield from about_relation(scene, scene.relation)
        return
    yield from about_kind(scene)
    if len(scene.things) == 1:
        yield from about_place(scene.things[0])


def about_look(scene: PictureScene | VideoScene) -> Iterator[QuestionAnswer]:
    yield "What colour is the background?", f"The background is {scene.background}."
    yield "Which colour is behind it?", f"It is {scene.background}."
    yield "In which style is it drawn?", f"It is drawn in {scene.style} style."


def about_presence(rng: random.Random, scene: PictureScene) -> Iterator[QuestionAnswer]:
    """Whether something is there: one question to affirm and one to deny."""
    present = [thing.concept for thing in scene.things]
    here = rng.choice(present)
    is_one = present.count(here) == 1
    there = f"there is {article(here)}" if is_one else f"there are {plural(here)}"
    yield f"Is there {article(here)} in it?", f"Yes, {there}."
    absent = rng.choice([c.name for c in CONCEPTS if c.name not in present])
    yield f"Is there {article(absent)} in it?", f"No, but {there}."


def about_kind(scene: PictureScene) -> Iterator[QuestionAnswer]:
    concept, count = CONCEPT[scene.things[0].concept], len(scene.things)
    number, _ = COUNTS[count]
    several = plural(concept.name)
    one = f"It is {article(concept.name)}."
    which = "What" if concept.kind in ("nature", "object") else f"Which {concept.kind}"
    yield f"{which} is this?", one if count == 1 else f"They are {several}."
    are = f"There is one {concept.name}." if count == 1 else f"There are {number} {several}."
    yield f"How many {several} are there?", are


def about_relation(scene: PictureScene, relation: str) -> Iterator[QuestionAnswer]:
    first, second = (thing.concept for thing in scene.things)
    back = INVERSE[relation]
    yield f"Where is the {first}?", f"The {first} is {relation} the {second}."
    yield f"Where is the {second}?", f"The {second} is {back} the {first}."
    yield f"What is {relation} the {second}?", f"It is {article(first)}."
    yield f"What is {back} the {first}?", f"It is {article(second)}."
    yield "Which things do you see?", f"I see {article(first)} and {article(second)}."


def about_place(thing: Thing) -> Iterator[QuestionAnswer]:
    """Only clear cases: no question about places between the middle and a side."""
    across, down = third(thing.x, "left", "right"), third(thing.y, "top", "bottom")
    if across is not None and down is not None:
        where = " ".join(word for word in (down, across) if word)
        answer = f"It is at the {where}." if where else "It is in the middle."
        yield f"Where is the {thing.concept}?", answer
    if size_word(thing):
        yield f"Is the {thing.concept} small or large?", f"It is {size_word(thing)}."


def third(value: float, low: str, high: str) -> str | None:
    """`low`, `high`, empty for the middle, or None if the place is unclear."""
    if 0.43 < value < 0.57:
        return ""
    if 0.37 < value < 0.63:
        return None
    return low if value < 0.5 else high


# --- sounds ---


def about_sound(rng: random.Random, scene: SoundScene) -> Iterator[QuestionAnswer]:
    yield describe(rng, scene)
    name = with_article(scene.sound, scene.sound)
    if scene.pattern is None:
        yield "What makes this sound?", f"It is {name}."
        yield "Is this music?", f"No, it is {caption(scene)}."
        return
    yield "Which instrument is this?", f"It is {name}."
    guess = rng.choice([name for name, sound in SOUNDS.items() if sound.patterns])
    yes = "Yes" if guess == scene.sound else "No"
    guessed = with_article(guess, guess)
    yield f"Is this {guessed}?", f"{yes}, it is {name}."
    yield "What is being played?", f"I hear {PATTERNS[scene.pattern][0]}."
    yield "What does the melody do?", MELODY[scene.pattern]
    yield "Is it slow or fast?", f"It is {scene.tempo}."
    if scene.pitch:
        height = "in the middle" if scene.pitch == "middle" else scene.pitch
        yield "Is it high or low?", f"It is {height}."


# --- videos ---


def about_video(rng: random.Random, scene: VideoScene) -> Iterator[QuestionAnswer]:
    concept, verb = scene.thing.concept, MOTIONS[scene.motion].verb
    yield describe(rng, scene)
    yield from about_look(scene)
    yield "What moves in this video?", f"It is {article(concept)}."
    yield f"What does the {concept} do?", f"The {concept} {verb}."
    yield "What happens here?", f"{sentence(article(concept))[:-1]} is {scene.motion}."
    if scene.motion.startswith("moving"):
        direction = scene.motion.removeprefix("moving ")
        yield f"Which way does the {concept} move?", f"It moves {direction}."


# --- Chinese ---


def picture_in_chinese(rng: random.Random, scene: PictureScene) -> Iterator[QuestionAnswer]:
    yield rng.choice(("图里有什么？", "这是什么图片？")), f"这是{in_chinese(scene)}。"
    yield "背景是什么颜色？", f"背景是{COLOURS[scene.background].chinese}。"
    if not scene.relation:
        concept, count = CONCEPT[scene.things[0].concept], COUNTS[len(scene.things)][1]
        many = f"{count}{concept.measure}{concept.chinese}"
        yield f"有几{concept.measure}{concept.chinese}？", f"有{many}。"


def sound_in_chinese(rng: random.Random, scene: SoundScene) -> Iterator[QuestionAnswer]:
    yield rng.choice(("你听到了什么？", "这是什么声音？")), f"这是{in_chinese(scene)}。"
    if scene.pattern:
        yield "这是什么乐器？", f"这是{SOUNDS[scene.sound].chinese}。"
        yield "它在演奏什么？", f"它在演奏{PATTERNS[scene.pattern][1]}。"
    if scene.tempo:
        yield "速度是快还是慢？", f"是{TEMPI[scene.tempo]}的。"
    if scene.pitch:
        yield "是高音还是低音？", f"是{PITCHES[scene.pitch]}。"


def video_in_chinese(rng: random.Random, scene: VideoScene) -> Iterator[QuestionAnswer]:
    concept, motion = CONCEPT[scene.thing.concept].chinese, MOTIONS[scene.motion].chinese
    yield rng.choice(("视频里发生了什么？", "你看到了什么？")), f"{concept}在{motion}。"
    yield f"{concept}在做什么？", f"它在{motion}。"
    yield "背景是什么颜色？", f"背景是{COLOURS[scene.background].chinese}。"


Questions = dict[type, Callable[..., Iterator[QuestionAnswer]]]
ENGLISH: Questions = {
    PictureScene: about_picture,
    SoundScene: about_sound,
    VideoScene: about_video,
}
CHINESE: Questions = {
    PictureScene: picture_in_chinese,
    SoundScene: sound_in_chinese,
    VideoScene: video_in_chinese,
}
