"""The commands on the tiny system: train, chat, generate."""

import json

import pytest

from anygen.io.media_files import read_media

pytestmark = pytest.mark.slow


@pytest.fixture
def anygen(anygen_cli):
    """Runs a command in an empty folder; what it printed."""

    def run(*arguments: str) -> str:
        code, out, err = anygen_cli(*arguments)
        assert code == 0, err
        return out

    return run


def test_the_tiny_system_is_trained_from_a_file_that_config_printed(
    anygen, tiny_llm, tiny_system, write_run, tmp_path
):
    (tmp_path / "system.yaml").write_text(anygen("config", "tiny/system", f"llm.base={tiny_llm}"))
    (tmp_path / "captions.json").write_bytes(tiny_system.with_name("captions.json").read_bytes())
    settings = {"decoders": ["image"], "pool": {"image": 2}, "out": "trained"}
    run = write_run("denoise", system="system.yaml", **settings)
    assert anygen("train", run, "steps=1").strip().endswith("trained")
    assert (tmp_path / "trained" / "weights.safetensors").is_file()


def test_a_question_is_answered_and_its_pictures_are_written(anygen, saved_model, tmp_path):
    anygen("chat", "-m", str(saved_model), "-p", "a cat", "--max-new-tokens", "8", "-o", "made")
    paths = list((tmp_path / "made").glob("*.png"))
    assert paths
    assert all(read_media(path).pixels.shape == (3, 16, 16) for path in paths)


def test_a_file_is_answered_once(anygen, saved_model, tmp_path):
    rows = [{"id": name, "prompt": f"draw {name}"} for name in ("a", "b")]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    options = ("-m", str(saved_model), "--modalities", "image", "--set", "max_media=2")
    command = ("generate", "rows.jsonl", *options, "-o", "x")
    made = [json.loads(line) for line in anygen(*command).splitlines()]
    assert [(record["id"], record["status"]) for record in made] == [("a", "ok"), ("b", "ok")]
    for record in made:
        assert record["content"][0]["type"] == "image"
    assert anygen(*command) == ""
