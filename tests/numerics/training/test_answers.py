"""Answers that the media expert learns are computed as it gives them: prompts by the base alone."""

import random

import pytest
import torch

from anygen.core.media import Message
from anygen.llm.kv_cache import Adapted, KVCache
from anygen.training.answers import answer_states, middle_states
from anygen.training.collate import IGNORED, assemble
from anygen.training.dialogues import Dialogue, read_record
from anygen.training.losses import text_loss
from mosit_data.world.language.dialogues import sample_dialogue
from support.precision import unpacked


@pytest.fixture(params=["false", "true"], ids=["spans stay", "spans leave"])
def model(make_model, request):
    settings = ["llm.adapter=activated", f"llm.signals.droppable={request.param}"]
    model = make_model(settings=settings)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_B." in name:
                parameter.normal_(std=0.2)
    return model


def states_of(model, batch):
    return answer_states(
        model.llm, batch.embeds, batch.answers, batch.shared, batch.branches, batch.media
    )


def dialogues(count=5):
    rng = random.Random(3)
    return [read_record(sample_dialogue(rng, "train")) for _ in range(count)]


def expert_reads(model, batch, row):
    """Hidden states of the answers of a row, read piece by piece as the engine does."""
    llm, numbers, cache = model.llm, batch.answers[row], KVCache()
    keys, embeds = list(range(batch.embeds.shape[1])), batch.embeds[row]
    hidden = torch.zeros_like(embeds)
    for answer in range(1, int(numbers.max()) + 1):
        places = (numbers == answer).nonzero()[:, 0].tolist()
        start, end = places[0], places[-1] + 1
        cache.crop(min(cache.length, start))
        base = keys[cache.length : start]
        if base:
            llm.read([(cache, embeds[cache.length : start], base)])
        adapted = [Adapted(key) for key in keys[start:end]]
        [hidden[start:end]] = llm.read([(cache, embeds[start:end], adapted)])
        cache.crop(start)
    return hidden


@torch.no_grad()
@pytest.mark.parametrize("model", ["false"], indirect=True)  # the engine drops others' spans
def test_states_of_answers_are_those_that_the_engine_computes(model):
    batch = assemble(model, dialogues())
    hidden = states_of(model, batch)
    assert (batch.answers.amax(1) > 1).any()  # some dialogues have several answers
    model.llm.prepare_answering(unpacked)
    for row in range(len(hidden)):
        torch.testing.assert_close(hidden[row], expert_reads(model, batch, row), atol=2e-4, rtol=0)


@torch.no_grad()
def test_a_row_has_the_same_states_alone(model):
    rows = dialogues()
    together = states_of(model, assemble(model, rows))
    for index, row in enumerate(rows):
        alone = states_of(model, assemble(model, [row]))[0]
        torch.testing.assert_close(together[index, : len(alone)], alone, atol=2e-4, rtol=0)


@torch.no_grad()
def test_without_lora_they_are_the_states_of_the_base_llm(model):
    batch = assemble(
        model,
        [
            Dialogue(
                [
                    Message("user", ("Hello",)),
                    Message("assistant", ("Hello yourself.",)),
                    Message("user", ("Bye",)),
                    Message("assistant", ("Until then.",)),
                ]
            )
        ],
    )
    for layer in model.llm.lora_layers():
        layer.lora_B["default"].weight.zero_()
    hidden = states_of(model, batch)
    with model.llm.as_published():
        published = model.llm.hidden(batch.embeds)
    answers = batch.answers > 0
    torch.testing.assert_close(hidden[answers], published[answers], atol=2e-4, rtol=0)
    assert not hidden[~answers].any()


def test_the_position_before_an_answer_predicts_its_first_token(model):
    batch = assemble(model, dialogues())
    predicted = batch.labels[:, 1:] != IGNORED
    assert (batch.answers[:, :-1][predicted] > 0).all()


def test_lora_learns_from_answers_and_the_projector_from_media_that_the_base_reads(model):
    llm = model.llm
    batch = assemble(model, dialogues())
    text_loss(llm, states_of(model, batch), batch.labels).backward()
    for name, parameter in llm.base.named_parameters():
        assert (parameter.grad is not None) == (".lora_" in name), name
    projector = dict(model.input_projector.named_parameters())
    assert any(p.grad is not None and p.grad.any() for p in projector.values())


def test_checkpointing_is_refused_where_layers_attend_to_what_others_have_read(make_model):
    llm = make_model("llm", settings=["llm.adapter=activated"]).llm
    with pytest.raises(ValueError, match=r"gradient_checkpointing: .*llm.adapter: activated"):
        llm.prepare_training(checkpointing=True)


@torch.no_grad()
def test_the_router_is_trained_on_the_states_that_it_reads_in_answering(make_model):
    llm = make_model("llm", settings=["llm.adapter=activated"]).llm
    embeds, lengths = torch.randn(3, 9, llm.width), torch.tensor([9, 4, 6])
    states = middle_states(llm, embeds, lengths)
    llm.prepare_answering(unpacked)
    for row, length, state in zip(embeds, lengths, states, strict=True):
        cache = KVCache()
        llm.read([(cache, row[:length], list(range(length)))])
        torch.testing.assert_close(cache.middle, state, atol=2e-4, rtol=0)
