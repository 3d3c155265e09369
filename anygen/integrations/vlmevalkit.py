"""Runs VLMEvalKit with anygen as a model, from a checkout of it.

    python -m anygen.integrations.vlmevalkit VLMEvalKit --data MMBench_DEV_EN --model anygen

What comes after the folder are the options of its run.py. VLMEvalKit has no way to find models of
other packages, so this puts them into its table of models and then runs its program.
"""

import runpy
import ssl
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from anygen.anygen import AnyGen
from anygen.core.media import Message, Part
from anygen.evaluation.suites.base import GREEDY, raw_text
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from anygen.io.media_files import read_media

NAMES = ("anygen",)  # with the default model; --model anygen:NAME takes another one
MAX_NEW_TOKENS = 512


def main(arguments: Sequence[str]) -> None:
    """Raises ValueError for a folder without VLMEvalKit."""
    if not arguments or not (Path(arguments[0]) / "run.py").is_file():
        place = f"{arguments[0]}: has no run.py" if arguments else "there is no folder"
        raise ValueError(f"{place}; name a checkout of VLMEvalKit, then the options of its run.py")
    folder = Path(arguments[0]).resolve()
    sys.path.insert(0, str(folder))
    register([text for text in arguments if text.partition(":")[0] == NAMES[0]])
    sys.argv = [str(folder / "run.py"), *arguments[1:]]
    runpy.run_path(str(folder / "run.py"), run_name="__main__")


def register(names: Sequence[str]) -> None:
    """Put models into VLMEvalKit's table: `anygen`, and those that are named `anygen:NAME`.

    Importing it turns off the checks of TLS certificates in the process; they are on again after.
    """
    checked = ssl._create_default_https_context
    from vlmeval.config import supported_VLM

    ssl._create_default_https_context = checked
    kind = model_class()
    for name in {*NAMES, *names}:
        supported_VLM[name] = partial(kind, pretrained=name.partition(":")[2] or "mini")


def model_class() -> type:
    from vlmeval.vlm.base import BaseModel

    class AnyGenVLM(BaseModel):
        """Answers in text, greedily."""

        INTERLEAVE = True

        def __init__(self, pretrained: str = "mini", **placement: Any) -> None:
            super().__init__()
            self.model = AnyGen.from_pretrained(pretrained, **placement)

        def generate_inner(
            self, message: Sequence[Mapping[str, Any]], dataset: str | None = None
        ) -> str:
            return reply(self.model, message)

    return AnyGenVLM


def reply(model: AnyGen, message: Sequence[Mapping[str, Any]]) -> str:
    """The answer to blocks of `type` (text, image, video) and `value`, a text or a path."""
    parts: tuple[Part, ...] = tuple(
        block["value"] if block["type"] == "text" else read_media(block["value"])
        for block in message
    )
    options = AnswerOptions(modalities=("text",), max_new_tokens=MAX_NEW_TOKENS, **GREEDY)
    [answer] = model.reply_many([Request([Message("user", parts)], 0, options)])
    return raw_text(answer)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ValueError as error:
        print(error, file=sys.stderr)  # noqa: T201  # the command's output
        sys.exit(2)
