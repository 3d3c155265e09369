"""Token ids -> text as it comes: never half a character, never a stop text.

`tokenizers.decoders.DecodeStream` does the first of these for fast tokenizers alone; here any
tokenizer of transformers will do.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from anygen.generation.events import TextDelta


class Detokenizer:
    """Text since the last medium; what a token completes is emitted at once."""

    def __init__(self, tokenizer: Any, stop: Sequence[str] = ()) -> None:
        self.tokenizer, self.stop = tokenizer, stop
        self.ids: list[int] = []  # of the current word and the one before it
        self.shown = ""  # how much of their text has been decoded
        self.held = ""  # decoded, but perhaps the beginning of a stop text
        self.stopped = False

    def add(self, token: int) -> Iterator[TextDelta]:
        """The text that `token` completes; nothing while a character is incomplete."""
        self.ids.append(token)
        text = self.tokenizer.decode(self.ids, skip_special_tokens=True)
        if text.endswith("\ufffd"):  # the first bytes of a longer character
            return
        delta = text[len(self.shown) :]
        if delta[:1].isspace():  # a new word: what precedes it need not be decoded again
            self.ids, self.shown = [token], self.tokenizer.decode([token])
        else:
            self.shown = text
        yield from self.emit(delta)

    def emit(self, delta: str) -> Iterator[TextDelta]:
        """Emits what cannot be the beginning of a stop text, and holds the rest back."""
        text = self.held + delta
        ends = [index for index in map(text.find, self.stop) if index >= 0]
        if ends:
            self.stopped, self.held, text = True, "", text[: min(ends)]
        else:
            keep = max((overlap(text, stop) for stop in self.stop), default=0)
            text, self.held = text[: len(text) - keep], text[len(text) - keep :]
        if text:
            yield TextDelta(text)

    def rest(self) -> Iterator[TextDelta]:
        """The rest, even if it ends in an incomplete character; the next text starts afresh."""
        text = self.tokenizer.decode(self.ids, skip_special_tokens=True)
        if left := self.held + text[len(self.shown) :]:
            yield TextDelta(left)
        self.ids, self.shown, self.held = [], "", ""


def overlap(text: str, stop: str) -> int:
    """The length of the longest suffix of `text` that is a proper prefix of `stop`."""
    lengths = range(min(len(text), len(stop) - 1), 0, -1)
    return next((length for length in lengths if text.endswith(stop[:length])), 0)
