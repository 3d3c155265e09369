"""Every key is accounted for: what it becomes, or why it is left out, or that it does not fit."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from anygen.importers.layout import BASE, DefaultTensor, Importer, Row, Target

HINTS = {
    "llm": "llm.base, llm.lora and llm.signals must be those that it was trained with",
    "input_projector": "it was made for another encoder, or is of another kind",
    "output_projectors": "the projector was made for another decoder, or is of another kind",
}
ELSEWHERE = "no checkpoint of this layout has it: import by --partial, and join by anygen pack"


@dataclass
class Account:
    """What came of all keys of a checkpoint, and of all names that it should fill."""

    lines: list[tuple[str, str, str]] = field(default_factory=list)  # theirs, ours, remark
    problems: list[str] = field(default_factory=list)  # sentences

    def summary(self) -> str:
        used = len({theirs for theirs, ours, _ in self.lines if theirs and ours})
        aside = len({theirs for theirs, ours, _ in self.lines if not ours})
        made = sum(not theirs for theirs, _, _ in self.lines)
        return f"{used} keys used, {aside} left out, {made} of ours that the layout has not"

    def table(self) -> str:
        """All of it as text: the problems, then three columns."""
        lines = [("theirs", "ours", ""), *self.lines]
        first, second = (max(len(line[i]) for line in lines) for i in (0, 1))
        rows = [f"{theirs:{first}}  {ours:{second}}  {why}".rstrip() for theirs, ours, why in lines]
        return "\n".join([*self.problems, *[""][: len(self.problems)], *rows]) + "\n"


Piece = tuple[Row, str, Tensor]  # what of their tensor, by its key, goes into one of ours


def match(
    theirs: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    importer: Importer,
    target: Target,
    parts: Sequence[str],
) -> tuple[dict[str, Tensor], Account]:
    """Our tensors by name, as far as they could be filled, and the account of all keys.

    `wanted` has the shapes of all names that must be filled. Raises ValueError where the tables of
    tokens show that the LLM is another one.
    """
    account = Account()
    pieces = sort(theirs, importer.rows(target), importer.left_out, parts, account)
    filled = {}
    for ours, found in pieces.items():
        if ours not in wanted:
            account.problems.append(
                f"{found[0][1]} would be {ours}, and the system has no such weight"
            )
        elif (tensor := put_together(ours, found, wanted[ours], account)) is not None:
            filled[ours] = tensor
    made = list(importer.made(target)) if "llm" in parts else []
    for ours in wanted:
        if ours not in pieces:
            filled |= make(ours, wanted[ours], made, account)
    return filled, account


def sort(
    theirs: Mapping[str, Tensor],
    rows: Sequence[Row],
    left_out: Mapping[str, str],
    parts: Sequence[str],
    account: Account,
) -> dict[str, list[Piece]]:
    """What goes into each of ours."""
    pieces: dict[str, list[Piece]] = {}
    for key, tensor in theirs.items():
        matches = [(row, re.fullmatch(row.theirs, key)) for row in rows]
        ours = [(row, found.expand(row.ours)) for row, found in matches if found]
        if not ours:
            leave_out(key, left_out, account)
        for row, name in ours:
            if part_of(name) in parts:
                pieces.setdefault(name, []).append((row, key, tensor))
                account.lines.append((key, name, ""))
            else:
                account.lines.append((key, "", f"{name} was not asked for"))
    return pieces


def leave_out(key: str, left_out: Mapping[str, str], account: Account) -> None:
    for pattern, why in left_out.items():
        if re.fullmatch(pattern, key):
            account.lines.append((key, "", why))
            return
    account.problems.append(f"{key} is not known in this layout")


def put_together(
    ours: str, pieces: Iterable[Piece], wanted: Tensor, account: Account
) -> Tensor | None:
    """One of our tensors of what goes into it; None where it does not fit."""
    whole, filled = torch.empty(0), torch.zeros(len(wanted), dtype=torch.bool)
    for row, _, tensor in pieces:
        taken = row.take(tensor)
        expected = wanted.shape if row.put is None else (len(row.put), *wanted.shape[1:])
        if taken.shape != expected:
            account.problems.append(
                f"{ours} is {tuple(taken.shape)} there and {tuple(expected)} in the system: "
                f"{HINTS[part_of(ours)]}"
            )
            return None
        if row.put is None:
            return taken
        whole = whole if len(whole) else torch.empty(wanted.shape, dtype=taken.dtype)
        places = torch.tensor(row.put)
        whole[places], filled[places] = taken.to(whole.dtype), True
    if not filled.all():
        account.problems.append(f"nothing in the checkpoint fills all of {ours}")
        return None
    return whole


def make(
    ours: str, wanted: Tensor, made: Iterable[DefaultTensor], account: Account
) -> dict[str, Tensor]:
    """What a layout has nothing for, by its name; empty where something was to be expected."""
    if not wanted.numel():
        return {ours: torch.empty(wanted.shape)}
    for rule in made:
        if re.fullmatch(rule.ours, ours):
            account.lines.append(("", ours, rule.why))
            return {ours: rule.make(wanted.shape)}
    hint = HINTS.get(part_of(ours), ELSEWHERE)
    account.problems.append(f"nothing in the checkpoint fills {ours}: {hint}")
    return {}


def part_of(ours: str) -> str:
    return "llm" if ours.startswith(BASE) else ours.split(".")[0]
