"""Who answers: the untouched base LLM, as transformers runs it, or the media expert."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from anygen import AnyGen
from anygen.core.content_hash import content_hash
from anygen.core.media import Message
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from anygen.generation.request_checks import prepare
from anygen.llm.kv_cache import Adapted
from anygen.llm.prompt import Tokens, build_prompt
from anygen.model.multimodal import MultimodalModel
from anygen.numerics.fp16_linear import packed
from support.answers import ONE_STEP, observed, told, user
from support.precision import unpacked

LIMITS = {"max_new_tokens": 12, "media": ONE_STEP}
PROMPTS = ["Hello", "What is a piano?", "draw me a cat", "1 + 1?", "a red ball, please", "?"]
PLAIN, EXPERT = -1e3, 1e3  # biases of the router that decide


BY_TRANSFORMERS = ["llm.media_layers=adapter"]  # layers that ours do not have


@pytest.fixture(scope="module", params=[(packed, []), (unpacked, []), (unpacked, BY_TRANSFORMERS)])
def model(make_model, tmp_path_factory, request):
    """A model whose expert answers with pictures, and whose LoRA changes every word."""
    pack, settings = request.param
    model = make_model(settings=["llm.adapter=activated", *settings])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_B." in name:
                parameter.normal_(std=0.3)
        model.llm.trigger_bias.copy_(torch.tensor([40.0, -100.0, -100.0]))
    folder = tmp_path_factory.mktemp("activated")
    model.save_pretrained(folder)
    return AnyGen(MultimodalModel.from_pretrained(folder, pack=pack))


@pytest.fixture
def route(model):
    """Sets who answers."""

    def set_bias(bias):
        unread(model).model.llm.router.output.bias.data.fill_(bias)

    yield set_bias
    set_bias(0.0)


def unread(model):
    """The model with nothing in its caches."""
    model.engine.kv_caches.idle.clear()
    model.engine.embeddings.values.clear()
    return model


def has_media(message):
    return any(not isinstance(part, str) for part in message.parts)


def same_parts(one, other):
    return [p if isinstance(p, str) else content_hash(p) for p in one.parts] == [
        p if isinstance(p, str) else content_hash(p) for p in other.parts
    ]


def base_answer(model, base, messages):
    """What transformers generates greedily, as text, without a system prompt of ours."""
    llm = model.model.llm
    prompt = build_prompt(messages, llm.tokenizer, reply=True)
    ids = [i for piece in prompt if isinstance(piece, Tokens) for i in piece.ids]
    output = base.generate(
        torch.tensor([ids]),
        max_new_tokens=12,
        do_sample=False,
        pad_token_id=0,
        suppress_tokens=llm.silent.tolist(),
        eos_token_id=sorted(llm.stops.ids),
    )
    return llm.tokenizer.decode(output[0, len(ids) :], skip_special_tokens=True)


def test_a_plain_answer_is_that_of_the_published_llm(model, route, tiny_llm):
    base = AutoModelForCausalLM.from_pretrained(tiny_llm)
    route(PLAIN)
    for text in PROMPTS:
        answer = model.generate([user(text)], **LIMITS)
        assert [base_answer(model, base, [user(text)])] == list(answer.parts)


def test_the_base_and_the_expert_both_read_a_system_message_of_the_user(model, route, tiny_llm):
    base = AutoModelForCausalLM.from_pretrained(tiny_llm)
    messages = [Message("system", ("Answer in one word.",)), user("what is a cat?")]
    route(PLAIN)
    assert [base_answer(model, base, messages)] == list(model.generate(messages, **LIMITS).parts)
    prepared = prepare(model.model, Request(messages))
    assert prepared.base_prompt.keys == prepared.prompt.keys


def test_the_models_own_system_prompt_is_read_by_the_expert_alone(model):
    llm, messages = model.model.llm, [user("draw me a cat")]
    prepared = prepare(model.model, Request(messages))
    for prompt, read in (
        (prepared.prompt, model.model.with_system_prompt(messages)),
        (prepared.base_prompt, messages),
    ):
        pieces = build_prompt(read, llm.tokenizer, reply=True)
        assert prompt.keys == [i for piece in pieces for i in piece.ids]
    assert len(prepared.base_prompt.keys) < len(prepared.prompt.keys)


def test_the_expert_answers_otherwise_and_with_media(model, route):
    route(EXPERT)
    answer = model.generate([user("draw me a cat")], **LIMITS)
    assert has_media(answer)


def test_media_that_options_force_are_not_decided_about(model, route):
    route(PLAIN)
    with observed(model) as work:
        unread(model).generate([user("a cat")], exactly={"image": 1}, **LIMITS)
    assert all(isinstance(key, Adapted) for keys in work.pieces for key in keys)


def test_a_conversation_goes_on_where_the_base_and_the_expert_have_read_it(model, route):
    first = [user("draw me a cat")]
    for bias in (PLAIN, EXPERT):
        route(bias)
        made = model.generate(first, **LIMITS)
        messages = [*first, made, user("now a dog")]
        goes_on = list(model.reply(messages, seed=1, **LIMITS))
        anew = list(unread(model).reply(messages, seed=1, **LIMITS))
        assert told(goes_on) == told(anew)
        assert anew[-1].cached_tokens == 0 < goes_on[-1].cached_tokens


def test_after_an_answer_with_media_the_base_reads_it_as_if_for_the_first_time(model, route):
    route(EXPERT)
    first = [user("draw me a cat")]
    made = model.generate(first, **LIMITS)
    messages = [*first, made, user("thanks")]
    model.model.llm.router.output.bias.data.fill_(PLAIN)
    goes_on = list(model.reply(messages, seed=1, **LIMITS))
    anew = list(unread(model).reply(messages, seed=1, **LIMITS))
    assert told(goes_on) == told(anew)


def test_both_kinds_of_answers_are_the_same_alone_and_in_company(model, route):
    router = model.model.llm.router
    torch.nn.init.normal_(router.output.weight, generator=torch.Generator().manual_seed(2))
    options, scores = AnswerOptions(**LIMITS), []
    requests = [Request([user(text)], 1, options) for text in PROMPTS]
    hook = router.register_forward_hook(lambda *args: scores.append(args[-1].item()))
    unread(model).reply_many(requests)
    hook.remove()
    route(-sorted(scores)[len(scores) // 2 - 1] - 1e-4)  # the expert answers about half
    alone = [model.reply_many([request])[0] for request in requests]
    together = unread(model).reply_many(requests)
    assert {has_media(answer.message) for answer in alone} == {True, False}
    for one, other in zip(alone, together, strict=True):
        assert same_parts(one.message, other.message)
    router.output.weight.data.zero_()


@pytest.mark.parametrize(
    ("options", "by_expert"),
    [
        ({"exactly": {"image": 1}}, True),
        ({"begin": "image"}, True),
        ({"modalities": ["image"]}, True),
        ({"modalities": ["text"]}, False),
        ({"max_media": 0}, False),
    ],
)
def test_options_that_force_or_forbid_media_need_no_router(model, route, options, by_expert):
    route(PLAIN if by_expert else EXPERT)
    answer = model.generate([user("hello")], **{**LIMITS, **options})
    assert has_media(answer) == by_expert


def test_where_media_are_attached_the_router_decides_even_if_none_may_be_made(model, route, image):
    question = [user("what is it? ", image)]
    for bias, by_expert in ((PLAIN, False), (EXPERT, True)):
        route(bias)
        with observed(model) as work:
            model.generate(question, modalities=["text"], **LIMITS)
        assert any(isinstance(key, Adapted) for keys in work.pieces for key in keys) == by_expert
