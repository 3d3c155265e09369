"""Where things are: imports point one way, files are short, plugins and configs are complete."""

import ast
import importlib
from functools import cache
from pathlib import Path

import pytest
import yaml

from anygen.config import plugins
from anygen.config.loader import CONFIGS, load
from anygen.config.run import Run
from anygen.config.system import System

ROOT = Path(__file__).parents[2]
PACKAGES = ("anygen", "encoders", "decoders", "mosit_data", "configs")
# The rooms, from the lowest up: each imports from those above it in this list only. `anygen/` is
# left out of names; "anygen" is the facade, anygen/anygen.py with anygen/__init__.py.
ROOMS = (
    "core",
    "io",
    "numerics",
    "config",
    "checkpoints",
    "encoders",
    "decoders",
    "mosit_data",
    "llm",
    "projectors",
    "model",
    "generation",
    "anygen",
    "reports",
    "training",
    "importers",
    "memory",
    "evaluation",
    "conversation",
    "terminal",
    "chat",
    "batch",
    "ray",
    "building",
    "serve",
    "web",
    "testing",
    "integrations",
    "doctor",
    "cli",
)
# Rooms that may use less than all that stands before them.
ONLY = {
    "numerics": {"core"},
    "encoders": {"core", "io", "numerics"},
    "decoders": {"core", "io", "numerics"},
    "mosit_data": {"core", "io"},
    "terminal": {"core", "io"},
    "reports": {"core", "io", "numerics"},
}
MAX_MODULES = 14
MAX_LINES = 400
FOLDERS = (*PACKAGES, "tests", "benchmarks")
FILES = sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py"))
SOURCES = [p for p in FILES if p.relative_to(ROOT).parts[0] in PACKAGES]
YAMLS = sorted(
    path.relative_to(CONFIGS).with_suffix("").as_posix() for path in CONFIGS.rglob("*.yaml")
)


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def module_of(path):
    names = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


MODULES = {module_of(path) for path in SOURCES}


def imported(path):
    """Modules of ours that a file imports, inside functions and for type checking, too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module, names, 0):
                inside = [f"{module}.{alias.name}" for alias in names]
                yield from (name if name in MODULES else module for name in inside)
            case ast.ImportFrom():
                yield "a relative import"


def ours(path):
    return {module for module in imported(path) if module in MODULES}


def room_of(module):
    """`anygen.llm.prompt` is in llm, `decoders.base` in decoders, `anygen.anygen` in anygen."""
    first, *rest = module.split(".")
    return rest[0] if first == "anygen" and rest else first


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_module_imports_only_from_rooms_below_its_own(path):
    room = room_of(module_of(path))
    if room in ("configs", "__main__"):
        return
    below = ONLY.get(room, set(ROOMS[: ROOMS.index(room)]))
    rooms = {room_of(module) for module in ours(path)}
    assert rooms <= below | {room}


def test_only_contracts_of_plugins_are_known_outside_of_them():
    for path in (ROOT / "anygen").rglob("*.py"):
        assert not [m for m in ours(path) if m.startswith(("encoders.parts", "decoders.parts"))]


def test_no_module_imports_itself_through_others():
    graph = {module_of(path): ours(path) - {module_of(path)} for path in SOURCES}
    while leaves := [module for module, uses in graph.items() if not uses & graph.keys()]:
        for module in leaves:
            del graph[module]
    assert not graph, f"in circles, or above them: {sorted(graph)}"


@pytest.mark.parametrize("folder", sorted({path.parent for path in SOURCES}), ids=name_of)
def test_a_folder_holds_few_modules(folder):
    modules = [path for path in folder.glob("*.py") if path.stem != "__init__"]
    assert len(modules) <= MAX_MODULES


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_is_short_and_its_imports_are_absolute(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES
    assert "a relative import" not in set(imported(path))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_module_says_what_it_is_for(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not path.is_relative_to(ROOT / "tests"):
        assert ast.get_docstring(tree)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_internal_is_replaced_by_its_name_in_a_string(path):
    """Such a patch breaks when code moves; what a test varies is an argument."""
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match call:
            case ast.Call(func=ast.Attribute(attr="setattr" | "patch"), args=[ast.Constant(), *_]):
                pytest.fail(f"line {call.lineno} patches {call.args[0].value}")


@pytest.mark.parametrize("package", ["encoders", "decoders"])
def test_every_plugin_has_settings_a_tiny_case_and_a_builder(package):
    assert plugins.names(package)
    for name in plugins.names(package):
        module = importlib.import_module(f"{package}.{name}")
        assert isinstance(module.TINY, module.Config)
        assert callable(module.build)


@pytest.mark.parametrize("name", YAMLS)
def test_a_shipped_config_is_a_valid_run_or_a_valid_system(name):
    if is_run(name):
        run = load(Run, name)
        load(System, run.system)
        assert set(run.init) <= written_by_runs()
        return
    system = load(System, name)
    for package, plugin in parts(system):
        module = importlib.import_module(f"{package}.{plugin.name}")
        module.Config.model_validate(plugin.options)
        if "tokenizer" in plugin.options:
            assert (CONFIGS / name).with_name(plugin.options["tokenizer"]).is_file()


@cache
def written_by_runs():
    return {load(Run, name).out for name in YAMLS if is_run(name)}


@cache
def is_run(name):
    return "stage" in yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))


def parts(system):
    return [("encoders", system.encoder), *(("decoders", p) for p in system.decoders.values())]


def test_the_tiny_system_is_made_of_the_plugins_own_tiny_settings():
    for package, plugin in parts(load(System, "tiny/system")):
        module = importlib.import_module(f"{package}.{plugin.name}")
        assert module.Config.model_validate(plugin.options) == module.TINY
