"""The folder of a training run: one run at a time, and it holds what the run really is."""

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import yaml
from pydantic_core import to_jsonable_python

from anygen.checkpoints.checkpoint import RUN_FILE, WEIGHTS
from anygen.checkpoints.run_weights import find_weights, fingerprint
from anygen.config.held_out import HeldOut
from anygen.config.run import Run
from anygen.config.system import System
from anygen.core.schema import did_you_mean
from anygen.core.version import __version__
from anygen.io import locks
from anygen.io.atomic import replacing
from anygen.training.data.sources import fingerprints

LOCK = ".lock"
RESOLVED_FILE = "resolved.yaml"
LIBRARIES = ("torch", "transformers", "diffusers", "accelerate")
# Settings that may differ when a run goes on: no weight depends on them, or they are compared by
# what they refer to.
FREE = {"system", "lora", "template", "system_prompt", "init", "out", "bad_rows"}
FREE |= {"log_every", "save_every", "sample_every", "keep", "held_out", "tracker", "parallel"}
SHOWN = 3  # changed settings in a message

Origin = dict[str, Any]  # what the weights of a run depend on, as JSON


@contextmanager
def locked(folder: Path, held: bool = True) -> Iterator[None]:
    """Creates the folder and holds its lock, which ends with the process at the latest.

    One of the processes of a run holds it; for the others `held` is false, and nothing happens.
    What a refused run would leave behind, a folder with nothing but the lock, is removed. Raises
    ValueError if another run holds the lock, or if the folder is that of a model.
    """
    if not held:
        yield
        return
    if (folder / WEIGHTS).is_file():
        raise ValueError(f"out: {folder} is the folder of a model; name a new folder for the run")
    folder.mkdir(parents=True, exist_ok=True)
    lock = locks.acquire(
        folder / LOCK,
        f"out: another run is training in {folder}; wait until it ends, or name another folder",
    )
    try:
        yield
    finally:
        lock.release()
        if [path.name for path in folder.iterdir()] in ([], [LOCK]):
            with suppress(OSError):  # another run may have begun meanwhile
                (folder / LOCK).unlink(missing_ok=True)
                folder.rmdir()


def origin_of(run: Run, system: System) -> Origin:
    """The settings, the resolved system, and the SHA-256 of the weights in `init` by name.

    Files of data are what they hold, wherever they are.
    """
    settings = run.model_dump(mode="json", exclude=FREE)
    settings["data"] = fingerprints(run)
    weights = {str(name): fingerprint([find_weights(name)]) for name in run.init}
    return {"settings": settings, "system": system.model_dump(mode="json"), "init": weights}


def check_names(allowed: Sequence[str]) -> None:
    """Raises ValueError for a setting that runs do not have."""
    for name in allowed:
        if name not in Run.model_fields:
            raise ValueError(
                f"--change: a run has no setting {name!r}{did_you_mean(name, Run.model_fields)}"
            )


def check_changes(run: Run, step: int, before: Origin, now: Origin, allowed: Sequence[str]) -> None:
    """Whether a run at `step` that began as `before` may go on as `now`.

    Raises ValueError unless everything that changed is in `allowed`.
    """
    if run.steps < step:
        raise ValueError(f"steps: {run.out} is at step {step} already, which is after {run.steps}")
    old, new = flat_settings(before), flat_settings(now)
    changed = [key for key in dict.fromkeys(chain(old, new)) if old.get(key) != new.get(key)]
    refused = [key for key in changed if key.split(".")[0] not in allowed]
    if not refused:
        return
    flags = " ".join(f"--change {name}" for name in dict.fromkeys(k.split(".")[0] for k in refused))
    raise ValueError(
        f"{run.out} was trained up to step {step} with {listed(refused, old)}; to go on with "
        f"{listed(refused, new)}, add {flags}; otherwise name another folder"
    )


def flat_settings(origin: Origin) -> dict[str, Any]:
    """By dotted key. Settings that an earlier version did not have are those of today's default."""
    fields = {name: field for name, field in Run.model_fields.items() if name not in FREE}
    defaults = {n: to_jsonable_python(f.default) for n, f in fields.items() if not f.is_required()}
    settings = defaults | {k: v for k, v in origin["settings"].items() if k in fields}
    init = {"init": sorted(origin["init"].values())}
    return dict(flattened({**settings, "system": origin["system"]})) | init


def flattened(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def listed(keys: Sequence[str], values: Mapping[str, Any]) -> str:
    """`learning_rate=0.001 and steps=6`; a key without a value is one that was not set."""
    shown = [f"{key}={values[key]}" if key in values else f"no {key}" for key in keys[:SHOWN]]
    hashes = {"init=": "other weights in init", "data=": "other rows in data"}
    shown = [hashes.get(text[:5], text) for text in shown]
    more = [f"{len(keys) - SHOWN} more settings"] if len(keys) > SHOWN else []
    return " and ".join(shown + more)


def write_settings(run: Run, origin: Origin) -> None:
    """Writes run.yaml, from which the same run goes on, and what it refers to beside it."""
    settings = run.model_dump(mode="json")
    settings["out"] = "."
    settings["init"] = [relative(path, run.out) for path in settings["init"]]
    settings["system"] = relative(settings["system"], run.out)
    settings["data"] = [
        {k: v if k not in ("path", "media") else str(Path(v).absolute()) for k, v in source.items()}
        for source in run.model_dump(mode="json", exclude_none=True)["data"]
    ]
    if run.held_out:
        settings["held_out"] |= absolute(run.held_out)
    write_yaml(settings, run.out / RUN_FILE)
    versions = {"anygen": __version__, "python": platform.python_version()}
    versions |= {name: version(name) for name in LIBRARIES}
    resolved = {"versions": versions, "init": origin["init"], "system": origin["system"]}
    write_yaml(resolved, run.out / RESOLVED_FILE)


def absolute(held_out: HeldOut) -> dict[str, Any]:
    """The paths of held-out rows, from wherever the run goes on."""
    media = held_out.media and str(Path(held_out.media).absolute())
    files = {"path": held_out.path, "requests": held_out.requests}
    return {
        "media": media,
        **{key: [str(Path(path).absolute()) for path in paths] for key, paths in files.items()},
    }


def relative(name: str, folder: Path) -> str:
    """A path relative to the run's folder, as the paths in a YAML file are to its own folder.

    Absolute paths, and names of what ships with anygen, stay as they are.
    """
    if Path(name).is_absolute() or not Path(name).exists():
        return name
    return Path(os.path.relpath(name, folder)).as_posix()


def write_yaml(data: Mapping[str, Any], path: Path) -> None:
    with replacing(path) as temporary:
        text = yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True)
        temporary.write_text(text, encoding="utf-8")
