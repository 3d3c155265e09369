"""Which suites there are: ours by their names, others by their file or their module's name."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from textwrap import wrap
from types import ModuleType

from anygen.evaluation.suites.base import Source, Suite, nothing_more

HERE = "anygen.evaluation.suites"
MODULES = {
    "world": f"{HERE}.world.suite",
    "people": f"{HERE}.people.suite",
    "mme": f"{HERE}.mme",
    "mmbench": f"{HERE}.mmbench",
    "pope": f"{HERE}.pope",
    "reform": f"{HERE}.reform.suite",
    "ehub": f"{HERE}.ehub",
    "vqa": f"{HERE}.vqa",
    "vcr": f"{HERE}.vcr",
    "omnibench": f"{HERE}.omnibench",
    "captions": f"{HERE}.captions",
    "refcoco": f"{HERE}.refcoco",
    "retrieval": f"{HERE}.retrieval",
    "coco_images": f"{HERE}.generation.coco_images",
    "audiocaps": f"{HERE}.generation.audiocaps",
    "msrvtt": f"{HERE}.generation.msrvtt",
    "geneval": f"{HERE}.generation.geneval",
    "compbench": f"{HERE}.generation.compbench",
    "dpg": f"{HERE}.generation.dpg",
    "vbench": f"{HERE}.generation.vbench",
    "triggers": f"{HERE}.generation.triggers",
    "stories": f"{HERE}.interleaved.stories",
    "isg": f"{HERE}.interleaved.isg",
    "opening": f"{HERE}.interleaved.opening",
    "mmie": f"{HERE}.interleaved.mmie",
}
REQUIRED = ("UNIT", "read", "ask", "judge", "figures")


@cache
def find_suite(name: str) -> Suite:
    """A suite by its name, by the path of its file, or by the dotted name of its module.

    Raises ValueError if there is none, or if the module lacks a part of a suite.
    """
    module = import_suite(name)
    missing = [part for part in REQUIRED if not hasattr(module, part)]
    if missing:
        raise ValueError(f"the suite {name} lacks {', '.join(missing)}")
    return Suite(
        name,
        (module.__doc__ or name).strip().splitlines()[0],
        module.UNIT,
        module.read,
        module.ask,
        module.judge,
        module.figures,
        getattr(module, "ask_next", nothing_more),
        tuple(getattr(module, "MODES", ())),
        tuple(getattr(module, "SPLITS", ())),
        getattr(module, "WHOLE", ""),
        getattr(module, "NEEDS_MODEL", False),
        getattr(module, "MAKES_MEDIA", False),
        tuple(getattr(module, "EXTRACTORS", ())),
        getattr(module, "READS", False),
    )


def import_suite(name: str) -> ModuleType:
    if name.endswith(".py"):
        return import_file(Path(name))
    dotted = MODULES.get(name, name)
    if "." not in dotted:
        raise ValueError(
            f"no suite named {name!r}; there are {', '.join(MODULES)}, and suites of your own by "
            "file (suite.py) or dotted name"
        )
    try:
        return importlib.import_module(dotted)
    except Exception as error:  # whatever a module of others does
        raise broken(name, error) from error


def import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ValueError(f"there is no suite {path}")
    name = f"anygen_suite_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    loader = spec.loader if spec else None
    assert spec is not None, "a .py file has a specification"
    assert loader is not None, "and a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        loader.exec_module(module)
    except Exception as error:  # whatever a file of others does
        raise broken(str(path), error) from error
    return module


def broken(name: str, error: Exception) -> ValueError:
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return ValueError(f"the suite {name} cannot be imported: {reason}")


def choose(suite: Suite, data: Path | None, mode: str, split: str) -> Source:
    """What to read. Raises ValueError for a mode or a split that the suite does not have."""
    for option, value, known in (("mode", mode, suite.modes), ("split", split, suite.splits)):
        if value and value not in known:
            rest = f"it has {', '.join(known)}" if known else f"it has no {option}s"
            raise ValueError(f"the suite {suite.name} has no {option} {value!r}; {rest}")
    return Source(data, mode or next(iter(suite.modes), ""), split)


def describe() -> Iterator[str]:
    """A line for each suite, and lines for its modes and splits."""
    for name in MODULES:
        suite = find_suite(name)
        yield f"{name:12}{suite.about}"
        options = {
            "--mode": suite.modes,
            "--split": suite.splits,
            "--extractor": suite.extractors,
        }
        for option, values in options.items():
            if values:
                yield from wrap(
                    ", ".join(values),
                    100,
                    initial_indent=f"{'':12}{option} ",
                    subsequent_indent=" " * 20,
                    break_on_hyphens=False,
                )
