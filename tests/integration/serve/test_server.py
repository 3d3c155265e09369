"""What stands before every endpoint: who may call, from where, and how errors look."""

import json
import socket

import pytest

from anygen import __version__
from anygen.serve import guard
from anygen.serve.settings import ServeSettings, read_keys
from support.served import serving


def error_of(reply):
    """The error of a reply, which has all fields and nothing else."""
    assert reply.headers["x-request-id"].startswith("req_")
    assert reply.headers["content-type"] == "application/json"
    body = reply.json()
    assert list(body) == ["error"]
    assert list(body["error"]) == ["message", "type", "param", "code"]
    return body["error"]


def test_the_server_says_that_it_works_and_what_it_runs(served):
    assert served.http.get("/health").json() == {"status": "ok"}
    assert served.http.get("/ready").json() == {"status": "ready"}
    assert served.http.get("/version").json() == {"version": __version__}
    [model] = served.openai.models.list().data
    assert model.id == served.service.name
    assert model.anygen["modalities_out"] == ["text", "image", "audio", "video"]
    assert served.openai.models.retrieve(model.id) == model


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "unknown_path"),
        ("GET", "/docs", 404, "unknown_path"),
        ("POST", "/health", 405, "method_not_allowed"),
        ("GET", "/v1/models/gpt-5", 404, "model_not_found"),
        ("GET", f"/v1/media/{'0' * 64}", 404, "media_not_found"),
    ],
)
def test_what_is_not_there_is_one_kind_of_error(served, method, path, status, code):
    reply = served.http.request(method, path)
    assert reply.status_code == status
    assert error_of(reply)["code"] == code


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::1", "10.0.0.1"])
def test_a_name_that_is_not_the_servers_is_refused(served, host):
    reply = served.http.get("/v1/models", headers={"Host": host})
    assert reply.status_code == 403
    assert error_of(reply)["code"] == "unknown_host"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:80"])
def test_names_of_this_machine_are_answered(served, host):
    assert served.http.get("/v1/models", headers={"Host": host}).status_code == 200


def test_a_page_of_another_host_cannot_post(served):
    other = served.url.replace("127.0.0.1", "localhost")
    for origin in ("https://evil.example", "http://[", "null", other):
        reply = served.http.post("/v1/responses", headers={"Origin": origin}, json={})
        assert reply.status_code == 403
        assert error_of(reply)["code"] == "foreign_origin"
    assert served.http.post("/health", headers={"Origin": served.url}).status_code == 405


def test_a_large_body_is_refused_before_it_is_read(served):
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=300) as connection:
        head = f"POST /v1/responses HTTP/1.1\r\nHost: {host}\r\nContent-Length: {2**40}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(2**16).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_does_not_say_its_length_is_limited_too(served):
    reply = served.http.post("/v1/responses", content=(b" " * 2**16 for _ in range(17)))
    assert reply.status_code == 413
    assert error_of(reply)["code"] == "body_too_large"


def test_json_of_too_many_values_is_refused_before_it_is_parsed(served, monkeypatch):
    monkeypatch.setattr(guard, "MAX_COMMAS", 5)
    metadata = {str(number): "" for number in range(7)}
    reply = served.http.post("/v1/responses", json={"input": "hi", "metadata": metadata})
    assert reply.status_code == 413
    error = error_of(reply)
    assert error["code"] == "body_too_large"
    assert error["message"] == "the body has more than 5 commas; send less at once"


def test_a_file_may_have_any_number_of_commas(served, monkeypatch):
    monkeypatch.setattr(guard, "MAX_COMMAS", 5)
    file = served.openai.files.create(
        file=("a.jsonl", b'{"a": "%s"}' % (b"," * 9)), purpose="batch"
    )
    assert file.bytes == 18


def test_without_a_key_nothing_but_health_is_answered(model):
    with serving(model, keys=("one", "two")) as locked:
        assert locked.http.get("/health").status_code == 200
        for path in ("/v1/models", "/ready", "/version", "/openapi.json", "/nothing"):
            for header in ({}, {"Authorization": "Bearer three"}, {"Authorization": "Basic one"}):
                reply = locked.http.get(path, headers=header)
                assert reply.status_code == 401
                assert error_of(reply)["code"] == "invalid_api_key"
        for key in ("one", "two"):
            reply = locked.http.get("/v1/models", headers={"Authorization": f"Bearer {key}"})
            assert reply.status_code == 200


def test_other_machines_need_a_key(tmp_path, monkeypatch):
    for host in ("0.0.0.0", "::", "192.168.1.2", "example.org"):
        with pytest.raises(ValueError, match=f"host: {host} can be reached from other machines"):
            ServeSettings(host=host).checked()
    assert ServeSettings(host="0.0.0.0", keys=("one",)).checked()
    for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"):
        assert ServeSettings(host=host).checked()


def test_keys_come_from_a_file_or_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("ANYGEN_API_KEYS", "one, two,")
    assert read_keys(None) == ("one", "two")
    path = tmp_path / "keys"
    path.write_text("three\n\n four \n")
    assert read_keys(path) == ("three", "four")
    path.write_text("\n")
    with pytest.raises(ValueError, match="holds no key"):
        read_keys(path)


def test_the_schema_of_the_api_is_json(served):
    schema = json.loads(served.http.get("/openapi.json").content)
    assert "/v1/models" in schema["paths"]
