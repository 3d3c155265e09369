"""What learns in each stage is exactly its row of the table."""

import random

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from anygen.checkpoints.checkpoint import own_tensors
from anygen.config.loader import load_run
from anygen.core.media import Message
from anygen.training.dialogues import Dialogue
from anygen.training.runs.dialogue_losses import dialogue_losses
from anygen.training.runs.step import Step
from anygen.training.runs.trainable import saved_names, unfreeze
from anygen.training.stages import (
    STAGES,
    check_decoders,
    learned_prefixes,
)
from anygen.training.trainer import Trainer
from decoders.base import ConditionSpec

DECODERS = {
    "vae": ["image"],
    "vae_decoder": ["image"],
    "vocoder": ["audio"],
    "caption": ["image"],
    "denoise": ["video"],
    "project": ["audio"],
}

POOL = {"image": 3, "audio": 3, "video": 2, "text": 4}
SETTINGS = {  # of systems, where a stage needs them
    "route": ["llm.adapter=activated"],
    "represent": [
        "input_projector={kind: qformer, tokens: 4, width: 16, heads: 2, layers: 2, look_every: 2}"
    ],
}


@pytest.fixture
def trainer(make_model, write_run, request):
    stage = request.param
    decoders = DECODERS.get(stage, [])
    name = write_run(stage, decoders=decoders, pool=POOL, batch_size=8, denoised=1, seed=1)
    run = load_run(name)
    run.out.mkdir()
    model = make_model(*STAGES[stage].needs, settings=SETTINGS.get(stage, ()))
    return Trainer(run, STAGES[stage], model, Accelerator(cpu=True))


def tensors(trainer):
    """All of the model, and what learns beside it."""
    model = trainer.model
    return {**dict(model.named_parameters()), **dict(model.named_buffers()), **trainer.learned}


@pytest.mark.slow
@pytest.mark.parametrize("trainer", STAGES, indirect=True)
def test_one_step_changes_what_the_stage_learns_and_nothing_else(trainer):
    before = {name: tensor.clone() for name, tensor in tensors(trainer).items()}
    terms = trainer.update()
    after = tensors(trainer)
    changed = {name for name, tensor in before.items() if not tensor.equal(after[name])}
    prefixes = learned_prefixes(trainer.run)
    assert changed <= trainer.tensors().keys()
    for prefix in prefixes:
        if not own_tensors(trainer.model, [prefix]):
            continue  # the video decoder shares the image decoder's text encoder and summary
        assert any(name.startswith(prefix) for name in changed), prefix
    assert all(bool(torch.as_tensor(term).isfinite().all()) for term in terms.values())


@pytest.mark.slow
@pytest.mark.parametrize("trainer", STAGES, indirect=True)
def test_only_what_learns_asks_for_gradients(trainer):
    asking = {name for name, p in trainer.model.named_parameters() if p.requires_grad}
    assert asking == set(trainer.learned) - set(saved_names(trainer.auxiliaries))
    assert all(name.startswith(tuple(learned_prefixes(trainer.run))) for name in asking)


@pytest.mark.parametrize("trainer", ["caption"], indirect=True)
def test_a_probe_learns_beside_the_model_and_is_saved_under_the_name_that_old_runs_have(trainer):
    before = {name: tensor.clone() for name, tensor in trainer.learned.items()}
    trainer.update()
    probe = {"aids.heads.image.weight", "aids.heads.image.bias"}
    assert probe <= trainer.tensors().keys()
    assert all(not before[name].equal(trainer.learned[name]) for name in probe)
    assert not any(name.startswith("aids.") for name in own_tensors(trainer.model))


def test_a_stage_in_which_nothing_would_learn_is_refused(make_model):
    with pytest.raises(ValueError, match=r"no parameter is named decoders\.video\.vae"):
        unfreeze(make_model("decoders"), ["decoders.video.vae."])


class Plain(nn.Module):
    """A decoder with the whole contract and no loss."""

    modality = "image"
    condition_spec = ConditionSpec(2, 4)

    def encode_prompt(self, captions):
        return torch.zeros(len(captions), 2, 4)

    def check(self, options): ...

    def batch_key(self, request): ...

    def sample(self, requests, on_step, cancelled): ...


@pytest.mark.parametrize(
    ("stage", "settings", "contract"),
    [
        ("vae", {}, "AutoencodingDecoder"),
        ("vae_decoder", {}, "PixelDecoder"),
        ("denoise", {"pool": POOL}, "TrainableDecoder"),
        ("instruct", {"denoised": 1}, "TrainableDecoder"),
    ],
)
def test_a_decoder_without_the_loss_of_a_stage_is_refused(
    make_model, write_run, stage, settings, contract
):
    model, run = make_model("decoders"), load_run(write_run(stage, decoders=["image"], **settings))
    check_decoders(model, run)
    model.decoders.add_module("image", Plain())
    sentence = f"image: stable_diffusion lacks methods that stage {stage} needs, .* {contract}"
    with pytest.raises(ValueError, match=sentence):
        check_decoders(model, run)


def test_a_decoder_learns_from_the_features_of_the_vision_trunk_and_late_from_an_opponent(
    make_model, write_run
):
    stage = STAGES["vae_decoder"]
    run = load_run(write_run("vae_decoder", decoders=["image"], steps=4, batch_size=2))
    model = make_model(*stage.needs)
    critic = stage.auxiliaries(model, run)
    terms = []
    for index in (1, 2):
        generators = [torch.Generator().manual_seed(0)]
        step = Step(index, random.Random(0), generators)
        terms.append(stage.losses(model, critic, run, step))
    early, late = terms
    assert early.keys() == {"pixels", "features"}
    assert late.keys() == {"pixels", "features", "adverse", "discriminator"}
    assert early["pixels"].equal(late["pixels"])


def test_an_encoder_without_a_vision_trunk_cannot_judge_features(make_model, write_run):
    run = load_run(write_run("vae_decoder", decoders=["image"]))
    model = make_model(*STAGES["vae_decoder"].needs)
    model.encoder = nn.Identity()
    with pytest.raises(ValueError, match="vision trunk of bind"):
        STAGES["vae_decoder"].auxiliaries(model, run)


def test_the_contract_of_decoders_is_enough_for_stages_without_their_losses(make_model, write_run):
    model = make_model("decoders")
    model.decoders.add_module("image", Plain())
    for stage in ("caption", "instruct"):
        check_decoders(model, load_run(write_run(stage, decoders=["image"])))


def test_of_plain_answers_only_the_doubts_of_the_base_are_learned(make_model, write_run):
    model, run = make_model(*STAGES["instruct"].needs), load_run(write_run("instruct"))
    bank = STAGES["instruct"].auxiliaries(model, run)
    said = [Message("user", ("Hello",)), Message("assistant", ("Good morning.",))]
    other = [said[0], Message("assistant", ("Hi",))]
    plain, learned = Dialogue(said, plain=True), Dialogue(other)

    def losses(*dialogues):
        return dialogue_losses(model, bank, run, Step(0, random.Random(0), [], dialogues))

    assert losses(plain).keys() == {"likeness"}
    alone = losses(learned)
    assert alone.keys() == {"text"}
    mixed = losses(plain, learned)
    torch.testing.assert_close(mixed["text"], alone["text"])
