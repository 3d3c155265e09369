"""Images while they are rendered, as OpenAI's client reads them."""

from base64 import b64decode
from io import BytesIO

import pytest
from PIL import Image

STEPS = 6  # previews come after 2 and 4 of them


def of_type(events, name):
    return [event for event in events if event.type == name]


def sides(data):
    with Image.open(BytesIO(b64decode(data))) as picture:
        return picture.size


def test_an_image_is_shown_before_it_is_finished_and_ends_as_without(served):
    body = {"model": served.service.name, "prompt": "a ball"}
    extra = {"seed": 3, "steps": STEPS}
    images = served.openai.images
    [expected] = images.generate(**body, extra_body=extra).data
    events = list(images.generate(**body, stream=True, partial_images=2, extra_body=extra))
    *previews, last = events
    assert [event.type for event in previews] == ["image_generation.partial_image"] * 2
    assert [event.partial_image_index for event in previews] == [0, 1]
    assert last.type == "image_generation.completed"
    assert last.b64_json == expected.b64_json
    assert len({event.b64_json for event in events}) == 3
    assert {sides(event.b64_json) for event in events} == {sides(expected.b64_json)}
    assert previews[0].size == last.size


def test_an_edit_is_shown_too(served):
    body = {"model": served.service.name, "prompt": "a ball"}
    images = served.openai.images
    [image] = images.generate(**body, extra_body={"steps": 1}).data
    events = images.edit(
        **body,
        image=b64decode(image.b64_json),
        stream=True,
        partial_images=1,
        extra_body={"steps": STEPS},
    )
    names = [event.type for event in events]
    assert names == ["image_edit.partial_image", "image_edit.completed"]


@pytest.mark.parametrize("wanted", [0, 3])
def test_the_images_of_a_response_are_shown(served, wanted):
    options = {"seed": 1, "exactly": {"image": 2}, "modalities": ["image"]}
    options["media"] = {"image": {"steps": STEPS}}
    tool = {"type": "image_generation", "partial_images": wanted}
    with served.openai.responses.stream(
        model=served.service.name,
        input="draw",
        tools=[tool],
        extra_body={"anygen": options},
    ) as stream:
        events = list(stream)
        final = stream.get_final_response()
    shown = of_type(events, "response.image_generation_call.partial_image")
    expected = [(item.id, index) for item in final.output for index in range(wanted)]
    assert [(event.item_id, event.partial_image_index) for event in shown] == expected
    results = {item.result for item in final.output}
    assert results.isdisjoint(event.partial_image_b64 for event in shown)
    assert [event.sequence_number for event in events] == list(range(len(events)))


def test_a_plain_answer_has_no_previews(served):
    body = {"prompt": "a ball", "partial_images": 2, "seed": 3, "steps": STEPS}
    shown = served.http.post("/v1/images/generations", json=body).json()
    del body["partial_images"]
    assert shown["data"] == served.http.post("/v1/images/generations", json=body).json()["data"]
