"""The options of a row: its own over those of the batch, by field or by the names of `--set`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from anygen.core.modality import MODALITIES, Modality
from anygen.core.schema import did_you_mean, explain
from anygen.generation.option_names import COUNTS, MEDIA_OPTIONS, ONLY, paths_of
from anygen.generation.options import AnswerOptions

FIELDS = tuple(name for name in AnswerOptions.model_fields if name not in ("modalities", "edit"))
DOTTED = (
    *(f"{count}.{modality}" for count in COUNTS for modality in MODALITIES[1:]),
    *(f"{m}.{name}" for name in MEDIA_OPTIONS for m in ONLY.get(name, MODALITIES[1:])),
)
OPTION_NAMES = (*FIELDS, *MEDIA_OPTIONS, *DOTTED)


def is_option(name: str) -> bool:
    return name in OPTION_NAMES


def merged_options(
    defaults: AnswerOptions, own: Mapping[str, Any], modality: Sequence[Modality] = ()
) -> AnswerOptions:
    """The options of a row: `own`, by the fields of `AnswerOptions` or by the names of `--set`,
    over `defaults`. `modality` is what the answer is: one medium of each kind in it, and words if
    it has `text`. Raises ValueError.
    """
    fields = {**defaults.model_dump(exclude_unset=True)}
    fields |= {name: value for name, value in own.items() if name in AnswerOptions.model_fields}
    for name, value in own.items():
        if name not in AnswerOptions.model_fields:
            set_named(fields, name, value)
    if modality:
        require(fields, modality)
    try:
        return AnswerOptions.model_validate(fields)
    except ValidationError as error:
        first = {name.partition(".")[0] for name in own} | set(own)
        problems = explain(error, AnswerOptions).splitlines()
        raise ValueError("\n".join(in_options(problem, first) for problem in problems)) from None


def in_options(problem: str, own: set[str]) -> str:
    """A problem of options, which may come from the row or from the command line."""
    name = problem.partition(":")[0].partition(".")[0]
    return f"options.{problem}" if name in own or name == "media" else problem


def set_named(fields: dict[str, Any], name: str, value: Any) -> None:
    """Sets an option by its name of `--set`, such as image.steps. Raises ValueError."""
    if name not in OPTION_NAMES:
        raise ValueError(
            f"options: no option {name!r}{did_you_mean(name, OPTION_NAMES).rstrip('?')}; there are "
            f"{', '.join((*FIELDS, *MEDIA_OPTIONS))}; for one modality also image.steps"
        )
    for path in paths_of(name):
        place = fields
        for key in path[:-1]:
            place[key] = dict(place.get(key) or {})
            place = place[key]
        place[path[-1]] = value


def require(fields: dict[str, Any], modality: Sequence[Modality]) -> None:
    """Makes the answer one medium of each of these, unless `exactly` counts it otherwise."""
    media = [name for name in modality if name != "text"]
    counts = fields.get("exactly") or {}
    fields["modalities"] = tuple(modality)
    fields["exactly"] = {name: counts.get(name, 1) for name in media}
    if fields.get("begin") not in media:
        fields.pop("begin", None)
