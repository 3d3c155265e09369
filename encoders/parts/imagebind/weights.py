"""The published weights: imagebind_huge.pth, or a safetensors file of the same names."""

import pickle
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from encoders.parts.imagebind.towers import DESIGNS

LISTS = (
    "modality_preprocessors",
    "modality_trunks",
    "modality_heads",
    "modality_postprocessors",
)


def read_published(path: Path, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of `own` names, as precise; those of towers that `own` lacks are not read.

    Raises ValueError for a file that is not there or damaged, for names that are missing or
    belong to no tower, and for other shapes.
    """
    if not path.is_file():
        raise ValueError(
            f"there are no ImageBind weights at {path}; they are to be had at "
            "https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth, not for commercial use"
        )
    reader = read_safetensors if path.suffix == ".safetensors" else read_pickle
    try:
        found = reader(path, lambda name: not foreign(name, own))
    except pickle.UnpicklingError as error:
        raise ValueError(f"{path} is refused: it holds something else than tensors") from error
    except (RuntimeError, SafetensorError, EOFError) as error:
        raise ValueError(
            f"{path} is damaged, or no dictionary of tensors as PyTorch since 1.6 or safetensors "
            "write it"
        ) from error
    check(path, found, own)
    return {name: tensor.to(own[name].dtype) for name, tensor in found.items()}


def read_pickle(path: Path, wanted: Callable[[str], bool]) -> dict[str, Tensor]:
    """A state dict whose tensors stay on the disk until they are used."""
    stored = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    if not isinstance(stored, dict):
        raise RuntimeError("no dictionary")
    return {name: tensor for name, tensor in stored.items() if wanted(name)}


def read_safetensors(path: Path, wanted: Callable[[str], bool]) -> dict[str, Tensor]:
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in sorted(file.keys()) if wanted(name)}


def foreign(name: str, own: Mapping[str, Tensor]) -> bool:
    """Whether it belongs to a tower that was not asked for."""
    return tower_of(name) in {*DESIGNS} - {tower_of(other) for other in own}


def tower_of(name: str) -> str | None:
    module, _, rest = name.partition(".")
    return rest.partition(".")[0] if module in LISTS else None


def check(path: Path, found: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    problems = [
        *named("missing", own.keys() - found.keys()),
        *named("unknown", found.keys() - own.keys()),
        *named(
            "of another shape", (n for n in own if n in found and own[n].shape != found[n].shape)
        ),
    ]
    if problems:
        raise ValueError(f"{path} does not fit an ImageBind of these sizes: {'; '.join(problems)}")


def named(what: str, names: Iterable[str]) -> list[str]:
    """`3 missing, such as a.b`, or nothing."""
    ordered = sorted(names)
    return [f"{len(ordered)} {what}, such as {ordered[0]}"] if ordered else []
