"""Answers of a system of full size in bfloat16, beside transformers with the same weights."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from anygen import AnyGen
from anygen.core.media import Message
from anygen.generation.events import Done, MediaDone, TextDelta
from anygen.llm.kv_cache import KVCache
from decoders.base import SampleOptions
from support.on_gpu import DEVICE, NEEDS_CUDA, PLACE, values
from support.precision import TOLERANCE, distance

pytestmark = NEEDS_CUDA

PROMPT, TOKENS = 150, 32
WORDS = slice(3, None)  # the tokens before them are special
QUESTION = [Message("user", (" ".join(f"w{number}" for number in range(3, 35)),))]


@pytest.fixture(scope="module")
def model(folder):
    return AnyGen.from_pretrained(folder, **dict(PLACE))


def load(system, dtype):
    """transformers' own model."""
    return AutoModelForCausalLM.from_pretrained(
        system.llm.base, dtype=dtype, device_map={"": DEVICE}
    )


@pytest.fixture(scope="module")
def exact(system):
    return load(system, torch.float32)


@torch.inference_mode()
def logits_of(llm, ids):
    """(T, V) in float32, of transformers' model."""
    return llm(torch.tensor([ids], device=DEVICE)).logits[0].float()


@torch.inference_mode()
def logits_of_engine(llm, ids):
    """(T, V) in float32: a prompt is read as one, then token after token, as in a turn."""
    context, hidden = KVCache(), []
    for part in [ids[:PROMPT], *([token] for token in ids[PROMPT:])]:
        embeds = llm.embed(torch.tensor(part, device=DEVICE))
        hidden += llm.read([(context, embeds, part)])
    return llm.text_logits(torch.cat(hidden)).float()


def test_the_engine_is_as_near_to_float32_as_transformers_is_in_bfloat16(model, exact, system):
    torch.manual_seed(0)
    ids = torch.randint(3, model.model.llm.signals.vocabulary, (PROMPT + TOKENS,)).tolist()
    expected = logits_of(exact, ids)
    theirs = distance(logits_of(load(system, torch.bfloat16), ids), expected)
    ours = distance(logits_of_engine(model.model.llm, ids), expected)
    print(f"mean distance in units of the spread: ours {ours:.4f}, transformers {theirs:.4f}")
    assert 0 < ours < 2 * theirs


def test_greedy_tokens_are_the_likeliest_in_float32_up_to_the_tolerance(model, exact):
    """Random weights make near ties, so that equal tokens cannot be asked for."""
    model.engine.kv_caches.idle.clear()
    events = list(model.reply(QUESTION, modalities=("text",), max_new_tokens=TOKENS))
    [done] = [event for event in events if isinstance(event, Done)]
    [context] = model.engine.kv_caches.idle
    ids, begin = list(context.positions), done.prompt_tokens
    assert len(ids) > begin
    logits = logits_of(exact, ids)[begin - 1 : -1, WORDS]
    chosen = logits.gather(1, torch.tensor(ids[begin:], device=DEVICE)[:, None] - WORDS.start)
    behind = ((logits.max(1).values - chosen[:, 0]) / logits.std()).max().item()
    print(f"the worst token is {behind:.4f} of the spread behind the likeliest")
    assert behind < 8 * TOLERANCE["bfloat16"]  # which is of the mean; a wrong token is at 4


def test_a_turn_of_text_and_a_picture_finishes(model):
    options = {"exactly": {"image": 1}, "max_new_tokens": 16}
    options["media"] = {"image": SampleOptions(steps=4)}
    events = list(model.reply(QUESTION, **options))
    kinds = [type(event) for event in events]
    assert kinds.index(TextDelta) < kinds.index(MediaDone)
    assert kinds[-1] is Done
    [picture] = [values(event.media) for event in events if isinstance(event, MediaDone)]
    assert picture.isfinite().all()
    assert picture.std() > 0
