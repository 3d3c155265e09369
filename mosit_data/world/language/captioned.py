"""A medium of which only a caption is known, as a dialogue: a question about it, or a request."""

import random
import re

from anygen.core.records import Content, MediaContent, Record, RecordMessage, TextContent
from mosit_data.world.language.chinese import phrases as chinese
from mosit_data.world.language.english.question_phrases import DESCRIBE
from mosit_data.world.language.english.requests import ASK_PICTURE, ASK_VIDEO, SOUND_ASK
from mosit_data.world.language.grammar import Bank, expand, phrasings, say
from mosit_data.world.language.turns import Turns

ASK: dict[str, Bank] = {"image": ASK_PICTURE, "audio": SOUND_ASK, "video": ASK_VIDEO}
# A caption that begins like this names a thing, and may stand within a sentence.
NAMES_A_THING = re.compile(r"(?:an?|the|some|one|two|three|four|five|several|many) ", re.IGNORECASE)
ARTICLE = re.compile(r"(?:an?|the) ", re.IGNORECASE)
HAN = re.compile(r"[\u4e00-\u9fff]")
SLOTS = re.compile(r"\{(\w+)\}")
APART = re.compile(r"\A\{[xn]\}\Z|: \{[xn]\}\Z")  # templates that any words may follow
CAPITALIZED = 0.5  # share of the sentences that begin with a capital letter


def bare_medium(record: Record) -> MediaContent | None:
    """The medium of a record that holds nothing but this medium and its caption.

    It may stand alone, or follow a message of the user that is no more than the caption.
    """
    *before, last = record.messages
    if last.role != "assistant" or len(last.content) != 1:
        return None
    [medium] = last.content
    if isinstance(medium, TextContent) or medium.ref is not None or not medium.caption:
        return None
    earlier = [(message.role, message.content) for message in before]
    caption = [("user", [TextContent(text=medium.caption)])]
    return medium if earlier in ([], caption) else None


def describe(rng: random.Random, medium: MediaContent) -> Turns:
    """A question about the medium, answered by its caption."""
    caption = (medium.caption or "").strip()
    is_chinese = bool(HAN.search(caption))
    bank = chinese.DESCRIBE[medium.type] if is_chinese else DESCRIBE[medium.type]
    question = TextContent(text=begun(rng, say(rng, bank)))
    shown = medium.model_copy(update={"caption": None})
    parts: list[Content] = [shown, question] if rng.random() < 0.7 else [question, shown]
    answer = caption[0].upper() + caption[1:]
    if answer[-1].isalnum():
        answer += "。" if is_chinese else "."
    return [
        RecordMessage(role="user", content=parts),
        RecordMessage(role="assistant", content=[TextContent(text=answer)]),
    ]


def request(rng: random.Random, medium: MediaContent) -> Turns:
    """A request for what the caption says, answered by the medium."""
    caption = (medium.caption or "").strip()
    if HAN.search(caption):
        words = say(rng, chinese.ASK[medium.type], x=caption.rstrip("。"))
    else:
        words = begun(rng, asked_for(rng, ASK[medium.type], caption))
    return [
        RecordMessage(role="user", content=[TextContent(text=words)]),
        RecordMessage(role="assistant", content=[medium]),
    ]


def asked_for(rng: random.Random, bank: Bank, caption: str) -> str:
    """A sentence of the bank about a thing, or one that ends with the caption as it is.

    A caption that ends in a full stop is a sentence and no thing.
    """
    templates = [t for t in phrasings(bank, "train") if {*SLOTS.findall(t)} <= {"x", "n"}]
    if NAMES_A_THING.match(caption) and not caption.endswith("."):
        caption = caption[0].lower() + caption[1:]
    else:
        templates = [template for template in templates if APART.search(template)]
    without_article = ARTICLE.sub("", caption, count=1) if ARTICLE.match(caption) else caption
    slots = {"x": caption, "n": without_article}
    filled = {name: f"{{{name}}}" for name in slots}
    words = expand(rng, rng.choice(templates), **filled)
    return SLOTS.sub(lambda slot: slots[slot[1]], words)


def begun(rng: random.Random, words: str) -> str:
    return words[:1].upper() + words[1:] if rng.random() < CAPITALIZED else words
