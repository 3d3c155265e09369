"""Lines of OpenAI's batches in `anygen generate`: the verdicts and options of the endpoints."""

from types import SimpleNamespace

import pytest

from anygen.batch.openai_lines import ENDPOINTS, IMAGE_TOOL, SOUND, ignore, plain_line
from anygen.batch.rows import BatchRow, media_reader, open_row
from anygen.generation.options import AnswerOptions
from anygen.serve.api import chat, responses
from anygen.serve.api.chat import AudioFormat, ChatRequest
from anygen.serve.api.images import ImageRequest
from anygen.serve.api.responses import ImageTool, ResponsesRequest
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
DRAW = {"type": "image_generation"}
VALUES = [
    *(True, False, 0, 1, 2, -1, 0.5, 100, 10**400, [], {}, "", ["image"], ["x"]),
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
    row = BatchRow.of(plain_line({"custom_id": "a", "url": url, "body": body}), "a")
    return open_row(row, media_reader([folder]), 0, AnswerOptions()).options


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
        if isinstance(value, bool) and name == "partial_images":  # pydantic takes true for 1
            continue
        if ENDPOINTS[url][name] is ignore:  # whatever it holds: `--model` decides, for example
            expected = of_endpoint(url, LEAST[url])
        if (url, name) == (IMAGES, "n") and expected and value == 2:  # in one answer, here
            expected = expected.model_copy(update={"exactly": {"image": 2}})
        assert found == expected, value
