"""A language model behind an endpoint writes, and its failures are waited out or named."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mosit_data.build.endpoint import EndpointWriter
from mosit_data.build.jobs import plan
from mosit_data.build.pipeline import build
from mosit_data.build.writers import GrammarWriter

TOPICS = ["a walk"]


@pytest.fixture
def endpoint():
    """A server that answers as `server.replies` says, a status or a text; then as the grammar."""
    written = {job.seed % 2**31: GrammarWriter().write(job) for job in plan(TOPICS, 20, 0)}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.requests.append((self.path, body, self.headers))
            reply = server.replies.pop(0) if server.replies else written[body["seed"]]
            self.send_response(reply if isinstance(reply, int) else 200)
            self.send_header("Retry-After", "7")
            self.end_headers()
            if isinstance(reply, str):
                answer = {"choices": [{"message": {"content": reply}}]}
                self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.replies, server.requests = [], []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def writer_of(server, waits):
    return EndpointWriter(f"http://127.0.0.1:{server.server_port}/v1", "m", wait=waits.append)


def test_dialogues_of_an_endpoint_are_those_of_its_answers(endpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("ANYGEN_API_KEY", "secret")
    waits = []
    build(TOPICS, 20, 0, writer_of(endpoint, waits), tmp_path / "llm")
    build(TOPICS, 20, 0, GrammarWriter(), tmp_path / "grammar")
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


def test_a_busy_endpoint_is_asked_again_after_the_time_that_it_names(endpoint, tmp_path):
    endpoint.replies, waits = [429, 503], []
    [job] = plan(TOPICS, 1, 0)
    assert writer_of(endpoint, waits).write(job) == GrammarWriter().write(job)
    assert waits == [7, 7]


def test_an_endpoint_that_takes_no_schema_is_asked_without(endpoint):
    endpoint.replies = [400]
    writer, jobs = writer_of(endpoint, []), [*plan(TOPICS, 2, 0)]
    assert [*map(writer.write, jobs)] == [*map(GrammarWriter().write, jobs)]
    assert ["response_format" in body for _, body, _ in endpoint.requests] == [True, False, False]


@pytest.mark.parametrize(("status", "requests"), [(401, 1), (500, 6)])
def test_an_endpoint_that_refuses_is_named(endpoint, status, requests):
    endpoint.replies = [status] * 6
    [job] = plan(TOPICS, 1, 0)
    with pytest.raises(ValueError, match=rf"127\.0\.0\.1:\d+/v1: HTTP {status} "):
        writer_of(endpoint, []).write(job)
    assert len(endpoint.requests) == requests


def test_answers_before_a_failure_are_kept(endpoint, tmp_path):
    writer = writer_of(endpoint, [])
    writer.parallel = 1
    first = [GrammarWriter().write(job) for job in plan(TOPICS, 3, 0)]
    endpoint.replies = [*first, 401]
    with pytest.raises(ValueError, match="HTTP 401"):
        build(TOPICS, 20, 0, writer, tmp_path)
    assert len((tmp_path / "raw.jsonl").read_text().splitlines()) == 3
    endpoint.requests.clear()
    build(TOPICS, 20, 0, writer, tmp_path)
    assert len(endpoint.requests) == 17


def test_nobody_there_is_one_sentence(endpoint):
    waits = []
    [job] = plan(TOPICS, 1, 0)
    writer = EndpointWriter("http://127.0.0.1:9/v1", "m", wait=waits.append)
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:9/v1: .*; what is written so far is kept"):
        writer.write(job)
    assert len(waits) == 6
    assert all(2**tries / 2 <= wait <= 2**tries for tries, wait in enumerate(waits, start=1))


def test_the_address_of_a_file_is_no_endpoint():
    with pytest.raises(ValueError, match="begins with http"):
        EndpointWriter("file:///etc", "m")
