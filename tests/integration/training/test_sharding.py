"""FSDP: processes that each keep a part of the LLM learn what one process does."""

import json

import pytest
from safetensors.torch import load_file

from anygen.config.loader import load_run
from anygen.training.trainer import train
from support.own_data import picture, talk, write_picture, write_records, write_sound
from support.two_processes import train_in_two

# Gradients that are far below AdamW's epsilon make it linear, so that it does not enlarge rounding.
SMALL = {"max_grad_norm": 1e-8, "learning_rate": 0.1, "warmup": 9, "log_every": 1}


def losses(folder):
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in r.items() if k != "seconds"} for r in rows if "samples" not in r]


def forgetting(folder):
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [(row["step"], row["forgetting/asked"]) for row in rows if "samples" in row]


def difference(mine, other):
    left, right = (load_file(folder / "weights.safetensors") for folder in (mine, other))
    assert left.keys() == right.keys()
    return max(float((left[key] - right[key]).abs().max()) for key in left)


@pytest.mark.slow
def test_processes_with_other_modalities_learn_what_one_does(write_run, tmp_path):
    """Of each step one reads a picture, and the other one makes a sound; one process goes on."""
    write_picture(tmp_path / "shown.png")
    write_sound(tmp_path / "made.wav")
    made = {"type": "audio", "path": "made.wav", "caption": "a low tone"}
    ask = [picture("shown.png"), {"type": "text", "text": "what is it?"}]
    write_records(tmp_path / "mine.jsonl", talk("a", ask, "a cat"), talk("b", "a tone", [made]))
    write_records(tmp_path / "asked.jsonl", {"id": "c", "prompt": "a tone"})
    held_out = {"world": 3, "requests": "asked.jsonl", "every": 2}
    settings = {"data": [{"path": "mine.jsonl"}], "held_out": held_out, "ema": 0.5}
    name = write_run("instruct", steps=3, denoised=1, **settings, **SMALL)
    alone, whole, halves = (tmp_path / folder for folder in ("alone", "whole", "halves"))
    out, change = f"out={halves}", ["steps"]
    train(name, [f"out={alone}"])
    train_in_two(
        (name, [f"out={whole}", "parallel=fsdp", "steps=2"]),
        (name, [out, "parallel=fsdp", "steps=1"]),
        (name, [out, "parallel=fsdp", "steps=2"], change),
    )
    assert difference(whole, halves) == 0
    assert forgetting(whole) == [(0, 0), (2, forgetting(halves)[-1][1])]
    for one, two in zip(losses(alone), losses(whole)):
        assert one == pytest.approx(two, rel=2e-6, abs=3e-5)  # logs have five decimals
    train(name, [out], change)
    assert difference(alone, halves) <= 1e-6


@pytest.mark.parametrize(
    ("stage", "setting", "sentence"),
    [
        ("denoise", "steps=2", "parallel: fsdp divides the LLM, which stage denoise does not"),
        ("instruct", "precision=int8", "parallel: fsdp does not divide weights in int8"),
        ("instruct", "optimizer=adafactor", "parallel: fsdp goes with optimizer adamw, not adafac"),
    ],
)
def test_what_cannot_be_sharded_is_refused(write_run, stage, setting, sentence):
    name = write_run(stage, decoders=["image"], pool={"image": 2}, parallel="fsdp")
    with pytest.raises(ValueError, match=sentence):
        load_run(name, [setting])


@pytest.mark.parametrize("setting", ["parallel=deepspeed", "parallel=zero3", "parallel=ZeRO-2"])
def test_who_asks_for_deepspeed_is_told_what_takes_its_place(write_run, setting):
    with pytest.raises(ValueError, match=r"write `parallel: fsdp`, .* as ZeRO-3 does"):
        load_run(write_run("instruct"), [setting])
