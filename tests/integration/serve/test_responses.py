"""/v1/responses: ordered items, plain and streamed, the bytes of `anygen generate`."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.served import IMAGE, OPTIONS, SEED, failing, item_content


def ask(served, prompt="draw a cat", seed=SEED, **fields):
    body = {"input": prompt, "anygen": {**OPTIONS, "seed": seed}, **fields}
    return served.http.post("/v1/responses", json=body)


def contents(response):
    return [item_content(item) for item in response["output"]]


@pytest.fixture(scope="module")
def expected(generated):
    """The answer by `anygen generate`, which has all modalities, and text between media."""
    return generated("draw a cat", SEED, OPTIONS)


def order(parts):
    return [modality for modality, _ in parts]


def test_a_served_answer_has_the_bytes_of_generate(served, expected):
    response = ask(served).json()
    assert response["status"] == "completed"
    assert contents(response) == expected
    assert set(order(expected)) == {"text", "image", "audio", "video"}
    assert response["anygen"] == {"seed": SEED, "finish": "stop"}


def test_it_has_the_same_bytes_among_others(served):
    prompts = [f"a {colour} ball" for colour in ("red", "blue", "green")]
    alone = [contents(ask(served, prompt, seed).json()) for seed, prompt in enumerate(prompts)]
    with ThreadPoolExecutor(3) as pool:
        among = pool.map(lambda seed: ask(served, prompts[seed], seed).json(), range(3))
        assert list(map(contents, among)) == alone


# OpenAI's client takes a sound for a message of its own, and wonders at its fields.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_the_events_of_a_stream_are_those_of_openai_in_the_order_of_the_answer(served, expected):
    options = {**OPTIONS, "seed": SEED}
    with served.openai.responses.stream(
        model=served.service.name, input="draw a cat", extra_body={"anygen": options}
    ) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    assert events[-1].type == "response.completed"
    added = [event for event in events if event.type == "response.output_item.added"]
    assert [event.output_index for event in added] == list(range(len(expected)))
    closed = {e.output_index: e.item for e in events if e.type == "response.output_item.done"}
    assert {i: item.id for i, item in closed.items()} == {e.output_index: e.item.id for e in added}
    assert [item_content(closed[i].to_dict()) for i in range(len(expected))] == expected
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == final.output_text
    steps = {e.output_index for e in events if e.type == "anygen:media.progress"}
    assert steps == {index for index, kind in enumerate(order(expected)) if kind != "text"}
    assert contents(final.to_dict()) == expected


def test_media_that_are_finished_late_stand_where_they_were_requested(served, generated):
    options = {**OPTIONS, "feedback": "late"}
    body = {"input": "draw a cat", "anygen": {**options, "seed": SEED}}
    response = served.http.post("/v1/responses", json=body).json()
    assert contents(response) == generated("draw a cat", SEED, options)


def test_an_answer_that_comes_back_is_read_as_it_was_written(served):
    """Its image has the same pixels, so that the model has read all of it before."""
    client, name = served.openai, served.service.name
    question = {"role": "user", "content": "draw a dog"}
    options = {"anygen": {**IMAGE, "seed": 1, "feedback": "wait"}}
    first = client.responses.create(model=name, input=[question], extra_body=options)
    turns = [question, *first.output, {"role": "user", "content": "and now a cat"}]
    second = client.responses.create(model=name, input=turns, extra_body=options)
    assert second.status == "completed"
    cached = second.usage.input_tokens_details.cached_tokens
    assert cached > first.usage.input_tokens


def test_media_can_be_fetched_where_an_answer_says(served, expected):
    options = {**OPTIONS, "seed": SEED, "deliver": "url"}
    response = served.http.post("/v1/responses", json={"input": "draw a cat", "anygen": options})
    media = [item for item in response.json()["output"] if item["type"] != "message"]
    fetched = [served.http.get(item["url"]) for item in media]
    files = [(kind, content) for kind, content in expected if kind != "text"]
    assert [reply.content for reply in fetched] == [content for _, content in files]
    assert {reply.headers["x-content-type-options"] for reply in fetched} == {"nosniff"}
    types = {"image": "image/png", "audio": "audio/wav", "video": "video/mp4"}
    assert [reply.headers["content-type"] for reply in fetched] == [types[k] for k, _ in files]


def test_an_answer_of_text_has_nothing_that_is_not_openais(served):
    body = {"input": "hi", "max_output_tokens": 4, "anygen": {"modalities": ["text"]}}
    with served.http.stream("POST", "/v1/responses", json={**body, "stream": True}) as reply:
        text = reply.read().decode()
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert "anygen:" not in text
    assert text.endswith("data: [DONE]\n\n")
    assert "\r" not in text


def test_a_medium_that_fails_is_a_failed_item_and_the_answer_goes_on(served, model, monkeypatch):
    with failing(model, monkeypatch):
        response = ask(served).json()
    failed = [item for item in response["output"] if item["status"] == "failed"]
    assert [item["type"] for item in failed] == ["image_generation_call"] * 2
    assert "the paint is dry" in failed[0]["error"]["message"]
    others = [item for item in response["output"] if item not in failed]
    assert {"audio", "video"} <= set(order(map(item_content, others)))
    assert response["status"] == "completed"


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_ends_when_its_client_goes(served, hanging, stream):
    begun, ended = hanging
    body = {"input": "draw", "stream": stream, "anygen": IMAGE}
    with served.send("/v1/responses", body):
        assert begun.acquire(timeout=300)
    assert ended.acquire(timeout=300)
    assert served.is_idle()


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({}, "missing_parameter", "input"),
        ({"input": ""}, "invalid_value", "input"),
        ({"input": []}, "invalid_value", "input"),
        ({"input": "x", "frequency": 1}, "unknown_parameter", "frequency"),
        ({"input": "x", "extra_body": {}}, "unknown_parameter", "extra_body"),
        ({"input": "x", "model": "gpt-5"}, "model_not_found", "model"),
        ({"input": "x", "top_logprobs": 2}, "unsupported_value", "top_logprobs"),
        ({"input": "x", "background": True}, "unsupported_value", "background"),
        ({"input": "x", "max_output_tokens": 0}, "invalid_value", "max_output_tokens"),
        ({"input": "x", "temperature": 9}, "invalid_value", "temperature"),
        ({"input": "x", "top_p": 0.5}, "invalid_value", "top_p"),
        ({"input": "x", "tools": [{"type": "function"}]}, "unsupported_tool", "tools.0"),
        ({"input": "x", "tool_choice": "required"}, "unsupported_value", "tool_choice"),
        ({"input": "x", "anygen": {"smell": 1}}, "unknown_parameter", "anygen.smell"),
        ({"input": "x", "anygen": {"exactly": {"image": 99}}}, "invalid_value", "anygen.exactly"),
        ({"input": "x", "anygen": {"media": 5}}, "invalid_value", "anygen.media"),
        ({"input": "x", "anygen": {"seed": -1}}, "invalid_value", "anygen.seed"),
        ({"input": [{"role": "tool", "content": "x"}]}, "invalid_value", "input.0.role"),
        ({"input": [{"type": "reasoning"}]}, "unsupported_item", "input.0"),
        ({"input": [5]}, "invalid_value", "input.0"),
        ({"input": [{"type": "anygen:audio"}]}, "invalid_value", "input.0"),
        ({"input": [{"role": "assistant", "content": "x"}]}, "invalid_value", "input"),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_request_is_named(served, body, code, param):
    reply = served.http.post("/v1/responses", json=body)
    assert reply.status_code in (400, 404)
    error = reply.json()["error"]
    assert (error["code"], error["param"]) == (code, param)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://example.org/cat.png", "remote_media_refused"),
        ("file:///etc/passwd", "remote_media_refused"),
        ("/etc/passwd", "remote_media_refused"),
        ("cat.png", "remote_media_refused"),
        ("/v1/media/../../etc/passwd", "remote_media_refused"),
        (f"/v1/media/{'0' * 64}", "media_not_found"),
        ("data:image/png;base64,A", "invalid_value"),
        ("data:image/png;base64,AAAA", "invalid_value"),
        ("data:image/png", "invalid_value"),
    ],
)
def test_media_come_inline_or_are_the_servers_own(served, url, code):
    content = [{"type": "input_image", "image_url": url}]
    reply = served.http.post(
        "/v1/responses", json={"input": [{"role": "user", "content": content}]}
    )
    assert reply.status_code in (400, 404)
    assert reply.json()["error"]["code"] == code
    assert "root:" not in reply.text


@pytest.mark.parametrize("data", [b"", b"[", b"[]", b'"x"', b"\xff", b"[" * 100_000])
def test_garbage_is_an_error_of_the_client(served, data):
    headers = {"Content-Type": "application/json"}
    reply = served.http.post("/v1/responses", content=data, headers=headers)
    assert reply.status_code == 400
    assert served.http.post("/v1/responses", content=data).status_code == 400


def test_half_a_surrogate_pair_is_text_like_any_other(served):
    headers = {"Content-Type": "application/json"}
    for fields, status in (({"anygen": {"modalities": ["text"]}}, 200), ({"\ud800": 1}, 400)):
        body = json.dumps({"input": "\ud800", "max_output_tokens": 2, **fields})
        reply = served.http.post("/v1/responses", content=body, headers=headers)
        assert reply.status_code == status
        assert reply.json()
