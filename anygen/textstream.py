"""Token ids -> text as it comes, never half a character."""

from typing import Any


class TextStream:
    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.ids: list[int] = []
        self.shown = ""

    def add(self, token: int) -> str:
        """The text that `token` completes; empty while a character is still incomplete."""
        self.ids.append(token)
        text = self.tokenizer.decode(self.ids, skip_special_tokens=True)
        if text.endswith("\ufffd"):  # the first bytes of a longer character
            return ""
        delta = text[len(self.shown) :]
        if " " in delta or "\n" in delta:  # a word is complete: decode from here on anew
            self.ids, self.shown = [token], self.tokenizer.decode([token])
        else:
            self.shown = text
        return delta

    def finish(self) -> str:
        """What is left of an incomplete character."""
        text = self.tokenizer.decode(self.ids, skip_special_tokens=True)
        return text[len(self.shown) :]
