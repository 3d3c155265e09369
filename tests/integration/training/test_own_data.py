"""Runs that learn from the user's own records."""

import json
import random

import pytest
import torch
from safetensors.torch import load_file

from anygen.config.loader import load_run, load_system
from anygen.model.multimodal import MultimodalModel
from anygen.training.precomputed import SpanPool
from anygen.training.trainer import train
from support.own_data import captioned_pictures, talk, write_dialogues, write_records

DATA = [{"path": "mine.jsonl"}, {"world": True, "share": 0.3}, {"plain": True, "share": 0.2}]
RUNS = {"encode": DATA[:2], "decode": DATA, "instruct": DATA}
# While the rate still rises, a step does not depend on how many there will be.
RISING = {"warmup": 100, "learning_rate": 1e-2, "save_every": 3, "batch_size": 3}


@pytest.mark.slow
@pytest.mark.parametrize("stage", RUNS)
def test_a_run_on_own_data_that_was_stopped_ends_with_the_same_weights(stage, write_run, tmp_path):
    write_dialogues(tmp_path)
    name = write_run(stage, data=RUNS[stage], steps=5, denoised=1, **RISING)
    once, twice = tmp_path / "once", tmp_path / "twice"
    train(name, [f"out={once}"])
    train(name, [f"out={twice}", "steps=3"])
    train(name, [f"out={twice}"], change=["steps"])
    expected, resumed = (load_file(out / "weights.safetensors") for out in (once, twice))
    assert expected.keys() == resumed.keys()
    assert all(torch.equal(expected[key], resumed[key]) for key in expected)


@pytest.mark.slow
def test_own_dialogues_are_learned(write_run, tmp_path):
    write_dialogues(tmp_path)
    name = write_run(
        "instruct",
        data=[{"path": "mine.jsonl"}],
        batch_size=6,
        steps=40,
        log_every=5,
        learning_rate=1e-2,
        warmup=5,
        save_every=40,
    )
    rows = [json.loads(line) for line in (train(name, []) / "log.jsonl").read_text().splitlines()]
    losses = [row["text"] for row in rows if "text" in row]
    assert losses[-1] < losses[0] / 2
    assert "image_align" in rows[0]
    assert "audio_align" not in rows[0]


COMPONENTS = {
    "vae": {"steps": 40, "learning_rate": 1e-2},
    "denoise": {"steps": 50, "learning_rate": 1e-2, "pool": {"image": 16}},
}


@pytest.mark.slow
@pytest.mark.parametrize("stage", COMPONENTS)
def test_an_autoencoder_and_a_denoiser_learn_sixteen_pictures(stage, write_run, tmp_path):
    captioned_pictures(tmp_path, 16)
    data = {"data": [{"path": "mine.jsonl"}], "decoders": ["image"], "batch_size": 16}
    out = train(write_run(stage, log_every=10, warmup=5, **data, **COMPONENTS[stage]), [])
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    losses = [
        row["autoencoding" if stage == "vae" else "image"] for row in rows if "seconds" in row
    ]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.slow
def test_a_denoiser_of_own_pictures_that_was_stopped_ends_with_the_same_weights(
    write_run, tmp_path
):
    captioned_pictures(tmp_path, 5)
    data = [{"path": "mine.jsonl"}, {"world": True, "share": 0.4}]
    settings = {"data": data, "decoders": ["image"], "pool": {"image": 8}, "steps": 4}
    name = write_run("denoise", **settings, **RISING)
    once, twice = tmp_path / "once", tmp_path / "twice"
    train(name, [f"out={once}"])
    train(name, [f"out={twice}", "steps=2"])
    train(name, [f"out={twice}"], change=["steps"])
    expected, resumed = (load_file(out / "weights.safetensors") for out in (once, twice))
    assert all(torch.equal(expected[key], resumed[key]) for key in expected)


def test_rows_that_were_skipped_are_counted_in_the_log(write_run, tmp_path):
    path = write_dialogues(tmp_path)
    path.write_text(path.read_text() + "no json\n")
    data = [{"path": "mine.jsonl"}]
    name = write_run("encode", data=data, batch_size=7, steps=1, bad_rows="skip")
    out = train(name, [])
    [row, _] = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert row["refused"] == 1
    assert json.loads((out / "refused.jsonl").read_text())["line"] == 7


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["encode", "decode", "instruct"])
def test_a_system_of_pictures_draws_only_dialogues_that_it_can_read_and_answer(
    stage, write_run, picture_system
):
    """Of a thousand requests for a picture about fifty also hold a sound."""
    name = write_run(stage, system=str(picture_system), batch_size=48, steps=2)
    assert (train(name, []) / "weights.safetensors").is_file()


@pytest.mark.slow
def test_the_pool_of_spans_of_a_system_of_pictures_is_of_requests_for_pictures(
    write_run, picture_system
):
    model = MultimodalModel(load_system(str(picture_system)), picture_system.parent)
    settings = {"decoders": ["image"], "pool": {"image": 40}}
    run = load_run(write_run("project", system=str(picture_system), **settings))
    run.out.mkdir()
    hidden, conditions = SpanPool(model, run).draw("image", 4, random.Random(0))
    assert len(hidden) == len(conditions) == 4


def test_a_run_does_not_go_on_with_other_rows_but_with_the_same_elsewhere(write_run, tmp_path):
    path = write_dialogues(tmp_path)
    settings = {"batch_size": 2, "save_every": 1, "steps": 1}
    train(write_run("encode", data=[{"path": "mine.jsonl"}], **settings), [])
    (tmp_path / "moved").mkdir()
    path.rename(tmp_path / "moved" / "mine.jsonl")
    (tmp_path / "media").rename(tmp_path / "moved" / "media")
    name = write_run("encode", data=[{"path": "moved/mine.jsonl"}], **settings | {"steps": 2})
    out = train(name, ["steps=2"], change=["steps"])
    moved = out.parent / "moved" / "mine.jsonl"
    moved.write_text(moved.read_text().replace("what?", "what is it?"))
    with pytest.raises(ValueError, match=r"with other rows in data, add --change data"):
        train(name, ["steps=3"], change=["steps"])


def test_a_step_without_media_teaches_a_stage_that_reads_media_nothing(write_run, tmp_path):
    write_records(tmp_path / "mine.jsonl", talk("a"))
    name = write_run("encode", data=[{"path": "mine.jsonl"}], steps=2)
    assert (train(name, []) / "weights.safetensors").is_file()
