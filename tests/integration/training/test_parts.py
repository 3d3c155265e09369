"""A step is the same however many passes and processes divide its rows."""

import json

import pytest
import torch
from safetensors.torch import load_file

from anygen.training.trainer import train
from support.two_processes import train_in_two

# Gradients that are far below AdamW's epsilon make it linear, so that it does not enlarge rounding.
SMALL = {"max_grad_norm": 1e-8, "learning_rate": 0.1, "warmup": 0}
SETTINGS = {"batch_size": 5, "denoised": 2, "steps": 2, "log_every": 1, "seed": 4, **SMALL}
SETTINGS["held_out"] = {"world": 3, "every": 1}


def losses(folder):
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in r.items() if k != "seconds"} for r in rows if "samples" not in r]


def assert_equal(mine, other):
    for left, right in zip(losses(mine), losses(other), strict=True):
        assert left == pytest.approx(right, abs=3e-5)
    weights = [load_file(folder / "weights.safetensors") for folder in (mine, other)]
    assert weights[0].keys() == weights[1].keys()
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, rtol=0, atol=1e-6, msg=name)


@pytest.mark.parametrize("settings", [["accumulation=3"], ["tokens_per_pass=200", "packing=300"]])
def test_passes_over_parts_of_a_step_are_one_pass_over_all_of_it(write_run, tmp_path, settings):
    name = write_run("instruct", **SETTINGS)
    whole = train(name, [f"out={tmp_path / 'whole'}"])
    parts = train(name, [f"out={tmp_path / 'parts'}", *settings])
    terms = {term.split("_")[-1] for row in losses(whole) for term in row}
    assert {"text", "likeness", "contrast", "denoise"} <= terms
    assert_equal(whole, parts)


def test_what_cannot_be_divided_is_refused(write_run):
    with pytest.raises(ValueError, match=r"batch_size: 5 rows cannot .* give at least 6"):
        train(write_run("instruct", **SETTINGS), ["accumulation=6"])
    with pytest.raises(ValueError, match="accumulation: stage vae computes its batch in one pass"):
        train(write_run("vae", decoders=["image"]), ["accumulation=2"])
    with pytest.raises(ValueError, match="packing: stage vae has no dialogues; encode, decode, in"):
        train(write_run("vae", decoders=["image"]), ["packing=200"])
    with pytest.raises(ValueError, match="tokens_per_pass: finds the number of passes by itself"):
        train(write_run("instruct", **SETTINGS), ["accumulation=2", "tokens_per_pass=200"])


@pytest.mark.slow
def test_two_processes_learn_what_one_does(write_run, tmp_path):
    names = {stage: write_run(stage, **SETTINGS) for stage in ("decode", "instruct")}
    together = {
        "ddp": ("decode", []),
        "packed": ("instruct", ["tokens_per_pass=200", "packing=300"]),
    }
    alone = {stage: train(name, [f"out={tmp_path / stage}"]) for stage, name in names.items()}
    train_in_two(
        *(
            (names[stage], [f"out={tmp_path / folder}", *settings])
            for folder, (stage, settings) in together.items()
        )
    )
    for folder, (stage, _) in together.items():
        assert_equal(alone[stage], tmp_path / folder)
