"""Weights on disk: safetensors of what is ours, with every key accounted for."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import split_torch_state_dict_into_shards
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from anygen.checkpoints.model_card import write_card
from anygen.config.system import System
from anygen.io.atomic import replacing, write_json

LORA = ".lora_"

PRETRAINED = Path(__file__).parents[1] / "pretrained"
CONFIG, WEIGHTS = "config.json", "model.safetensors"
READ_AT_ONCE = 2**20  # bytes
INDEX = ".index.json"  # behind the name of a file that is stored in pieces


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
    found = hashlib.sha256()
    for path in files_of(folder / WEIGHTS):
        with path.open("rb") as stream:
            while part := stream.read(READ_AT_ONCE):
                found.update(part)
    return found.hexdigest()


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
    save_pieces(own_tensors(model), folder / WEIGHTS, torch.bfloat16)
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


def named_by(model: nn.Module, attribute: str) -> tuple[str, ...]:
    """How the names of weights begin that parts tell in an attribute, within them, in full.

    `frozen`: what others published, never ours to save; LoRA that stands there is ours all the
    same. `safe`: what half precision would spoil.
    """
    found = []
    for name, module in model.named_modules():
        beginnings: tuple[str, ...] = getattr(module, attribute, ())
        found += [f"{name}.{beginning}".lstrip(".") for beginning in beginnings]
    return tuple(found)


def own_tensors(model: nn.Module, prefixes: Iterable[str] = ("",)) -> dict[str, Tensor]:
    """Our parameters and persistent buffers by name; what two parts share appears once."""
    persistent = model.state_dict().keys()
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    wanted, others = tuple(prefixes), named_by(model, "frozen")
    return {
        name: tensor
        for name, tensor in tensors.items()
        if name in persistent and name.startswith(wanted)
        if LORA in name or not name.startswith(others)
    }


def save_pieces(
    tensors: Mapping[str, Tensor], path: Path, dtype: torch.dtype, most: int | str = "5GB"
) -> None:
    """One safetensors file, or several of at most so many bytes, and an index beside them."""
    narrowed = {n: t.detach().to(dtype) if t.is_floating_point() else t for n, t in tensors.items()}
    split = split_torch_state_dict_into_shards(narrowed, max_shard_size=most)
    for name, inside in split.filename_to_tensors.items():
        save_weights({n: narrowed[n] for n in inside}, path.with_name(name))
    index = path.with_name(f"{path.name}{INDEX}")
    if split.is_sharded:
        path.unlink(missing_ok=True)  # it would be taken for the whole
        write_json({"metadata": split.metadata, "weight_map": split.tensor_to_filename}, index)
    else:
        index.unlink(missing_ok=True)


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

    They go one by one from the file to where the model is, after all names are checked. Raises
    ValueError naming every key that is unexpected or of another shape and, where `complete` asks
    for all, every key that no file has.
    """
    own = own_tensors(model)
    built = tuple({f"{name.split('.')[0]}." for name in own})
    found: dict[str, Tensor] = {}
    files: dict[str, Any] = {}
    for path in paths:
        file = open_weights(path)
        there = outline(file, built)
        found |= there
        files |= dict.fromkeys(there, file)
    check_keys(own, found, complete=complete)
    for name, file in files.items():
        copy_tensor(own[name], file.get_tensor(name))


def files_of(path: Path) -> list[Path]:
    """The safetensors files that `path` stands for: itself, or those that its index names.

    Raises ValueError where they are not there.
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
    """Which file beside `path` holds each tensor."""
    try:
        found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
    except (UnicodeDecodeError, json.JSONDecodeError, LookupError, TypeError) as error:
        raise ValueError(f"{path}: is damaged, or of another program: {error!r}") from error
    return found


def open_weights(path: Path) -> Any:
    """A safetensors file, in pieces or not, whose tensors are read one by one."""
    pieces = [open_piece(file) for file in files_of(path)]
    return pieces[0] if len(pieces) == 1 else Pieces(pieces)


def open_piece(path: Path) -> Any:
    try:
        return safe_open(path, "pt")
    except SafetensorError as error:
        raise ValueError(f"{path}: is damaged, or no safetensors file: {error}") from error


class Pieces:
    """Files that are read as one."""

    def __init__(self, files: Iterable[Any]) -> None:
        self.holders = {name: file for file in files for name in file.keys()}  # noqa: SIM118

    def keys(self) -> Iterable[str]:
        return self.holders.keys()

    def get_slice(self, name: str) -> Any:
        return self.holders[name].get_slice(name)

    def get_tensor(self, name: str) -> Tensor:
        found: Tensor = self.holders[name].get_tensor(name)
        return found


def outline(file: Any, prefix: str | tuple[str, ...]) -> dict[str, Tensor]:
    """Names and shapes, as tensors without values; none is read."""
    return {
        name: torch.empty(file.get_slice(name).get_shape(), device="meta")
        for name in sorted(file.keys())
        if name.startswith(prefix)
    }


def copy_tensors(found: Mapping[str, Tensor], own: Mapping[str, Tensor], *, complete: bool) -> None:
    """Copy by name into a model's own tensors. ValueError where keys or shapes do not fit."""
    check_keys(own, found, complete=complete)
    for name, tensor in found.items():
        copy_tensor(own[name], tensor)


@torch.no_grad()
def copy_tensor(own: Tensor, found: Tensor) -> None:
    """Into a model's tensor, wherever it is and in its own precision."""
    own.copy_(found)


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


LEARNED = "weights.safetensors"  # in the folder of a run


def weights_in(folder: Path) -> Path:
    """What a run has learned, or the weights of a whole model: either can be gone on from."""
    learned = folder / LEARNED
    return learned if learned.is_file() else folder / WEIGHTS
