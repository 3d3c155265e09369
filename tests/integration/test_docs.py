"""What README and docs/ show is run; what takes hours or installs things is at least understood.

`mini` is the tiny model here, and the files that commands name lie in the folder where they run.
"""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import typer
import yaml

from anygen import DISTRIBUTION, AnyGen
from anygen.chat.repl import run_chat
from anygen.chat.session import ChatSettings, Session, loaded
from anygen.chat.slash_commands import COMMANDS
from anygen.checkpoints import checkpoint
from anygen.cli.main import app
from anygen.config.loader import CONFIGS, load_run, load_system, read_settings
from anygen.core.modality import TABLE
from anygen.generation.option_names import NAMES
from anygen.generation.options import AnswerOptions
from anygen.importers import IMPORTERS
from anygen.io.media_files import read_media, write_media
from anygen.terminal.screen import Screen
from decoders.base import RenderRequest, never, no_progress
from support.own_data import write_dialogues
from support.pages import PAGES, Command, answers, blocks, commands
from support.paths import ROOT

PLUGINS = ROOT / "docs" / "plugins.md"
SERVE = ROOT / "docs" / "serve.md"  # its recipes are run against a server, by tests of their own


# --- what is not run, and what is checked instead


def parse(command: Command) -> dict:
    """What typer understands of a command of ours."""
    name, *arguments = command.words[1:]
    return typer.main.get_command(app).commands[name].make_context(name, arguments).params


def parse_example(command: Command) -> dict:
    return parse(Command(command.page, command.words[1:]))


def check_train(command: Command) -> None:
    """A YAML file is where a reader is, or is shown on the page and read as if it lay there."""
    given = parse(command)
    shown = dict(blocks(page_of(command), "yaml"))
    with tempfile.TemporaryDirectory() as folder:
        name = given["config"]
        if (folder_of(command) / name).is_file():
            name = str(folder_of(command) / name)
        elif name in shown:
            path = Path(folder) / name
            path.write_text(shown[name])
            name = str(path)
        load_system(load_run(name, given["overrides"]).system)


def check_cd(command: Command) -> None:
    [folder] = command.words[1:]
    assert (ROOT / folder).is_dir()


def page_of(command: Command) -> Path:
    return next(page for page in PAGES if page.name == command.page)


def folder_of(command: Command) -> Path:
    """Where the commands of its page have gone before it, from the folder of a clone."""
    shown = commands(page_of(command))
    before = shown[: shown.index(command)]
    return ROOT.joinpath(*(one.words[1] for one in before if one.words[0] == "cd"))


def check_build(command: Command) -> None:
    """The files that it names are where a reader who copies the lines is."""
    name, *arguments = command.words[2:]
    data = typer.main.get_command(app).commands["data"]
    given = data.commands[name].make_context(name, arguments).params
    files = [given[name] for name in ("topics", "character") if given[name]]
    assert files
    assert all((folder_of(command) / file).is_file() for file in files)


def check_pack(command: Command) -> None:
    given = parse(command)
    load_system(given["system"])
    runs = [p for p in (CONFIGS / "mini").glob("*.yaml") if "stage" in read_settings(p)]
    assert set(given["runs"]) <= {load_run(f"mini/{path.stem}").out for path in runs}


def check_pip(command: Command) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["name"] == DISTRIBUTION
    name, extras = re.fullmatch(r"(.+?)(?:\[(.*)\])?", command.words[-1]).groups()
    assert name == "."
    assert set(extras.split(",") if extras else ()) <= project["optional-dependencies"].keys()


def check_plan(command: Command) -> None:
    given = parse(command)
    load_system(given["config"], given["overrides"])


def check_convert(command: Command) -> None:
    given = parse(command)
    assert given["layout"] in IMPORTERS
    load_system(given["system"])


def check_make(command: Command) -> None:
    assert f"\n{command.words[1]}:" in (ROOT / "Makefile").read_text()


def check_script(command: Command) -> None:
    """The runs that it names exist, and each begins with what those before it have learned."""
    stages = re.findall(r"^train \d+ (\w+)", (ROOT / command.words[0]).read_text(), re.MULTILINE)
    runs = [load_run(f"mini_gpu/{stage}") for stage in stages]
    for number, run in enumerate(runs):
        assert set(run.init) <= {earlier.out for earlier in runs[:number]}


def check_docker(command: Command) -> None:
    """The image's own options, and the command that it runs."""
    image = (ROOT / "Dockerfile").read_text()
    for word in command.words:
        if "=http" in word:
            assert f"ARG {word.partition('=')[0]}=" in image
    [serve] = re.findall(r"^CMD (\[.*\])$", image, re.MULTILINE)
    parse(Command(command.page, ("anygen", *json.loads(serve))))


NOT_RUN: dict[str, tuple[str, Callable[[Command], object]]] = {
    "pip install": ("changes the environment", check_pip),
    "cd ": ("changes the folder", check_cd),
    "make ": ("installs, or runs these very tests", check_make),
    "anygen web": ("runs until it is stopped", parse),
    "anygen serve": ("runs until it is stopped", parse),
    "ANYGEN_API_KEYS=": ("runs until it is stopped", parse_example),
    "CUDA_VISIBLE_DEVICES=": ("runs until it is stopped", parse_example),
    "docker ": ("needs Docker, and minutes", check_docker),
    "anygen train": ("minutes to hours", check_train),
    "configs/mini_gpu/train.sh": ("ten minutes on an accelerator", check_script),
    "anygen data build mosit --topics topics.txt --character": ("a minute", check_build),
    "anygen data build mosit --topics topics.txt --count 5000": ("a minute", check_build),
    "anygen plan": ("a minute for mini; its own tests plan the tiny system", check_plan),
    "anygen convert": ("needs a checkpoint that others published", check_convert),
    "anygen chat --model nextgpt": ("needs the model that was converted", parse),
    "PYTHONPATH=. pytest": ("run by a test of the example plugins", lambda command: None),
    "anygen pack": ("needs the runs that hours of training wrote", check_pack),
    "anygen generate --workers": ("run by the test of worker processes", parse),
    "anygen generate --verify": ("needs a folder; run by the test of worker processes", parse),
    "anygen evaluate": ("minutes, and a soundfont that may have to be fetched", parse),
    "anygen arena": ("asks a person, or reads their votes", parse),
    "PYTHONPATH=. anygen": ("run by the test of the example plugins", parse_example),
}
ALL = [command for page in PAGES for command in commands(page)]
SKIPPED = [command for command in ALL if str(command).startswith(tuple(NOT_RUN))]
# Those that answer something are run with the shipped mini, in test_docs_media.
RUN = list({str(c): c for c in ALL if not (c in SKIPPED or answers(c))}.values())


def test_every_exception_is_still_needed():
    unused = [start for start in NOT_RUN if not any(str(c).startswith(start) for c in SKIPPED)]
    assert unused == []


@pytest.mark.parametrize("command", list(dict.fromkeys(SKIPPED)), ids=str)
def test_a_command_that_is_not_run_is_understood(command):
    [check] = [check for start, (_, check) in NOT_RUN.items() if str(command).startswith(start)]
    check(command)


# --- what is run


@pytest.fixture(scope="module")
def talk(saved_model, tmp_path_factory):
    """The folder of a chat that made two pictures and was saved."""
    folder = tmp_path_factory.mktemp("talk")
    options = AnswerOptions(modalities=("image",), max_new_tokens=8)
    settings = ChatSettings(folder / "out", options)
    model = AnyGen.from_pretrained(saved_model)
    session = Session(loaded(model), settings, Screen(lambda text: None), AnyGen.from_pretrained)
    run_chat(session, ["draw", "again", f"/save {folder / 'talk.json'}"])
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch, saved_model, image, talk):
    """The current folder, with the files that README and docs name; mini is the tiny model."""
    shutil.copytree(saved_model, tmp_path / "pretrained" / "mini")
    monkeypatch.setattr(checkpoint, "PRETRAINED", tmp_path / "pretrained")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(talk, tmp_path, dirs_exist_ok=True)
    write_media(image, tmp_path / "cat.png")
    shutil.copy(tmp_path / "cat.png", tmp_path / "photo.jpg")  # a file is what its bytes say
    [(_, rows), _] = blocks(ROOT / "docs" / "generate.md", "json")
    (tmp_path / "prompts.jsonl").write_text(rows)
    [(_, rows)] = blocks(ROOT / "docs" / "control.md", "json")
    (tmp_path / "control.jsonl").write_text(rows)
    for kind in ("json", "text"):
        for title, text in blocks(ROOT / "docs" / "data.md", kind):
            if title:
                (tmp_path / title).write_text(text)
    write_dialogues(tmp_path)
    (tmp_path / "pictures").mkdir()
    shutil.copy(tmp_path / "cat.png", tmp_path / "pictures" / "cat.png")
    (tmp_path / "pictures" / "cat.txt").write_text("a cat")
    for run in ("mine", "parrot"):
        shutil.copytree(saved_model, tmp_path / "runs" / run)
    return tmp_path


@pytest.mark.parametrize("command", RUN, ids=str)
def test_a_command_runs(folder, anygen_cli, command):
    assert command.words[0] == "anygen"
    short = ("--max-new-tokens", "16") if command.words[1] in ("chat", "generate") else ()
    code, out, err = anygen_cli(*command.words[1:], *short, stdin="draw a cat\n/bye\n")
    assert code == 0, err
    assert out
    if command.output is not None:
        assert isinstance(yaml.safe_load(out), dict)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page not in (PLUGINS, SERVE)], ids=lambda p: p.name
)
def test_python_of_a_page_runs(folder, page):
    """It prints something or, as an answer of media alone does, writes files."""
    for title, text in blocks(page, "python"):
        if title:  # a file, which a command of the page reads
            continue
        before = set(folder.iterdir())
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(text, str(page), "exec"), {})
        assert printed.getvalue() or set(folder.iterdir()) > before


def test_the_control_page_names_every_setting():
    text = (ROOT / "docs" / "control.md").read_text()
    missing = [name for name in (*NAMES, "modalities") if not re.search(rf"`{name}[`.]", text)]
    assert missing == []


# --- the example plugins


@pytest.fixture
def example(tmp_path, monkeypatch, tiny_llm):
    """The files of the page about plugins, around the tiny LLM, in the current folder."""
    for kind in ("python", "yaml"):
        for title, text in blocks(PLUGINS, kind):
            if title:
                path = tmp_path / title
                path.parent.mkdir(exist_ok=True)
                path.write_text(text.replace("smollm2-135m", str(tiny_llm)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_the_example_plugins_make_a_system_that_answers(example, anygen_cli):
    [script] = [text for title, text in blocks(PLUGINS, "python") if not title]
    names = {}
    exec(compile(script, str(PLUGINS), "exec"), names)
    shown = [command for command in commands(PLUGINS) if command.words[1] == "anygen"]
    assert shown
    for command in shown:
        code, _, err = anygen_cli(*command.words[2:])
        assert code == 0, err
    assert read_media(next(Path("out").glob("*.png"))).pixels.shape == (3, 64, 64)
    check_promises(names["model"])


def test_the_example_plugins_keep_their_contracts(example):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_colors.py"]
    done = subprocess.run(
        command, cwd=example, env=os.environ | {"PYTHONPATH": "."}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    assert "20 passed, 2 skipped" in done.stdout  # which are for encoders that learn


@torch.no_grad()
def check_promises(model):
    """Those of the contract tests that are easily broken."""
    decoder, encoder = model.decoders["image"], model.encoder
    conditions = decoder.encode_prompt(["a red cat", "a cat", "a blue cat"])
    assert conditions.shape[1:] == (decoder.condition_spec.tokens, decoder.condition_spec.width)
    requests = [
        RenderRequest(condition, seed)
        for condition, seed in zip(conditions, [7, 8, 9], strict=True)
    ]
    pictures = decoder.sample(requests, no_progress, never)
    [alone] = decoder.sample(requests[2:], no_progress, never)
    assert torch.equal(alone.pixels, pictures[2].pixels)
    assert pictures[0].pixels.float().mean((1, 2)).argmax() == 0
    generators = [torch.Generator()] * 3
    assert (decoder.loss(pictures, conditions, generators) < 1e-3).all()
    features = encoder.encode(pictures)
    assert all(one.shape == (16, encoder.widths["image"]) for one in features)
    assert torch.equal(encoder.encode(pictures[2:])[0], features[2])


# --- the site


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("mkdocs", reason="the site is built where the extra docs is installed")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_has_every_page_and_loads_nothing_from_elsewhere(site):
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    named = {name if isinstance(name, str) else next(iter(name.values())) for name in nav}
    assert named == {p.name for p in (ROOT / "docs").glob("*.md")} | {
        "readme.md",
        "contributing.md",
    }
    for page in site.rglob("*.html"):
        assert not re.search(
            r'<(?:script|link|img)[^>]+(?:src|href)="(?:https?:)?//', page.read_text()
        )


def test_the_chat_page_lists_the_commands_of_the_chat(site):
    page = (site / "chat" / "index.html").read_text()
    assert all(f"<code>{command}" in page for command in COMMANDS)


def test_the_train_page_lists_every_run(site):
    page = (site / "train" / "index.html").read_text()
    runs = [p.stem for p in (CONFIGS / "mini").glob("*.yaml") if "stage" in read_settings(p)]
    assert all(f"<code>mini/{run}</code>" in page for run in runs)


def test_the_counts_of_signal_tokens_on_the_concepts_page_are_those_of_the_table():
    text = " ".join((ROOT / "docs" / "concepts.md").read_text().split())
    image, audio, video = (row.signal_tokens for row in TABLE.values())
    assert f"{image} for an image, {audio} for a sound, {video} for a video" in text
