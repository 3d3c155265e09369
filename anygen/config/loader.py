"""Reading YAML files by name or path, with key=value overrides."""

import json
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel

from anygen.config import plugins
from anygen.config.deepspeed import KEY as DEEPSPEED
from anygen.config.deepspeed import with_deepspeed
from anygen.config.run import Run
from anygen.config.system import System
from anygen.core.schema import did_you_mean, read_yaml, validate
from anygen.io.paths import user_path

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


def system_of(run: Run) -> System:
    """The system of a run, with the run's own settings of the LLM. Raises ValueError."""
    lora = run.lora.model_dump(exclude_unset=True) if run.lora else {}
    settings = {f"lora.{name}": value for name, value in lora.items()}
    settings |= run.model_dump(include={"template", "system_prompt"}, exclude_none=True)
    return load_system(run.system, [f"llm.{k}={json.dumps(v)}" for k, v in settings.items()])


def load(kind: type[Document], name: str, overrides: list[str] | None = None) -> Document:
    path = find_config(name)
    data = read_settings(path)
    if kind is Run and not path.is_relative_to(CONFIGS):
        data = with_paths_below(path.parent, data)
    for override in overrides or []:
        apply_override(data, override)
    check_kind(kind, name, data)
    if kind is Run:
        data = with_deepspeed(data)
    document: Document = validate(kind, data)
    return document


def check_kind(kind: type[BaseModel], name: str, data: dict[str, Any]) -> None:
    """Raises ValueError for a system in the place of a run, and for a run in that of a system."""
    if kind is Run and "llm" in data and "stage" not in data:
        raise ValueError(f"{name} is a system; a run has `system: {name}` and a `stage`")
    if kind is System and "stage" in data:
        raise ValueError(f"{name} is a run, not a system; its system is {data.get('system')}")


def with_paths_below(folder: Path, data: dict[str, Any]) -> dict[str, Any]:
    """The settings of a run whose relative paths are relative to the folder of its YAML file.

    Those of overrides, and of the runs in configs/, are relative to the current folder.
    """
    moved = dict(data)
    if isinstance(data.get("system"), str):
        moved["system"] = path_below(folder, data["system"])
    if isinstance(data.get("init"), list):
        moved["init"] = [path_below(folder, name) for name in data["init"]]
    if isinstance(data.get("out"), str):
        moved["out"] = str(folder / data["out"])
    if isinstance(data.get("data"), list):
        moved["data"] = [source_below(folder, source) for source in data["data"]]
    if isinstance(data.get(DEEPSPEED), str):
        moved[DEEPSPEED] = str(folder / user_path(data[DEEPSPEED]))
    if "held_out" in data:
        moved["held_out"] = source_below(folder, data["held_out"])
    return moved


def source_below(folder: Path, source: Any) -> Any:
    """A source of data, or several paths of one, with paths that are relative to the folder."""
    if isinstance(source, str):
        return str(folder / user_path(source))
    if isinstance(source, list):
        return [source_below(folder, path) for path in source]
    if not isinstance(source, dict):
        return source
    keys = source.keys() & {"path", "media", "requests"}
    paths = {key: source_below(folder, source[key]) for key in keys}
    return source | paths


def path_below(folder: Path, name: Any) -> Any:
    """The path of what lies in the folder; otherwise `name` is one of something that is shipped."""
    path = folder / str(name)
    return str(path) if path.exists() else name


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

    The name of a folder in configs/ is that of the system in it: `mini` is `mini/system`.
    Raises ValueError if there is neither.
    """
    for path in (CONFIGS / f"{name}.yaml", CONFIGS / name / "system.yaml", Path(name)):
        if path.is_file():
            return path
    known = sorted(
        p.relative_to(CONFIGS).with_suffix("").as_posix() for p in CONFIGS.rglob("*.yaml")
    )
    folder = f"{name.partition('/')[0]}/"
    near = [n for n in known if n.startswith(folder)] or [n for n in known if "/" not in n]
    shipped_ones = "" if Path(name).suffix else f"; there are {', '.join(near)}"
    hint = did_you_mean(name, known) or shipped_ones
    raise ValueError(f"no config named {name!r} and no such file{hint}")


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
