"""Images and sounds on their own."""

from base64 import b64decode

import openai
import pytest

from anygen.generation.request import derive_seed
from support.served import STEPS, failing

IMAGE = {"modalities": ["image"], "exactly": {"image": 1}, "media": {"image": STEPS}}


def test_images_have_the_bytes_of_generate_each_with_a_seed_of_its_own(served, generated):
    found = served.openai.images.generate(
        model=served.service.name, prompt="a red ball", n=2, extra_body={"seed": 5, "steps": 2}
    )
    seeds = [5, derive_seed(5, 1)]
    assert [image.seed for image in found.data] == seeds
    for image, seed in zip(found.data, seeds, strict=True):
        file = "image", b64decode(image.b64_json)
        assert [file] == generated("a red ball", seed, IMAGE)
    assert found.size == "16x16"
    assert found.usage.input_tokens_details.text_tokens == found.usage.input_tokens > 0


def test_an_image_can_be_streamed_and_fetched(served, generated):
    body = {"prompt": "a red ball", "extra_body": {"seed": 5, "steps": 2}, "size": "16x16"}
    client, name = served.openai.images, served.service.name
    events = list(client.generate(model=name, stream=True, partial_images=2, **body))
    assert events[-1].type == "image_generation.completed"
    [(_, file)] = generated("a red ball", 5, {**IMAGE, "media": {"image": {**STEPS, "size": 16}}})
    assert b64decode(events[-1].b64_json) == file
    [link] = client.generate(model=name, response_format="url", **body).data
    assert served.http.get(link.url).content == file


@pytest.mark.parametrize(
    ("form", "head"), [("png", b"\x89PNG"), ("jpeg", b"\xff\xd8\xff"), ("webp", b"RIFF")]
)
def test_an_image_has_the_format_that_was_requested(served, form, head):
    body = {"prompt": "a ball", "steps": 1, "output_format": form}
    [image] = served.http.post("/v1/images/generations", json=body).json()["data"]
    assert b64decode(image["b64_json"]).startswith(head)


def test_a_sound_has_the_bytes_of_generate(served, generated):
    body = {"input": "a bell", "seed": 3, "steps": 2}
    reply = served.http.post("/v1/audio/generate", json=body)
    options = {"modalities": ["audio"], "exactly": {"audio": 1}, "media": {"audio": STEPS}}
    assert [("audio", reply.content)] == generated("a bell", 3, options)
    assert reply.headers["content-type"] == "audio/wav"
    assert reply.headers["x-seed"] == "3"
    assert int(reply.headers["x-sample-rate"]) > 0
    flac = served.http.post("/v1/audio/generate", json={**body, "response_format": "flac"})
    assert flac.content.startswith(b"fLaC")


def test_a_model_that_does_not_speak_says_so(served):
    with pytest.raises(openai.NotFoundError) as refused:
        served.openai.audio.speech.create(model=served.service.name, input="hi", voice="alloy")
    assert refused.value.code == "model_not_speech"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"size": "64x32"}, "unsupported_value"),
        ({"size": "large"}, "unsupported_value"),
        ({"size": "9999x9999"}, "invalid_value"),
        ({"n": 11}, "invalid_value"),
        ({"n": 2, "stream": True}, "unsupported_value"),
        ({"quality": "hd"}, "unsupported_value"),
        ({"background": "transparent"}, "unsupported_value"),
        ({"output_format": "svg"}, "invalid_value"),
        ({"prompt": " "}, "invalid_value"),
        ({"smell": 1}, "unknown_parameter"),
        ({"anygen": {"exactly": {"video": 1}}}, "invalid_value"),
    ],
    ids=str,
)
def test_what_an_image_cannot_be_is_refused(served, fields, code):
    reply = served.http.post("/v1/images/generations", json={"prompt": "a ball", **fields})
    assert reply.status_code == 400, reply.text
    assert reply.json()["error"]["code"] == code


def test_what_fails_would_fail_again_so_that_clients_do_not_repeat_it(served, model, monkeypatch):
    with failing(model, monkeypatch):
        reply = served.http.post("/v1/images/generations", json={"prompt": "a ball"})
        streamed = served.http.post(
            "/v1/images/generations", json={"prompt": "a ball", "stream": True}
        )
    assert reply.status_code == 500
    assert reply.headers["x-should-retry"] == "false"
    assert reply.json()["error"]["message"] == "the paint is dry"
    assert reply.json()["error"]["type"] == "model_error"
    assert '"message":"the paint is dry"' in streamed.text
