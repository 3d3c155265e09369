"""Reading YAML files by name or path, with key=value overrides."""

from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel

from anygen.config import plugins
from anygen.config.run import Run
from anygen.config.system import System
from anygen.core.schema import read_yaml

CONFIGS = Path(__file__).parents[2] / "configs"

Document = TypeVar("Document", bound=BaseModel)


def load_system(name: str, overrides: list[str] | None = None) -> System:
    """A system by its name in configs/ or its path; overrides have the form `dotted.key=value`.

    Raises ValueError.
    """
    return load(System, name, overrides)


def load_run(name: str, overrides: list[str] | None = None) -> Run:
    """A training run by its name in configs/ or its path. Raises ValueError."""
    return load(Run, name, overrides)


def load(kind: type[Document], name: str, overrides: list[str] | None = None) -> Document:
    data = read_settings(find_config(name))
    for override in overrides or []:
        apply_override(data, override)
    return kind.model_validate(data)


def check_plugins(system: System) -> None:
    """Raises ValueError for encoders and decoders that do not exist or whose settings are wrong."""
    plugins.check("encoders", system.encoder, "encoder")
    for modality, plugin in system.decoders.items():
        plugins.check("decoders", plugin, f"decoders.{modality}")


def read_settings(path: Path) -> dict[str, Any]:
    """The content of a YAML file. Raises ValueError if it is not a mapping."""
    try:
        data = read_yaml(path.read_text(encoding="utf-8")) or {}
    except ValueError as error:
        raise ValueError(f"{path}: not YAML of the form key: value; {error}") from error
    if not isinstance(data, dict):
        raise ValueError(f"{path}: a config has lines of the form key: value")
    return data


def find_config(name: str) -> Path:
    """The file of a name such as `mini/vae_image` (configs/mini/vae_image.yaml), or of a path.

    Raises ValueError if there is neither.
    """
    shipped = CONFIGS / f"{name}.yaml"
    if shipped.is_file():
        return shipped
    if Path(name).is_file():
        return Path(name)
    known = sorted(
        p.relative_to(CONFIGS).with_suffix("").as_posix() for p in CONFIGS.rglob("*.yaml")
    )
    near = get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    raise ValueError(f"no config named {name!r} and no such file; {hint}")


def apply_override(data: dict[str, Any], override: str) -> None:
    """Sets one value, as in `decoders.image.steps=8`, parsed as YAML. Raises ValueError."""
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ValueError(f"{override!r} is not an override; write key=value")
    *parents, last = key.split(".")
    for parent in parents:
        data = data.setdefault(parent, {})
        if not isinstance(data, dict):
            raise ValueError(f"{override!r}: {parent!r} holds a value, not settings")
    try:
        data[last] = read_yaml(value)
    except ValueError as error:
        raise ValueError(f"{override!r}: the value is not YAML") from error


def to_yaml(document: BaseModel) -> str:
    return yaml.safe_dump(document.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
