"""Conversations that the server keeps, and files that requests name."""

from base64 import b64encode

import openai
import pytest

from support.served import IMAGE, item_content, serving

OPTIONS = {**IMAGE, "modalities": ["text", "image"], "begin": "image", "max_new_tokens": 4}
EXTRA = {"anygen": {**OPTIONS, "seed": 1}}


@pytest.fixture(scope="module")
def client(served):
    return served.openai


def ask(served, prompt, store=True, **fields):
    return served.openai.responses.create(
        model="tiny", input=prompt, store=store, extra_body=EXTRA, **fields
    )


def contents(response):
    return [item_content(item.to_dict(warnings=False)) for item in response.output]


def error_of(raised):
    return raised.value.code, raised.value.param


def test_an_answer_after_a_kept_response_is_that_after_the_whole_conversation(served):
    question, then = {"role": "user", "content": "draw a dog"}, {"role": "user", "content": "a cat"}
    first = ask(served, [question], instructions="Be brief.")
    second = ask(served, "a cat", previous_response_id=first.id)
    assert second.previous_response_id == first.id
    assert second.store
    replayed = ask(served, [question, *first.output, then])
    assert contents(second) == contents(replayed)  # instructions do not carry over
    assert second.usage.input_tokens == replayed.usage.input_tokens
    third = ask(served, "a cow", previous_response_id=second.id)
    assert third.usage.input_tokens > second.usage.input_tokens


def test_the_media_of_a_kept_response_need_not_be_read_again(served):
    first = ask(served, "draw a dog")
    second = ask(served, "and now a cat", previous_response_id=first.id)
    assert second.usage.input_tokens_details.cached_tokens > first.usage.input_tokens


@pytest.mark.parametrize(
    ("extra", "end"),
    [({"anygen": IMAGE}, "completed"), (EXTRA, "incomplete")],
    ids=["whole", "cut"],
)
def test_a_streamed_response_is_continued_by_one_that_ends_in_the_same_way(client, extra, end):
    """A text that `max_new_tokens` cuts ends with `response.incomplete`."""
    fields = {"model": "tiny", "store": True, "extra_body": extra}

    def stream(prompt, **more):
        with client.responses.stream(input=prompt, **fields, **more) as events:
            *_, last = events
        assert last.type == f"response.{end}"
        return last.response

    first = stream("a dog")
    assert first.status == end
    assert client.responses.retrieve(first.id).to_dict() == first.to_dict(warnings=False)
    second = stream("a cat", previous_response_id=first.id)
    assert second.previous_response_id == first.id
    assert second.usage.input_tokens > first.usage.input_tokens


def test_a_response_is_kept_as_it_was_sent_until_it_is_deleted(served, client):
    response = ask(served, "a dog")
    assert client.responses.retrieve(response.id) == response
    client.responses.delete(response.id)
    for call in (client.responses.retrieve, client.responses.delete):
        with pytest.raises(openai.NotFoundError) as raised:
            call(response.id)
        assert raised.value.code == "response_not_found"
    with pytest.raises(openai.BadRequestError) as raised:
        ask(served, "a cat", previous_response_id=response.id)
    assert error_of(raised) == ("previous_response_not_found", "previous_response_id")


@pytest.mark.parametrize("store", [False, None, openai.omit], ids=["false", "null", "omitted"])
def test_a_response_is_kept_only_if_store_is_true(served, client, store):
    response = ask(served, "a dog", store=store)
    assert response.store is False
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)


def test_old_responses_make_room(model):
    with serving(model, store_bytes=20_000) as small:
        ids = [ask(small, "a dog").id for _ in range(12)]
        found = [small.http.get(f"/v1/responses/{id}").status_code for id in ids]
        assert found[0] == 404
        assert found[-1] == 200
        assert small.service.store.bytes <= 20_000


# --- files


@pytest.fixture(scope="module")
def png(served):
    body = {"prompt": "a ball", "seed": 1, "steps": 1, "response_format": "url"}
    [image] = served.http.post("/v1/images/generations", json=body).json()["data"]
    return served.http.get(image["url"]).content


def test_a_file_is_kept_listed_read_and_deleted(client, png):
    before = client.files.list().data
    file = client.files.create(file=("cat.png", png), purpose="vision")
    assert (file.filename, file.bytes, file.status) == ("cat.png", len(png), "processed")
    assert file.expires_at > file.created_at
    assert client.files.retrieve(file.id) == file
    assert client.files.list().data == [file, *before]
    assert client.files.content(file.id).read() == png
    assert client.files.delete(file.id).deleted
    assert client.files.list().data == before
    for call in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError):
            call(file.id)


def test_a_file_in_a_request_is_the_same_as_its_bytes(served, client, png):
    file_id = client.files.create(file=("cat.png", png), purpose="user_data").id
    url = f"data:image/png;base64,{b64encode(png).decode()}"
    parts = [
        {"type": "input_image", "image_url": url, "detail": "auto"},
        {"type": "input_image", "file_id": file_id, "detail": "auto"},
        {"type": "input_file", "file_id": file_id},
        {"type": "input_file", "file_data": url, "filename": "cat.png"},
    ]
    text = {"type": "input_text", "text": "what is that?"}
    answers = [contents(ask(served, [{"role": "user", "content": [p, text]}])) for p in parts]
    assert answers == answers[:1] * 4

    def complete(part):
        turns = [{"role": "user", "content": [part, {"type": "text", "text": "what is that?"}]}]
        completion = client.chat.completions.create(
            model=served.service.name, messages=turns, extra_body=EXTRA
        )
        return completion.choices[0].message.to_dict()

    file = complete({"type": "file", "file": {"file_id": file_id}})
    assert file == complete({"type": "image_url", "image_url": {"url": url}})


@pytest.mark.parametrize(
    ("part", "status"),
    [
        ({"type": "input_image", "file_id": "file_0"}, 404),
        ({"type": "input_file", "file_url": "https://example.org/cat.png"}, 400),
        ({"type": "input_file", "file_data": "?"}, 400),
        ({"type": "input_file", "file_data": "AAAA"}, 400),
        ({"type": "file", "file": 5}, 400),
    ],
    ids=str,
)
def test_a_file_that_is_not_there_is_an_error(served, part, status):
    body = {"input": [{"role": "user", "content": [part]}]}
    reply = served.http.post("/v1/responses", json=body)
    assert reply.status_code == status
    assert "input.0.content.0" in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("data", "files", "code", "param"),
    [
        ({"purpose": "vision"}, {}, "invalid_content_type", None),
        ({}, {"file": b"GIF89a"}, "missing_parameter", "purpose"),
        ({"purpose": "evals"}, {"file": b"{}"}, "unsupported_value", "purpose"),
        ({"purpose": "vision"}, {"file": b"{}"}, "invalid_value", "file"),
        ({"purpose": "vision"}, {"other": b"{}"}, "missing_parameter", "file"),
        ({"purpose": "vision", "smell": "1"}, {"file": b""}, "unknown_parameter", "smell"),
        ({"purpose": "vision", "purpose[x]": "1"}, {"file": b""}, "invalid_value", "purpose[x]"),
        ({"purpose": "vision", "x]": "1"}, {"file": b""}, "unknown_parameter", "x]"),
        (
            {"purpose": "vision", "expires_after[seconds]": "1"},
            {"file": b""},
            "unsupported_value",
            "expires_after",
        ),
    ],
    ids=str,
)
def test_a_form_that_is_wrong_is_refused(served, data, files, code, param):
    reply = served.http.post("/v1/files", data=data, files=files)
    assert reply.status_code == 400, reply.text
    error = reply.json()["error"]
    assert (error["code"], error["param"]) == (code, param)
