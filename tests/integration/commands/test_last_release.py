"""What the last release wrote can be read, continued and compared."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from anygen.chat.repl import run_chat
from anygen.checkpoints.checkpoint import find_model
from anygen.checkpoints.model_id import ModelId
from anygen.checkpoints.run_weights import fingerprint
from anygen.conversation.provenance import read_provenance
from anygen.core.media import Image
from anygen.io.media_files import read_media
from support.paths import TESTS
from support.scripted_chat import Scripted, chat, open_session, says, texts

RELEASE = TESTS / "data" / "v0_1"
DRAWN = [
    ["draw a red circle on a blue background"],
    ["Here is a red circle on a blue background:", Image],
]
ANSWERED = [["hello"], ["Hello! What would you like to see?"]]


@pytest.fixture
def files(tmp_path):
    """A copy of the files, since some of them are continued."""
    return shutil.copytree(RELEASE, tmp_path / "release")


def test_a_saved_chat_goes_on_with_all_that_was_said(files, tmp_path):
    model = Scripted(says("Gladly."))
    chat(tmp_path, model, f"/load {files / 'chat' / 'chat.json'}", "once more")
    assert texts(model) == [[*DRAWN, *ANSWERED, ["once more"]]]
    assert model.options[0].media["image"].steps == 2
    assert model.options[0].max_new_tokens == 40


def test_a_saved_chat_of_the_same_weights_can_be_undone(files, tmp_path):
    path = files / "chat" / "chat.json"
    model = Scripted(says("Gladly."))
    session = open_session(tmp_path, model, lambda text: None)
    model.model_id = ModelId("mini", json.loads(path.read_text())["weights"])
    run_chat(session, [f"/load {path}", "/undo", "once more"])
    assert texts(model) == [[*DRAWN, ["once more"]]]


def test_a_batch_folder_skips_its_finished_rows(files, anygen_cli):
    batch = files / "batch"
    before = (batch / "out" / "records.jsonl").read_bytes()
    code, out, err = anygen_cli(
        "generate", str(batch / "prompts.jsonl"), "--out", str(batch / "out"), "--model", "gone"
    )
    assert (code, out) == (0, "")
    done, summary = err.splitlines()
    assert done == "3 done before"
    assert summary.startswith("0 answered, 0 failed")
    assert (batch / "out" / "records.jsonl").read_bytes() == before


@pytest.mark.parametrize("name", ["cat_002_image.png", "dog_002_video.mp4"])
def test_a_generated_file_records_how_it_was_made(files, name):
    provenance = read_provenance(files / "batch" / "out" / name)
    records = map(json.loads, (files / "batch" / "out" / "records.jsonl").read_text().splitlines())
    [seed] = [r["seed"] for r in records if r["content"][-1].get("path") == name]
    assert provenance.model == "mini"
    assert provenance.turns[-1].seed == seed


@pytest.mark.slow
def test_a_generated_file_is_made_again_or_the_difference_has_a_reason(files, anygen_cli, tmp_path):
    source = files / "batch" / "out" / "cat_002_image.png"
    code, _, err = anygen_cli("generate", "--from", str(source), "--out", str(tmp_path / "again"))
    same_weights = read_provenance(source).weights == fingerprint([find_model("mini")])
    if code == 2:  # new weights may answer with other parts
        assert not same_weights
        assert "no longer makes this medium: its weights have changed" in err
        return
    made = tmp_path / "again" / source.name
    assert read_media(made).pixels.shape == read_media(source).pixels.shape
    assert (code == 0) == (made.read_bytes() == source.read_bytes())
    if code:
        reason = "another version or machine made it" if same_weights else "weights have changed"
        assert (code, reason in err) == (3, True)


def test_a_training_run_is_resumed(files, tiny_system, anygen_cli):
    run = files / "run"
    before = load_file(run / "weights.safetensors")
    anygen_cli(
        *("train", str(run / "run.yaml")),
        *(f"system={tiny_system}", f"out={run}", "steps=4"),
    )
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log if "grad_norm" in line] == [1, 2, 3, 4]
    assert torch.load(run / "state.pt", weights_only=True)["step"] == 4
    after = load_file(run / "weights.safetensors")
    assert after.keys() == before.keys()
    assert any(not torch.equal(after[name], before[name]) for name in before)


def test_a_finished_training_run_stays_as_it_is(files, tiny_system, anygen_cli):
    run = files / "run"
    before = (run / "weights.safetensors").read_bytes()
    code, _, _ = anygen_cli(
        *("train", str(run / "run.yaml")), *(f"system={tiny_system}", f"out={run}")
    )
    assert code == 0
    assert (run / "weights.safetensors").read_bytes() == before


def test_results_are_compared_row_by_row(files, anygen_cli):
    results = str(files / "results")
    code, out, err = anygen_cli("evaluate", "compare", results, results)
    assert (code, err) == (0, "")
    written = json.loads((files / "results" / "results.json").read_text())
    for row in written["rows"]:
        assert row in out or written["rows"][row]["figure"] in out
