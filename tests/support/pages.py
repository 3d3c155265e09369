"""README's and the site's pages, and the commands and the code that they show."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from support.paths import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r'^```(\w+)(?: title="(.*?)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Command:
    """One command of a ```bash block."""

    page: str
    words: tuple[str, ...]
    output: str | None = None  # the file behind `>`

    def __str__(self) -> str:
        return shlex.join(self.words)


def blocks(page: Path, language: str) -> list[tuple[str, str]]:
    """(title, text) of the fenced blocks of a language; the title of most is empty."""
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [(title, text) for kind, title, text in found if kind == language]


def commands(page: Path) -> list[Command]:
    lines = "".join(text for _, text in blocks(page, "bash")).replace("\\\n", " ").splitlines()
    return [command for line in lines for command in split(page.name, line)]


def split(page: str, line: str) -> list[Command]:
    """`a && b > c  # why` is two commands."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&>")
    lexer.whitespace_split = True
    parts: list[list[str]] = [[]]
    for word in lexer:
        if word == "&&":
            parts.append([])
        else:
            parts[-1].append(word)
    return [redirected(page, words) for words in parts if words]


def redirected(page: str, words: list[str]) -> Command:
    if ">" in words:
        return Command(page, tuple(words[: words.index(">")]), words[-1])
    return Command(page, tuple(words))


def answers(command: Command) -> bool:
    """Whether a command answers what it, or the file that it names, asks."""
    name, arguments = command.words[1:2], set(command.words[2:])
    return (name == ("chat",) and "-p" in arguments) or (
        name == ("generate",) and not {"--from", "--workers", "--verify"} & arguments
    )
