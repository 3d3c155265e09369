"""The first stage of BLIP-2 on captioned pictures, and what its second stage takes of it."""

import shutil

import pytest
import torch
import yaml
from accelerate import Accelerator
from safetensors.torch import load_file

from anygen.config.loader import CONFIGS, load_run, load_system, to_yaml
from anygen.model.multimodal import MultimodalModel
from anygen.training.runs.building import build_model
from anygen.training.stages import STAGES
from anygen.training.trainer import Trainer, train
from support.own_data import captioned_pictures, picture, talk, write_picture, write_records

MINE = {"data": [{"path": "mine.jsonl"}]}


@pytest.fixture
def write_stage(write_run, qformer_system):
    def write(stage="represent", **settings):
        return write_run(stage, **{"system": str(qformer_system), "batch_size": 4, **settings})

    return write


def without_weights(system, folder):
    """The system with an LLM of which only configuration and tokenizer are there."""
    settings = yaml.safe_load(system.read_text())
    shutil.copytree(settings["llm"]["base"], folder / "llm")
    (folder / "llm/model.safetensors").unlink()
    settings["llm"]["base"] = "llm"
    path = folder / "system.yaml"
    path.write_text(yaml.safe_dump(settings))
    shutil.copy(system.with_name("captions.json"), folder)
    return path


def test_stage_2_begins_with_the_qformer_and_leaves_out_what_reads_captions(
    write_stage, qformer_system, tmp_path
):
    captioned_pictures(tmp_path, 4)
    system = without_weights(qformer_system, tmp_path)
    first = train(write_stage(system=str(system), **MINE), [])
    weights = load_file(first / "weights.safetensors")
    own = {name: w for name, w in weights.items() if name.startswith("input_projector.")}
    run = load_run(write_stage("encode", init=[str(first)]))
    model = build_model(run, STAGES["encode"], Accelerator(cpu=True))
    names = dict(model.named_parameters())
    assert all(torch.equal(names[name], tensor) for name, tensor in own.items())
    projector = {name for name in names if name.startswith("input_projector.")}
    assert {n for n in projector if n not in own} == {
        f"input_projector.language_projection.{kind}" for kind in ("weight", "bias")
    }
    assert any("feed_forward" in name for name in weights.keys() - own.keys())


@pytest.mark.parametrize("question", [0, 4])
def test_every_parameter_that_learns_has_a_gradient(
    write_stage, qformer_system, tmp_path, question
):
    """With a question the layers for words are the Q-Former's own, and are saved as such."""
    captioned_pictures(tmp_path, 4)
    settings = [f"input_projector.question={question}"]
    system = load_system(str(qformer_system), settings)
    model = MultimodalModel(system, qformer_system.parent, STAGES["represent"].needs)
    run = load_run(write_stage(**MINE))
    trainer = Trainer(run, STAGES["represent"], model, Accelerator(cpu=True))
    loss, _ = trainer.loss(trainer.draw_step())
    loss.backward()
    assert all(parameter.grad is not None for parameter in trainer.learned.values())
    own = any(".layer.0.intermediate." in name for name in trainer.learned)
    assert own == (question > 0)


@pytest.mark.slow
def test_all_three_objectives_are_learned(write_stage, qformer_system, tmp_path):
    """From an encoder that tells the pictures apart, which one of small random weights does not."""
    captioned_pictures(tmp_path, 4)
    run = load_run(write_stage(steps=80, learning_rate=1e-2, warmup=10, **MINE))
    run.out.mkdir()
    model = build_model(run, STAGES["represent"], Accelerator(cpu=True))
    trainer = Trainer(run, STAGES["represent"], model, Accelerator(cpu=True))
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.normal_(std=0.5)
        for parameter in trainer.learned.values():
            parameter.mul_(10 if parameter.ndim > 1 else 1)
    terms = []
    for trainer.step in range(run.steps):
        terms.append(trainer.update())
    for name, floor in (("contrast", 0.8), ("matching", 0.6), ("captioning", 2.0)):
        assert terms[0][name] > terms[-1][name]
        assert terms[-1][name] < floor


def test_a_system_without_a_qformer_is_refused(write_run):
    with pytest.raises(ValueError, match=r"trains a qformer .*, and this system has mlp$"):
        train(write_run("represent"), [])


def test_a_qformer_behind_pooled_frames_is_refused(write_stage, tiny_llm, tmp_path):
    small = "{kind: qformer, tokens: 4, width: 16, heads: 2, layers: 2, video_pooling: mean}"
    own = [f"llm.base={tiny_llm}", f"input_projector={small}"]
    path = tmp_path / "system.yaml"
    path.write_text(to_yaml(load_system("tiny/valley_tiny", own)))
    (tmp_path / "captions.json").write_text((CONFIGS / "tiny" / "captions.json").read_text())
    with pytest.raises(ValueError, match="this system has several, or one behind video_pooling"):
        train(write_stage(system=str(path)), [])


def test_rows_without_captions_are_refused(write_stage, tmp_path):
    write_picture(tmp_path / "k.png")
    write_records(tmp_path / "mine.jsonl", talk("one", [picture("k.png")]))
    with pytest.raises(ValueError, match=r"learns from image files with captions, and .* none"):
        train(write_stage(**MINE), [])


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"batch_size": 1}, "batch_size: .* compares each picture with the captions of others"),
        ({"max_length": 2}, "max_length: a caption has a token before and one after it"),
    ],
)
def test_batches_and_captions_that_are_too_short_are_refused(write_stage, settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        train(write_stage(**settings), [])
