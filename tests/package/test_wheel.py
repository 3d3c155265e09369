"""The wheel has all that anygen needs, and its command works where only the wheel is."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import anygen
from support.paths import ROOT

pytestmark = pytest.mark.slow

PACKAGES = ("anygen", "encoders", "decoders", "mosit_data", "configs")
DATA = (
    "configs/mini/system.yaml",
    "configs/mini/captions.json",
    "configs/tiny/system.yaml",
    "configs/tiny/captions.json",
    "encoders/parts/imagenet_classes.txt",
    "anygen/checkpoints/model_card.md",
    "anygen/memory/reference/llms.json",
    "anygen/memory/reference/encoders.json",
    "anygen/memory/reference/pipelines.json",
    "anygen/reports/evaluation.html",
    "anygen/reports/page.css",
    "mosit_data/world/sprites.webp",
    "mosit_data/prompts/train.txt",
    "mosit_data/prompts/evaluation.txt",
    "mosit_data/text_rows.jsonl",
    *(f"{package}/py.typed" for package in PACKAGES if package != "configs"),
)


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", str(folder), str(ROOT))
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The commands of an environment with the wheel alone, beside the libraries of this one."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder)  # without a pip of its own, which takes seconds
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", str(python))
    run(*pip, "install", "--no-deps", "--no-index", str(wheel))
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    # Added last and without its own .pth files: an editable anygen there is not seen.
    (Path(site) / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin"


def test_the_wheel_is_named_after_the_distribution(wheel):
    assert wheel.name == f"anygen_mm-{anygen.__version__}-py3-none-any.whl"


def test_the_wheel_has_all_packages_and_their_data_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == set(PACKAGES)
    assert set(DATA) <= set(names)
    sources = {p.relative_to(ROOT).as_posix() for k in PACKAGES for p in (ROOT / k).rglob("*.py")}
    assert sources <= set(names)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_installed_command_tells_its_version(installed, tmp_path):
    assert run(installed / "anygen", "--version", cwd=tmp_path).strip() == anygen.__version__


def test_the_installed_package_finds_its_own_configs_and_data(installed, tmp_path):
    assert "stable_diffusion" in run(installed / "anygen", "config", "mini/system", cwd=tmp_path)
    code = (
        "import random, anygen\n"
        "from mosit_data.prompts import read_prompts\n"
        "from mosit_data.world.pictures import render_picture\n"
        "from mosit_data.world.scene import sample_scene\n"
        "render_picture(sample_scene('image', random.Random(0)))\n"
        "print(len(read_prompts('train')), anygen.__file__)"
    )
    count, path = run(installed / "python", "-c", code, cwd=tmp_path).split()
    assert int(count) > 0
    assert Path(path).is_relative_to(installed.parent)


def test_the_installed_doctor_knows_its_own_distribution(installed, tmp_path):
    environment = {**os.environ, "ANYGEN_CACHE": str(tmp_path / "cache")}
    lines = run(installed / "anygen", "doctor", cwd=tmp_path, env=environment).splitlines()
    [package] = [line for line in lines if "anygen: " in line]
    assert package.startswith("ok ")
    assert package.endswith(f"which belongs to {anygen.DISTRIBUTION}")
    assert lines[-1] == "everything needed works"
