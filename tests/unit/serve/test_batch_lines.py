"""Lines of OpenAI's batches in `anygen generate`: the verdicts and options of the endpoints."""

from types import SimpleNamespace

import pytest

from anygen.batch.openai_lines import ENDPOINTS, IMAGE_TOOL, SOUND, ignore, plain_line
from anygen.batch.rows import BatchRow, media_reader, open_row
from anygen.generation.options import AnswerOptions
from anygen.serve.api import chat, chat_history, responses
from anygen.serve.api.chat import AudioFormat, ChatRequest
from anygen.serve.api.images import ImageRequest
from anygen.serve.api.responses import ImageTool, ResponsesRequest
from anygen.serve.content import MessageReader
from anygen.serve.errors import ApiError
from anygen.serve.parameters import side_of
from anygen.serve.settings import ServeSettings

CHAT, RESPONSES, IMAGES = ENDPOINTS
SERVICE = SimpleNamespace(settings=ServeSettings())
MODELS = {CHAT: ChatRequest, RESPONSES: ResponsesRequest, IMAGES: ImageRequest}
LEAST = {
    CHAT: {"messages": [{"role": "user", "content": "hello"}]},
    RESPONSES: {"input": "hello"},
    IMAGES: {"prompt": "a cat"},
}
HELLO = {"role": "user", "content": "hello"}
ANSWER = {"role": "assistant", "content": "hi", "refusal": None}
DRAW = {"type": "image_generation"}
VALUES = [
    *(
        True,
        False,
        0,
        1,
        2,
        9,
        2.0,
        "2",
        "false",
        -1,
        0.5,
        100,
        10**400,
        [],
        {},
        "",
        ["image"],
        ["x"],
    ),
    *("auto", "none", "default", "standard", "medium", "high", "hd", "opaque", "x"),
    *("png", "jpeg", "b64_json", "url", "64x64", "0x0", "64x32", "disabled"),
    *("\N{SUPERSCRIPT TWO}x\N{SUPERSCRIPT TWO}", f"{'9' * 5000}x{'9' * 5000}"),
    *({"type": "text"}, {"format": {"type": "text"}}, {"format": "wav", "voice": "alloy"}),
    *({"format": "flac"}, {"format": "wav", "x": 1}, DRAW, [DRAW], [{"type": "function"}]),
    *([{**DRAW, "size": "64x64", "quality": "auto"}], [{**DRAW, "size": "x"}]),
    *([{**DRAW, "quality": "high"}], [{**DRAW, "output_format": "jpeg"}], [{**DRAW, "x": 1}]),
    *({"seed": 5, "max_media": 2}, {"exactly": {"image": 2}}, {"steps": 2}, {"deliver": "url"}),
]
# What a line of a file cannot have: a stream, a file of another format, a request before it, an
# error in the place of a shortened prompt, and several answers.
UNABLE = [
    *((url, "stream") for url in ENDPOINTS),
    *((CHAT, "audio"), (CHAT, "n"), (IMAGES, "output_format")),
    *((RESPONSES, "tools"), (RESPONSES, "truncation"), (RESPONSES, "previous_response_id")),
]
CONTENT = ("messages", "input", "prompt")  # is read later


def of_endpoint(url, body):
    """The options of a request. Raises ValueError and ApiError."""
    request = MODELS[url].model_validate(body)
    if url == IMAGES:
        return request.options(SERVICE, "image", {"size": side_of(request.size, "size")})
    if url == CHAT:
        return chat.options_of(request, SERVICE)
    return responses.options_of(request, responses.image_tool(request.tools), SERVICE)


def of_line(url, body, folder):
    return request_of(url, body, folder).options


def request_of(url, body, folder):
    row = BatchRow.of(plain_line({"custom_id": "a", "url": url, "body": body}), "a")
    return open_row(row, media_reader([folder]), 0, AnswerOptions())


@pytest.mark.parametrize(
    ("url", "messages"),
    [
        (CHAT, [{**HELLO, "name": "me"}]),
        (
            CHAT,
            [HELLO, {**ANSWER, "annotations": [], "audio": None}, {**HELLO, "tool_calls": None}],
        ),
        (CHAT, [HELLO, {**ANSWER, "content": None, "images": [], "parts": []}, HELLO]),
        (CHAT, [HELLO, {"role": "assistant", "refusal": "no"}, HELLO]),
        (RESPONSES, [{**HELLO, "id": "msg_0", "status": "completed", "type": "message"}]),
        (RESPONSES, [HELLO, {**ANSWER, "phase": None}, HELLO]),
    ],
)
def test_messages_of_a_line_are_those_of_its_endpoint(tmp_path, url, messages):
    reader = MessageReader(None, 0, ())
    if url == CHAT:
        expected = chat_history.read_messages(messages, reader)
    else:
        expected = responses.messages_of(ResponsesRequest(input=messages), reader)
    body = {"messages" if url == CHAT else "input": messages}
    found = request_of(url, body, tmp_path).messages
    assert [(each.role, each.parts) for each in found] == [
        (each.role, each.parts) for each in expected
    ]


def test_a_line_of_ten_images_may_have_as_many_media(tmp_path):
    body = {"prompt": "a cat", "n": 10}
    assert request_of(IMAGES, body, tmp_path).options.max_media == 10
    few = {**body, "anygen": {"max_media": 4}}
    with pytest.raises(ValueError, match="10 image cannot be made, where at most 4 may"):
        request_of(IMAGES, few, tmp_path)
    many = {**body, "anygen": {"max_media": 12}}
    assert request_of(IMAGES, many, tmp_path).options.max_media == 12


def outcome(work, *arguments):
    """The options, or None if they are refused."""
    try:
        return work(*arguments)
    except (ValueError, ApiError):
        return None


def test_every_parameter_of_an_endpoint_is_known_to_lines():
    for url, model in MODELS.items():
        assert set(ENDPOINTS[url]) == set(model.model_fields)
    assert set(IMAGE_TOOL) == set(ImageTool.model_fields)
    assert set(SOUND) == set(AudioFormat.model_fields)


@pytest.mark.parametrize(
    ("url", "name"),
    [(url, name) for url in ENDPOINTS for name in ENDPOINTS[url] if name not in CONTENT],
)
def test_a_line_accepts_what_its_endpoint_accepts(tmp_path, url, name):
    for value in VALUES:
        body = {**LEAST[url], name: value}
        expected = outcome(of_endpoint, url, body)
        found = outcome(of_line, url, body, tmp_path)
        if found is None and (url, name) in UNABLE:
            continue
        if ENDPOINTS[url][name] is ignore:  # whatever it holds: `--model` decides, for example
            expected = of_endpoint(url, LEAST[url])
        if (url, name) == (IMAGES, "n") and expected:  # in one answer, here
            update = {"exactly": {"image": int(value)}, "max_media": max(8, int(value))}
            expected = expected.model_copy(update=update)
        assert found == expected, value
