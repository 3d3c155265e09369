"""Findings of the doctor: how checks report them, even when they fail, and how they are printed."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from anygen.core.version import DISTRIBUTION

Mark = Literal["ok", "missing", "problem"]
STYLES: dict[Mark, str] = {"ok": "green", "missing": "yellow", "problem": "bold red"}

# Errors of missing or damaged files and libraries; their messages stand alone as sentences.
SENTENCES = (ImportError, OSError, ValueError, RuntimeError)
# Libraries of versions that do not fit together raise these, too.
BROKEN = (*SENTENCES, AttributeError, LookupError, TypeError)


@dataclass(frozen=True)
class Finding:
    mark: Mark  # missing: absent, but nothing that is needed depends on it
    subject: str
    text: str
    advice: str = ""  # how to fix it


def guarded(subject: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of a check, which end with a problem if the check itself fails."""
    try:
        yield from check()
    except BROKEN as error:
        advice = f"install {DISTRIBUTION} again" if isinstance(error, ImportError) else ""
        yield Finding("problem", subject, explain(error), advice)


def explain(error: Exception) -> str:
    """The message of an error on one line, after its type unless the message is a sentence."""
    kind = "" if isinstance(error, SENTENCES) else f"{type(error).__name__}: "
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return kind + "; ".join(lines)


def print_findings(findings: Iterable[Finding]) -> bool:
    """Prints each finding as it arrives, coloured on a terminal. False if there is a problem."""
    from rich.console import Console
    from rich.text import Text

    if isinstance(sys.stdout, io.TextIOWrapper):  # a check reports a limited terminal
        sys.stdout.reconfigure(errors="backslashreplace")
    console = Console(highlight=False)
    problems = 0
    for finding in findings:
        problems += finding.mark == "problem"
        mark = (f"{finding.mark:8}", STYLES[finding.mark])
        advice = f" -> {finding.advice}" if finding.advice else ""
        line = Text.assemble(mark, f" {finding.subject}: {finding.text}{advice}")
        console.print(line, soft_wrap=True)
    console.print(f"{problems} to fix: see above" if problems else "everything needed works")
    return not problems
