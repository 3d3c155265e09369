"""What a run may choose: its schedule, its optimizer, LoRA, and what it keeps."""

import json

import pytest
import torch
from safetensors.torch import load_file

from anygen.config.loader import load_run, load_system, system_of
from anygen.model.multimodal import MultimodalModel
from anygen.training.report import remaining
from anygen.training.runs.optimizers import learning_rate, make_optimizer, optimizer_bytes
from anygen.training.runs.progress import duration, progress_bar
from anygen.training.trainer import train

VAE = {"decoders": ["image"]}


@pytest.mark.parametrize(
    ("schedule", "shares"),
    [
        ("constant", {10: 1.0, 60: 1.0, 110: 1.0}),
        ("linear", {10: 1.0, 60: 0.5, 85: 0.25, 110: 0.0}),
        ("wsd", {10: 1.0, 60: 1.0, 90: 1.0, 95: 0.5, 110: 0.0}),
    ],
)
def test_the_rate_after_the_warm_up_is_that_of_the_schedule(write_run, schedule, shares):
    name = write_run("vae", **VAE, steps=110, warmup=10, learning_rate=2.0)
    run = load_run(name, [f"schedule={schedule}", "decay=0.2", "final_rate=0.1"])
    assert learning_rate(run, 4) == pytest.approx(1.0)
    for step, share in shares.items():
        expected = 2.0 * (0.1 + 0.9 * share)
        assert learning_rate(run, step) == pytest.approx(expected)


def test_lora_of_a_run_replaces_what_it_names(write_run, tiny_system):
    run = load_run(write_run("instruct"), ["lora.rank=3"])
    own, lora = load_system(str(tiny_system)).llm.lora, system_of(run).llm.lora
    assert (lora.rank, lora.alpha, lora.targets) == (3, own.alpha, own.targets)
    assert system_of(load_run(write_run("instruct"))).llm.lora == own


@pytest.mark.slow
def test_dora_goes_on_from_lora_and_where_it_stopped(write_run, saved_model, tmp_path):
    settings = {"init": [str(saved_model)], "warmup": 9, "learning_rate": 1e-2, "log_every": 1}
    name = write_run("instruct", lora={"dora": True}, **settings)
    once, twice, plain = (tmp_path / folder for folder in ("once", "twice", "plain"))
    train(name, [f"out={once}"])
    train(name, [f"out={twice}", "steps=1"])
    train(name, [f"out={twice}"], ["steps"])
    train(name, [f"out={plain}", "lora.dora=false", "steps=1"])
    first, as_lora = (
        json.loads((folder / "log.jsonl").read_text().splitlines()[0]) for folder in (once, plain)
    )
    assert first["text"] == pytest.approx(as_lora["text"], rel=1e-4)
    expected, resumed = (load_file(folder / "weights.safetensors") for folder in (once, twice))
    assert all(torch.equal(expected[key], resumed[key]) for key in expected)
    lengths = [key for key in expected if key.endswith("lora_magnitude_vector.default.weight")]
    assert len(lengths) == sum(".lora_A." in key for key in expected)
    loaded = dict(MultimodalModel.from_pretrained(once).named_parameters())
    assert all(torch.equal(loaded[key], expected[key]) for key in lengths)


@pytest.mark.parametrize(
    ("settings", "frozen"),
    [
        (["freeze_multi_modal_projector=true", "freeze_vision_tower=true"], ["input_projector"]),
        (["freeze=[signals]", "freeze_language_model=true"], ["signals", "llm"]),
        (["freeze_language_model=false"], []),
    ],
)
def test_the_names_that_llama_factory_has_for_frozen_parts_are_understood(
    write_run, settings, frozen
):
    assert load_run(write_run("instruct"), settings).freeze == frozen


@pytest.mark.slow
def test_what_a_run_freezes_stays_as_it_is_and_is_not_saved(write_run):
    name = write_run("instruct", freeze=["input_projector", "signals", "output_projectors"])
    saved = load_file(train(name, ["steps=1"]) / "weights.safetensors")
    assert saved
    assert all(key.startswith("llm.base.") and ".lora_" in key for key in saved)


@pytest.mark.parametrize(
    ("stage", "setting", "sentence"),
    [
        ("encode", "freeze=[input_projector, signals]", "freeze: names all that stage encode"),
        ("denoise", "freeze=[llm]", "freeze: is for encode, decode, instruct; stage denoise"),
        ("encode", "freeze_vision_tower=false", "freeze_vision_tower: encoders do not learn"),
        ("encode", "freeze_language_model=1", "freeze_language_model: is true or false, not 1"),
        ("encode", "loss_weights.text=2", "loss_weights: are for decode, instruct, project"),
        ("decode", "loss_weights={text: 0, align: 0, contrast: 0}", "loss_weights: no term is"),
    ],
)
def test_a_run_that_would_learn_nothing_is_refused(write_run, stage, setting, sentence, tmp_path):
    name = write_run(stage, decoders=["image"], pool={"image": 2})
    with pytest.raises(ValueError, match=f"^{sentence}"):
        train(name, [setting])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("optimizer", ["adafactor", "adamw_8bit"])
def test_an_optimizer_goes_on_where_it_stopped(write_run, tmp_path, optimizer):
    name = write_run("vae", **VAE, optimizer=optimizer, steps=4, schedule="constant")
    once = train(name, [f"out={tmp_path / 'once'}"])
    twice = [f"out={tmp_path / 'twice'}"]
    train(name, [*twice, "steps=2"])
    train(name, twice, ["steps"])
    expected, resumed = (load_file(tmp_path / n / "weights.safetensors") for n in ("once", "twice"))
    assert all(torch.equal(expected[key], resumed[key]) for key in expected)
    train(name, [f"out={once}", "steps=5", "optimizer=adamw"], ["steps", "optimizer"])


@pytest.mark.parametrize("optimizer", ["adamw", "adamw_8bit", "adafactor"])
def test_the_memory_of_an_optimizer_is_known_beforehand(write_run, optimizer):
    run = load_run(write_run("instruct"), [f"optimizer={optimizer}"])
    shapes = [(64, 96), (96, 64), (8, 16), (2, 3, 64, 96), (5000,), (7,)]
    parameters = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    made = make_optimizer(parameters, run)
    torch.stack([parameter.square().sum() for parameter in parameters]).sum().backward()
    made.step()
    averages = [
        tensor.nbytes
        for state in made.state.values()
        for name, tensor in state.items()
        if torch.is_tensor(tensor) and tensor.dim() and not name.startswith("qmap")  # shared
    ]
    assert optimizer_bytes(parameters, optimizer) == sum(averages)


def test_a_run_keeps_as_many_of_its_last_weights_as_it_is_asked_to(write_run):
    out = train(write_run("vae", **VAE, steps=4, save_every=1, keep=2), [])
    kept = sorted(path.name for path in (out / "checkpoints").iterdir())
    assert kept == ["000003", "000004"]
    last, before = (load_file(out / "checkpoints" / n / "weights.safetensors") for n in kept[::-1])
    present = load_file(out / "weights.safetensors")
    assert all(torch.equal(present[key], last[key]) for key in present)
    assert any(not torch.equal(present[key], before[key]) for key in present)


def test_the_time_that_is_left_is_that_of_the_last_speed():
    rows = [{"step": 10, "seconds": 99.0}, {"step": 20, "seconds": 600.0}]
    assert remaining(rows, 140) == "2 h 0 min"
    assert remaining(rows[:1], 20) == "1 min"
    assert remaining(rows, 20) == ""
    assert remaining([], 20) == ""
    assert duration(59) == "59 s"


def test_there_is_no_bar_where_there_is_no_terminal(capsys):
    with progress_bar("vae", 0, 3) as advance:
        advance(1)
    assert capsys.readouterr() == ("", "")
