"""Requests are admitted while others are answered, from any thread, and none affects another."""

import threading
import time
from contextlib import contextmanager
from itertools import islice

import pytest

from anygen import AnswerOptions, AnyGen, Message, Request
from anygen.generation.answer import collect
from anygen.generation.engine import MAX_SLOTS
from anygen.generation.events import Done, TextDelta
from anygen.generation.request_checks import prepare

FEW = {m: {"steps": 1} for m in ("image", "audio", "video")}


@pytest.fixture(scope="module")
def network(make_model):
    model = make_model().eval().requires_grad_(False)
    model.llm.trigger_bias.fill_(2.0)  # it likes to generate media
    return model


@pytest.fixture
def anygen(network):
    return AnyGen(network)


def request(text, seed=0, **options):
    options = {"max_new_tokens": 5, "max_media": 1, "media": FEW, "temperature": 2.0, **options}
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


WORDS = {"modalities": ("text",)}


def picture(text):
    return request(text, begin="image", exactly={"image": 1})


@contextmanager
def held_decoder(anygen):
    """Image decoders wait within the context: what is set once one does, and what ends the wait."""
    begun, go_on = threading.Event(), threading.Event()
    at_last = threading.Timer(60, go_on.set)  # not even a failure waits forever
    at_last.start()

    def compute(*_):
        begun.set()
        go_on.wait()

    hook = anygen.model.decoders["image"].unet.register_forward_pre_hook(compute)
    try:
        yield begun, go_on
    finally:
        go_on.set()
        at_last.cancel()
        hook.remove()


@contextmanager
def asking(anygen, requests):
    """Answers, by number, that a thread each asks for; all are there at the end of the context."""
    answers = {}

    def ask(number):
        answers[number] = collect(anygen.answer(requests[number]))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(len(requests))]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        for thread in threads:
            thread.join()


def wait_for_callers(engine, number):
    while len(engine.callers) < number:
        time.sleep(0.01)


def test_a_request_is_admitted_while_all_others_wait_for_a_decoder_that_computes(anygen):
    """A step of a large decoder takes seconds, and words of others need not wait for its end."""
    engine = anygen.engine
    first = engine.admit(prepare(anygen.model, picture("first")))
    with held_decoder(anygen) as (begun, go_on):
        owner = threading.Thread(target=engine.run_until, args=(lambda: first.finished,))
        owner.start()
        begun.wait()
        second = engine.admit(prepare(anygen.model, request("second", **WORDS)))
        while not (second.finished or go_on.is_set()):
            time.sleep(0.01)
        assert second.finished
        assert not go_on.is_set()
    owner.join()
    assert not first.error


@pytest.mark.parametrize("others", [1, 3])
def test_a_thread_is_answered_while_others_wait_for_their_media(anygen, others):
    alone = texts(collect(anygen.answer(request("words", **WORDS))))
    pictures = [picture(f"number {n}") for n in range(others)]
    with held_decoder(anygen) as (begun, go_on), asking(anygen, pictures) as answers:
        begun.wait()
        for _ in range(3):
            assert texts(collect(anygen.answer(request("words", **WORDS)))) == alone
        assert not go_on.is_set()
        go_on.set()
    assert all(answer.media_info for answer in answers.values())
    assert len(answers) == others
    assert not anygen.engine.slots


def test_a_thread_that_stops_listening_does_not_wait_for_the_media_of_others(anygen):
    alone = texts(collect(anygen.answer(picture("number 0"))))
    with held_decoder(anygen) as (begun, go_on), asking(anygen, [picture("number 0")]) as answers:
        begun.wait()
        for stopped in (request("words", max_new_tokens=30, **WORDS), picture("mine")):
            stream = anygen.answer(stopped)
            next(stream)
            stream.close()
            assert len(anygen.engine.slots) == 1
        assert not go_on.is_set()
        go_on.set()
    assert texts(answers[0]) == alone


def test_threads_look_for_their_events_only_when_a_bell_rings(anygen, monkeypatch):
    engine, rings, looks = anygen.engine, [], []
    slot = engine.admit(prepare(anygen.model, picture("a cat")))
    ring = engine.ring
    monkeypatch.setattr(engine, "ring", lambda: (rings.append(1), ring()))

    def look():
        looks.append(1)
        return slot.finished

    with held_decoder(anygen) as (begun, go_on):
        first = threading.Thread(target=engine.run_until, args=(lambda: slot.finished,))
        first.start()
        begun.wait()
        second = threading.Thread(target=engine.run_until, args=(look,))
        second.start()
        wait_for_callers(engine, 2)
        go_on.set()
        first.join()
        second.join()
    assert looks
    assert len(looks) <= len(rings) + 1


def test_ctrl_c_in_the_thread_that_steps_leaves_the_others_running(anygen, monkeypatch):
    """It strikes a pass for all; the others read again what that has not brought."""
    engine, requests = anygen.engine, [request(f"number {n}", n) for n in range(3)]
    alone = [texts(collect(anygen.answer(each))) for each in requests]
    slot = engine.admit(prepare(anygen.model, request("mine", **WORDS)))
    others = threading.Thread(target=lambda: asked.update(answers_of(anygen, requests)))
    asked = {}

    run = anygen.model.llm.run

    def strike(*arguments):
        result = run(*arguments)
        if threading.current_thread() is threading.main_thread():
            if not others.ident:
                others.start()
                wait_for_callers(engine, 1 + len(requests))
            elif len(engine.slots) > 1:
                raise KeyboardInterrupt
        return result

    monkeypatch.setattr(anygen.model.llm, "run", strike)
    with pytest.raises(KeyboardInterrupt):
        engine.run_until(lambda: slot.finished)
    engine.release(slot)
    others.join()
    assert [texts(asked[n]) for n in range(len(requests))] == alone
    assert not [*engine.slots, *engine.callers, *engine.leaving]


def answers_of(anygen, requests):
    with asking(anygen, requests) as answers:
        pass
    return answers


def test_what_interrupts_one_request_changes_no_other_that_was_read_with_it(anygen):
    """Ctrl-C may come between any two pieces of work of a step."""
    one, other = (request(f"{n} " * 40, **WORDS) for n in range(2))  # little in common
    alone = texts(collect(anygen.answer(other)))
    for number in range(1, 12):
        calls = []

        def interrupt(calls=calls, number=number):
            calls.append(1)
            if len(calls) == number:
                raise KeyboardInterrupt
            return False

        first, second = (
            anygen.engine.admit(prepare(anygen.model, asked), cancelled)
            for asked, cancelled in ((one, interrupt), (other, lambda: False))
        )
        with pytest.raises(KeyboardInterrupt):
            anygen.engine.run_until(lambda first=first: first.finished)
        anygen.engine.release(first)
        assert texts(collect(anygen.engine.events(second))) == alone
        anygen.engine.release(second)
        assert not anygen.engine.slots
