"""The shipped mini answers what README, docs/ and --help show with the media that they promise."""

import contextlib
import io
import json
import re
import shlex
from collections import Counter
from pathlib import Path

import pytest
import typer
from PIL import Image as PILImage

from anygen import AnyGen
from anygen.cli.main import app
from anygen.core.media import Message, media_of, modality_of
from anygen.core.modality import TABLE
from anygen.io.assets import AssetError
from support.pages import PAGES, answers, blocks, commands
from support.paths import ROOT

pytestmark = pytest.mark.slow

# How many media each command makes that answers something.
MADE: dict[str, dict[str, int]] = {
    'chat -p "draw a cat on a blue background"': {"image": 1},
    'chat -p "what is in this picture?" -a photo.jpg': {},
    'chat -p "draw a cat" --set exactly.image=2 --set words_between=3 --set image.steps=8': {
        "image": 2
    },
    'chat -p "tell me about a dog" --set begin=image --set stop=END --set deadline=60': {
        "image": 1
    },
    'chat -p "write a limerick about a frog" --set temperature=0.8 --set top_p=0.9 --seed 7': {},
    'generate --image "a 3d pizza on a red background" --out out/': {"image": 1},
    'generate "a 3d pizza on a red background" --out out/': {"image": 1},
    'generate "draw a red car" --out out/ --set max_media=1 --set image.negative="a tree"': {
        "image": 1
    },
    'generate --image "a cat on a blue background" --sweep seed=0..1 --sweep image.guidance=2,4 '
    "--out out/": {"image": 4},
    "generate control.jsonl --out out/ --set max_new_tokens=40": {"image": 3},
    "generate prompts.jsonl --out out/ --batch-size 8": {"image": 1, "audio": 1},
    "generate prompts.jsonl --out out/ --batch-size 8 --seed 1 --modalities text,image,audio": {
        "image": 1,
        "audio": 1,
    },
    "generate prompts.jsonl --out few/ --set max_media=1 --set image.steps=8": {
        "image": 1,
        "audio": 1,
    },
}


SHOWN = {
    command.words[1:]: command for page in PAGES for command in commands(page) if answers(command)
}


@pytest.fixture(scope="module")
def mini():
    try:
        return AnyGen.from_pretrained("mini", device="cpu")
    except AssetError as error:
        pytest.skip(f"the base weights of mini are neither here nor can they be fetched: {error}")


@pytest.fixture
def folder(tmp_path, monkeypatch, mini):
    """The current folder, with the files that the pages name; every model is mini."""
    monkeypatch.setattr(AnyGen, "from_pretrained", lambda *name, **placement: mini)
    monkeypatch.chdir(tmp_path)
    picture = PILImage.new("RGB", (64, 64), "red")
    for name in ("cat.png", "photo.jpg"):
        picture.save(tmp_path / name)
    for page, name in {"generate": "prompts.jsonl", "control": "control.jsonl"}.items():
        _, rows = blocks(ROOT / "docs" / f"{page}.md", "json")[0]
        (tmp_path / name).write_text(rows)
    return tmp_path


def test_every_command_that_answers_is_in_the_table():
    assert {tuple(shlex.split(shown)) for shown in MADE} == SHOWN.keys()


@pytest.mark.parametrize("shown", MADE)
def test_a_command_makes_the_media_that_it_asks_for(folder, anygen_cli, shown):
    code, out, err = anygen_cli(*shlex.split(shown), "--max-new-tokens", "16", "--set", "steps=4")
    assert (code, "cannot" in out) == (0, False), err
    modality_of_suffix = {row.suffix: modality for modality, row in TABLE.items()}
    made = [path for name in ("out", "few") for path in Path(name).glob("*")]
    assert made or not MADE[shown]
    media = Counter(modality_of_suffix.get(path.suffix) for path in made)
    media.pop(None, None)  # records.jsonl
    assert media == MADE[shown]


def test_the_rows_in_the_help_make_pictures(mini):
    help_text = " ".join(
        command.help or "" for command in typer.main.get_command(app).commands.values()
    )
    rows = [json.loads(row) for row in re.findall(r'\{"id".*?\}', help_text)]
    assert rows
    for row in rows:
        assert kinds_of(mini.generate([Message("user", (row["prompt"],))])) == ["image"]


def kinds_of(message: Message) -> list[str]:
    return [modality_of(media) for media in media_of([message])]


def run_python(page: str) -> dict:
    names: dict = {}
    for title, text in blocks(ROOT / page, "python"):
        if title in ("", "pipeline"):
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(text, page, "exec"), names)
    return names


def test_the_python_of_the_readme_writes_a_picture(folder):
    names = run_python("README.md")
    [number] = [n for n, part in enumerate(names["answer"].parts) if not isinstance(part, str)]
    assert PILImage.open(f"{number}.png").size == (64, 64)


def test_the_python_of_the_api_page_writes_a_picture(folder):
    run_python("docs/api.md")
    assert len(list(folder.glob("[0-9].png"))) == 1


def test_the_python_of_the_control_page_makes_a_picture_and_changes_it(folder):
    names = run_python("docs/control.md")
    assert [kinds_of(names[name]) for name in ("answer", "again")] == [["image"], ["image"]]


def test_the_pipeline_of_transformers_makes_pictures(folder):
    names = run_python("docs/huggingface.md")
    assert names["made"]["generated_image"].size == (64, 64)
    assert names["block"]["type"] == "image"
