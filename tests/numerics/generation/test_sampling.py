"""Tokens are chosen as transformers chooses them, and from an answer's own seed alone."""

import itertools

import pytest
import torch
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from anygen import AnyGen
from anygen.config.sampling import Sampling
from anygen.generation.constraints import Choice
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from anygen.generation.sampling import TokenSampler, draw, limited
from anygen.llm.prompt import build_prompt
from support.answers import forget, user

DRAWN = {"temperature": 1.5, "top_p": 0.95}
TEXT = {"modalities": ["text"], "max_new_tokens": 24}
TEXTS = ["hi", "draw a red cat", "a piano, please", "what is a ball", "x" * 90, "why"]


@pytest.fixture(scope="module")
def model(saved_model):
    return forget(AnyGen.from_pretrained(saved_model))


def processors(settings):
    """What transformers' `generate` makes of the same settings, in its order."""
    made = [TemperatureLogitsWarper(settings.temperature)]
    if settings.top_k:
        made.append(TopKLogitsWarper(settings.top_k))
    if settings.top_p < 1:
        made.append(TopPLogitsWarper(settings.top_p))
    if settings.min_p:
        made.append(MinPLogitsWarper(settings.min_p))
    return LogitsProcessorList(made)


@pytest.mark.parametrize("spread", [0.3, 3.0, 12.0])
@pytest.mark.parametrize("temperature", [1e-6, 0.3, 1.0, 2.0])
def test_what_can_be_drawn_is_what_transformers_leaves(spread, temperature):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3000, generator=generator, dtype=torch.float64) * spread
    logits[100:200] = -torch.inf  # ruled out before
    for top_k, top_p, min_p in itertools.product((0, 1, 40, 9999), (1.0, 0.9, 0.01), (0, 0.05, 1)):
        settings = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
        expected = processors(settings)(None, logits[None])[0].softmax(0)
        torch.testing.assert_close(limited(logits, settings).softmax(0), expected)


@pytest.mark.parametrize("penalty", [0.8, 1.3, 2.0])
def test_the_penalty_is_that_of_transformers(tiny_model, penalty):
    llm = tiny_model.llm
    logits = torch.randn(llm.signals.vocabulary + 3, generator=torch.Generator().manual_seed(0))
    sampler = TokenSampler(llm, Sampling(repetition_penalty=penalty), 0)
    assert torch.equal(sampler.penalized(logits), logits)
    text = Choice(text=True, end=True, media=())
    for token in (5, 9, 9, 30):
        sure = torch.zeros_like(logits)
        sure[token] = 50.0
        assert sampler.choose(sure, text) == token
    ids = torch.tensor([[5, 9, 9, 30]])
    expected = RepetitionPenaltyLogitsProcessor(penalty)(ids, logits[None])[0]
    assert torch.equal(sampler.penalized(logits), expected)
    assert not torch.equal(expected, logits)


def test_the_penalty_acts_once_tokens_in_a_row_come_again(tiny_model):
    llm = tiny_model.llm
    sampler = TokenSampler(llm, Sampling(repetition_penalty=2.0, penalty_after=2), 0)
    text, chosen = Choice(text=True, end=True, media=()), []
    for token in (5, 9, 20, 5, 9, 20):  # the run 5, 9 comes again
        logits = torch.zeros(llm.signals.vocabulary + 3)
        logits[token], logits[30] = 1.0, 0.8
        chosen.append(sampler.choose(logits, text))
    assert chosen == [5, 9, 20, 5, 9, 30]


def test_a_medium_begins_the_count_of_repeats_anew(tiny_model):
    llm = tiny_model.llm
    sampler = TokenSampler(llm, Sampling(repetition_penalty=2.0, penalty_after=2), 0)
    text, media = Choice(text=True, end=True, media=()), Choice(False, False, ("image",))
    image = torch.zeros(llm.signals.vocabulary + 3)
    image[llm.signals.vocabulary] = 1.0
    for _ in range(3):
        for token in (5, 9, 20):
            logits = torch.zeros(llm.signals.vocabulary + 3)
            logits[token], logits[30] = 1.0, 0.8
            assert sampler.choose(logits, text) == token
        assert llm.signals.modality_of(sampler.choose(image.clone(), media)) == "image"


@pytest.mark.parametrize("penalty", [1.0, 1.3, 1.7])
def test_a_penalized_answer_is_that_of_generate_token_by_token(make_model, penalty):
    """The penalty is for tokens of the answer: those of the prompt are ignored."""
    network = make_model().eval()
    llm, question = network.llm, [user("a red ball, a red ball and a red cat")]
    pieces = build_prompt(network.with_system_prompt(question), llm.tokenizer, reply=True)
    ends = [*llm.stops.ids]
    silent = [token for token in llm.silent.tolist() if token not in ends]
    ids = torch.tensor([[token for piece in pieces for token in piece.ids]])
    expected = llm.base.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=40,
        do_sample=False,
        logits_processor=[RepetitionPenaltyLogitsProcessor(penalty, ids.shape[1])],
        suppress_tokens=silent,
        eos_token_id=ends,
    )[0, ids.shape[1] :].tolist()
    model = AnyGen(network.requires_grad_(False))
    options = {"modalities": ["text"], "max_new_tokens": 40, "repetition_penalty": penalty}
    list(model.reply(question, **options))
    [cache] = model.engine.kv_caches.idle
    generated = cache.positions[ids.shape[1] :]
    assert generated == [token for token in expected if token not in ends]
    assert len(generated) > 5


def test_each_token_is_drawn_as_often_as_it_is_likely():
    scores = torch.tensor([0.0, -torch.inf, 1.0, -2.0, -torch.inf, 0.5], dtype=torch.float64)
    drawn = [draw(scores, (place + 0.5) / 10000) for place in range(10000)]
    shares = torch.tensor(drawn).bincount(minlength=6) / 10000
    torch.testing.assert_close(shares.double(), scores.softmax(0), atol=2e-4, rtol=0)
    assert draw(scores, 0.0) == 0
    assert draw(scores, 1 - 2**-48) == 5


def texts(model, requests):
    return [answer.message.parts for answer in forget(model).reply_many(requests)]


def test_drawn_answers_are_the_same_in_any_batch_and_order(model):
    options = AnswerOptions.model_validate({**TEXT, **DRAWN, "repetition_penalty": 1.2})
    requests = [Request([user(text)], seed, options) for seed, text in enumerate(TEXTS)]
    alone = [texts(model, [request])[0] for request in requests]
    assert texts(model, requests) == alone
    assert texts(model, requests[::-1]) == alone[::-1]
    greedy = Request([user("hi")], 0, AnswerOptions.model_validate(TEXT))
    assert texts(model, [greedy, *requests[2:4], greedy])[1:3] == alone[2:4]


def test_the_seed_decides_what_is_drawn_and_nothing_else(model):
    def ask(seed, **more):
        return texts(model, [Request([user("hi")], seed, AnswerOptions(**TEXT, **more))])[0]

    drawn = [ask(seed, **DRAWN) for seed in (0, 1, 2, 0)]
    assert drawn[0] == drawn[3]
    assert len({str(parts) for parts in drawn}) == 3
    assert ask(0) == ask(1) != drawn[0]
    assert ask(0) == ask(0, temperature=1.0, top_k=1)


def test_limits_hold_for_drawn_answers(model):
    options = {**DRAWN, "exactly": {"image": 2}, "at_most": {"audio": 0, "video": 0}}
    options |= {"words_between": 1, "max_new_tokens": 12, "media": {"image": {"steps": 1}}}
    for seed in range(4):
        message = model.generate([user("draw")], seed=seed, **options)
        kinds = [type(part).__name__ for part in message.parts if not isinstance(part, str)]
        assert kinds == ["Image", "Image"]


def test_the_span_of_a_medium_is_not_drawn(model):
    list(model.reply([user("draw")], seed=1, begin="image", temperature=2.0, max_new_tokens=4))
    cache, signals = model.engine.kv_caches.idle[-1], model.model.llm.signals
    start = cache.positions.index(signals.trigger("image"))
    span = signals.span("image")
    assert cache.positions[start : start + len(span)] == span


def test_logits_that_are_not_finite_are_an_error_for_drawn_answers_too(tiny_model):
    sampler = TokenSampler(tiny_model.llm, Sampling(temperature=1.0), 0)
    logits = torch.full((tiny_model.llm.signals.vocabulary + 3,), torch.nan)
    choice = Choice(text=True, end=True, media=())
    with pytest.raises(ValueError, match="the output of the LLM is not finite"):
        sampler.choose(logits, choice)
