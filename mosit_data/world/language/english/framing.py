"""What people write around a request: a greeting, a reason, a use, a long story."""

import random

from mosit_data.world.language.grammar import Bank, expand, phrasings, say
from mosit_data.world.scene import Split

GREETING: Bank = (
    "[hi|hello|hey|hallo|hiya|yo|heya][| there][, |! |. ]",
    "good [morning|evening|afternoon|day][, |! |. ]",
    "[hey|hi|hello] [anygen|bot|friend|computer|you][, |! ]",
    "[ok|okay|so|alright|right|well|now][, ]",
    "[hi|hello][, ]how are you? ",
    "[sorry to bother you|quick question|one more thing|a small favour|excuse me][: |, |. ]",
    "[hmm|umm|uh|er|let me think][, |... ]",
    "dear [computer|assistant|anygen], ",
)
CLOSING: Bank = (
    " [thanks|thank you|thx|cheers|many thanks][!|.|]",
    " [thanks in advance|thank you so much|thanks a lot|much appreciated][!|.|]",
    ", [please|pls|plz]",
    ", [please|if you can|if possible|if that's ok|if you don't mind]",
    " [asap|quickly|right now|hurry up|as fast as you can]",
    " :)",
    " [lol|haha|xd|hehe]",
    " [ok|okay|right]?",
    ", [no hurry|take your time]",
    ". [I can't wait|I am curious|let's see|surprise me with the rest|the rest is up to you].",
    ". [Nothing fancy|Keep it simple|It need not be perfect].",
    ", nothing else",
)
REASON: Bank = (  # before a request; {many} is the thing in the plural
    (
        "my [daughter|son|niece|nephew|sister|brother|little one|girlfriend|boyfriend] [loves|"
        "adores|is crazy about|likes] {many}[, so |. ][please |]"
    ),
    "I [love|adore|like|collect|dream of] {many}[. | and ][please |]",
    (
        "we are [learning|talking|reading] about {many} [at school|in class|this week][, so |. "
        "][please |]"
    ),
    "my kids [keep asking|ask] for {many}[, so |. ][please |]",
    "I am making a [poster|card|quiz|booklet|website|game] about {many}[. |, so ][please |]",
    "my friend has never seen {many}[, so |. ][please |]",
    "the theme of our party is {many}[, so |. ][please |]",
)
ANY_REASON: Bank = (
    (
        "I am [bored|sad|tired|in a good mood|curious|ill in bed] [today|right now][, so |. "
        "][please |]"
    ),
    "it's my [birthday|day off|first time here|turn][! |. |, so ][please |]",
    (
        "I have to [finish|prepare] [my homework|a presentation|a talk|my slides|a lesson] [by "
        "tomorrow|tonight][, so |. ][please |]"
    ),
    "my boss [wants|asked for] something [nice|new|simple][, so |. ][please |]",
    "I [don't have|haven't got] much time[, so |. ][please |]",
    "[a friend|my teacher|somebody] said you are good at this[, so |. ][please |]",
    "I am [testing you|trying this out|new here|just playing around][, so |. ][please |]",
    "my [computer|printer|paint program] is broken[, so |. ][please |]",
    "I can't draw at all[, so |. ][please |]",
    "[no talking|don't explain anything|less talk|shut up], [just |]",
    "I need your help[. |: |, ]",
)
USE: Bank = (
    (
        " for [my|our|a|the] [blog|website|newsletter|homepage|flyer|poster|app|game|presentation|"
        "book cover]"
    ),
    " for [my|our] [daughter|son|class|team|mother|kids|pupils|students|friends|club]",
    (
        " for [a|the|my] [birthday card|greeting card|invitation|worksheet|school project|t-shirt|"
        "sticker|menu|calendar|slide]"
    ),
    " to [print|hang on the wall|put on the fridge|show to my kids|send to a friend|colour my day]",
    " for [social media|instagram|my profile|the school paper|our shop window]",
)
SHOP: Bank = (
    "my [{thing} ][shop|store|blog|club|website|stall|cafe|channel|brand]",
    "our [{thing} ][festival|company|team|club|magazine|school|museum|newsletter]",
    "a [{thing} ][app|game|quiz|party|book|poster|sticker set|label]",
)
# Sentences of a long story, which have nothing to do with the request at its end.
CHATTER: Bank = (
    (
        "[yesterday|last week|on Sunday|this morning] [my uncle|our neighbour|my cousin|an old "
        "friend] came [over for tea|to visit us|by with his dog and stayed for hours]."
    ),
    "we talked about [the weather|old times|his new job|the garden|everything and nothing].",
    (
        "then [the power went off|the phone rang|it began to rain|the kids came home] and we [had "
        "to stop|laughed a lot|lost track of time]."
    ),
    (
        "I [work|used to work] in [a bakery|an office|a hospital|a small shop|a garage] and [the "
        "days are long|I like it|it can be stressful]."
    ),
    "on [Mondays|weekends|Fridays] I [go swimming|clean the house|cook for my family|sleep late].",
    (
        "our [car|heating|roof|oven] [broke down|needs repair|makes strange noises] again, which "
        "is [expensive|annoying|no surprise]."
    ),
    (
        "my [grandfather|aunt|wife|husband|sister] says that I should [rest more|get out more|"
        "learn something new]."
    ),
    "[anyway|well], that is [how it goes|life|not why I am writing].",
    "the [train|bus] was [late|crowded|cold] and I forgot my [umbrella|keys|lunch] at home.",
    (
        "I have tried [three other programs|to do it by hand|a lot of things], but nothing [worked|"
        "looked right]."
    ),
    "the kids have been [ill|noisy|bored] all week and I am [out of ideas|quite tired].",
    (
        "[next month|in spring|soon] we are moving to [another town|the coast|a bigger flat] and "
        "there is so much to do."
    ),
    "I wanted to [write|ask|do] this [earlier|days ago], but [I forgot|there was no time].",
    "you [will not believe|can imagine] how [loud|long|funny] the meeting was today.",
    "[honestly|to be fair], I do not know much about computers.",
)
TO_THE_POINT: Bank = (
    "[So|Anyway|Long story short|Well], what I [want|need|would like]: ",
    "[So|Anyway|Now to the point]: ",
    "[But enough about me|Enough of that|Sorry for the long text]. ",
    "[So here is|This is] my [question|wish|request]: ",
    "",
)


def framed(rng: random.Random, request: str, split: Split, many: str | None = None) -> str:
    """The request, sometimes with a greeting, a reason or a story before it, or thanks after it."""
    chance = rng.random()
    if chance < 0.025:
        return told_at_length(rng, request, split)
    if chance < 0.09:
        bank = REASON if many and rng.random() < 0.55 else ANY_REASON
        request = say(rng, bank, split, many=many or "") + uncapitalized(request)
    elif chance < 0.2:
        request = say(rng, GREETING, split) + uncapitalized(request)
    if rng.random() < 0.13:
        closing = say(rng, CLOSING, split)
        ended = request.endswith(("?", "!")) and closing.startswith((".", ","))
        request = request.rstrip(".") + (closing.lstrip(".,") if ended else closing)
    return sentences(request.strip().replace("please please", "please"))


def told_at_length(rng: random.Random, request: str, split: Split) -> str:
    """A request at the end of a story about something else."""
    templates = phrasings(CHATTER, split)
    count = min(rng.choice([2, 3, 4, 5, 6, 8, 10]), len(templates))
    story = [expand(rng, template) for template in rng.sample(templates, count)]
    return sentences(" ".join(story) + " " + say(rng, TO_THE_POINT, split) + request)


def use(rng: random.Random, split: Split) -> str:
    """What a medium is for: " for our newsletter"."""
    return say(rng, USE, split)


def shop(rng: random.Random, split: Split, thing: str) -> str:
    return expand(rng, say(rng, SHOP, split, thing=thing))


def uncapitalized(text: str) -> str:
    return text if text.startswith(("I ", "I'")) else text[0].lower() + text[1:]


def sentences(text: str) -> str:
    """Every sentence with a capital letter."""
    parts = text.split(". ")
    return ". ".join(part[:1].upper() + part[1:] for part in parts)
