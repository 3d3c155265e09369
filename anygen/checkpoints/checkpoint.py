"""Weights on disk: our own tensors as safetensors, with every key accounted for."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from anygen.checkpoints.checksums import CheckedFile, sort_metadata, with_checksums
from anygen.checkpoints.model_card import write_card
from anygen.checkpoints.parts import LORA, parts_of, untrained
from anygen.config.system import System
from anygen.io import hashing
from anygen.io.atomic import replacing, write_json

PRETRAINED = Path(__file__).parents[1] / "pretrained"
CONFIG, WEIGHTS = "config.json", "model.safetensors"
RUN_FILE, RUN_WEIGHTS = "run.yaml", "weights.safetensors"  # in the folder of a training run
INDEX = ".index.json"  # added to the name of a file that is stored as shards


class TensorFile(Protocol):
    """What we use of an open safetensors file."""

    def keys(self) -> Iterable[str]: ...

    def get_slice(self, name: str) -> Any: ...

    def get_tensor(self, name: str) -> Tensor: ...


# --- models as folders


def find_model(name: str | Path) -> Path:
    """The folder of a shipped model by its name, or a folder by its path. Raises ValueError."""
    for folder in (PRETRAINED / name, Path(name)):
        if (folder / CONFIG).is_file():
            return folder
    if (Path(name) / RUN_WEIGHTS).is_file():
        raise ValueError(
            f"{name}: is the folder of a run that trains a part of a model; `anygen pack` joins it "
            "with others, and `init` of another run takes it"
        )
    if (Path(name) / RUN_FILE).is_file():
        raise ValueError(
            f"{name}: is the folder of a run that has saved no weights yet; it saves them after "
            "`save_every` steps, and when it is stopped"
        )
    shipped = ", ".join(sorted(p.parent.name for p in PRETRAINED.glob(f"*/{CONFIG}")))
    raise ValueError(
        f"no model named {str(name)!r} and no folder with a {CONFIG}; there are {shipped}"
    )


def name_of(folder: Path) -> str:
    """The name by which `find_model` finds the folder from any working directory."""
    return folder.name if folder.parent == PRETRAINED else str(folder.absolute())


def digest_of(weights: Iterable[Path]) -> str:
    """The SHA-256 of safetensors files, or of their shards, one after the other, in hexadecimal."""
    digest = hashlib.sha256()
    for path in (file for each in weights for file in files_of(each)):
        hashing.update(digest, path)
    return digest.hexdigest()


def read_system(folder: Path) -> System:
    """The system in a model's config.json. Raises ValueError if the file is not a model's."""
    path = folder / CONFIG
    try:
        system = json.loads(path.read_text(encoding="utf-8"))["system"]
    except (UnicodeDecodeError, json.JSONDecodeError, LookupError, TypeError) as error:
        raise ValueError(f"{path}: is damaged, or of another program: {error!r}") from error
    return System.model_validate(system)


# --- saving


def save_model(
    model: nn.Module, system: System, source: Path, folder: Path, more: Mapping[str, Any] = {}
) -> None:
    """Writes weights (bf16) and what `save_system` writes."""
    save_sharded(own_tensors(model), folder / WEIGHTS, torch.bfloat16)
    save_system(system, source, folder, more)


def save_system(system: System, source: Path, folder: Path, more: Mapping[str, Any] = {}) -> None:
    """Writes config.json with `more` keys, a model card and the files that the system names.

    These files are relative to `source`: tokenizers, and the base LLM if its folder is there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if source.resolve() != folder.resolve():
        for name in named_files(system):
            shutil.copyfile(source / name, folder / name)
        if (source / system.llm.base).is_dir() and not Path(system.llm.base).is_absolute():
            shutil.copytree(source / system.llm.base, folder / system.llm.base, dirs_exist_ok=True)
    config = {"model_type": "anygen", "system": system.model_dump(mode="json"), **more}
    write_json(config, folder / CONFIG)
    write_card(system, folder)


def named_files(system: System) -> set[str]:
    """Tokenizer files of the plugins, and of the encoders that a composite encoder holds."""
    described = [plugin.options for plugin in (system.encoder, *system.decoders.values())]
    described += [part for part in described[0].values() if isinstance(part, dict)]
    return {options["tokenizer"] for options in described if "tokenizer" in options}


def declared_prefixes(model: nn.Module, attribute: str) -> tuple[str, ...]:
    """The full name prefixes of weights that modules list in an attribute, relative to themselves.

    `frozen` lists published weights, which are not saved, except for LoRA inside them;
    `keep_in_fp32_modules` lists those that half precision would spoil; `expandable` lists those of
    which a file may hold one row that stands for all.
    """
    prefixes = []
    for name, module in model.named_modules():
        relative: tuple[str, ...] = getattr(module, attribute, ())
        prefixes += [f"{name}.{prefix}".lstrip(".") for prefix in relative]
    return tuple(prefixes)


def own_tensors(model: nn.Module, prefixes: Iterable[str] = ("",)) -> dict[str, Tensor]:
    """Our parameters and persistent buffers by name; a shared tensor appears once."""
    persistent = model.state_dict().keys()
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    included, frozen = tuple(prefixes), declared_prefixes(model, "frozen")
    return {
        name: tensor
        for name, tensor in tensors.items()
        if name in persistent and name.startswith(included)
        if LORA in name or not name.startswith(frozen)
    }


def save_sharded(
    tensors: Mapping[str, Tensor], path: Path, dtype: torch.dtype, max_size: int | str = "5GB"
) -> None:
    """Writes one safetensors file, or shards of at most `max_size` (bytes, or as in 5GB) and an
    index beside them, in the layout of Hugging Face.

    `huggingface_hub.save_torch_state_dict` deletes the old files before it writes the new ones;
    here every file is replaced when the new one is complete.
    """
    from huggingface_hub import split_torch_state_dict_into_shards  # answers do without it

    narrowed = {n: t.detach().to(dtype) if t.is_floating_point() else t for n, t in tensors.items()}
    split = split_torch_state_dict_into_shards(narrowed, max_shard_size=max_size)
    for name, keys in split.filename_to_tensors.items():
        save_weights({key: narrowed[key] for key in keys}, path.with_name(name))
    index = path.with_name(f"{path.name}{INDEX}")
    if split.is_sharded:
        path.unlink(missing_ok=True)  # it would be read instead of the shards
        write_json({"metadata": split.metadata, "weight_map": split.tensor_to_filename}, index)
    else:
        index.unlink(missing_ok=True)


def save_weights(
    tensors: Mapping[str, Tensor], path: Path, dtype: torch.dtype | None = None
) -> None:
    """Writes a safetensors file, with floating-point tensors in `dtype` if given.

    The same tensors are the same bytes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    converted = {
        name: tensor.detach().to("cpu", dtype if tensor.is_floating_point() else None).contiguous()
        for name, tensor in tensors.items()
    }
    with replacing(path) as temporary, writing(path):
        save_file(converted, temporary, with_checksums(converted))
        sort_metadata(temporary)
        temporary.chmod(0o644)  # safetensors creates files that only their owner can read


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raises OSError naming `path` where torch and safetensors raise errors of their own."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        number = (error.errno if isinstance(error, OSError) else None) or errno.EIO
        why = os.strerror(number) if isinstance(error, OSError) else "is the disk full?"
        reason = f"cannot be written, and is as it was before: {why}"
        raise OSError(number, reason, str(path)) from error


# --- loading


def load_weights(model: nn.Module, paths: Iterable[Path], *, complete: bool = False) -> None:
    """Copies weights into the model by name; later files win. Absent parts of it are skipped.

    All names are checked first, then tensors are copied one at a time to where the model is. The
    only row of a tensor that the model lists in `expandable` is copied to all of its rows. Raises
    ValueError naming every key that is unexpected or has another shape and, if `complete`, every
    key that no file has.
    """
    own = own_tensors(model)
    built = tuple({f"{name.split('.')[0]}." for name in own})
    shapes: dict[str, Tensor] = {}
    files: dict[str, TensorFile] = {}
    for path in paths:
        file = open_weights(path)
        stored = stored_shapes(file, built)
        shapes |= stored
        files |= dict.fromkeys(stored, file)
    check_keys(own, shapes | expanded_shapes(model, own, shapes), complete=complete)
    for name, file in files.items():
        copy_tensor(own[name], file.get_tensor(name))


def expanded_shapes(
    model: nn.Module, own: Mapping[str, Tensor], found: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Those of the shapes in `found` that have one row for all rows of an expandable tensor."""
    expandable = declared_prefixes(model, "expandable")
    return {
        name: shape.expand_as(own[name])
        for name, shape in found.items()
        if name in own and name.startswith(expandable)
        if shape.shape == (1, *own[name].shape[1:])
    }


def files_of(path: Path) -> list[Path]:
    """The safetensors files that `path` stands for: itself, or the shards that its index names.

    Raises ValueError if one is missing.
    """
    index = path.with_name(f"{path.name}{INDEX}")
    files = [path]
    if index.is_file() and not path.is_file():
        files = [path.with_name(name) for name in sorted(set(read_index(index).values()))]
    for file in files:
        if not file.is_file():
            raise ValueError(f"there are no weights at {file}")
    return files


def read_index(path: Path) -> dict[str, str]:
    """The name of the shard beside `path` that holds each tensor. Raises ValueError."""
    try:
        shards: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
    except (UnicodeDecodeError, json.JSONDecodeError, LookupError, TypeError) as error:
        raise ValueError(f"{path}: is damaged, or of another program: {error!r}") from error
    return shards


def open_weights(path: Path) -> TensorFile:
    """A safetensors file, or its shards as one, whose tensors are read on demand."""
    return open_all([path])


def open_all(paths: Iterable[Path]) -> TensorFile:
    """Several of them as one; later ones win."""
    files = [CheckedFile(file) for path in paths for file in files_of(path)]
    return files[0] if len(files) == 1 else ShardedFile(files)


class ShardedFile:
    """Several files that are read as one; later ones win."""

    def __init__(self, files: Iterable[TensorFile]) -> None:
        self.holders = {name: file for file in files for name in file.keys()}  # noqa: SIM118

    def keys(self) -> Iterable[str]:
        return self.holders.keys()

    def get_slice(self, name: str) -> Any:
        return self.holders[name].get_slice(name)

    def get_tensor(self, name: str) -> Tensor:
        return self.holders[name].get_tensor(name)


def stored_shapes(file: TensorFile, prefix: str | tuple[str, ...]) -> dict[str, Tensor]:
    """Names and shapes as meta tensors; no values are read."""
    return {
        name: torch.empty(file.get_slice(name).get_shape(), device="meta")
        for name in sorted(file.keys())
        if name.startswith(prefix)
    }


def copy_tensors(
    tensors: Mapping[str, Tensor], own: Mapping[str, Tensor], *, complete: bool
) -> None:
    """Copies by name into a model's own tensors. Raises ValueError if keys or shapes differ."""
    check_keys(own, tensors, complete=complete)
    for name, tensor in tensors.items():
        copy_tensor(own[name], tensor)


@torch.no_grad()
def copy_tensor(own: Tensor, values: Tensor) -> None:
    """Copies into a model's tensor, on its device and in its precision; one row fills all."""
    own.copy_(values)


def check_keys(own: Mapping[str, Tensor], found: Mapping[str, Tensor], *, complete: bool) -> None:
    """Raises ValueError if keys or shapes differ."""
    problems = key_problems(own, found)
    missing = [name for name in own if complete and name not in found]
    if problems:
        problems += [f"missing: {part}" for part in parts_of(missing)]
        raise ValueError("these weights do not fit the model:\n  " + "\n  ".join(problems))
    if missing:
        raise ValueError(untrained(missing))


def key_problems(own: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    """One line per key that is unexpected or has another shape."""
    problems = [f"unexpected: {name}" for name in found if name not in own]
    problems += [
        f"shape: {name} is {tuple(tensor.shape)}, the model has {tuple(own[name].shape)}"
        for name, tensor in found.items()
        if name in own and own[name].shape != tensor.shape
    ]
    return problems
