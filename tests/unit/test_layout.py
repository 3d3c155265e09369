"""Where things are: imports point one way, files are short, plugins and configs are complete."""

import ast
import importlib
from pathlib import Path

import pytest
import yaml

from anygen.config import plugins
from anygen.config.loader import CONFIGS, load
from anygen.config.run import Run
from anygen.config.system import System

ROOT = Path(__file__).parents[2]
PACKAGES = ("anygen", "encoders", "decoders", "mosit_data", "configs")
LEAVES = ("encoders", "decoders", "mosit_data")
SHARED = {"anygen.core.modality", "anygen.core.media", "anygen.core.records", "anygen.core.schema"}
ALSO = {"mosit_data/world/sounds.py": {"anygen.io.assets"}}  # the soundfont is a base asset
FOLDERS = (*PACKAGES, "tests", "benchmarks")
FILES = sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py"))
YAMLS = sorted(
    path.relative_to(CONFIGS).with_suffix("").as_posix() for path in CONFIGS.rglob("*.yaml")
)


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def imported(path):
    """Modules of ours that a file imports: `from anygen import media` is anygen.core.media."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module, names, 0):
                package = module in PACKAGES
                yield from (f"{module}.{a.name}" if package else module for a in names)
            case ast.ImportFrom():
                yield "a relative import"


@pytest.mark.parametrize("leaf", LEAVES)
def test_leaves_import_only_the_shared_words_and_themselves(leaf):
    for path in (ROOT / leaf).rglob("*.py"):
        allowed = SHARED | ALSO.get(name_of(path), set())
        ours = {m for m in imported(path) if m.split(".")[0] in PACKAGES}
        wrong = {m for m in ours - allowed if not m.startswith(f"{leaf}.")}
        assert not wrong, f"{name_of(path)} imports {wrong}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_is_short_and_its_imports_are_absolute(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    assert "a relative import" not in set(imported(path))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_module_says_what_it_is_for(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not path.is_relative_to(ROOT / "tests"):
        assert ast.get_docstring(tree)


@pytest.mark.parametrize("package", ["encoders", "decoders"])
def test_every_plugin_has_settings_a_tiny_case_and_a_builder(package):
    assert plugins.names(package)
    for name in plugins.names(package):
        module = importlib.import_module(f"{package}.{name}")
        assert isinstance(module.TINY, module.Config)
        assert callable(module.build)


@pytest.mark.parametrize("name", YAMLS)
def test_a_shipped_config_is_a_valid_run_or_a_valid_system(name):
    if "stage" in yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8")):
        run = load(Run, name)
        load(System, run.system)
        assert set(run.init) <= {load(Run, other).out for other in YAMLS if is_run(other)}
        return
    system = load(System, name)
    for package, plugin in parts(system):
        module = importlib.import_module(f"{package}.{plugin.name}")
        module.Config.model_validate(plugin.options)
        if "tokenizer" in plugin.options:
            assert (CONFIGS / name).with_name(plugin.options["tokenizer"]).is_file()


def is_run(name):
    return "stage" in yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))


def parts(system):
    return [("encoders", system.encoder), *(("decoders", p) for p in system.decoders.values())]


def test_the_tiny_system_is_made_of_the_plugins_own_tiny_settings():
    for package, plugin in parts(load(System, "tiny/system")):
        module = importlib.import_module(f"{package}.{plugin.name}")
        assert module.Config.model_validate(plugin.options) == module.TINY
