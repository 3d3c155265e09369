"""What a check finds, and how findings are shown."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from anygen.core.version import DISTRIBUTION

if TYPE_CHECKING:
    pass

# What missing or damaged files and libraries raise, and what those of two versions at once do.
SENTENCES = (ImportError, OSError, ValueError, RuntimeError)


BROKEN = (*SENTENCES, AttributeError, LookupError, TypeError)


Mark = Literal["ok", "missing", "problem"]


STYLES: dict[Mark, str] = {"ok": "green", "missing": "yellow", "problem": "bold red"}


@dataclass(frozen=True)
class Finding:
    mark: Mark  # missing: not here, and nothing that is needed waits for it
    what: str
    text: str
    advice: str = ""  # what to do about it


def guarded(what: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of a check; that it failed is one more."""
    try:
        yield from check()
    except BROKEN as error:
        advice = f"install {DISTRIBUTION} again" if isinstance(error, ImportError) else ""
        yield Finding("problem", what, explain(error), advice)


def explain(error: Exception) -> str:
    """On one line; what is no sentence by itself begins with the kind of error."""
    kind = "" if isinstance(error, SENTENCES) else f"{type(error).__name__}: "
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return kind + "; ".join(lines)


def show(findings: Iterable[Finding]) -> bool:
    """A line as soon as it is found, coloured on a terminal. False if there is a problem."""
    from rich.console import Console
    from rich.text import Text

    if isinstance(sys.stdout, io.TextIOWrapper):  # a poor terminal is reported, not stumbled on
        sys.stdout.reconfigure(errors="backslashreplace")
    console = Console(highlight=False)
    problems = 0
    for finding in findings:
        problems += finding.mark == "problem"
        mark = (f"{finding.mark:8}", STYLES[finding.mark])
        advice = f" -> {finding.advice}" if finding.advice else ""
        line = Text.assemble(mark, f" {finding.what}: {finding.text}{advice}")
        console.print(line, soft_wrap=True)
    console.print(f"{problems} to mend: see above" if problems else "all that is needed works")
    return not problems
