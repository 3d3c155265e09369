"""Spans as side branches: what follows them is blind to them, in training as in decoding."""

import random

import pytest
import torch

from anygen import AnyGen
from anygen.core.media import Image, Message
from anygen.core.records import captions_of
from anygen.llm.prompt import build_prompt
from anygen.training.collate import assemble
from anygen.training.dialogues import Dialogue, read_record
from anygen.training.losses import span_hidden
from anygen.training.precomputed import last_spans
from anygen.training.runs.dialogue_losses import hidden_of
from mosit_data.world.language.dialogues import sample_request

KINDS = ("tokens", "queries")
BOTH = [f"llm.signals={{kind: {k}, droppable: {d}}}" for k in KINDS for d in ("false", "true")]
DROPPABLE = BOTH[1::2]


def close(left, right):
    """Hidden states are of the order of 5, so a few of their near zeros differ more than that."""
    torch.testing.assert_close(left, right, atol=1e-5 * float(right.abs().max()), rtol=1e-5)


@pytest.fixture
def model(make_model, request):
    return make_model(settings=[request.param]).eval().requires_grad_(False)


@pytest.fixture
def dialogues(image, audio):
    """Two spans, the first of which has text and a turn after it; a shorter row without any."""
    messages = [
        Message("user", (audio, "draw")),
        Message("assistant", ("ok ", image, " done")),
        Message("user", ("more",)),
        Message("assistant", (audio, image, "so")),
    ]
    captions = {1: "a cat", 2: "a bell", 3: "a dog"}
    short = [Message("user", ("hi",)), Message("assistant", ("yes",))]
    return [Dialogue(messages, captions), Dialogue(short)]


@pytest.mark.parametrize("model", DROPPABLE, indirect=True)
def test_nothing_but_a_span_hears_of_its_rows(model, dialogues):
    before = hidden_of(model, batch := assemble(model, dialogues))
    signals = model.llm.signals
    for modality in signals.modalities:
        model.llm.signal_rows[[i - signals.vocabulary for i in signals.span(modality)]] += 1
    after = hidden_of(model, assemble(model, dialogues))
    main = batch.branches == 0
    assert before[main].equal(after[main])
    assert (before[~main] - after[~main]).abs().amin(0).min() > 0


@pytest.mark.parametrize("model", DROPPABLE, indirect=True)
def test_what_is_not_a_span_is_as_in_the_same_dialogue_without_spans(model, dialogues):
    batch = assemble(model, dialogues)
    hidden = hidden_of(model, batch)
    for row, dialogue in enumerate(dialogues):
        messages = model.with_system_prompt(dialogue.messages)
        prompt = build_prompt(messages, model.llm.tokenizer, reply=False, spans=False)
        alone = model.llm.hidden(model.embed(prompt)[None])[0]
        main = (batch.branches[row] == 0)[: batch.lengths[row]]
        close(hidden[row, : batch.lengths[row]][main], alone)


@pytest.mark.parametrize("model", DROPPABLE, indirect=True)
def test_a_span_reads_what_stands_before_it_and_no_other_span(model, dialogues):
    batch = assemble(model, dialogues)
    hidden = hidden_of(model, batch)
    for number, target in enumerate(batch.targets, start=1):
        branches = batch.branches[target.row]
        own = branches == number
        before = (branches == 0) & (torch.arange(len(branches)) < target.start)
        alone = model.llm.hidden(batch.embeds[target.row][before | own][None])[0]
        close(hidden[target.row][own], alone[before.sum() :])


@pytest.mark.parametrize("model", BOTH[::2], indirect=True)
def test_spans_that_stay_are_read_by_plain_causal_attention(model, dialogues):
    batch = assemble(model, dialogues)
    assert batch.branches is None
    row = batch.embeds[0, : batch.lengths[0]]
    close(hidden_of(model, batch)[0, : len(row)], model.llm.hidden(row[None])[0])


@pytest.mark.parametrize("model", BOTH, indirect=True)
def test_a_condition_is_what_the_final_norm_makes_of_its_positions(model, dialogues):
    normed = []
    model.llm.base.model.norm.register_forward_hook(lambda *args: normed.append(args[-1][0]))
    batch = assemble(model, dialogues[:1])
    hidden = hidden_of(model, batch)
    whole = torch.cat(normed)
    for target in batch.targets:
        [condition] = span_hidden(model.llm.signals, hidden, [target])
        kind, counts = model.llm.signals.settings.kind, model.llm.signals.settings.tokens
        start = target.start + (kind == "queries")  # the trigger's own is not among them
        close(condition, whole[start : start + counts[target.modality]])


@pytest.mark.parametrize("model", BOTH, indirect=True)
def test_decoding_asks_for_the_same_as_training_teaches(model, image):
    """The conditions of two pictures of one answer, after a picture of an earlier one."""
    asked = [
        Message("user", ("draw",)),
        Message("assistant", ("so ", image)),
        Message("user", ("again",)),
    ]
    heard = []
    model.llm.trigger_bias.copy_(torch.tensor([40.0, -100.0, -100.0]))
    model.output_projectors["image"].register_forward_hook(lambda _, args, __: heard.extend(args))
    made = AnyGen(model).generate(asked, max_new_tokens=60).parts[:2]
    assert [type(part) for part in made] == [Image, Image]
    model.llm.prepare_training()  # another implementation of attention
    taught = Dialogue([*asked, Message("assistant", made)], dict.fromkeys(range(3), "a cat"))
    batch = assemble(model, [taught])
    expected = span_hidden(model.llm.signals, hidden_of(model, batch), batch.targets)
    close(torch.cat(heard[:2]), expected[1:])


@pytest.mark.parametrize("model", BOTH, indirect=True)
def test_the_pool_of_spans_holds_what_training_would_read(model):
    """In requests that ask for a change of what was made before, too."""
    requests = [sample_request("image", random.Random(seed), "train") for seed in range(16)]
    assert {len(captions_of(request)) for request in requests} == {1, 2}
    batch = assemble(model, [read_record(request) for request in requests])
    last = list({target.row: target for target in batch.targets}.values())
    expected = span_hidden(model.llm.signals, hidden_of(model, batch), last)
    close(last_spans(model, "image", requests), expected)
