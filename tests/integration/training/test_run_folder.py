"""The folder of a run tells the truth: one run at a time, the settings that it was trained with."""

import json
import shutil
import signal
from dataclasses import replace

import pytest
import torch
import yaml
from accelerate import Accelerator
from safetensors.torch import load_file

from anygen import AnyGen
from anygen.checkpoints.checkpoint import find_model, own_tensors
from anygen.checkpoints.run_weights import find_weights, weights_of
from anygen.config.loader import load_run, load_system
from anygen.core.media import Message
from anygen.core.version import __version__
from anygen.training.packing import pack
from anygen.training.runs.folder import locked
from anygen.training.stages import STAGES
from anygen.training.trainer import MAX_SKIPPED, Trainer, train

VAE = {"decoders": ["image"]}
ASK = [Message("user", ("draw a cat",))]


@pytest.fixture
def trained(write_run, tmp_path):
    """The name of a run of two steps, which are done, and its folder."""
    name = write_run("vae", **VAE, save_every=1)
    return name, train(name, [])


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_samples_that_were_due_when_a_run_was_killed_are_made_when_it_goes_on(trained):
    name, out = trained
    log, samples = (out / "log.jsonl").read_text(), contents(out / "samples/000002")
    (out / "log.jsonl").write_text("".join(log.splitlines(keepends=True)[:-1]))
    shutil.rmtree(out / "samples")
    (out / "report.html").unlink()
    train(name, [])
    assert "samples" in log.splitlines()[-1]
    assert (out / "log.jsonl").read_text() == log
    assert contents(out / "samples/000002") == samples
    assert (out / "report.html").is_file()


def test_a_second_run_in_a_folder_is_refused(trained):
    name, out = trained
    with locked(out), pytest.raises(ValueError, match=f"another run is training in {out}; wait"):
        train(name, [])
    assert train(name, []) == out


def test_a_run_that_is_refused_leaves_no_folder(write_run, tmp_path):
    with pytest.raises(ValueError, match="no config named"):
        train(write_run("vae", **VAE, system="tiny/sytem"), [])
    assert not (tmp_path / "run").exists()


def test_an_unknown_setting_may_not_be_changed_in_a_new_run(write_run, tmp_path):
    with pytest.raises(ValueError, match="--change: a run has no setting 'nonsense'"):
        train(write_run("vae", **VAE), [], ["nonsense"])
    assert not (tmp_path / "run").exists()


def test_a_model_is_not_written_over(write_run, saved_model):
    with pytest.raises(ValueError, match="is the folder of a model; name a new folder"):
        train(write_run("vae", **VAE, out=str(saved_model)), [])


@pytest.mark.parametrize(
    ("overrides", "change", "sentence"),
    [
        (
            ["learning_rate=1e-2"],
            [],
            "up to step 2 with learning_rate=0.001; to go on with learning_rate=0.01, "
            "add --change learning_rate; otherwise name another folder",
        ),
        (
            ["steps=4", "seed=3"],
            ["seed"],
            "with steps=2; to go on with steps=4, add --change steps",
        ),
        (["steps=1"], [], "steps: .* is at step 2 already, which is after 1"),
        (["steps=1"], ["steps"], "steps: .* is at step 2 already, which is after 1"),
        (["stage=caption"], ["stage"], r"state\.pt: is the state of a run of stage vae, not of ca"),
        ([], ["learning_rat"], "no setting 'learning_rat'; did you mean learning_rate"),
    ],
)
def test_other_settings_are_refused_and_nothing_is_written(trained, overrides, change, sentence):
    name, out = trained
    before = contents(out)
    with pytest.raises(ValueError, match=sentence):
        train(name, overrides, change)
    assert contents(out) == before


def test_another_system_is_refused(trained, tmp_path, tiny_system):
    name, _ = trained
    system = yaml.safe_load(tiny_system.read_text())
    system["llm"]["lora"]["rank"] = 3
    path = tiny_system.with_name("other.yaml")
    path.write_text(yaml.safe_dump(system))
    with pytest.raises(ValueError, match=r"system\.llm\.lora\.rank=\d+; to go on with system"):
        train(name, [f"system={path}"])


def test_other_weights_to_begin_with_are_refused(write_run, trained, tmp_path):
    _, first = trained
    name = write_run("vae", **VAE, init=[str(first)], out=str(tmp_path / "second"))
    train(name, [])
    train(write_run("vae", **VAE, save_every=1), ["steps=3"], ["steps"])
    name = write_run("vae", **VAE, init=[str(first)], out=str(tmp_path / "second"))
    with pytest.raises(ValueError, match=r"with other weights in init; .* add --change init"):
        train(name, [])


def test_a_run_of_the_llm_is_a_model_over_the_one_that_it_began_with(
    write_run, saved_model, tmp_path, tiny_system
):
    name = write_run("instruct", init=[str(saved_model)], steps=1, learning_rate=1e-2, warmup=0)
    out = train(name, [])
    answer = AnyGen.from_pretrained(out).generate(ASK, max_new_tokens=5, seed=1)
    assert not any(key.startswith("decoders.") for key in load_file(out / "weights.safetensors"))
    pack(str(tiny_system), [out], tmp_path / "packed")
    packed = AnyGen.from_pretrained(tmp_path / "packed")
    own = own_tensors(packed.model)
    for key, tensor in load_file(out / "weights.safetensors").items():
        assert own[key].equal(tensor.to(torch.bfloat16).to(own[key].dtype))
    assert [type(part) for part in packed.generate(ASK, max_new_tokens=5, seed=1).parts] == [
        type(part) for part in answer.parts
    ]


def test_what_a_run_began_with_has_to_stay(write_run, saved_model, tmp_path):
    base = tmp_path / "base"
    shutil.copytree(saved_model, base)
    out = train(write_run("encode", init=[str(base)], steps=1), [])
    shutil.rmtree(base)
    with pytest.raises(ValueError, match=r"run/config\.json: init: no model named '.*base'"):
        AnyGen.from_pretrained(out)


def test_a_run_begins_with_a_shipped_model_by_its_name(write_run):
    assert weights_of([find_weights("mini")]) == [find_model("mini") / "model.safetensors"]
    with pytest.raises(ValueError, match="no model named 'mimi' and no folder with weights of a r"):
        train(write_run("vae", **VAE, init=["mimi"]), [])


def test_changed_settings_that_are_named_are_those_of_the_folder(trained):
    name, out = trained
    train(name, ["steps=3", "learning_rate=1e-2"], ["steps", "learning_rate"])
    settings = yaml.safe_load((out / "run.yaml").read_text())
    assert (settings["steps"], settings["learning_rate"]) == (3, 1e-2)
    assert train(name, ["steps=3", "learning_rate=1e-2", "log_every=7"]) == out


def test_beside_the_settings_stand_the_whole_system_and_versions(trained, tiny_system):
    _, out = trained
    resolved = yaml.safe_load((out / "resolved.yaml").read_text())
    assert resolved["system"] == load_system(str(tiny_system)).model_dump(mode="json")
    assert resolved["versions"]["anygen"] == __version__
    assert resolved["versions"]["torch"] == torch.__version__


def make_trainer(make_model, write_run, losses, **settings):
    run = load_run(write_run("vae", **VAE, **settings))
    run.out.mkdir()
    stage = replace(STAGES["vae"], losses=losses)
    return Trainer(run, stage, make_model("decoders"), Accelerator(cpu=True))


def test_a_loss_that_is_not_a_number_changes_nothing_but_a_count(make_model, write_run):
    def losses(model, auxiliaries, run, step):
        [(name, loss)] = STAGES["vae"].losses(model, auxiliaries, run, step).items()
        return {name: loss * float("nan") if step.index == 1 else loss}

    trainer = make_trainer(make_model, write_run, losses, steps=3, log_every=1, ema=0.9)
    weights = []
    for step in range(3):
        trainer.step = step
        trainer.update()
        weights.append([p.detach().clone() for p in trainer.learned.values()])
        weights[-1] += [p.clone() for p in trainer.average.tensors.values()]
    assert all(torch.equal(*pair) for pair in zip(weights[0], weights[1], strict=True))
    assert not all(torch.equal(*pair) for pair in zip(weights[1], weights[2], strict=True))
    assert trainer.skipped == 1


def test_a_run_that_diverges_ends_with_a_sentence_and_a_log_of_numbers(write_run, tmp_path):
    name = write_run("vae", **VAE, learning_rate=1e30, warmup=0, steps=99, log_every=1)
    with pytest.raises(ValueError, match=f"not finite in {MAX_SKIPPED} steps in a row.*lower lear"):
        train(name, [])
    lines = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert not [line for line in lines if "NaN" in line or "Infinity" in line]
    assert json.loads(lines[-1])["skipped"] == MAX_SKIPPED - 1


@pytest.mark.parametrize(
    ("number", "ending", "code"),
    [(signal.SIGTERM, SystemExit, 143), (signal.SIGINT, KeyboardInterrupt, None)],
)
def test_a_run_that_is_stopped_saves_after_its_step(
    make_model, write_run, ctrl_c_interrupts, number, ending, code
):
    def losses(model, auxiliaries, run, step):
        if step.index == 1:
            signal.raise_signal(number)
        return STAGES["vae"].losses(model, auxiliaries, run, step)

    trainer = make_trainer(make_model, write_run, losses, steps=5)
    with pytest.raises(ending) as stopped:
        trainer.fit()
    assert getattr(stopped.value, "code", None) == code
    assert torch.load(trainer.run.out / "state.pt", weights_only=True)["step"] == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_resumed_run_logs_every_step_once(write_run, tmp_path):
    name, log = write_run("vae", **VAE, log_every=1), tmp_path / "run" / "log.jsonl"
    train(name, [])
    with log.open("a") as file:  # of steps after the last save, by a run that was killed
        file.write('{"step": 3, "autoencoding": 1.0}\n{"step": 4, "auto')
    train(name, ["steps=4"], ["steps"])
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert [row["step"] for row in rows if "grad_norm" in row] == [1, 2, 3, 4]


def test_a_run_goes_on_from_the_settings_in_its_folder(trained, tmp_path, monkeypatch):
    _, out = trained
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    settings = (out / "run.yaml").read_bytes()
    before = (out / "weights.safetensors").read_bytes()
    assert train("../run/run.yaml", []).resolve() == out
    assert (out / "weights.safetensors").read_bytes() == before
    assert (out / "run.yaml").read_bytes() == settings
