"""Dialogues that share a row of the LLM are learned from as if each had a row of its own."""

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, MistralConfig

from anygen.config.run import Run
from anygen.training.mixtures import instruct_dialogues
from anygen.training.packed_rows import PackedRows, check_window
from anygen.training.precomputed import NegativeBank
from anygen.training.runs.dialogue_losses import dialogue_losses
from anygen.training.runs.step import Step, within_limit
from anygen.training.runs.trainable import unfreeze
from anygen.training.stages import learned_prefixes

QUERIES = "llm.signals={kind: queries, droppable: true}"
VISUAL = "llm.media_layers=visual_expert"


def run_with(packing):
    sizes = {"steps": 1, "batch_size": 8, "negatives": 8, "denoised": 1}
    return Run(system="x", stage="instruct", out="x", packing=packing, **sizes)


def gradients(model, bank, step, packing):
    """Of every term of the loss: its value, and its gradient for all that learns."""
    learned = unfreeze(model, learned_prefixes(run_with(packing)))
    found = {}
    for name, term in dialogue_losses(model, bank, run_with(packing), step).items():
        loss = term.mean()
        parts = torch.autograd.grad(loss, [*learned.values()], retain_graph=True, allow_unused=True)
        own = [part.flatten() for part in parts if part is not None]
        found[name] = (loss.detach(), torch.cat(own))
    return found


@pytest.mark.parametrize(
    ("system", "checkpointing"), [((), False), ((QUERIES,), False), ((VISUAL,), True)]
)
def test_packed_losses_and_gradients_are_those_of_padded_rows(make_model, system, checkpointing):
    model = make_model(settings=system)
    model.llm.prepare_training(checkpointing=checkpointing)
    dialogues = instruct_dialogues(model, 8, random.Random(3), torch.Generator().manual_seed(0))
    noise = [torch.Generator().manual_seed(seed) for seed in range(8)]
    step, bank = Step(0, random.Random(0), noise, dialogues), NegativeBank(model, run_with(None))
    padded, packed = (gradients(model, bank, step, packing) for packing in (None, 400))
    assert {name.split("_")[-1] for name in padded} >= {"text", "contrast", "denoise"}
    assert packed.keys() == padded.keys()
    for name, (loss, gradient) in padded.items():
        torch.testing.assert_close(packed[name][0], loss, rtol=1e-4, atol=1e-5, msg=name)
        # The likeness of an untrained LoRA to its base has a gradient of rounding errors alone.
        error = 2e-4 * gradient.abs().max() + 1e-5
        torch.testing.assert_close(packed[name][1], gradient, rtol=0, atol=error, msg=name)


def test_an_llm_with_sliding_attention_is_refused():
    check_window(LlamaConfig())
    with pytest.raises(ValueError, match=r"^packing: this LLM attends to a window of 8 positions"):
        check_window(MistralConfig(sliding_window=8))


@given(st.lists(st.integers(5, 60), min_size=1, max_size=20), st.integers(8, 90))
@settings(max_examples=40, deadline=None)
def test_every_position_has_one_place_and_rows_are_as_long_as_they_may_be(lengths, limit):
    packed = PackedRows.of(lengths, limit, 4)
    places = zip(packed.dialogue.flatten().tolist(), packed.position.flatten().tolist())
    expected = [(d, p) for d, length in enumerate(lengths) for p in range(4, length)]
    assert sorted(place for place in places if place[0] >= 0) == expected
    for row in packed.dialogue:
        dialogues = {d for d in row.tolist() if d >= 0}
        assert len(dialogues) == 1 or int((row >= 0).sum()) + 4 <= limit


@given(st.lists(st.integers(1, 60), min_size=3, max_size=20), st.integers(1, 90))
@settings(max_examples=40, deadline=None)
def test_passes_within_a_limit_have_every_row_once_and_every_process_as_many(lengths, limit):
    passes = within_limit(lengths, limit, 3)
    assert sorted(row for rows in passes for row in rows) == [*range(len(lengths))]
    assert len(passes) % 3 == 0
    if len(lengths) % 3 == 0:
        assert all(len(rows) == 1 or sum(lengths[r] for r in rows) <= limit for rows in passes)
