"""Media that a server downloads, from the hosts that it was started with."""

from base64 import b64encode

import pytest

from anygen.io.media_files import write_media
from support.net import network, redirect, reply
from support.served import serving

URL = "http://media.example.org/cat.png"
TEXT = {"modalities": ["text"], "max_new_tokens": 3, "seed": 1}


@pytest.fixture(scope="module")
def open_to_media(model):
    with serving(model, media_hosts=("http://media.example.org",)) as found:
        yield found


@pytest.fixture
def net(monkeypatch):
    with network(monkeypatch) as found:
        yield found


@pytest.fixture
def png(image, tmp_path):
    return write_media(image, tmp_path / "cat.png").read_bytes()


def ask(served, *parts):
    question = {"role": "user", "content": [*parts, {"type": "input_text", "text": "hi"}]}
    return served.http.post("/v1/responses", json={"input": [question], "anygen": TEXT})


def text_of(response):
    [item] = response.json()["output"]
    return item["content"][0]["text"]


def test_a_downloaded_medium_is_the_same_as_its_bytes(open_to_media, net, png):
    net.replies = [reply(png)] * 2
    inline = f"data:image/png;base64,{b64encode(png).decode()}"
    parts = [
        {"type": "input_image", "image_url": inline},
        {"type": "input_image", "image_url": URL},
        {"type": "input_file", "file_url": URL},
    ]
    replies = [ask(open_to_media, part) for part in parts]
    assert len({text_of(each) for each in replies}) == 1
    assert len({each.json()["usage"]["input_tokens"] for each in replies}) == 1
    assert len(net.requests) == 2


@pytest.mark.parametrize(
    ("url", "answer", "code"),
    [
        ("http://evil.example.org/", reply(), "remote_media_refused"),
        (URL, redirect("http://169.254.169.254/latest"), "remote_media_refused"),
        ("/etc/passwd", reply(), "remote_media_refused"),
        (URL, reply(b"root:x:0:0"), "invalid_value"),
        (URL, reply(b"root:x:0:0", "500 root:x"), "invalid_value"),
    ],
)
def test_what_cannot_be_read_is_an_error_that_tells_nothing_of_it(
    open_to_media, net, url, answer, code
):
    net.replies = [answer]
    response = ask(open_to_media, {"type": "input_image", "image_url": url})
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == code
    assert error["param"] == "input.0.content.0"
    assert "root:" not in response.text
    assert "169.254" not in response.text
