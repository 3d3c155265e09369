"""A connection is closed that sends no request, and a request is told that the server ends."""

import asyncio
import json

import pytest
import uvicorn
from uvicorn.server import ServerState

from anygen.serve import app
from anygen.serve.app import Connection, ended_in_order

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
