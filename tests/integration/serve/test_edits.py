"""/v1/images/edits: an image that starts from another one."""

from base64 import b64decode, b64encode

import pytest

from support.served import failing

SENT = {"seed": 5, "steps": 2}


@pytest.fixture(scope="module")
def pngs(served):
    body = {"prompt": "a ball", "n": 2, "seed": 1, "steps": 1}
    images = served.http.post("/v1/images/generations", json=body).json()["data"]
    return [b64decode(image["b64_json"]) for image in images]


def edit(served, image, prompt="make it blue", **fields):
    extra = {**SENT, **fields.pop("extra", {})}
    images = served.openai.images
    name = served.service.name
    return images.edit(model=name, image=image, prompt=prompt, extra_body=extra, **fields)


def content(result):
    return [b64decode(image.b64_json) for image in result.data]


def test_an_edit_is_the_answer_to_the_image_and_the_prompt(served, pngs):
    result = edit(served, pngs[0], extra={"strength": 0.6})
    body = {
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_image", "image_url": data_url(pngs[0])},
                    {"type": "input_text", "text": "make it blue"},
                ],
            }
        ],
        "anygen": {
            "seed": 5,
            "modalities": ["image"],
            "exactly": {"image": 1},
            "edit": {"ref": 1, "strength": 0.6},
            "media": {"image": {"steps": 2}},
        },
    }
    [item] = served.http.post("/v1/responses", json=body).json()["output"]
    assert content(result) == [b64decode(item["result"])]
    assert result.data[0].seed == 5


def data_url(png):
    return f"data:image/png;base64,{b64encode(png).decode()}"


def test_the_image_and_the_strength_change_the_result(served, pngs):
    results = [
        content(edit(served, image, extra={"strength": strength}))
        for image in pngs
        for strength in (0.5, 1.0)
    ]
    assert len({result for [result] in results}) == 4


def test_several_images_are_read_and_several_can_be_made(served, pngs):
    one, two = content(edit(served, [pngs[0], pngs[1]], n=2))
    assert one != two
    assert content(edit(served, [pngs[0]])) == content(edit(served, pngs[0]))


def test_options_in_brackets_are_those_of_an_object(served, pngs):
    nested = {"anygen": {"seed": 5, "media": {"image": {"steps": 2}}, "stop": ["END"]}}
    images, name = served.openai.images, served.service.name
    result = images.edit(model=name, image=pngs[0], prompt="make it blue", extra_body=nested)
    assert content(result) == content(edit(served, pngs[0]))


def test_an_edit_can_be_streamed(served, pngs):
    [event] = list(edit(served, pngs[0], stream=True))
    assert event.type == "image_edit.completed"
    assert [b64decode(event.b64_json)] == content(edit(served, pngs[0]))


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"strength": "2"}, "invalid_value"),
        ({"n": "11"}, "invalid_value"),
        ({"size": "64x32"}, "unsupported_value"),
        ({"input_fidelity": "high"}, "unsupported_value"),
        ({"mask": "x"}, "unsupported_value"),
        ({"anygen[edit][ref]": "1"}, "invalid_value"),
    ],
    ids=str,
)
def test_what_an_edit_cannot_be_is_refused(served, pngs, fields, code):
    files = {"image": ("a.png", pngs[0]), "prompt": (None, "blue")}
    files |= {name: (None, value) for name, value in fields.items()}
    reply = served.http.post("/v1/images/edits", files=files)
    assert reply.status_code == 400, reply.text
    assert reply.json()["error"]["code"] == code


def test_an_edit_needs_a_picture(served):
    for files, param in (
        ({"prompt": (None, "blue")}, "image"),
        ({"prompt": (None, "blue"), "image": (None, "cat.png")}, "image.0"),
        ({"prompt": (None, "blue"), "image": ("a.png", b"x")}, "image.0"),
    ):
        reply = served.http.post("/v1/images/edits", files=files)
        assert reply.status_code == 400
        assert reply.json()["error"]["param"] == param


def test_an_edit_that_fails_says_why(served, pngs, model, monkeypatch):
    files = {"image": ("a.png", pngs[0]), "prompt": (None, "blue")}
    with failing(model, monkeypatch):
        reply = served.http.post("/v1/images/edits", files=files)
    assert reply.json()["error"]["message"] == "the paint is dry"
