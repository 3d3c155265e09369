"""Whatever else is asked for at the same time, and in whatever order: an answer is the same."""

import random

import pytest

from anygen import AnyGen
from anygen.core.content_hash import content_hash
from anygen.core.media import Message, media_of
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from support.answers import ONE_STEP, forget, user

TEXTS = ["hi", "draw a red cat", "a piano, please, and then a picture of it", "x" * 130]


@pytest.fixture(scope="module")
def model(saved_model):
    return forget(AnyGen.from_pretrained(saved_model))


def draw_request(rng, media):
    """Any modalities, limits, guidance, steps and seed, after any dialogue."""
    uploads = rng.sample(media, k=rng.choice([0, 0, 1, 2]))
    before = [user(rng.choice(TEXTS)), Message("assistant", ("so ", rng.choice(media)))]
    messages = [*(before if rng.random() < 0.3 else []), user(*uploads, rng.choice(TEXTS))]
    wish = rng.choice(
        [
            {"begin": rng.choice(["image", "audio", "video"])},
            {"exactly": {rng.choice(["image", "audio"]): 1}},
            {"modalities": rng.choice([["text"], ["text", "audio"], ["text", "image"], ["image"]])},
            {"max_media": 0},
        ]
    )
    options = {
        "max_new_tokens": rng.randint(1, 6),
        "max_media": rng.randint(1, 2),
        "words_between": rng.choice([0, 1]),
        "feedback": rng.choice(["wait", "wait", "late", "off"]),
        "stop": rng.choice([(), ("e",)]),
        "media": {m: draw_sample(rng) for m in ONE_STEP},
        **rng.choice([{}, {"temperature": 0.8, "top_p": 0.9}, {"temperature": 1.5, "top_k": 20}]),
        "repetition_penalty": rng.choice([None, 1.3]),
        **wish,
    }
    return Request(messages, rng.randint(0, 3), AnswerOptions.model_validate(options))


def draw_sample(rng):
    return {"steps": rng.choice([1, 1, 2]), "guidance": rng.choice([None, 1, 2.5])}


def values(answer):
    parts = [p if isinstance(p, str) else content_hash(p) for p in answer.message.parts]
    return parts, answer.finish, answer.failed


@pytest.mark.slow
def test_40_random_batches_give_the_same_bytes_as_each_request_alone(model, image, audio, video):
    rng = random.Random(0)
    requests = [draw_request(rng, [image, audio, video]) for _ in range(30)]
    answers = [model.reply_many([request])[0] for request in requests]
    assert sum(bool(media_of([answer.message])) for answer in answers) > 10
    alone = list(map(values, answers))
    for number in range(40):
        if number % 10 == 0:
            forget(model)
        chosen = rng.sample(range(len(requests)), k=2 + int(rng.random() ** 4 * 8))
        answers = model.reply_many([requests[index] for index in chosen])
        for index, answer in zip(chosen, answers, strict=True):
            assert values(answer) == alone[index], requests[index]


def test_more_requests_than_seats_are_all_answered_in_their_order(model, image):
    requests = [
        Request([user(text, image)], seed, AnswerOptions(max_new_tokens=2 + seed, max_media=0))
        for seed in range(5)
        for text in TEXTS
    ]
    answers = model.reply_many(requests)
    forget(model)
    for request, answer in zip(requests, answers, strict=True):
        assert values(answer) == values(model.reply_many([request])[0])


def test_the_same_request_many_times_is_answered_alike(model):
    request = Request([user("draw")], 5, AnswerOptions(begin="image", max_media=1, media=ONE_STEP))
    assert len({str(values(answer)) for answer in model.reply_many([request] * 11)}) == 1


def test_no_requests_are_no_answers(model):
    assert model.reply_many([]) == []
