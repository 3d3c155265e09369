"""A checkpoint of another layout -> the folder of a model, or of a run where only parts are asked.

The folder appears by one rename of a finished one: what is refused leaves nothing behind.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

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
from anygen.importers.account import Account, match
from anygen.importers.layout import BASE, PARTS, Importer, Target
from anygen.importers.reading import added_tokens, read_checkpoint
from anygen.io.atomic import new_folder, replacing
from anygen.llm.backbone import outlined
from anygen.model.building import find_base
from anygen.model.multimodal import MultimodalModel

BASE_FOLDER = "base"  # in that of the model: its LLM, where the checkpoint has changed it


def import_checkpoint(
    source: Path, layout: str, config: str, out: Path, parts: Sequence[str] = ()
) -> Account:
    """Writes `out`: the model of the system `config` with the weights of `source`.

    With `parts` only those are taken, and `out` is as a training run would have left it that
    learned them. Raises ValueError, with one sentence, and leaves nothing behind, where a key is
    unknown, of another shape or missing; `NotFittingError` then has the account of all.
    """
    importer, system = importer_of(layout), load_system(config)
    check_parts(parts)
    check_settings(layout, importer, system, parts or PARTS)
    folder = find_config(config).parent
    with new_folder(out) as temporary:
        base = find_base(system.llm.base, folder)
        theirs = read_checkpoint(source, importer.files, parts or PARTS)
        model, target = outline(system, folder, base, source)
        wanted = wanted_tensors(model, base, importer, parts)
        filled, account = match(theirs, wanted, importer, target, parts or PARTS)
        if account.problems:
            raise NotFittingError(source, account)
        write(filled, system, folder, temporary, base, target.tokenizer, whole=not parts)
    return account


class NotFittingError(ValueError):
    """The first problem as a sentence; `account` has all."""

    def __init__(self, source: Path, account: Account) -> None:
        more = len(account.problems) - 1
        others = f" (and {more} more; --report FILE lists all)" if more else ""
        super().__init__(f"{source}: {account.problems[0]}{others}")
        self.account = account


def importer_of(layout: str) -> Importer:
    if layout not in IMPORTERS:
        raise ValueError(f"no layout {layout!r}; there are {', '.join(IMPORTERS)}")
    return IMPORTERS[layout]


def check_parts(parts: Sequence[str]) -> None:
    for part in parts:
        if part not in PARTS:
            raise ValueError(f"no checkpoint has a part {part!r}; there are {', '.join(PARTS)}")


def check_settings(layout: str, importer: Importer, system: System, parts: Sequence[str]) -> None:
    """What no shape would tell: the system must compute what the checkpoint was trained in."""
    for key, needed in importer.needs.items():
        section, *names = key.split(".")
        given: Any = getattr(system, section)
        for name in names:
            given = getattr(given, name, None)  # of a kind that has no such setting
        if given != needed and any(part.startswith(section) for part in parts):
            raise ValueError(f"{key} is {given!r}, and {layout} needs {needed!r}")


def outline(
    system: System, folder: Path, base: Path | str, source: Path
) -> tuple[MultimodalModel, Target]:
    """The model without values, and what importers want to know of it."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    with torch.device("meta"):
        model = MultimodalModel(system, folder)
    added = added_tokens(source, tokenizer)
    return model, Target(model.llm.signals, model.llm.width, base, tokenizer, added)


def wanted_tensors(
    model: MultimodalModel, base: Path | str, importer: Importer, parts: Sequence[str]
) -> dict[str, Tensor]:
    """All of our own, and what the layout brings of the LLM's, or the `parts` of these.

    Raises ValueError for an LLM that cannot take it.
    """
    prefixes = [f"{part}." for part in parts] or [""]
    wanted = own_tensors(model, prefixes)
    if not parts or "llm" in parts:
        llm = outlined(base)
        weights = {n: t for n, t in llm.state_dict().items() if re.fullmatch(importer.brings, n)}
        if weights and llm.config.tie_word_embeddings:
            raise ValueError(
                "llm.base reads and speaks by one table of tokens, and the checkpoint has two; "
                "name the LLM that it was tuned from"
            )
        wanted |= {f"{BASE}{name}": tensor for name, tensor in weights.items()}
    return wanted


def write(  # noqa: PLR0913  # all that there is to be written
    filled: Mapping[str, Tensor],
    system: System,
    source: Path,
    folder: Path,
    base: Path | str,
    tokenizer: Any,
    *,
    whole: bool,
) -> None:
    brought = {name.removeprefix(BASE): t for name, t in filled.items() if name.startswith(BASE)}
    own = {name: tensor for name, tensor in filled.items() if not name.startswith(BASE)}
    save_weights(own, folder / (WEIGHTS if whole else RUN_WEIGHTS))
    if brought:
        save_base(brought, base, folder / BASE_FOLDER, tokenizer)
        llm = system.llm.model_copy(update={"base": BASE_FOLDER})
        system = system.model_copy(update={"llm": llm})
    if whole:
        save_system(system, source, folder)


def save_base(
    brought: Mapping[str, Tensor], base: Path | str, folder: Path, tokenizer: Any
) -> None:
    """The LLM with some weights, or all, replaced, in Hugging Face's layout."""
    config = AutoConfig.from_pretrained(base)
    names = outlined(base).state_dict().keys()
    dtype = next(iter(brought.values())).dtype
    if names == brought.keys():
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    else:
        model = AutoModelForCausalLM.from_pretrained(base, dtype="auto")
    model.load_state_dict(brought, strict=False)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def write_report(account: Account, path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_text(account.table(), encoding="utf-8")
