"""/v1/batches: what `anygen generate` makes of the same file, in the form of each endpoint."""

import json
import time
from base64 import b64decode

import pytest
from openai.types.chat import ChatCompletion

from anygen import AnyGen
from anygen.batch.answering import BatchSettings
from anygen.batch.runner import generate_file
from anygen.generation.engine import MAX_SLOTS
from support.served import IMAGE, STEPS, item_content

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
IMAGES = "/v1/images/generations"
OPTIONS = {
    "begin": "image",
    "exactly": {"image": 1, "audio": 1},
    "max_new_tokens": 3,
    "media": {"image": STEPS, "audio": STEPS},
}


@pytest.fixture(scope="module")
def client(served):
    return served.openai


def line(name, url, body):
    return {"custom_id": name, "method": "POST", "url": url, "body": {"model": "tiny", **body}}


def upload(client, *lines):
    data = "".join(f"{json.dumps(each)}\n" for each in lines).encode()
    return client.files.create(file=("lines.jsonl", data), purpose="batch")


def begin(client, *lines, endpoint=RESPONSES):
    file = upload(client, *lines)
    return client.batches.create(
        input_file_id=file.id, endpoint=endpoint, completion_window="24h", metadata={"a": "b"}
    )


def drawings(number):
    return [line(f"{n}", RESPONSES, {"input": "draw", "anygen": IMAGE}) for n in range(number)]


def ended(client, batch, seconds=300):
    end = time.monotonic() + seconds
    while batch.status in ("validating", "in_progress", "finalizing", "cancelling"):
        assert time.monotonic() < end
        time.sleep(0.02)
        batch = client.batches.retrieve(batch.id)
    return batch


def read(client, file_id):
    lines = client.files.content(file_id).read().decode().splitlines()
    return {entry["custom_id"]: entry["response"] for entry in map(json.loads, lines)}


def test_the_output_has_the_bytes_of_generate_and_the_form_of_the_endpoint(client, model, tmp_path):
    rows = [
        line("a", RESPONSES, {"input": "draw a cat", "anygen": OPTIONS}),
        line("b", RESPONSES, {"input": "a bell", "anygen": {**OPTIONS, "seed": 5}}),
    ]
    batch = ended(client, begin(client, *rows))
    assert (batch.status, batch.errors, batch.error_file_id) == ("completed", None, None)
    assert batch.request_counts.to_dict() == {"total": 2, "completed": 2, "failed": 0}
    assert batch.usage.total_tokens == batch.usage.input_tokens + batch.usage.output_tokens > 0
    assert batch.metadata == {"a": "b"}
    assert batch.created_at <= batch.in_progress_at <= batch.completed_at
    (tmp_path / "lines.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    settings = BatchSettings(tmp_path / "out", metadata=False)
    other = AnyGen(model.model)
    output = read(client, batch.output_file_id)
    assert list(output) == ["a", "b"]
    for record in generate_file(lambda: other, tmp_path / "lines.jsonl", settings):
        body = output[record["id"]]["body"]
        assert body["anygen"]["seed"] == record["seed"]
        assert [item_content(item) for item in body["output"]] == [
            ("text", part["text"])
            if "text" in part
            else (part["type"], (tmp_path / "out" / part["path"]).read_bytes())
            for part in record["content"]
        ]
    assert output["a"]["body"]["object"] == "response"
    assert client.batches.list().data[0] == batch


def test_lines_of_chats_and_images_are_answered_as_their_endpoints_do(client):
    question = {"messages": [{"role": "user", "content": "draw a dog"}]}
    rows = [line("x", CHAT, {**question, "anygen": OPTIONS})]
    batch = ended(client, begin(client, *rows, endpoint=CHAT))
    body = read(client, batch.output_file_id)["x"]["body"]
    message = ChatCompletion.model_validate(body).choices[0].message
    kinds = [part["type"] for part in message.to_dict()["parts"]]
    assert {"image", "audio"} <= set(kinds)
    images = {"prompt": "a red ball", "n": 2, "anygen": {"media": {"image": STEPS}}}
    batch = ended(client, begin(client, line("y", IMAGES, images), endpoint=IMAGES))
    body = read(client, batch.output_file_id)["y"]["body"]
    assert [b64decode(image["b64_json"])[:4] for image in body["data"]] == [b"\x89PNG"] * 2


def test_a_line_that_cannot_be_answered_is_an_error_of_its_own(client, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"top secret")

    def shown(url):
        return {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": url}]}]}

    size = {"media": {"image": {"size": 7}}}
    rows = [
        line("unknown", RESPONSES, {"input": "x", "smell": 1}),
        line("path", RESPONSES, shown(str(secret))),
        line("file", RESPONSES, shown(secret.as_uri())),
        line("remote", RESPONSES, shown("http://169.254.169.254/latest")),
        line("size", RESPONSES, {"input": "draw", "anygen": {**IMAGE, **size}}),
        line("good", RESPONSES, {"input": "draw", "anygen": IMAGE}),
    ]
    batch = ended(client, begin(client, *rows))
    assert batch.status == "completed"
    assert batch.request_counts.to_dict() == {"total": 6, "completed": 1, "failed": 5}
    assert list(read(client, batch.output_file_id)) == ["good"]
    errors = read(client, batch.error_file_id)
    assert list(errors) == ["unknown", "path", "file", "remote", "size"]
    messages = {name: reply["body"]["error"]["message"] for name, reply in errors.items()}
    assert "smell" in messages["unknown"]
    assert "size" in messages["size"]
    for name in ("path", "file", "remote"):
        assert "neither downloaded nor read from paths" in messages[name]
    assert {reply["status_code"] for reply in errors.values()} == {400}


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        (b"\n", None, "no lines"),
        (b'{"custom_id": "a"}\n', 1, "custom_id, method, url and body"),
        (b"\n{\n", 2, "not JSON"),
        (b"\xff\n", 1, "not JSON"),
        (b'{"custom_id": "a", "method": "POST", "url": "/x", "body": {}}', 1, "the url /v1/resp"),
        (b'{"custom_id": 5, "method": "POST", "url": "/x", "body": {}}', 1, "a text that is not"),
        (b'{"custom_id": "a", "method": "GET", "url": "/v1/responses", "body": {}}', 1, "POST"),
        (
            b'{"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": {}}\n' * 2,
            2,
            "'a' is that of another line",
        ),
    ],
)
def test_a_file_of_other_lines_fails_as_a_whole(client, data, line, message):
    file = client.files.create(file=("lines.jsonl", data), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint=RESPONSES, completion_window="24h"
    )
    batch = ended(client, batch)
    assert batch.status == "failed"
    [error] = batch.errors.data
    assert error.line == line
    assert message in error.message


def test_a_batch_that_is_cancelled_ends_within_a_step(client, served, hanging):
    begun, ended_sampling = hanging
    batch = begin(client, *drawings(5))
    assert begun.acquire(timeout=300)
    assert client.batches.cancel(batch.id).status == "cancelling"
    batch = ended(client, batch)
    assert batch.status == "cancelled"
    assert ended_sampling.acquire(timeout=300)
    assert served.is_idle()
    assert client.batches.cancel(batch.id).status == "cancelled"


def test_clients_find_room_beside_a_batch(client, served, hanging):
    begun, _ = hanging
    batch = begin(client, *drawings(20))
    assert begun.acquire(timeout=300)
    assert served.service.load <= MAX_SLOTS // 2
    client.batches.cancel(batch.id)
    assert ended(client, batch).status == "cancelled"
    assert served.is_idle()


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"endpoint": "/v1/embeddings"}, 400, "unsupported_value"),
        ({"input_file_id": "file_0"}, 404, "file_not_found"),
        ({"completion_window": "1h"}, 400, "invalid_value"),
        ({"smell": 1}, 400, "unknown_parameter"),
    ],
    ids=str,
)
def test_a_batch_that_cannot_begin_is_refused(client, served, change, status, code):
    file = upload(client, line("a", RESPONSES, {"input": "x"}))
    body = {"input_file_id": file.id, "endpoint": RESPONSES, "completion_window": "24h", **change}
    reply = served.http.post("/v1/batches", json=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)


def test_a_batch_that_is_not_there_is_not_found(served):
    for method, path in (("GET", "batch_0"), ("POST", "batch_0/cancel")):
        reply = served.http.request(method, f"/v1/batches/{path}")
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "batch_not_found")
