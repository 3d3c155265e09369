"""How many requests are taken at a time, and how a server ends."""

import asyncio
import signal
import threading
import time

import pytest

from anygen import Message
from anygen.generation.engine import MAX_SLOTS
from anygen.serve import service
from anygen.serve.settings import ServeSettings
from anygen.serve.wire import EventStream
from support.served import IMAGE, serving

BODY = {"input": "draw", "anygen": IMAGE}
TEXT = {"input": "hi", "max_output_tokens": 2, "anygen": {"modalities": ["text"]}}


@pytest.fixture
def small(model):
    with serving(model, queue=1, drain=0.1) as found:
        yield found


def test_what_is_too_much_is_refused_until_there_is_room(small, hanging):
    begun, _ = hanging
    connections = [small.send("/v1/responses", BODY) for _ in range(MAX_SLOTS + 1)]
    assert begun.acquire(timeout=300)
    while len(small.service.places) <= MAX_SLOTS:
        time.sleep(0.01)
    reply = small.http.post("/v1/responses", json=TEXT)
    assert reply.status_code == 429
    assert reply.json()["error"]["code"] == "queue_full"
    assert 1 <= int(reply.headers["retry-after"]) <= 120
    for connection in connections:  # also the one that waits for a slot
        connection.close()
    assert small.is_idle()
    assert small.http.post("/v1/responses", json=TEXT).status_code == 200


def test_a_served_model_answers_a_thread_while_clients_wait_for_their_media(small, hanging):
    begun, _ = hanging
    with small.send("/v1/responses", BODY):
        assert begun.acquire(timeout=300)
        options = {"modalities": ["text"], "max_new_tokens": 2}
        [words] = small.service.model.generate([Message("user", ("hi",))], **options).parts
        assert words
        assert small.service.places
    assert small.is_idle()


def test_a_server_that_ends_takes_nothing_more_and_ends_what_is_open(small, hanging):
    begun, ended = hanging
    with small.send("/v1/responses", BODY) as connection:
        assert begun.acquire(timeout=300)
        small.http.get("/ready").raise_for_status()
        small.service.drain()
        for path in ("/ready", "/v1/models"):
            assert small.http.get(path).status_code == {"/ready": 503}.get(path, 200)
        refused = small.http.post("/v1/responses", json=TEXT)
        assert refused.status_code == 503
        assert refused.headers["retry-after"]
        assert ended.acquire(timeout=300)  # after `drain` seconds
        assert b'"status":"cancelled"' in connection.makefile("rb").read()


def test_a_signal_drains_the_server(small):
    small.server.handle_exit(signal.SIGTERM, None)
    assert small.service.is_draining
    assert small.server.should_exit


def test_several_images_of_a_request_take_as_many_places(small, hanging):
    begun, _ = hanging
    body = {"prompt": "a ball", "n": MAX_SLOTS}
    with small.send("/v1/images/generations", body):
        assert begun.acquire(timeout=300)
        assert small.service.load == MAX_SLOTS
        refused = small.http.post("/v1/images/generations", json={"prompt": "a cat", "n": 2})
        assert refused.status_code == 429
    assert small.is_idle()


def test_an_idle_server_takes_more_images_at_once_than_may_wait(small):
    body = {"prompt": "a ball", "n": MAX_SLOTS + 2, "steps": 1}
    reply = small.http.post("/v1/images/generations", json=body)
    assert len(reply.json()["data"]) == MAX_SLOTS + 2


def test_a_client_that_stops_to_read_loses_its_place_and_makes_no_error(model):
    async def forever(*_):
        await asyncio.Event().wait()

    async def frames():
        yield b"data: 1\n\n"

    async def answer(service):
        stream = EventStream(frames(), service.admit())
        await stream({"type": "http"}, forever, forever)

    with serving(model, write_seconds=0.01) as impatient:
        asyncio.run(answer(impatient.service))
        assert not impatient.service.places


@pytest.fixture
def occupied(small):
    """A server that prepares no request until this is set."""
    event = threading.Event()
    small.service.preparing.submit(event.wait)
    yield event
    event.set()


def test_a_request_whose_client_goes_before_its_turn_is_not_prepared(small, occupied, monkeypatch):
    prepared = []
    monkeypatch.setattr(service, "prepare", lambda *_: prepared.append(1))
    for path, body in (("/v1/responses", TEXT), ("/v1/images/generations", {"prompt": "a ball"})):
        with small.send(path, body):
            while not small.service.places:
                time.sleep(0.01)
        assert small.is_idle()
    occupied.set()
    small.service.preparing.submit(int).result(300)  # what came before it is done, if it was to be
    assert not prepared


def test_a_request_that_is_still_prepared_when_the_server_ends_is_answered_with_nothing(
    small, occupied
):
    with small.send("/v1/responses", {"input": "hi", "max_output_tokens": 1000}) as connection:
        while not small.service.places:
            time.sleep(0.01)
        [place] = small.service.places
        small.service.drain()
        while not place.is_cancelled:
            time.sleep(0.01)
        occupied.set()
        assert b'"status":"cancelled"' in connection.makefile("rb").read()


def test_a_server_ends_without_waiting_for_what_it_prepares(model):
    ending, event = service.Service(model, ServeSettings()), threading.Event()
    begun = ending.preparing.submit(event.wait, 60)
    waiting = ending.preparing.submit(int)
    ending.close()
    assert not begun.done()
    assert waiting.cancelled()
    event.set()


def test_a_request_for_several_answers_is_prepared_once(small, monkeypatch):
    prepared, prepare = [], service.prepare

    def noted(network, request):
        prepared.append(request.seed)
        return prepare(network, request)

    monkeypatch.setattr(service, "prepare", noted)
    body = {"messages": [{"role": "user", "content": "hi"}], "n": 3, "max_tokens": 1}
    reply = small.http.post("/v1/chat/completions", json=body)
    assert len(reply.json()["choices"]) == 3
    assert len(prepared) == 1
