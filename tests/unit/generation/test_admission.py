"""Requests are admitted while others are answered, from any thread, and none affects another."""

import threading
import time
from itertools import islice

import pytest

from anygen import AnswerOptions, AnyGen, Message, Request
from anygen.generation.answer import collect
from anygen.generation.engine import MAX_SLOTS
from anygen.generation.events import Done, TextDelta
from anygen.generation.request_checks import prepare

FEW = {m: {"steps": 1} for m in ("image", "audio", "video")}


@pytest.fixture
def anygen(make_model):
    model = make_model().eval().requires_grad_(False)
    model.llm.trigger_bias.fill_(2.0)  # it likes to generate media
    return AnyGen(model)


def request(text, seed=0, **options):
    options = {"max_new_tokens": 5, "max_media": 1, "media": FEW, **options}
    return Request([Message("user", (text,))], seed, AnswerOptions(**options))


def texts(answer):
    return [part for part in answer.message.parts if isinstance(part, str)], answer.finish


def test_a_request_that_comes_while_another_is_answered_is_answered_as_alone(anygen):
    alone = texts(collect(anygen.answer(request("second"))))
    first = anygen.answer(request("first", max_new_tokens=30))
    next(first)
    assert texts(collect(anygen.answer(request("second")))) == alone
    assert isinstance(list(first)[-1], Done)


def test_two_answers_that_are_taken_in_turns_are_those_of_each_alone(anygen):
    requests = [request("one", max_new_tokens=12), request("two", max_new_tokens=12)]
    alone = [texts(collect(anygen.answer(each))) for each in requests]
    streams = [anygen.answer(each) for each in requests]
    events = [[], []]
    while any(fresh := [list(islice(stream, 1)) for stream in streams]):
        for taken, new in zip(events, fresh):
            taken += new
    assert [texts(collect(taken)) for taken in events] == alone


def test_threads_are_answered_as_one_after_the_other(anygen):
    requests = [request(f"number {n}", n) for n in range(MAX_SLOTS + 3)]
    alone = [texts(collect(anygen.answer(each))) for each in requests]
    answers = {}

    def ask(number):
        answers[number] = texts(collect(anygen.answer(requests[number])))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answers[n] for n in range(len(requests))] == alone


def test_each_request_has_a_cancel_of_its_own(anygen):
    engine = anygen.engine
    stopped, other = (
        engine.admit(prepare(anygen.model, request(text, modalities=["text"])), cancelled)
        for text, cancelled in (("stop", lambda: True), ("go", lambda: False))
    )
    assert [event.finish_reason for event in engine.events(stopped)] == ["cancelled"]
    assert isinstance(next(engine.events(other)), TextDelta)
    engine.release(other)
    assert not engine.slots


def test_a_request_that_nobody_waits_for_any_more_leaves_its_slot(anygen):
    engine = anygen.engine
    requests = [request(f"{n} " * 40) for n in range(MAX_SLOTS + 2)]  # little in common
    slots = [engine.admit(prepare(anygen.model, one)) for one in requests]
    engine.step()
    assert len(engine.slots) == MAX_SLOTS
    for slot in slots:
        engine.release(slot)
    assert not engine.slots
    assert not engine.waiting
    assert engine.render_pool is None


def test_an_error_of_one_request_ends_that_request_alone(anygen, image, monkeypatch):
    def broken(media):
        raise RuntimeError("no eyes")

    alone = texts(collect(anygen.answer(request("hi"))))
    monkeypatch.setattr(anygen.model.encoder, "encode", broken)
    blind = Request([Message("user", (image, "what is it?"))], 0, AnswerOptions())
    failing = anygen.engine.admit(prepare(anygen.model, blind))
    going = anygen.engine.admit(prepare(anygen.model, request("hi", modalities=["text"])))
    with pytest.raises(RuntimeError, match="no eyes"):
        list(anygen.engine.events(failing))
    assert isinstance(list(anygen.engine.events(going))[-1], Done)
    monkeypatch.undo()
    assert texts(collect(anygen.answer(request("hi")))) == alone


def test_a_stream_that_is_never_listened_to_is_never_admitted(anygen):
    anygen.answer(request("hello?"))
    anygen.engine.receive_admitted()
    assert not anygen.engine.waiting


def test_a_request_is_admitted_while_all_others_wait_for_a_decoder_that_computes(anygen):
    """A step of a large decoder takes seconds, and words of others need not wait for its end."""
    begun, go_on = threading.Event(), threading.Event()
    at_last = threading.Timer(60, go_on.set)  # not even a failure waits forever
    at_last.start()

    def compute(*_):
        begun.set()
        go_on.wait()

    hook = anygen.model.decoders["image"].unet.register_forward_pre_hook(compute)
    engine = anygen.engine
    picture = request("first", begin="image", exactly={"image": 1})
    first = engine.admit(prepare(anygen.model, picture))

    def step():
        while not first.finished:
            engine.step()

    owner = threading.Thread(target=step)
    owner.start()
    begun.wait()
    second = engine.admit(prepare(anygen.model, request("second", modalities=("text",))))
    while not (second.finished or go_on.is_set()):
        time.sleep(0.01)
    assert second.finished
    assert not go_on.is_set()
    go_on.set()
    owner.join()
    at_last.cancel()
    hook.remove()
    assert not first.error
