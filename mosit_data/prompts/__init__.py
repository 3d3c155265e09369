"""Everyday prompts that ask an assistant for text, and for no medium."""

from importlib.resources import files
from typing import Literal

PromptSet = Literal["train", "evaluation"]


def read_prompts(name: PromptSet) -> list[str]:
    """The prompts of one set, in the order of its file: 700 in `train`, 100 in `evaluation`."""
    return files(__name__).joinpath(f"{name}.txt").read_text(encoding="utf-8").splitlines()
