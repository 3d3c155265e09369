"""The published weights: imagebind_huge.pth, or a safetensors file with the same names."""

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


def read_pretrained(path: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with the names and precisions of `expected`; other towers are not read.

    Raises ValueError if the file is missing or damaged, if names are missing or belong to no tower,
    and for other shapes.
    """
    if not path.is_file():
        raise ValueError(
            f"there are no ImageBind weights at {path}; download them from "
            "https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth (not for commercial use)"
        )
    reader = read_safetensors if path.suffix == ".safetensors" else read_pickle
    try:
        found = reader(path, lambda name: not is_foreign(name, expected))
    except pickle.UnpicklingError as error:
        raise ValueError(f"{path} is refused: it contains something other than tensors") from error
    except (RuntimeError, SafetensorError, EOFError) as error:
        raise ValueError(
            f"{path} is damaged, or is not a dictionary of tensors in the format of PyTorch 1.6 or "
            "safetensors"
        ) from error
    check(path, found, expected)
    return {name: tensor.to(expected[name].dtype) for name, tensor in found.items()}


def read_pickle(path: Path, selected: Callable[[str], bool]) -> dict[str, Tensor]:
    """A state dict whose tensors stay on disk until they are used."""
    stored = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    if not isinstance(stored, dict):
        raise RuntimeError("not a dictionary")
    return {name: tensor for name, tensor in stored.items() if selected(name)}


def read_safetensors(path: Path, selected: Callable[[str], bool]) -> dict[str, Tensor]:
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in sorted(file.keys()) if selected(name)}


def is_foreign(name: str, expected: Mapping[str, Tensor]) -> bool:
    """Whether a tensor belongs to a tower without expected tensors."""
    return tower_of(name) in {*DESIGNS} - {tower_of(other) for other in expected}


def tower_of(name: str) -> str | None:
    module, _, rest = name.partition(".")
    return rest.partition(".")[0] if module in LISTS else None


def check(path: Path, found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    problems = [
        *named("missing", expected.keys() - found.keys()),
        *named("unknown", found.keys() - expected.keys()),
        *named(
            "of another shape",
            (n for n, t in expected.items() if n in found and t.shape != found[n].shape),
        ),
    ]
    if problems:
        raise ValueError(f"{path} does not fit an ImageBind of these sizes: {'; '.join(problems)}")


def named(problem: str, names: Iterable[str]) -> list[str]:
    """`3 missing, such as a.b`, or nothing."""
    ordered = sorted(names)
    return [f"{len(ordered)} {problem}, such as {ordered[0]}"] if ordered else []
