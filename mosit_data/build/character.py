"""The character of an assistant: its system prompt, and phrases in which it speaks."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from anygen.core.modality import MEDIA, MediaModality
from anygen.core.schema import Strict, Text, explain_in_line, read_yaml, validate
from anygen.io.media_files import printable
from anygen.io.paths import read_file
from mosit_data.world.language.english.answers import named
from mosit_data.world.language.grammar import expand

RawTurns = list[dict[str, Any]]  # of a RawDialogue


def template(text: str) -> str:
    """Raises ValueError unless it is a phrase whose only value is {x}."""
    try:
        expand(random.Random(0), text, x="")
    except (LookupError, ValueError) as error:
        raise ValueError(
            f"{text!r} is not a phrase ({error}): [this|that] is a choice, and {{x}} the medium"
        ) from None
    return text


Phrase = Annotated[Text, Field(min_length=1), AfterValidator(template)]
Phrases = Annotated[list[Phrase], Field(min_length=1)]


class Talk(Strict):
    """What people say to the assistant, and what it answers."""

    user: Phrase
    assistant: Phrase


class Character(Strict):
    """How the assistant speaks. In its phrases {x} is the medium, such as "a red kite"."""

    system: Annotated[Text, Field(min_length=1)]  # the system prompt under which it speaks so
    announce: Phrases  # before each medium that it makes
    describe: Phrases  # about a medium of the user's
    talk: tuple[Talk, ...] = ()  # instead of the small world's

    def described(self) -> list[str]:
        """Lines about the assistant for a writer that is an LLM."""
        phrases = [*self.announce, *self.describe, *(talk.assistant for talk in self.talk)]
        examples = [f"- {expand(random.Random(0), phrase, x='...')}" for phrase in phrases]
        return [f"The assistant's system prompt: {self.system}", "It speaks like this:", *examples]

    def rephrase(self, rng: random.Random, turns: RawTurns) -> RawTurns:
        """The dialogue with the assistant's words in its place."""
        result, shown = [], []
        for turn in turns:
            if turn["role"] == "user":
                shown = media_in(turn)
                result.append(turn)
            else:
                parts = self.answer(rng, media_in(turn), shown) or turn["parts"]
                result.append({**turn, "parts": parts})
        return result

    def answer(
        self,
        rng: random.Random,
        media: list[tuple[MediaModality, str]],
        shown: list[tuple[MediaModality, str]],
    ) -> list[dict[str, Any]]:
        """The parts of an answer; none if there is no medium to speak of."""
        parts: list[dict[str, Any]] = []
        for modality, caption in media:
            text = self.say(rng, self.announce, named(modality, caption))
            parts += [{"text": text}, {modality: caption}]
        if parts:
            return parts
        texts = [self.say(rng, self.describe, named(*medium)) for medium in shown]
        return [{"text": " ".join(texts)}] if texts else []

    def small_talk(self, rng: random.Random) -> RawTurns:
        """One round of the character's talk; there has to be some."""
        talk = rng.choice(self.talk)
        pair = {"user": talk.user, "assistant": talk.assistant}
        return [
            {"role": role, "parts": [{"text": expand(rng, phrase, x="")}]}
            for role, phrase in pair.items()
        ]

    @staticmethod
    def say(rng: random.Random, phrases: Phrases, name: str) -> str:
        return expand(rng, rng.choice(phrases), x=name)


def media_in(turn: dict[str, Any]) -> list[tuple[MediaModality, str]]:
    """Modality and caption of each medium of a turn."""
    return [(m, part[m]) for part in turn["parts"] for m in MEDIA if m in part]


def read_character(path: Path) -> Character:
    """Raises ValueError, OSError."""
    try:
        data = read_yaml(read_file(path).decode("utf-8-sig"))
        if not isinstance(data, dict):
            raise ValueError(f"is not a mapping of the keys {', '.join(Character.model_fields)}")
        character: Character = validate(Character, data)
    except ValueError as error:
        raise ValueError(f"{printable(path)}: {explain_in_line(error)}") from None
    return character
