"""Weights on disk: safetensors of what is ours, with every key accounted for."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from anygen.card import write_card
from anygen.config import System
from anygen.files import replacing, write_json

LORA = ".lora_"

PRETRAINED = Path(__file__).parent / "pretrained"
CONFIG, WEIGHTS = "config.json", "model.safetensors"


def find_model(name: str | Path) -> Path:
    """The folder of a shipped model by name, or a folder by its path."""
    for folder in (PRETRAINED / name, Path(name)):
        if (folder / CONFIG).is_file():
            return folder
    shipped = ", ".join(sorted(p.parent.name for p in PRETRAINED.glob(f"*/{CONFIG}")))
    raise ValueError(
        f"no model named {str(name)!r} and no folder with a {CONFIG}; there are {shipped}"
    )


def name_of(folder: Path) -> str:
    """What `find_model` finds the folder by, from anywhere."""
    return folder.name if folder.parent == PRETRAINED else str(folder.absolute())


def fingerprint(folder: Path) -> str:
    """The SHA-256 of a model's weights."""
    with (folder / WEIGHTS).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_system(folder: Path) -> System:
    """Raises ValueError for a config.json that is none of a model."""
    path = folder / CONFIG
    try:
        system = json.loads(path.read_text(encoding="utf-8"))["system"]
    except (UnicodeDecodeError, json.JSONDecodeError, LookupError, TypeError) as error:
        raise ValueError(f"{path}: is damaged, or of another program: {error!r}") from error
    return System.model_validate(system)


def save_model(model: nn.Module, system: System, source: Path, folder: Path) -> None:
    """Weights (bf16) and what `save_system` writes."""
    save_weights(own_tensors(model), folder / WEIGHTS, torch.bfloat16)
    save_system(system, source, folder)


def save_system(system: System, source: Path, folder: Path) -> None:
    """config.json, a card, what the system names in `source`, its LLM too where it lies there."""
    folder.mkdir(parents=True, exist_ok=True)
    if source.resolve() != folder.resolve():
        for name in named_files(system):
            shutil.copyfile(source / name, folder / name)
        if (source / system.llm.base).is_dir() and not Path(system.llm.base).is_absolute():
            shutil.copytree(source / system.llm.base, folder / system.llm.base, dirs_exist_ok=True)
    config = {"model_type": "anygen", "system": system.model_dump(mode="json")}
    write_json(config, folder / CONFIG)
    write_card(system, folder)


def named_files(system: System) -> set[str]:
    """Tokenizer files of the plugins, and of the encoders that an encoder joins."""
    described = [plugin.options for plugin in (system.encoder, *system.decoders.values())]
    described += [part for part in described[0].values() if isinstance(part, dict)]
    return {options["tokenizer"] for options in described if "tokenizer" in options}


def published(model: nn.Module) -> tuple[str, ...]:
    """How the names of weights begin that were published by others: they are never ours to save.

    A part says so in `frozen`, a tuple of the beginnings of such names within it. LoRA that stands
    there is ours all the same.
    """
    found = []
    for name, module in model.named_modules():
        frozen: tuple[str, ...] = getattr(module, "frozen", ())
        found += [f"{name}.{beginning}".lstrip(".") for beginning in frozen]
    return tuple(found)


def own_tensors(model: nn.Module, prefixes: Iterable[str] = ("",)) -> dict[str, Tensor]:
    """Our parameters and persistent buffers by name; what two parts share appears once."""
    persistent = model.state_dict().keys()
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    wanted, others = tuple(prefixes), published(model)
    return {
        name: tensor
        for name, tensor in tensors.items()
        if name in persistent and name.startswith(wanted)
        if LORA in name or not name.startswith(others)
    }


def save_weights(
    tensors: Mapping[str, Tensor], path: Path, dtype: torch.dtype | None = None
) -> None:
    """Write a safetensors file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    converted = {
        name: tensor.detach().to("cpu", dtype if tensor.is_floating_point() else None).contiguous()
        for name, tensor in tensors.items()
    }
    with replacing(path) as temporary:
        save_file(converted, temporary)
        temporary.chmod(0o644)  # safetensors lets nobody else read it


def load_weights(model: nn.Module, paths: Iterable[Path], *, complete: bool = False) -> None:
    """Copy weights by name; later files win. Parts that `model` was not built with are skipped.

    Raises ValueError naming every key that is unexpected or of another shape and, where
    `complete` asks for all, every key that no file has.
    """
    own = own_tensors(model)
    built = {name.split(".")[0] for name in own}
    found: dict[str, Tensor] = {}
    for path in paths:
        file = open_weights(path)
        names = [name for name in sorted(file.keys()) if name.split(".")[0] in built]
        found.update({name: file.get_tensor(name) for name in names})
    copy_tensors(found, own, complete=complete)


def open_weights(path: Path) -> Any:
    """A safetensors file whose tensors are read one by one."""
    if not path.is_file():
        raise ValueError(f"there are no weights at {path}")
    return safe_open(path, "pt")


def outline(file: Any, prefix: str) -> dict[str, Tensor]:
    """Names and shapes, as tensors without values; none is read."""
    return {
        name: torch.empty(file.get_slice(name).get_shape(), device="meta")
        for name in sorted(file.keys())
        if name.startswith(prefix)
    }


def copy_tensors(found: Mapping[str, Tensor], own: Mapping[str, Tensor], *, complete: bool) -> None:
    """Copy by name into a model's own tensors. ValueError where keys or shapes do not fit."""
    check_keys(own, found, complete=complete)
    with torch.no_grad():
        for name, tensor in found.items():
            own[name].copy_(tensor)


def check_keys(own: Mapping[str, Tensor], found: Mapping[str, Tensor], *, complete: bool) -> None:
    """Raises ValueError where keys or shapes do not fit."""
    problems = key_problems(own, found, complete)
    if problems:
        raise ValueError("these weights do not fit the model:\n  " + "\n  ".join(problems))


def key_problems(
    own: Mapping[str, Tensor], found: Mapping[str, Tensor], complete: bool
) -> list[str]:
    """One line per key that is unexpected, of another shape or, if all are wanted, missing."""
    problems = [f"unexpected: {name}" for name in found if name not in own]
    problems += [
        f"shape: {name} is {tuple(tensor.shape)}, the model has {tuple(own[name].shape)}"
        for name, tensor in found.items()
        if name in own and own[name].shape != tensor.shape
    ]
    if complete:
        problems += [f"missing: {name}" for name in own if name not in found]
    return problems
