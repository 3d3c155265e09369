"""Requests for one medium as people type them.

{x} is a description with its article, {n} without, {c} a clause, {many} the thing in the plural.
"""

import random
import re

from mosit_data.world.language.english.framing import framed, shop, use
from mosit_data.world.language.english.words.descriptions import Description, describe
from mosit_data.world.language.english.words.names import EMOJI, plural_of
from mosit_data.world.language.grammar import Bank, say
from mosit_data.world.language.keyboard import typed
from mosit_data.world.scene import PictureScene, Scene, SoundScene, Split, VideoScene
from mosit_data.world.vocabulary import article

PICTURE = "[picture|image|drawing|illustration|pic|sketch|painting|artwork|graphic]"
GOOD = "[nice |quick |simple |new |cool |pretty |cute |beautiful |clean ||||]"
DRAW = "[draw|draw|draw|paint|sketch|illustrate|create|make|design]"
PLEASE = "[please |pls ||||]"
FOR_ME = "[ for me|, please| please||||]"

ASK_PICTURE: Bank = (
    PLEASE + "draw [me |us |||]{x}" + FOR_ME + "[.|]",
    PLEASE + "draw [me |us |||]{x}" + FOR_ME + "[.|]",
    PLEASE + "[paint|sketch|illustrate|doodle] [me |||]{x}" + FOR_ME + "[.|]",
    "[can|could|would|will] you [please |kindly |||]" + DRAW + " {x}" + FOR_ME + "?",
    "[can|could] [I|we] [please |][see|have|get] "
    + "[{x}|a "
    + PICTURE
    + " of {x}]"
    + FOR_ME
    + "?",
    PLEASE
    + "[make|create|generate|produce|render|design] [me |]a "
    + GOOD
    + PICTURE
    + " [of|with|showing] {x}"
    + FOR_ME
    + "[.|]",
    "[generate|create|make|render]: {n}",
    "[show|send|give|get] me {x}" + FOR_ME + "[.|]",
    "[show|send|give|get] me a " + GOOD + PICTURE + " [of|with] {x}" + FOR_ME + "[.|]",
    "I [want|need|want to see|would like to see|would like|'d like|wanna see] {x}"
    + FOR_ME
    + "[.|]",
    "I [want|need|would like|am looking for|'d love] a "
    + GOOD
    + PICTURE
    + " [of|with|showing] {x}"
    + FOR_ME
    + "[.|]",
    "I'd [love|like|be happy] to [see|look at|have] {x}[.|]",
    "I would be [glad|grateful|happy] if you could " + DRAW + " {x}[.|]",
    "would you mind [drawing|sketching|painting|making] {x}[ for me|]?",
    "would it be possible to [see|get|have] {x}?",
    "do you think you [can|could] " + DRAW + " {x}?",
    "are you able to " + DRAW + " {x}? [Then do it.|Please try.|Show me.|]",
    "what [does|would] {x} look like? [Show me.|Draw it.|Draw it for me please.|I want to see it.]",
    "how about a " + PICTURE + " of {x}?",
    "let me see {x}[, please|]",
    "let's [have|see|draw] {x}[.|]",
    "try [drawing|to draw|painting|to paint] {x}[.|]",
    "{x}, please[.|]",
    "{x}",
    "{x}",
    "{x}",
    "{n}",
    "{n}",
    "{n}",
    "{n} [please|pls|plz|now|quick|asap]",
    "{n} " + PICTURE,
    "a " + PICTURE + " of {x}" + FOR_ME,
    PICTURE + " of {x}",
    PICTURE + ": {n}",
    PICTURE + " - {n}",
    "[one|just|only] " + PICTURE + ": {x}",
    "{n}, [just a|one|simple] " + PICTURE,
    "{x}[, nothing else|, that's all|, only that]",
    "[I want|give me|make|need] {n}",
    "need {x}[ urgently| quick| today|]",
    "[please make|make please|you make|can make] [picture|image|drawing] [of|with|from] {n}[ ?||.]",
    "[I like|I want] you draw {n}[ ?|.|]",
    "[is it possible|possible] you [draw|paint|make] {x}?",
    "[draw|make] {x} or [I leave|I'm gone|forget it]",
    "[stupid bot|come on|dude|bro|damn it|oh my god], [draw|show me|give me|make] {x}[ already|]",
    "just [draw|make|give me|show me] {x}[ already| and be quiet| and nothing else|]",
    "something [with|like] {x}[, please| would be great| would be nice|]",
    "[imagine|picture this|scene|prompt]: {n}",
    "there [should|must] be {x} in the picture, [draw it|nothing else|please]",
    "a picture please. [It should show|I want] {x}.",
    "[can|could] [u|ya] [draw|make|do] {x}[ pls|]",
    "yo [draw|gimme|make] {x}",
    "[gimme|lemme see|wanna see|i wanna see|show us] {x}",
    "[quick|fast|simple] " + PICTURE + " of {x}[ pls|]",
    "[do|can you do] {x}?",
)
ASK_PICTURE_FOR: Bank = (  # {use} is " for our newsletter"
    PLEASE + DRAW + " {x}{use}[.|, please|]",
    "[I|we] need {x}{use}[.|]",
    "[I am looking|we are looking|looking] for [{x}|a " + PICTURE + " of {x}]{use}[.|]",
    (
        "[an icon|a logo|a sticker|clip art|a badge|a small image|a thumbnail|a banner "
        "image]{use}: {n}"
    ),
    "a " + PICTURE + " of {x}{use}" + "[, please|]",
    "{x}{use}[, please|]",
    "{n} [icon|clipart|sticker|drawing|illustration|image]{use}",
    "[can|could] you [make|draw|create] {x}{use}?",
    "I want to use {x}{use}, [can you draw one|please make one|draw it]",
)
ICON: Bank = (  # {name} is a single thing without attributes, {shop} "my fish shop"
    "an [icon|image|emblem|illustration] [for|of] {shop}: [just |]{a}",
    (
        "[I need|we need|make|draw|design] an [icon|image|emblem|illustration] for {shop}, [{a}|"
        "with {a}|showing {a}]"
    ),
    "{name} [icon|sticker|clipart|sign|stamp]" + FOR_ME,
    "{name} [icon|sticker|clipart|illustration] for {shop}",
    "[a|one] {name} [icon|sticker|button|symbol][, please|]",
)
ASK_MANY: Bank = (  # {n} begins with a number
    "{n}",
    "{n}",
    "[draw|show me|paint|I want|give me|make] {n}[, please| please|]",
    "[exactly|precisely|just] {n}[, no more, no less|, please|]",
    "[a picture|an image|a drawing] [with|of] {n}",
    "[can|could] you draw {n}[ in one picture| together|]?",
    "{n} [in one picture|in the same picture|side by side|all together]",
    "I [need|want] {n} in [the|one] picture[, please|]",
    "{n} [please|!!|pls|now|next to each other]",
)
ASK_PAIR: Bank = (  # {x} tells where two things are
    PLEASE + "draw {x}[.|]",
    "[draw|paint|put|place|show|sketch|make] {x}[, please|.|]",
    "[put|place|arrange|set] {x}[, please|.|]",
    "{x}",
    "{n}",
    "{x}[, please| in one picture|]",
    "[can|could] you [draw|put|place|show] {x}?",
    "[a picture|an image|a drawing] [of|with|showing] {x}",
    "I [want|need|would like|'d like] [a picture of |an image with |to see |]{x}[.|]",
    "[image|picture|scene|composition|layout]: {n}",
    "one [picture|image] with {x}[, please|]",
    "[show|give] me {x}[.|]",
)

SOUND_ASK: Bank = (
    PLEASE + "play [me |us |||]{x}" + FOR_ME + "[.|]",
    PLEASE + "play [me |us |||]{x}" + FOR_ME + "[.|]",
    "[can|could|would|will] you [please |kindly ||]play {x}" + FOR_ME + "?",
    "let [me|us] [hear|listen to] {x}" + FOR_ME + "[.|]",
    "I [want|would like|'d like|'d love|wanna|need] to [hear|listen to] {x}[ please|.|]",
    "[can|could|may] [I|we] [hear|listen to] {x}" + FOR_ME + "?",
    PLEASE
    + (
        "[make|create|generate|record|produce] [a recording|audio|a clip|a sound clip|an audio "
        "clip|a sample] [of|with] {x}[.|]"
    ),
    "[make|create|generate|do] the sound of {x}[.|]",
    "[audio|sound|recording|sound clip|play]: {n}",
    "[audio|sound clip|recording] of {x}" + FOR_ME,
    "{n}[, audio|, sound| sound please|, to listen to]",
    "{n} [sound|audio] please",
    "I [need|want|would like] [a recording|the sound|audio|a sound clip] of {x}[ please|.|]",
    (
        "[give|send] me [the sound of |a recording of |some audio of |]{x}[ to listen to| so I can "
        "hear it| as audio| as a sound]"
    ),
    (
        "what does {x} sound like? [I want to hear it.|Play it.|Let me hear it.|Play it for me "
        "please.]"
    ),
    "how does {x} sound? [Play it.|Let me hear it.|I'd like to listen to it.]",
    "do you know how {x} sounds? [Play it please.|Then play it.|Let me listen.]",
    "I have never heard {x}. [Play it for me.|Can you play it?|Let me hear it.]",
    (
        "I [miss|love|like] [the sound of |hearing |]{x}[, play it for me|, let me hear it|, can "
        "you play it?]"
    ),
    "[some|a bit of|a little] [audio|sound] with {x}[, please|]",
    "[please I want|I want|make me] [listen|hear] {n}[ ?||.]",
    "would you mind playing {x}[ for me|]?",
    "it would be [nice|great|lovely] to hear {x}[.|]",
    "[turn on|put on|start] {x}[ please|.|]",
    "[gimme|lemme hear|wanna hear|i wanna hear] {x}",
    "{x}, [audio only|as a sound|as audio|just the sound|no picture]",
    "[quick|short] [sound|audio] clip: {n}",
    "come on, play {x}[ already|]",
    "make [some |]noise: {n}",
    "a [sound|noise]: {x}",
)
SOUND_MUSIC: Bank = (  # only of instruments; {name} has no article
    "{name} [solo|music|tune|piece]",
    "[some|a little|a bit of] {name}[ music||, please| for me|]",
    "play [some|a little|a bit of] {name}[ music|| please|]",
    "a [little |short |nice |]{name} [solo|tune|melody|piece][, please|]",
    "play [the|a|your] {name}[ for me| please|]",
    "{name}[ please| pls| now|!]",
    "I [want|need|'d like] [some |]{name} [music|sounds][ please|]",
    "[do|give me|make] [a|some] {name} [solo|music]",
    "a {name} being played[, please|]",
    "somebody playing [the|a] {name}[, please|]",
)
BEAT: Bank = (
    (
        "[a|one|some] [simple|basic|good|nice|cool|short] [drum beat|drum rhythm|drum groove][, "
        "please|]"
    ),
    "play [a|me a] [drum beat|rhythm on the drums|beat on the drums|drum solo][ please|]",
    "[drums|drum beat|drum groove|drum loop][ please|, audio|]",
    "[give me|I want|I need|let's hear] [some drums|a drum beat|a beat|a rhythm]",
    "[hit|bang|play] the drums[ for me|]",
)

MOVIE = "[video|video|video|clip|short clip|animation|film|movie|short video|gif|loop|video clip]"
ASK_VIDEO: Bank = (
    PLEASE + "[make|create|generate|produce|render|do] [me |]a " + MOVIE + " of {x}[.|]",
    PLEASE + "[make|create|generate|produce] a " + MOVIE + " [where|in which] {c}[.|]",
    "[show|send|give|get] me a " + MOVIE + " of {x}[.|]",
    "[show|give] me a " + MOVIE + " [where|in which] {c}[.|]",
    "[can|could|would|will] you [please |][make|create|generate|do|film] a " + MOVIE + " of {x}?",
    "[can|could] you [please |]animate {x}?",
    PLEASE + "animate {x}[ for me|, please|.|]",
    "film {x}[, please|.|]",
    "[can|could|may] [I|we] [watch|see|have] a " + MOVIE + " of {x}?",
    "I [want|need|would like|'d like|'d love] a " + MOVIE + " of {x}[.|]",
    "I [want|would like|'d love] to [watch|see] {x}, as a [video|clip|film|animation][.|]",
    "I [want|would like|'d love|wanna] [to |]watch {x}[.|]",
    "I want to see [how|that] {c}[, make a " + MOVIE + "|, in a video|, as an animation]",
    "{x}, [as a video|as an animation|video|animated|clip|moving picture please]",
    "{n}, [video|animated|animation|clip|gif]",
    "{n} [video|clip|animation|gif|vid]",
    "[video|clip|animation|movie|gif]: {n}",
    "[video|clip|animation|movie] - {c}",
    "a " + MOVIE + " of {x}" + FOR_ME,
    MOVIE + " of {x}",
    "a " + MOVIE + " in which {c}[, please|.|]",
    "[short|quick|little|two second] [video|clip|animation]: {c}",
    "I'd [love|like] to see {x} in a [video|clip|film][.|]",
    "would you mind [animating|filming] {x}?",
    "would it be possible to [get|see|have] a " + MOVIE + " of {x}?",
    "[we need|we want|I need] a " + MOVIE + " [of|with|showing] {x}{use}",
    "[please make|make please|you make|can make] [video|film|clip] [of|with|from] {n}[ ?||.]",
    "[please video|make video|want video] [where|how|that] {c}[ ?||.]",
    "make it so that {c}, [in a video|as a video|as a clip|as an animation]",
    "let me [watch|see] {x} in a [video|clip|movie][.|]",
    "something that moves: {x}, [video|as a clip|animated]",
    "[yo|dude|bro], [make|gimme|do] a [vid|video|clip] of {x}",
    (
        "I imagine this: {c}. [Make a video of it.|Can you film that?|Turn it into a video.|As a "
        "clip, please.]"
    ),
    "not a picture, a [video|clip]: {x}",
    "a moving [picture|image] of {x}",
)
ASK_VIDEO_BARE: Bank = (
    "{x}",
    "{n}",
    "{c}",
    "{x}[, please|]",
    "show me {x}",
    "I want to see {x}",
    "[I want to|I'd like to|let me|can I|may I] [see|watch] {o}[, please|]",
    "make {o}[, please|]",
)
ASK_VIDEO_ORDER: Bank = (  # {o} is "a pizza spin on blue"
    "make {o}[ in a video| in a clip|, as a video|, video please|]",
    "let {o}[ in a video| in a film|, as an animation]",
    "[can|could] you make {o}[ in a video| in a clip|]?",
    "I [want|would like|'d love] to [watch|see] {o}[, make a video|, video please| in a clip|]",
    "[can|could] [I|we] [watch|see] {o}[ in a video| in a clip|]?",
    "show [me |us |]how you make {o}[ in a video|]",
    "have {o}, [as a video|in a clip|animated]",
    "[my son|my daughter|my class] wants to [watch|see] {o}",
    "[a|one] video please. I want to see {o}",
)
SOURCE_ASK: Bank = (  # {x} makes a sound, and is no instrument
    "what [sound|noise] does {x} make? [Play it.|Let me hear it.|I want to listen to it.]",
    "[how|what] does {x} sound[ like|]? [Play it.|I'd like to hear it.]",
    "the [sound|noise] [of {x}|that {x} makes][, please|]",
    "[play|make] [the noise|the sound] [of|made by] {x}[ please|]",
    "let me hear what {x} sounds like",
    "I [want|wanna|would like] to know what {x} sounds like, play it",
    "{n} [sound|noise|sounds][ please| pls|]",
)
IF_ASK: Bank = (
    "if you can draw {x}, [do it|please do|show me]",
    "if you know what {x} looks like, draw [one|it]",
    "in case you can paint: {x}[, please|]",
    "if it is not too much work, draw {x}",
    "[could|can] you draw {x} if [I ask nicely|you have time]?",
    "unless you are busy, draw {x}[ for me|]",
)
BARE_ASK: Bank = (  # of one thing without attributes
    "{x} without [a special|any] background[ colour|][, please|]",
    "{x}, [no background colour|any background|any colour|any style|no special style][, please|]",
    "{x}, [whatever style|however you like|as you like it]",
    "just {x}, [no background|nothing around it|nothing behind it]",
    "draw {x}, [no matter how|the style does not matter|I don't care about the colours]",
)
EMOJI_ASK: Bank = (
    "{e}",
    "{e}",
    "{e}{e}{e}",
    "draw {e}",
    "{e} please",
    "{e}?",
    "a {e}",
    "make me a {e}",
)


# "the sound of the sound of a bird", which template and description make together.
DOUBLED = re.compile(r"the (?:sound|noise) of (the (?:sound|noise) of)")
SOURCES = ("bird", "telephone", "helicopter")  # things whose sounds are effects


def ask(rng: random.Random, scene: Scene, split: Split = "train") -> str:
    """A request as somebody types it."""
    if isinstance(scene, PictureScene) and is_plain(scene) and rng.random() < 0.03:
        concept = scene.things[0].concept
        if concept in EMOJI:
            return say(rng, EMOJI_ASK, split, e=EMOJI[concept])
    many = None if isinstance(scene, SoundScene) else plural_of(things_of(scene)[0])
    if isinstance(scene, PictureScene) and len(scene.things) > 1:
        many = None
    return typed(rng, framed(rng, core(rng, scene, split), split, many))


def core(rng: random.Random, scene: Scene, split: Split) -> str:
    """The request alone."""
    text = bank_and_say(rng, scene, split, describe(rng, scene))
    return DOUBLED.sub(r"\1", text)


def bank_and_say(rng: random.Random, scene: Scene, split: Split, words: Description) -> str:
    values = {"x": words.full, "n": words.bare, "c": words.clause, "o": words.order}
    if isinstance(scene, SoundScene):
        if scene.sound in SOURCES and rng.random() < 0.35:
            return say(rng, SOURCE_ASK, split, x=article(scene.sound), n=scene.sound)
        return say(rng, sound_bank(rng, scene), split, **values, name=words.bare)
    if isinstance(scene, VideoScene):
        bank = rng.choices((ASK_VIDEO, ASK_VIDEO_ORDER, ASK_VIDEO_BARE), (78, 12, 10))[0]
        return say(rng, bank, split, **values, use=use(rng, split))
    name = scene.things[0].concept
    where = " ".join(shop(rng, split, rng.choice((name, name, ""))).split())
    values |= {"name": words.bare, "a": words.full, "shop": where, "use": use(rng, split)}
    return say(rng, picture_bank(rng, scene), split, **values)


def picture_bank(rng: random.Random, scene: PictureScene) -> Bank:
    if scene.relation:
        return ASK_PAIR
    if len(scene.things) > 1:
        return ASK_MANY if rng.random() < 0.6 else ASK_PICTURE
    if is_plain(scene) and rng.random() < 0.1:
        return rng.choice((ICON, ICON, BARE_ASK))
    return rng.choices((ASK_PICTURE, ASK_PICTURE_FOR, IF_ASK), (84, 13, 3))[0]


def sound_bank(rng: random.Random, scene: SoundScene) -> Bank:
    if scene.pattern is None:
        return SOUND_ASK
    if scene.pattern == "beat" and "tempo" not in scene.mentions and rng.random() < 0.5:
        return BEAT
    if not scene.mentions and scene.sound != "choir" and rng.random() < 0.4:
        return SOUND_MUSIC
    return SOUND_ASK


def is_plain(scene: Scene) -> bool:
    """Whether the caption is the name of one thing and nothing else."""
    if not isinstance(scene, PictureScene) or len(scene.things) > 1 or scene.things[0].angle:
        return False
    return not scene.mentions


def things_of(scene: PictureScene | VideoScene) -> tuple[str, ...]:
    things = scene.things if isinstance(scene, PictureScene) else (scene.thing,)
    return tuple(thing.concept for thing in things)
