"""A language model behind an endpoint writes, and its failures are waited out or named."""

import json
from socket import gaierror
from urllib.error import URLError

import pytest

from anygen.io import chat_endpoint
from mosit_data.build.dialogues import RefusalError
from mosit_data.build.endpoint import EndpointWriter
from mosit_data.build.pipeline import Order, build
from mosit_data.build.presets.base import Source
from mosit_data.build.presets.mosit import MOSIT
from mosit_data.build.topics import plan_topics
from mosit_data.build.writers import GrammarWriter, Request

[STEP] = next(iter(MOSIT.kinds)).steps


def requests_of(count: int) -> list[Request]:
    jobs = plan_topics("mosit", MOSIT, Source(["a walk"]), count, 0)
    return [Request(job, STEP, 0) for job in jobs]


def order(out, writer) -> Order:
    return Order("mosit", Source(["a walk"]), 20, writer, out)


@pytest.fixture
def endpoint(serve):
    """A server that answers as `server.replies` says, a status or a text; then as the grammar."""
    written = {one.seed: GrammarWriter().write(one) for one in requests_of(20)}
    replies = []
    server = serve(lambda body: replies.pop(0) if replies else written[body["seed"]])
    server.replies = replies
    return server


def raises(error):
    def urlopen(*_, **__):
        raise error

    return urlopen


def writer_of(server, waits):
    return EndpointWriter(f"http://127.0.0.1:{server.server_port}/v1", "m", wait=waits.append)


def test_dialogues_of_an_endpoint_are_those_of_its_answers(endpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("ANYGEN_API_KEY", "secret")
    waits = []
    build(order(tmp_path / "llm", writer_of(endpoint, waits)))
    build(order(tmp_path / "grammar", GrammarWriter()))
    texts = [
        [json.loads(line)["text"] for line in (folder / "raw.jsonl").read_text().splitlines()]
        for folder in (tmp_path / "llm", tmp_path / "grammar")
    ]
    assert texts[0] == texts[1]
    assert waits == []
    path, body, headers = endpoint.requests[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer secret"
    assert "Topic: a walk" in body["messages"][1]["content"]
    assert body["response_format"]["type"] == "json_schema"
    assert all(b"secret" not in path.read_bytes() for path in (tmp_path / "llm").iterdir())


def test_a_busy_endpoint_is_asked_again_after_the_time_that_it_names(endpoint, caplog):
    waits = []
    endpoint.replies += [429, 503]
    [request] = requests_of(1)
    writer = writer_of(endpoint, waits)
    assert writer.write(request) == GrammarWriter().write(request)
    assert waits == [7, 7]
    assert [line.partition(": HTTP ")[0::2] for line in caplog.messages] == [
        (writer.url, f"{status}; asking again in 7 s")
        for status in ("429 Too Many Requests", "503 Service Unavailable")
    ]


def test_an_endpoint_that_takes_no_schema_is_asked_without(endpoint):
    endpoint.replies += [400]
    writer, jobs = writer_of(endpoint, []), requests_of(2)
    assert [*map(writer.write, jobs)] == [*map(GrammarWriter().write, jobs)]
    assert ["response_format" in body for _, body, _ in endpoint.requests] == [True, False, False]


@pytest.mark.parametrize(("status", "requests"), [(401, 1), (500, 6)])
def test_an_endpoint_that_refuses_is_named_after_its_last_answer(endpoint, status, requests):
    waits = []
    endpoint.replies += [status] * 6
    [request] = requests_of(1)
    with pytest.raises(ValueError, match=rf"127\.0\.0\.1:\d+/v1: HTTP {status} "):
        writer_of(endpoint, waits).write(request)
    assert (len(endpoint.requests), len(waits)) == (requests, requests - 1)


def test_answers_before_a_failure_are_kept(endpoint, tmp_path):
    writer = writer_of(endpoint, [])
    writer.parallel = 1
    first = [GrammarWriter().write(request) for request in requests_of(3)]
    endpoint.replies += [*first, 401]
    with pytest.raises(ValueError, match="HTTP 401"):
        build(order(tmp_path, writer))
    assert len((tmp_path / "raw.jsonl").read_text().splitlines()) == 3
    endpoint.requests.clear()
    build(order(tmp_path, writer))
    assert len(endpoint.requests) == 17


@pytest.mark.parametrize("reason", [ConnectionRefusedError("refused"), gaierror("no such host")])
def test_an_address_at_which_nobody_answers_is_wrong_at_once(monkeypatch, reason):
    monkeypatch.setattr(chat_endpoint, "urlopen", raises(URLError(reason)))
    waits = []
    [request] = requests_of(1)
    writer = EndpointWriter("http://localhost:1/v1", "m", wait=waits.append)
    with pytest.raises(ValueError, match=f"^http://localhost:1/v1: nobody answers there: {reason}"):
        writer.write(request)
    assert waits == []


def test_an_endpoint_that_has_answered_is_waited_for(endpoint, monkeypatch):
    waits = []
    [request] = requests_of(1)
    writer = writer_of(endpoint, waits)
    writer.write(request)
    monkeypatch.setattr(chat_endpoint, "urlopen", raises(URLError(ConnectionRefusedError("gone"))))
    with pytest.raises(ValueError, match=r"/v1: gone; what is written so far is kept"):
        writer.write(request)
    assert len(waits) == 5
    assert all(2**tries / 2 <= wait <= 2**tries for tries, wait in enumerate(waits, start=1))


def test_the_address_of_a_file_is_no_endpoint():
    with pytest.raises(ValueError, match="begins with http"):
        EndpointWriter("file:///etc", "m")


def test_an_answer_that_is_cut_off_is_refused(endpoint):
    endpoint.finish_reason = "length"
    [request] = requests_of(1)
    with pytest.raises(RefusalError) as refusal:
        writer_of(endpoint, []).write(request)
    assert refusal.value.reason == "cut_off"


def test_requests_keep_the_rate_whatever_asks(endpoint):
    clock = [100.0]
    waits = []

    def wait(seconds):
        waits.append(seconds)
        clock[0] += seconds

    url = f"http://127.0.0.1:{endpoint.server_port}/v1"
    writer = EndpointWriter(url, "m", rate=30, wait=wait, now=lambda: clock[0])
    for request in requests_of(3):
        writer.write(request)
    assert waits == [2, 2]
