"""A connection is closed that sends no request, and a request is told that the server ends."""

import asyncio
import json

import pytest
import uvicorn
from uvicorn.server import ServerState

from anygen.generation.events import Done
from anygen.serve import app
from anygen.serve.api.one_medium import MediumResult
from anygen.serve.app import AppServer, Connection, ended_in_order
from anygen.serve.errors import ApiError

HEADER = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Transport(asyncio.Transport):
    closed = False

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed

    def write(self, data):
        pass


async def reply(scope, receive, send):
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def connected():
    """Runs a test in an event loop with a new connection and its transport."""

    def run(test):
        async def connect():
            connection = Connection(uvicorn.Config(reply), ServerState(), {})
            connection.connection_made(Transport())
            await test(connection)

        asyncio.run(connect())

    return run


@pytest.mark.parametrize("sent", [[], [HEADER[:9]], [HEADER, HEADER[:9]]])
def test_a_connection_that_sends_no_whole_header_is_closed(connected, monkeypatch, sent):
    async def test(connection):
        for data in sent[:-1]:
            connection.data_received(data)
            await asyncio.gather(*connection.tasks)
        monkeypatch.setattr(app, "HEADER_SECONDS", 0.0)
        connection.unwatch()
        connection.data_received(sent[-1]) if sent else connection.watch()
        assert not connection.transport.closed
        while not connection.transport.closed:
            await asyncio.sleep(0)

    connected(test)


def test_what_trickles_in_gets_no_more_time(connected):
    async def test(connection):
        first = connection.deadline
        for byte in HEADER[:9]:
            connection.data_received(bytes([byte]))
        assert connection.deadline is first
        assert not first.cancelled()

    connected(test)


def test_a_whole_header_has_no_deadline_any_more_and_neither_has_the_time_after_a_reply(connected):
    async def test(connection):
        first = connection.deadline
        connection.data_received(HEADER[:9])
        connection.data_received(HEADER[9:])
        assert first.cancelled()
        await asyncio.gather(*connection.tasks)
        assert connection.deadline is None
        assert connection.timeout_keep_alive_task

    connected(test)


def test_what_follows_an_early_reply_has_a_deadline(connected):
    """A body that was refused, of which a client goes on to send a byte now and then."""

    async def test(connection):
        connection.data_received(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n")
        assert connection.deadline is None
        await asyncio.gather(*connection.tasks)
        connection.data_received(b"x")
        first = connection.deadline
        connection.data_received(b"x")
        assert connection.deadline is first
        assert not first.cancelled()

    connected(test)


def test_a_connection_that_is_lost_has_no_deadline(connected):
    async def test(connection):
        first = connection.deadline
        connection.connection_lost(None)
        assert first.cancelled()

    connected(test)


async def cancelled_messages(answer):
    """What is sent for a request that is cancelled."""
    sent = []

    async def send(message):
        sent.append(message)

    request = asyncio.ensure_future(ended_in_order(answer)({"type": "http"}, None, send))
    await asyncio.sleep(0)
    request.cancel()
    await request
    return sent


def test_a_request_that_is_open_when_the_server_ends_is_told_so():
    async def answer(scope, receive, send):
        await asyncio.Event().wait()

    start, body = asyncio.run(cancelled_messages(answer))
    assert start["status"] == 503
    assert json.loads(body["body"])["error"]["code"] == "draining"


def test_nothing_follows_a_reply_that_has_begun():
    async def answer(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.Event().wait()

    [start] = asyncio.run(cancelled_messages(answer))
    assert start["status"] == 200


def test_a_server_waits_until_ended_requests_have_said_so(monkeypatch):
    """The signal that ended the server ends its process right after."""

    async def ended(self, sockets=None):
        pass

    async def several_turns():
        for _ in range(5):
            await asyncio.sleep(0)

    async def shut_down():
        server = AppServer(reply)
        request = asyncio.ensure_future(several_turns())
        server.server_state.tasks.add(request)
        await server.shutdown()
        assert request.done()

    monkeypatch.setattr(uvicorn.Server, "shutdown", ended)
    asyncio.run(shut_down())


def test_a_medium_that_the_end_of_the_server_cuts_off_may_be_asked_for_again():
    result = MediumResult()
    result.add(Done("cancelled", 0, 0, 0))
    with pytest.raises(ApiError) as error:
        result.medium_and_end()
    assert (error.value.status_code, error.value.code) == (503, "draining")
