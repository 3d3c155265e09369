"""The languages of the dialogues."""

from typing import Literal

Language = Literal["english", "chinese"]
