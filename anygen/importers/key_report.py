"""Matches keys with tensors of ours and reports on each: used, ignored or not fitting."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from anygen.importers.layout import BASE, FillRule, Importer, KeyRule, Target

HINTS = {
    "llm": "llm.base, llm.lora and llm.signals must be those that it was trained with",
    "input_projector": "it was made for another encoder, or is of another kind",
    "output_projectors": "the projector was made for another decoder, or is of another kind",
}
ELSEWHERE = "no checkpoint of this layout has it: import with --partial, then anygen pack"


@dataclass
class KeyReport:
    """What became of every key of a checkpoint and every name that it should fill."""

    lines: list[tuple[str, str, str]] = field(default_factory=list)  # theirs, ours, remark
    problems: list[str] = field(default_factory=list)  # sentences

    def summary(self) -> str:
        used = len({theirs for theirs, ours, _ in self.lines if theirs and ours})
        ignored = len({theirs for theirs, ours, _ in self.lines if not ours})
        filled = sum(not theirs for theirs, _, _ in self.lines)
        return f"{used} keys used, {ignored} left out, {filled} of ours that the layout lacks"

    def table(self) -> str:
        """The report as text: the problems, then a table of three columns."""
        lines = [("theirs", "ours", ""), *self.lines]
        first, second = (max(len(line[i]) for line in lines) for i in (0, 1))
        table = [
            f"{theirs:{first}}  {ours:{second}}  {remark}".rstrip()
            for theirs, ours, remark in lines
        ]
        return "\n".join([*self.problems, *[""][: len(self.problems)], *table]) + "\n"


Piece = tuple[KeyRule, str, Tensor]  # fills one of ours, or rows of it: rule, their key, tensor


def match(
    theirs: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    importer: Importer,
    target: Target,
    parts: Sequence[str],
) -> tuple[dict[str, Tensor], KeyReport]:
    """Our tensors by name, as far as they could be filled, and the report on all keys.

    `expected` has the shapes of all names that must be filled. Raises ValueError if the tables of
    tokens belong to another LLM.
    """
    report = KeyReport()
    pieces = group_by_name(theirs, importer.key_rules(target), importer.ignored, parts, report)
    filled = {}
    for ours, found in pieces.items():
        if ours not in expected:
            report.problems.append(
                f"{found[0][1]} would be {ours}, and the system has no such weight"
            )
        elif (tensor := combine(ours, found, expected[ours], report)) is not None:
            filled[ours] = tensor
    rules = [*importer.fill_always, *(importer.fill_rules(target) if "llm" in parts else ())]
    for ours in expected:
        if ours not in pieces:
            filled |= fill(ours, expected[ours], rules, report)
    return filled, report


def group_by_name(
    theirs: Mapping[str, Tensor],
    rules: Sequence[KeyRule],
    ignored: Mapping[str, str],
    parts: Sequence[str],
    report: KeyReport,
) -> dict[str, list[Piece]]:
    """The tensors of theirs that fill each of ours."""
    pieces: dict[str, list[Piece]] = {}
    for key, tensor in theirs.items():
        matches = [(rule, re.fullmatch(rule.theirs, key)) for rule in rules]
        ours = [(rule, found.expand(rule.ours)) for rule, found in matches if found]
        if not ours:
            ignore(key, ignored, report)
        for rule, name in ours:
            if part_of(name) in parts:
                pieces.setdefault(name, []).append((rule, key, tensor))
                report.lines.append((key, name, ""))
            else:
                report.lines.append((key, "", f"{name} was not asked for"))
    return pieces


def ignore(key: str, ignored: Mapping[str, str], report: KeyReport) -> None:
    """Reports why a key is not used; it is a problem if the layout does not know it."""
    for pattern, reason in ignored.items():
        if re.fullmatch(pattern, key):
            report.lines.append((key, "", reason))
            return
    report.problems.append(f"{key} is not known in this layout")


def combine(
    ours: str, pieces: Iterable[Piece], expected: Tensor, report: KeyReport
) -> Tensor | None:
    """One tensor of ours from its pieces, or None if they do not fit."""
    whole, filled = torch.empty(0), torch.zeros(len(expected), dtype=torch.bool)
    for rule, key, tensor in pieces:
        values = rule.transform(tensor)
        if not values.is_floating_point() or not values.isfinite().all():
            kind = "numbers that are not finite" if values.is_floating_point() else values.dtype
            report.problems.append(f"{key} holds {kind}, no weights")
            return None
        shape = expected.shape if rule.rows is None else (len(rule.rows), *expected.shape[1:])
        if values.shape != shape:
            report.problems.append(
                f"{ours} is {tuple(values.shape)} there and {tuple(shape)} in the system: "
                f"{HINTS[part_of(ours)]}"
            )
            return None
        if rule.rows is None:
            return values
        whole = whole if len(whole) else torch.empty(expected.shape, dtype=values.dtype)
        rows = torch.tensor(rule.rows)
        whole[rows], filled[rows] = values.to(whole.dtype), True
    if not filled.all():
        report.problems.append(f"nothing in the checkpoint fills all of {ours}")
        return None
    return whole


def fill(
    ours: str, expected: Tensor, rules: Iterable[FillRule], report: KeyReport
) -> dict[str, Tensor]:
    """A tensor that the layout lacks, by its name; empty if no rule fills it."""
    if not expected.numel():
        return {ours: torch.empty(expected.shape)}
    for rule in rules:
        if re.fullmatch(rule.ours, ours):
            report.lines.append(("", ours, rule.reason))
            return {ours: rule.fill(expected.shape)}
    hint = HINTS.get(part_of(ours), ELSEWHERE)
    report.problems.append(f"nothing in the checkpoint fills {ours}: {hint}")
    return {}


def part_of(ours: str) -> str:
    return "llm" if ours.startswith(BASE) else ours.split(".")[0]
