"""/v1/batches: each line has the answer or the error that its endpoint gives to its body."""

import json
import time

import pytest
from openai import RateLimitError

from anygen import AnyGen
from anygen.batch.answering import BatchSettings
from anygen.batch.runner import generate_file
from anygen.generation.engine import MAX_SLOTS
from anygen.serve.api import batches
from support.served import IMAGE, STEPS, failing, item_content

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


HELLO = {"role": "user", "content": "hello"}
# Of replies, what is new each time, or depends on what was asked before.
FLEETING = ("id", "created", "created_at", "completed_at", "expires_at", "cached_tokens")


def line(name, url, body):
    return {"custom_id": name, "method": "POST", "url": url, "body": body}


def lasting(value):
    if isinstance(value, dict):
        return {key: lasting(each) for key, each in value.items() if key not in FLEETING}
    return [lasting(each) for each in value] if isinstance(value, list) else value


def shown(url):
    return {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": url}]}]}


def chat(**fields):
    return {"messages": [HELLO], "seed": 3, "max_tokens": 2, **fields}


def response(**fields):
    own = {"anygen": {"seed": 3}, "max_output_tokens": 2}
    return {"input": "hello", **own, **fields}


def image(**fields):
    return {"prompt": "a red ball", "seed": 3, "steps": 2, **fields}


DRAWING = {"tools": [{"type": "image_generation", "output_format": "jpeg"}]}
DRAWN = {
    "tool_choice": {"type": "image_generation"},
    "anygen": {"seed": 3, "modalities": ["image"], "media": {"image": STEPS}},
}
BODIES = {
    CHAT: [
        chat(),
        chat(n=2, model="tiny"),
        chat(frequency_penalty=0, presence_penalty=0.0, logprobs=False, tools=[], logit_bias={}),
        chat(messages=[{"role": "developer", "content": "Be brief."}, HELLO], user="me"),
        chat(model="zzz"),
        chat(frequency_penalty=0.5),
        chat(n=11),
        chat(stop=5),
        chat(smell=1),
        chat(anygen={"smell": 1}),
        chat(anygen=None),
        chat(messages=[]),
        {},
        5,
    ],
    RESPONSES: [
        response(),
        response(**DRAWING, **DRAWN),
        response(**DRAWN, metadata={"a": "b"}, truncation="disabled", stream=False),
        response(input=[{"type": "message", "role": "user", "content": "hello"}]),
        response(model="zzz"),
        response(seed=3),
        response(tools=[{"type": "function"}]),
        response(previous_response_id="resp_0"),
        response(**shown("/etc/passwd")),
        response(**shown("data:image/png;base64,AAAA")),
        response(**shown("http://169.254.169.254/latest")),
        response(temperature=-1),
        response(stream="false"),
        response(stream=0),
        response(stream="maybe"),
    ],
    IMAGES: [
        image(),
        image(n=2, output_format="jpeg", response_format="url"),
        image(n=6, anygen={"deliver": "url"}),
        image(negative_prompt="x", guidance=1.5, quality="standard"),
        image(output_format="gif"),
        image(quality="hd"),
        image(size="\N{SUPERSCRIPT TWO}x\N{SUPERSCRIPT TWO}"),
        image(size="7x7"),
        image(model="dall-e-3"),
        image(steps=0),
        image(prompt=None),
    ],
}


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
        line("a", RESPONSES, {"model": "tiny", "input": "draw a cat", "anygen": OPTIONS}),
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


@pytest.mark.parametrize("endpoint", BODIES)
def test_a_line_has_the_reply_of_its_endpoint_to_the_same_body(client, served, endpoint):
    lines = [line(f"{n}", endpoint, body) for n, body in enumerate(BODIES[endpoint])]
    batch = ended(client, begin(client, *lines, endpoint=endpoint))
    assert batch.status == "completed"
    replies = {}
    for file_id in (batch.output_file_id, batch.error_file_id):
        replies |= read(client, file_id)
    good = 0
    for number, body in enumerate(BODIES[endpoint]):
        reply, found = served.http.post(endpoint, json=body), replies[f"{number}"]
        expected = reply.status_code, lasting(reply.json())
        assert (found["status_code"], lasting(found["body"])) == expected, body
        good += reply.status_code == 200
    counts = batch.request_counts
    assert (counts.completed, counts.failed) == (good, len(lines) - good)
    assert 2 < good < len(lines)
    tokens = sum(total_tokens(reply["body"]) for reply in replies.values())
    assert batch.usage.total_tokens == tokens > 0


def total_tokens(body):
    return (body.get("usage") or {}).get("total_tokens", 0)


def test_a_line_can_continue_a_response_and_be_continued(client):
    first = client.responses.create(model="tiny", input="hello", max_output_tokens=2, store=True)
    body = response(previous_response_id=first.id, store=True)
    batch = ended(client, begin(client, line("a", RESPONSES, body)))
    second = read(client, batch.output_file_id)["a"]["body"]
    assert second["previous_response_id"] == first.id
    assert client.responses.retrieve(second["id"]).to_dict() == second


@pytest.mark.parametrize("stream", [True, "yes", 1])
def test_a_line_is_answered_as_a_whole(client, stream):
    batch = ended(client, begin(client, line("a", RESPONSES, response(stream=stream))))
    reply = read(client, batch.error_file_id)["a"]
    error = reply["body"]["error"]
    assert (reply["status_code"], error["code"]) == (400, "unsupported_value")
    assert error["param"] == "stream"


def test_an_answer_that_fails_is_an_error_of_its_line_alone(client, model, monkeypatch):
    lines = [line("a", IMAGES, image()), line("b", IMAGES, image(n=11))]
    with failing(model, monkeypatch):
        batch = ended(client, begin(client, *lines, endpoint=IMAGES))
    errors = read(client, batch.error_file_id)
    assert [reply["status_code"] for reply in errors.values()] == [500, 400]
    assert errors["a"]["body"]["error"]["message"] == "the paint is dry"


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


def test_batches_beyond_those_that_may_be_open_are_refused(client, hanging, monkeypatch):
    monkeypatch.setattr(batches, "MAX_OPEN", 2)
    opened = [begin(client, *drawings(1)) for _ in range(2)]
    with pytest.raises(RateLimitError, match="2 batches are being answered or wait"):
        begin(client, *drawings(1))
    for batch in opened:
        client.batches.cancel(batch.id)
    assert {ended(client, batch).status for batch in opened} == {"cancelled"}
    batch = client.batches.cancel(begin(client, *drawings(1)).id)
    assert ended(client, batch).status == "cancelled"


@pytest.mark.parametrize("is_one_line", [False, True])
def test_clients_find_room_beside_a_batch(client, served, hanging, is_one_line):
    begun, _ = hanging
    if is_one_line:
        batch = begin(client, line("a", IMAGES, image(n=10)), endpoint=IMAGES)
    else:
        batch = begin(client, *drawings(20))
    assert begun.acquire(timeout=300)
    assert served.service.load <= MAX_SLOTS // 2
    assert sum(len(place.jobs) for place in served.service.places) <= MAX_SLOTS // 2
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


def test_half_a_surrogate_pair_in_metadata_is_replaced(client, served):
    file = upload(client, line("a", RESPONSES, {"input": "x"}))
    fields = f'"input_file_id": "{file.id}", "endpoint": "{RESPONSES}", "completion_window": "24h"'
    body = f'{{{fields}, "metadata": {{"\\ud800": "\\udfff"}}}}'
    reply = served.http.post(
        "/v1/batches", content=body, headers={"Content-Type": "application/json"}
    )
    assert (reply.status_code, reply.json()["metadata"]) == (200, {"\ufffd": "\ufffd"})
    batch = ended(client, client.batches.retrieve(reply.json()["id"]))
    assert client.batches.list().data[0] == batch


def test_a_batch_that_is_not_there_is_not_found(served):
    for method, path in (("GET", "batch_0"), ("POST", "batch_0/cancel")):
        reply = served.http.request(method, f"/v1/batches/{path}")
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "batch_not_found")
