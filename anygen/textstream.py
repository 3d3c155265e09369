"""Token ids -> text as it comes, never half a character."""

from collections.abc import Iterator
from typing import Any

from anygen.events import TextDelta


class TextStream:
    """Text since the last medium; what a token completes is passed on at once."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.ids: list[int] = []  # of the current word and the one before it
        self.shown = ""  # how much of their text has been passed on

    def add(self, token: int) -> Iterator[TextDelta]:
        """The text that `token` completes; nothing while a character is incomplete."""
        self.ids.append(token)
        text = self.tokenizer.decode(self.ids, skip_special_tokens=True)
        if text.endswith("\ufffd"):  # the first bytes of a longer character
            return
        delta = text[len(self.shown) :]
        if delta[:1].isspace():  # a word begins here: what is before it need not be decoded again
            self.ids, self.shown = [token], self.tokenizer.decode([token])
        else:
            self.shown = text
        if delta:
            yield TextDelta(delta)

    def rest(self) -> Iterator[TextDelta]:
        """What is left of an incomplete character; the next text starts anew."""
        text = self.tokenizer.decode(self.ids, skip_special_tokens=True)
        if delta := text[len(self.shown) :]:
            yield TextDelta(delta)
        self.ids, self.shown = [], ""
