"""Calls of OpenAI's clients about what is kept, and those that are not there."""

import openai
import pytest


@pytest.fixture(scope="module")
def client(served):
    return served.openai


# --- responses that are kept


@pytest.fixture(scope="module")
def response(client):
    return client.responses.create(
        input="hi", store=True, extra_body={"anygen": {"max_new_tokens": 1}}
    )


def test_a_kept_response_has_no_events(client, response):
    assert client.responses.retrieve(response.id, stream=False) == response
    with pytest.raises(openai.BadRequestError) as raised:
        client.responses.retrieve(response.id, stream=True)
    assert (raised.value.code, raised.value.param) == ("unsupported_value", "stream")
    with pytest.raises(openai.BadRequestError) as raised:
        client.responses.retrieve(response.id, starting_after=3)
    assert (raised.value.code, raised.value.param) == ("unsupported_value", "starting_after")


def test_a_kept_response_is_finished_and_cannot_be_cancelled(client, response):
    with pytest.raises(openai.BadRequestError, match="is finished"):
        client.responses.cancel(response.id)
    with pytest.raises(openai.NotFoundError) as raised:
        client.responses.cancel("resp_0")
    assert raised.value.code == "response_not_found"


# --- what is not there


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.responses.input_tokens.count(input="hi"),
        lambda client: client.responses.input_items.list("resp_0", limit=5),
        lambda client: client.responses.compact(model="tiny", input="hi"),
        lambda client: client.videos.remix("video_0", prompt="a ball"),
        lambda client: client.images.create_variation(image=b""),
        lambda client: client.chat.completions.list(limit=5),
    ],
    ids=["input_tokens", "input_items", "compact", "remix", "variation", "completions"],
)
def test_a_call_of_openais_that_is_not_there_says_what_is(client, call):
    with pytest.raises(openai.NotFoundError, match="does not have that call: ") as raised:
        call(client)
    assert raised.value.code == "unsupported_call"


def test_what_is_at_no_path_or_of_another_method_says_so(served):
    def error(method, path):
        return served.http.request(method, path).json()["error"]["message"]

    assert error("GET", "/v1/embeddings") == "this server has no path /v1/embeddings"
    assert error("POST", "/health") == "/health is for GET and not for POST"
