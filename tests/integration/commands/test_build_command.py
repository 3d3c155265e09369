"""`anygen data build`: what cannot be built is one sentence, and nothing is written."""

import pytest

from anygen.cli import build as command
from mosit_data.build.pipeline import STAGES
from mosit_data.build.presets.table import PRESETS

TOPICS = "topics.txt"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / TOPICS).write_text("cats\n")
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["lava"], "no preset 'lava'; did you mean llava?"),
        (["llava", "--writer", "gramar"], "no writer 'gramar'; did you mean grammar?"),
        (["llava", "--until", "chek"], "no stage 'chek'; did you mean check?"),
        (["mosit"], "mosit needs --topics, a text file"),
        (["llava", "--topics", TOPICS], "llava has no use for --topics"),
        (["llava", "--captions", "empty"], "llava: the grammar writes about the small world alone"),
        (["multiinstruct", "--captions", "gone"], "gone: no such file or folder"),
        (["multiinstruct", "--captions", "empty"], "empty: holds no medium with a caption"),
        (["llava", "--ground", "generate"], "--ground generate is for mosit"),
        (["llava", "--character", TOPICS], "llava has no use for --character"),
        (["mosit", "--topics", TOPICS, "--character", "gone"], "gone: No such file"),
        (["mosit", "--topics", TOPICS, "--character", TOPICS], "topics.txt: "),
        (["mosit", "--topics", TOPICS, "--ground", "search"], "search needs --media, a folder"),
        (["mosit", "--topics", TOPICS, "--media", "gone"], "gone: no such folder"),
        (
            ["mosit", "--topics", TOPICS, "--media", "empty", "--captions", "empty"],
            "--captions names the media of the dialogues; omit --ground search",
        ),
        (["lvis", "--writer", "endpoint", "--url", "here"], "an endpoint begins with http"),
    ],
)
def test_what_cannot_be_built_is_one_sentence(anygen_cli, folder, words, sentence):
    code, _, err = anygen_cli("data", "build", *words, "--out", "out", "--count", "1")
    assert (code, err.count("\n")) == (2, 1)
    assert sentence in err
    assert not (folder / "out").exists()


def test_the_command_names_what_there_is():
    assert sorted(PRESETS) == list(command.PRESETS)
    assert list(STAGES) == list(command.STAGES)


def test_a_build_stops_where_it_is_told(anygen_cli, folder):
    words = ["data", "build", "valley", "--count", "3", "--out", "out"]
    code, out, _ = anygen_cli(*words, "--until", "write")
    assert (code, out) == (0, "3 dialogues after the stage write: out\n")
    assert {path.name for path in (folder / "out").iterdir()} == {
        *("order.json", "jobs.jsonl", "raw.jsonl", "refused.jsonl")
    }
    code, out, _ = anygen_cli(*words)
    assert code == 0
    assert "records.jsonl" in out
    code, out, err = anygen_cli(*words, "--seed", "2")
    assert (code, out) == (2, "")
    assert "out: is the folder of another build: seed was 0 and is 2; give" in err
