"""The catalogue: the shipped models, which can be run, and the systems in configs/."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from anygen.checkpoints.checkpoint import CONFIG, PRETRAINED, WEIGHTS, files_of, read_system
from anygen.config.loader import CONFIGS, load_system, read_settings
from anygen.config.system import System


@dataclass(frozen=True)
class Entry:
    name: str
    system: System
    path: Path
    size: int | None  # bytes of the weights; None if the system has to be trained


def entries() -> Iterator[Entry]:
    """The models that `--model` takes, then the systems for `anygen train` and `anygen config`."""
    for config in sorted(PRETRAINED.glob(f"*/{CONFIG}")):
        folder = config.parent
        size = sum(path.stat().st_size for path in files_of(folder / WEIGHTS))
        yield Entry(folder.name, read_system(folder), folder, size)
    for path in sorted(CONFIGS.rglob("*.yaml")):
        if "stage" not in read_settings(path):
            name = path.relative_to(CONFIGS).with_suffix("").as_posix()
            yield Entry(name, load_system(name), path, None)


def as_line(entry: Entry) -> str:
    modalities = ",".join(["text", *entry.system.decoders])
    size = "to train" if entry.size is None else f"{entry.size / 1e6:.1f} MB"
    return f"{entry.name:26} {modalities:24} {size:>9}  {entry.path}"
