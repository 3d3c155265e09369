"""Reads the files of a checkpoint: tensors by name, without running any code in them."""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from pickle import UnpicklingError
from zipfile import is_zipfile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from anygen.importers.layout import File
from anygen.llm.tokenization import read_tokenizer

PIECE = re.compile(r"(.*-)([0-9]+)-of-([0-9]+)(\..+)")  # of weights in several files
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")


def read_checkpoint(source: Path, files: Iterable[File], parts: Iterable[str]) -> dict[str, Tensor]:
    """All tensors of the files that have weights of `parts`; of two with one name the later wins.

    Pickles are mapped into memory and read when used. Raises ValueError.
    """
    requested = set(parts)
    found: dict[str, Tensor] = {}
    for file in files:
        if requested & set(file.parts):
            for path in paths_of(source, file):
                tensors = read_tensors(path)
                found |= {f"{file.prefix}{name}": tensor for name, tensor in tensors.items()}
    return found


def paths_of(source: Path, file: File) -> list[Path]:
    """The files that match the first pattern with any match. Raises ValueError if there is none."""
    if source.is_file() and any(fnmatch(source.name, pattern) for pattern in file.patterns):
        return [source]
    for pattern in file.patterns:
        if paths := sorted(path for path in source.glob(pattern) if path.is_file()):
            check_pieces(paths)
            return paths
    raise ValueError(f"there is no {' or '.join(file.patterns)} in {source}")


def check_pieces(paths: Iterable[Path]) -> None:
    """Raises ValueError if the names of some files count a file that is not there."""
    for path in paths:
        if numbered := PIECE.fullmatch(path.name):
            start, _, total, end = numbered.groups()
            for number in range(1, int(total) + 1):
                other = path.with_name(f"{start}{number:0{len(total)}}-of-{total}{end}")
                if not other.is_file():
                    raise ValueError(f"{other}: is missing; {path.name} is one of {int(total)}")


def read_tensors(path: Path) -> Mapping[str, Tensor]:
    """The tensors of a safetensors file or a pickle.

    Raises ValueError if it is damaged or holds anything but tensors by name.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        mapped = is_zipfile(path)  # torch's format before 1.6 cannot be
        found = torch.load(path, map_location="cpu", mmap=mapped, weights_only=True)
    except UnpicklingError as error:
        damaged = "" if is_zipfile(path) else "is damaged, or "
        sentence = f"{path}: {damaged}holds more than tensors; code in it is not run"
        raise ValueError(sentence) from error
    except (OSError, RuntimeError, EOFError, SafetensorError) as error:
        raise ValueError(f"{path}: is damaged, or no file of weights") from error
    if not isinstance(found, dict) or not all(isinstance(t, Tensor) for t in found.values()):
        raise ValueError(f"{path}: holds something else than tensors by name")
    return found


def added_tokens(source: Path, tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """Tokens and ids of the tokenizer beside the weights, if any, that `tokenizer` lacks.

    Raises ValueError if the two have different ids for a token.
    """
    folder = source if source.is_dir() else source.parent
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        return {}
    theirs, ours = read_tokenizer(folder).get_vocab(), tokenizer.get_vocab()
    for token, index in ours.items():
        if theirs.get(token) != index:
            raise ValueError(
                f"the checkpoint's tokenizer has another vocabulary than that of llm.base: "
                f"{token!r} is {theirs.get(token, 'unknown')} there and {index} here"
            )
    return {token: index for token, index in theirs.items() if token not in ours}
