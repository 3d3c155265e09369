"""The LLM: reading in pieces equals one forward pass, and nothing of the base model is lost."""

import pytest
import torch

from anygen.core.media import Message
from anygen.llm.kv_cache import KVCache
from anygen.llm.prompt import build_prompt
from anygen.numerics.fp16_linear import has_fbgemm, packed
from anygen.training.losses import hidden_states
from support.precision import unpacked


def close(left, right):
    torch.testing.assert_close(left, right, atol=1e-4, rtol=1e-4)


@pytest.fixture
def prompt(tiny_model, image, audio, video):
    """Text and every medium, of users and of the assistant."""
    messages = [
        Message("system", ("Be kind.",)),
        Message("user", ("look ", image, "and hear ", audio)),
        Message("assistant", ("a film: ", video, " is it good?")),
        Message("user", (video, "yes")),
    ]
    return build_prompt(messages, tiny_model.llm.tokenizer, reply=True)


@torch.no_grad()
def test_reading_sharded_path_equals_one_forward_pass(tiny_model, prompt):
    embeds = [tiny_model.embed_piece(piece) for piece in prompt]
    assert len(embeds) > 8
    context = KVCache()
    hidden = []
    for piece, part in zip(prompt, embeds, strict=True):
        hidden += tiny_model.llm.read([(context, part, tiny_model.cache_keys(piece))])
    whole = tiny_model.llm.hidden(torch.cat(embeds)[None])[0]
    close(torch.cat(hidden), whole)
    close(context.last, whole[-1])
    assert context.length == len(whole)


@torch.no_grad()
def test_rows_of_a_batch_do_not_see_each_other_or_their_padding(tiny_model):
    llm, lengths = tiny_model.llm, [9, 4, 17, 1, 12, 5]
    rows = [torch.randn(length, llm.width) for length in lengths]
    embeds = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=7.0)
    hidden = hidden_states(llm, embeds, torch.tensor(lengths))
    for row, alone in zip(hidden, rows, strict=True):
        close(row[: len(alone)], llm.hidden(alone[None])[0])


@torch.no_grad()
def test_a_common_beginning_is_read_once_with_the_same_result(tiny_model):
    llm = tiny_model.llm
    lengths = torch.tensor([9, 6, 12, 7])
    embeds = torch.randn(4, 12, llm.width)
    embeds[:, :5] = embeds[0, :5]
    once, each = (hidden_states(llm, embeds, lengths, shared) for shared in (5, 0))
    for row, other, length in zip(once, each, lengths, strict=True):
        close(row[:length], other[:length])


@torch.no_grad()
def test_an_untrained_llm_speaks_as_its_base(tiny_model):
    llm = tiny_model.llm
    ids = torch.arange(3, 60)
    logits = llm.logits(llm.hidden(llm.embed(ids)[None]))
    vocabulary = llm.signals.vocabulary
    close(logits[..., :vocabulary], llm.base(input_ids=ids[None]).logits)
    assert logits.shape[-1] == vocabulary + len(llm.signals.modalities)


@torch.no_grad()
def test_a_base_in_8_bits_speaks_nearly_as_before(make_model):
    llm = make_model("llm").llm
    embeds = torch.randn(1, 40, llm.width)
    before = llm.hidden(embeds)
    llm.prepare_training(int8=True)
    after = llm.hidden(embeds)
    assert not torch.equal(before, after)
    assert torch.cosine_similarity(before, after, dim=-1).min() > 0.99


@torch.no_grad()
def test_signal_tokens_have_rows_of_their_own(tiny_model):
    llm = tiny_model.llm
    ids = torch.arange(llm.signals.rows) + llm.signals.vocabulary
    close(llm.embed(ids), llm.signal_rows)


HALF = pytest.param(packed, marks=pytest.mark.skipif(not has_fbgemm(), reason="needs FBGEMM"))


@pytest.mark.parametrize("dora", [False, True])
@pytest.mark.parametrize("pack", [unpacked, HALF])
@torch.no_grad()
def test_merging_lora_changes_nothing_and_switching_it_off_brings_the_base_back(
    make_model, pack, dora
):
    llm = make_model("llm", settings=[f"llm.lora.dora={dora}"]).llm.eval()
    embeds = torch.randn(1, 9, llm.width)
    base = llm.hidden(embeds)
    for name, parameter in llm.named_parameters():
        if ".lora_B." in name:
            parameter.normal_(std=0.1)
        if ".lora_magnitude_vector." in name:
            parameter.mul_(torch.rand_like(parameter) + 0.5)
    tuned = llm.hidden(embeds)
    assert (tuned - base).abs().max() > 1e-2
    llm.use_lora(False)
    close(llm.hidden(embeds), base)
    llm.use_lora(True)
    close(llm.hidden(embeds), tuned)
    llm.prepare_answering(pack)
    [merged] = llm.read([(KVCache(), embeds[0], range(9))])
    if pack is packed:
        assert torch.cosine_similarity(merged, tuned[0], dim=-1).min() > 0.9999
    else:
        close(merged, tuned[0])
