"""The commands from a shell, on the tiny system: train, chat, generate."""

import json
import subprocess
import sys

import pytest

from anygen.media_files import read_media


@pytest.fixture(scope="module")
def model(make_model, tmp_path_factory):
    """The folder of an untrained model."""
    folder = tmp_path_factory.mktemp("model")
    make_model().save_pretrained(folder)
    return str(folder)


@pytest.fixture
def anygen(tmp_path):
    """Runs a command in an empty folder; what it printed."""

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "anygen", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_tiny_system_is_trained_from_a_file_that_config_printed(
    anygen, tiny_llm, tiny_system, write_run, tmp_path
):
    (tmp_path / "system.yaml").write_text(anygen("config", "tiny/system", f"llm.base={tiny_llm}"))
    (tmp_path / "captions.json").write_bytes(tiny_system.with_name("captions.json").read_bytes())
    run = write_run("denoise", decoders=["image"], out="trained", system="system.yaml")
    assert anygen("train", run, "steps=1").strip().endswith("trained")
    assert (tmp_path / "trained" / "weights.safetensors").is_file()


def test_a_question_is_answered_and_its_media_are_written(anygen, model, tmp_path, capfd):
    anygen("chat", "-m", model, "-p", "draw a cat", "--max-new-tokens", "8", "--out", "made")
    for path in (tmp_path / "made").glob("*.png"):
        assert read_media(path).pixels.shape == (3, 16, 16)


def test_a_file_is_answered_once(anygen, model, tmp_path):
    rows = [{"id": name, "prompt": f"draw {name}"} for name in ("a", "b")]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    command = ("generate", "rows.jsonl", "-m", model, "--max-new-tokens", "4", "--out", "made")
    made = [json.loads(line) for line in anygen(*command).splitlines()]
    assert [(record["id"], record["status"]) for record in made] == [("a", "ok"), ("b", "ok")]
    assert anygen(*command) == ""
