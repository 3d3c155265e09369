"""What a request that is wrong is told: the names are those that the client has sent."""

import json

import pytest

NINES = "9" * 5000  # Python reads no number of so many digits
JSON = {"Content-Type": "application/json"}
RESPONSES, CHAT, IMAGES = "/v1/responses", "/v1/chat/completions", "/v1/images/generations"
EDITS, VIDEOS, SOUNDS = "/v1/images/edits", "/v1/videos", "/v1/audio/generate"


def refused(reply):
    """The parameter, the code and the sentence of an error, which begins with the parameter."""
    assert reply.status_code == 400, reply.text
    error = reply.json()["error"]
    return error["param"], error["code"], error["message"].removeprefix(f"{error['param']}: ")


@pytest.fixture(scope="module")
def link(served):
    body = {"prompt": "a ball", "steps": 1, "response_format": "url"}
    [image] = served.http.post(IMAGES, json=body).json()["data"]
    return image["url"]


@pytest.mark.parametrize("size", [f"{NINES}x{NINES}", "٦٤x٦٤"], ids=["long", "of another script"])
def test_a_size_has_digits_that_are_read(served, size):
    tool = {"type": "image_generation", "size": size}
    form = {"prompt": (None, "x"), "size": (None, size)}
    for reply in (
        served.http.post(IMAGES, json={"prompt": "x", "size": size}),
        served.http.post(EDITS, files={**form, "image": b""}),
        served.http.post(VIDEOS, files=form),
        served.http.post(RESPONSES, json={"input": "x", "tools": [tool]}),
    ):
        param, code, message = refused(reply)
        assert param in ("size", "tools.size")
        assert code == "unsupported_value"
        assert message.startswith("give that of a square picture, such as 64x64, or auto")


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"bytes={NINES}-", 416),
        (f"bytes=0-{NINES}", 206),
        (f"bytes=-{NINES}", 206),
        (f"bytes={'0' * 5000}-", 206),
    ],
    ids=["start", "end", "length", "zeros"],
)
def test_a_range_may_have_any_number_of_digits(served, link, header, status):
    reply = served.http.get(link, headers={"Range": header})
    assert reply.status_code == status
    if status == 206:
        assert reply.content == served.http.get(link).content


@pytest.mark.parametrize(
    ("path", "fields", "param", "message"),
    [
        (RESPONSES, {"input": 5}, "input", "Input should be a valid string, or Input"),
        (CHAT, {"messages": [], "stop": 5}, "stop", "Input should be a valid string, or Input"),
        (CHAT, {"messages": [{"role": "tool"}]}, "messages.0.role", "this model calls no tools"),
        (CHAT, {"messages": [], "anygen": 5}, "anygen", "Input should be a valid dictionary"),
        (IMAGES, {"prompt": ""}, "prompt", "is empty"),
        (VIDEOS, {"prompt": " "}, "prompt", "is empty"),
        (SOUNDS, {"input": ""}, "input", "is empty"),
        (SOUNDS, {"input": "x", "audio_length": 1e308}, "audio_length", "Input should be less"),
        (SOUNDS, {"input": "x", "steps": 10**6}, "steps", "1000000 denoising steps are too many"),
        (IMAGES, {"prompt": "x", "": 5}, "''", "unknown parameter: ''"),
        (IMAGES, {"prompt": "x", "list": 5}, "list", "unknown parameter: list"),
        (IMAGES, {"prompt": "x", "body": 5}, "body", "unknown parameter: body"),
    ],
    ids=str,
)
def test_a_parameter_is_named_as_it_was_sent(served, path, fields, param, message):
    found, _, said = refused(served.http.post(path, json=fields))
    assert (found, said[: len(message)]) == (param, message)


@pytest.mark.parametrize(
    ("options", "param", "message"),
    [
        ({"exactly": {"smell": 1}}, "anygen.exactly.smell", "The key should be 'image'"),
        ({"edit": 5}, "anygen.edit", "should be keys with values"),
        ({"media": {"audio": {"steps": 0}}}, "anygen.media.audio.steps", "Input should be greater"),
    ],
    ids=str,
)
def test_an_option_is_named_as_it_was_sent(served, options, param, message):
    reply = served.http.post(RESPONSES, json={"input": "x", "anygen": options})
    found, _, said = refused(reply)
    assert (found, said[: len(message)]) == (param, message)


@pytest.mark.parametrize(
    ("name", "value", "param", "message"),
    [
        ("strength", "5", "strength", "Input should be less than or equal to 1"),
        ("[]", "3", "[]", "unknown parameter: []"),
        ("anygen[][x]", "3", "anygen[][x]", "unknown parameter: anygen[][x]"),
        ("body", "3", "body", "unknown parameter: body"),
        ("anygen", "[" * 100_000, "anygen", "is nested too deeply"),
        ("anygen", NINES, "anygen", "holds a number of too many digits"),
    ],
    ids=["value", "list", "inner list", "body", "depth", "digits"],
)
def test_a_field_of_a_form_is_named_as_it_was_sent(served, name, value, param, message):
    form = {"prompt": (None, "x"), "image": b"", name: (None, value)}
    found, _, said = refused(served.http.post(EDITS, files=form))
    assert (found, said) == (param, message)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"[" * 100_000, "invalid_json", "the body is nested too deeply"),
        (f'{{"input": {NINES}}}'.encode(), "invalid_json", "the body holds a number of too many"),
        (b"\xff", "invalid_json", "the body is not JSON"),
        (b"{", "invalid_json", "the body is not JSON"),
        (b"[1]", "invalid_value", "the body should be an object in JSON"),
    ],
    ids=["depth", "digits", "bytes", "text", "list"],
)
def test_a_body_that_cannot_be_read_says_why(served, body, code, message):
    for path in (RESPONSES, VIDEOS):
        reply = served.http.post(path, content=body, headers=JSON)
        assert refused(reply)[:2] == (None, code)
        assert reply.json()["error"]["message"].startswith(message)


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_of_another_type_is_told_which_one_is_right(served, kind):
    headers = {"Content-Type": kind} if kind else {}
    for path in (RESPONSES, VIDEOS):
        reply = served.http.post(path, content=b'{"input": "hi"}', headers=headers)
        assert refused(reply)[:2] == (None, "invalid_content_type")
        assert reply.json()["error"]["message"].endswith("Content-Type: application/json")


def test_a_form_that_is_none_is_the_clients_to_read_about(served, capfd, caplog):
    headers = {"Content-Type": "multipart/form-data; boundary=abc"}
    reply = served.http.post(EDITS, content=b"--ayc", headers=headers)
    assert refused(reply)[2] == "Invalid multipart data."
    assert (capfd.readouterr().err, caplog.messages) == ("", [])


# --- HEAD


def test_head_is_get_without_the_body(served, link):
    for path in ("/health", "/v1/models", "/openapi.json", link, "/nothing", VIDEOS + "/0"):
        head, got = served.http.head(path), served.http.get(path)
        assert head.content == b""
        assert head.status_code == got.status_code
        assert head.headers["content-length"] == got.headers["content-length"]
        assert head.headers["content-type"] == got.headers["content-type"]
    got_whole = served.http.get(link).content
    part = served.http.head(link, headers={"Range": "bytes=0-3"})  # for GET alone (RFC 9110, 14.2)
    assert (part.status_code, part.headers["content-length"]) == (200, str(len(got_whole)))
    assert served.http.head(RESPONSES).status_code == 405


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        (RESPONSES, {"input": "x", "anygen": {str(i): -1 for i in range(20_001)}}, "anygen"),
        (RESPONSES, {"input": "x", "anygen": {"media": {"image": [[1]] * 10_000}}}, "anygen"),
        (RESPONSES, {"input": "x", "metadata": {str(i): i for i in range(17)}}, "metadata"),
        (CHAT, {"messages": [], "stop": ["a"] * 101}, "stop"),
        (CHAT, {"messages": [], "modalities": ["text"] * 101}, "modalities"),
    ],
    ids=["keys", "values", "metadata", "stop", "modalities"],
)
def test_a_parameter_of_very_many_values_is_refused_before_each_is_looked_at(
    served, path, fields, param
):
    found, _, message = refused(served.http.post(path, json=fields))
    assert found == param
    assert "more than 20000 values" in message or "at most" in message


def test_of_very_many_problems_the_first_is_told(served):
    own = {"stop": [1] * 15_000, "modalities": ["x"] * 4_000}
    found, _, message = refused(served.http.post(RESPONSES, json={"input": "x", "anygen": own}))
    assert found == "anygen.modalities.0"
    assert "\n" not in message
    long = "k" * 100_000
    error = served.http.post(RESPONSES, json={"input": "x", long: 1}).json()["error"]
    assert max(len(error["param"]), len(error["message"])) < 600


def test_what_a_response_repeats_of_its_request_can_be_written(served):
    odd = {"metadata": {"\ud800": "\ud800"}, "max_output_tokens": 1}
    nested = []
    for _ in range(500):
        nested = [nested]
    tool = {"type": "image_generation", "size": "auto", "model": nested}
    for fields in (odd, {**odd, "stream": True}, {**odd, "tools": [tool]}):
        body = json.dumps({"input": "x", **fields}).replace('"auto"', '"auto", "moderation": NaN')
        reply = served.http.post(RESPONSES, content=body, headers=JSON)
        assert reply.status_code == 200, reply.text
        if "stream" in fields:
            assert reply.text.rstrip().endswith("[DONE]")
        else:
            made = reply.json()
            assert made["metadata"] == {"\ufffd": "\ufffd"}
            kept = {"type": "image_generation", "size": "auto"}
            assert made["tools"] == [kept] * ("tools" in fields)


def test_what_anygen_says_may_not_be_said_again(served):
    own = {"media": {"image": {"steps": 2}}}
    reply = served.http.post(IMAGES, json={"prompt": "x", "steps": 1, "anygen": own})
    assert refused(reply)[:2] == ("steps", "invalid_value")


def test_null_stands_for_the_default_of_a_parameter(served):
    nulls = dict.fromkeys(("n", "response_format", "output_format", "partial_images"))
    reply = served.http.post(IMAGES, json={"prompt": "x", "steps": 1, **nulls})
    assert len(reply.json()["data"]) == 1
