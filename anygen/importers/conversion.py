"""Converts a foreign checkpoint to the folder of a model or, for parts, of a training run.

The finished folder gets its name at the end, so that a refused checkpoint leaves nothing behind.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    PreTrainedTokenizerBase,
)

from anygen.checkpoints.checkpoint import (
    RUN_WEIGHTS,
    WEIGHTS,
    own_tensors,
    save_system,
    save_weights,
)
from anygen.config.loader import find_config, load_system
from anygen.config.system import System
from anygen.importers import IMPORTERS
from anygen.importers.key_report import KeyReport, match
from anygen.importers.layout import BASE, PARTS, Importer, Target
from anygen.importers.reading import added_tokens, read_checkpoint
from anygen.io.atomic import new_folder, replacing
from anygen.llm.backbone import outlined
from anygen.llm.tokenization import read_tokenizer
from anygen.model.building import find_base
from anygen.model.multimodal import MultimodalModel

BASE_FOLDER = "base"  # inside the model's folder: its LLM, if the checkpoint changes it


def import_checkpoint(
    source: Path, layout: str, config: str, out: Path, parts: Sequence[str] = ()
) -> KeyReport:
    """Writes the model of the system `config` with the weights of `source` to `out`.

    With `parts`, only these are imported, and `out` looks like a training run that learned them.
    Raises ValueError and leaves nothing behind if a key is unknown, missing or of another shape;
    `NotFittingError` then has the report on all keys.
    """
    importer, system = importer_of(layout), load_system(config)
    check_parts(parts)
    check_settings(layout, importer, system, parts or PARTS)
    folder = find_config(config).parent
    with new_folder(out) as temporary:
        base = find_base(system.llm.base, folder)
        theirs = read_checkpoint(source, importer.files, parts or PARTS)
        model, target = build_target(system, folder, base, source)
        expected = expected_tensors(model, base, importer, parts)
        filled, report = match(theirs, expected, importer, target, parts or PARTS)
        if report.problems:
            raise NotFittingError(source, report)
        write(filled, system, folder, temporary, base, target.tokenizer, whole=not parts)
    return report


class NotFittingError(ValueError):
    """The first problem as a sentence; `report` has all of them."""

    def __init__(self, source: Path, report: KeyReport) -> None:
        more = len(report.problems) - 1
        others = f" (and {more} more; --report FILE lists all)" if more else ""
        super().__init__(f"{source}: {report.problems[0]}{others}")
        self.report = report


def importer_of(layout: str) -> Importer:
    if layout not in IMPORTERS:
        raise ValueError(f"no layout {layout!r}; there are {', '.join(IMPORTERS)}")
    return IMPORTERS[layout]


def check_parts(parts: Sequence[str]) -> None:
    for part in parts:
        if part not in PARTS:
            raise ValueError(f"no checkpoint has a part {part!r}; there are {', '.join(PARTS)}")


def check_settings(layout: str, importer: Importer, system: System, parts: Sequence[str]) -> None:
    """Raises ValueError if a setting that shapes do not reveal differs from the checkpoint's."""
    settings = system.model_dump()
    for key, required in importer.required.items():
        section, *names = key.split(".")
        value = settings[section]
        for name in names:
            value = value.get(name)  # None: this kind of projector has no such setting
        if value != required and any(part.startswith(section) for part in parts):
            raise ValueError(f"{key} is {value!r}, and {layout} needs {required!r}")


def build_target(
    system: System, folder: Path, base: Path | str, source: Path
) -> tuple[MultimodalModel, Target]:
    """The model on the meta device, and what importers need to know about it."""
    tokenizer = read_tokenizer(base)
    with torch.device("meta"):
        model = MultimodalModel(system, folder)
    added = added_tokens(source, tokenizer)
    return model, Target(model.llm.signals, model.llm.width, base, tokenizer, added)


def expected_tensors(
    model: MultimodalModel, base: Path | str, importer: Importer, parts: Sequence[str]
) -> dict[str, Tensor]:
    """Our own tensors and the base LLM's that the layout has, or those of `parts`, on meta.

    Raises ValueError if the LLM cannot hold them.
    """
    prefixes = [f"{part}." for part in parts] or [""]
    expected = own_tensors(model, prefixes)
    if not parts or "llm" in parts:
        llm = outlined(base)
        weights = {
            n: t for n, t in llm.state_dict().items() if re.fullmatch(importer.base_weights, n)
        }
        if weights and llm.config.tie_word_embeddings:
            raise ValueError(
                "llm.base shares one token table for input and output, the checkpoint has two; "
                "name the LLM that it was tuned from"
            )
        expected |= {f"{BASE}{name}": tensor for name, tensor in weights.items()}
    return expected


def write(  # noqa: PLR0913  # everything that is written
    filled: Mapping[str, Tensor],
    system: System,
    source: Path,
    folder: Path,
    base: Path | str,
    tokenizer: PreTrainedTokenizerBase,
    *,
    whole: bool,
) -> None:
    """Writes a whole model, or the weights of a run. A changed LLM gets a folder of its own."""
    changed = {name.removeprefix(BASE): t for name, t in filled.items() if name.startswith(BASE)}
    own = {name: tensor for name, tensor in filled.items() if not name.startswith(BASE)}
    save_weights(own, folder / (WEIGHTS if whole else RUN_WEIGHTS))
    if changed:
        save_base(changed, base, folder / BASE_FOLDER, tokenizer)
        llm = system.llm.model_copy(update={"base": BASE_FOLDER})
        system = system.model_copy(update={"llm": llm})
    if whole:
        save_system(system, source, folder)


def save_base(
    changed: Mapping[str, Tensor],
    base: Path | str,
    folder: Path,
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    """Writes the LLM with some or all weights replaced, in Hugging Face's layout."""
    config = AutoConfig.from_pretrained(base)
    names = outlined(base).state_dict().keys()
    dtype = next(iter(changed.values())).dtype
    if names == changed.keys():
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    else:
        model = AutoModelForCausalLM.from_pretrained(base, dtype="auto")
    model.load_state_dict(changed, strict=False)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def write_report(report: KeyReport, path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_text(report.table(), encoding="utf-8")
