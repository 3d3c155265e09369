"""The expert answers from the states that training has taught it, and the router likewise."""

import random

import pytest
import torch

from anygen.llm.kv_cache import Adapted, KVCache
from anygen.llm.prompt import build_prompt
from anygen.training.collate import assemble
from anygen.training.dialogues import read_record
from anygen.training.losses import hidden_states
from anygen.training.mixtures import prompt_for_expert
from anygen.training.precomputed import states_of_prompts
from mosit_data.world.language.dialogues import sample_dialogue
from support.precision import unpacked


@pytest.fixture
def model(make_model):
    model = make_model(settings=["llm.adapter=activated", "llm.signals.droppable=false"])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_B." in name:
                parameter.normal_(std=0.2)
    return model


def read_alone(llm, embeds_TD, keys):
    """The cache of a conversation that is read in two pieces, and its hidden states (T, D)."""
    cache, half = KVCache(), len(keys) // 2
    pieces = [(embeds_TD[:half], keys[:half]), (embeds_TD[half:], keys[half:])]
    hidden = [llm.read([(cache, embeds, part)])[0] for embeds, part in pieces]
    return cache, torch.cat(hidden)


@torch.no_grad()
def test_what_the_expert_reads_has_the_states_that_training_computes(model):
    rng = random.Random(3)
    rows = [read_record(sample_dialogue(rng, "train")) for _ in range(4)]
    batch = assemble(model, rows)
    hidden = hidden_states(model.llm, batch.embeds, batch.lengths, batch.shared, media=batch.media)
    model.llm.prepare_answering(unpacked)
    for embeds, length, learned in zip(batch.embeds, batch.lengths.tolist(), hidden, strict=True):
        keys = [Adapted(index) for index in range(length)]
        _, states = read_alone(model.llm, embeds[:length], keys)
        torch.testing.assert_close(states, learned[:length], atol=2e-4, rtol=0)


@torch.no_grad()
def test_the_router_is_trained_on_the_states_that_it_reads_in_answering(model):
    rng = random.Random(5)
    prompts = [prompt_for_expert(model, rng) for _ in range(3)]
    states = states_of_prompts(model, prompts)
    model.llm.prepare_answering(unpacked)
    for record, state in zip(prompts, states, strict=True):
        pieces = build_prompt(read_record(record).messages, model.llm.tokenizer, reply=True)
        keys = [key for piece in pieces for key in model.cache_keys(piece)]
        cache, _ = read_alone(model.llm, model.embed(pieces), keys)
        torch.testing.assert_close(cache.middle, state, atol=2e-4, rtol=0)
