"""The scenarios of Open Responses' compliance suite that need no tools, by checks of our own.

Required fields and the grammar of events are those of its schema of 2026-04-24.
"""

import json
from base64 import b64encode

import pytest

from anygen.io.media_files import write_media

# Of every response; what there is nothing to say of is null.
FIELDS = {
    *("id", "object", "created_at", "completed_at", "status", "incomplete_details", "model"),
    *("previous_response_id", "instructions", "output", "error", "tools", "tool_choice"),
    *("truncation", "parallel_tool_calls", "text", "top_p", "presence_penalty"),
    *("frequency_penalty", "top_logprobs", "temperature", "reasoning", "user", "usage"),
    *("max_output_tokens", "max_tool_calls", "store", "background", "service_tier", "metadata"),
    *("safety_identifier", "prompt_cache_key"),
}
USAGE = {"input_tokens", "input_tokens_details", "output_tokens", "output_tokens_details"}
TEXT = {"modalities": ["text"], "choices": ["Hello Ann."]}


def user(*content):
    return {"type": "message", "role": "user", "content": list(content)}


def said(text):
    return {"type": "input_text", "text": text}


@pytest.fixture
def picture(image, tmp_path):
    data = b64encode(write_media(image, tmp_path / "cat.png").read_bytes()).decode()
    return {"type": "input_image", "image_url": f"data:image/png;base64,{data}"}


@pytest.fixture(params=["text", "system", "image", "turns"])
def scenario(request, picture):
    answer = {"type": "output_text", "text": "Hello Ann."}
    return {
        "text": {"input": [user(said("Say hello in three words."))]},
        "system": {
            "input": [
                {"type": "message", "role": "system", "content": "You are a pirate."},
                user(said("Say hello.")),
            ]
        },
        "image": {"input": [user(said("What is this?"), picture)]},
        "turns": {
            "input": [
                user(said("My name is Ann.")),
                {"type": "message", "role": "assistant", "content": [answer]},
                user(said("What is my name?")),
            ]
        },
    }[request.param]


def check_response(response):
    """A finished answer of text."""
    assert response.keys() >= FIELDS
    assert response["object"] == "response"
    assert response["status"] == "completed"
    assert response["error"] is None
    assert response["completed_at"] >= response["created_at"] > 0
    assert response["usage"].keys() >= USAGE
    usage = response["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    for item in response["output"]:
        assert item.keys() == {"type", "id", "status", "role", "content"}
        assert (item["type"], item["status"], item["role"]) == ("message", "completed", "assistant")
        [part] = item["content"]
        assert part.keys() == {"type", "text", "annotations", "logprobs"}


def events_of(data):
    """The events of a stream whose bytes come one by one, by the rules of server-sent events."""
    found, line, fields = [], b"", {}
    for byte in data:
        if byte != ord("\n"):
            line += bytes([byte])
            continue
        name, _, value = line.decode().partition(":")
        if not line and fields:
            found.append(fields)
            fields = {}
        elif name:  # all else is a comment
            assert name in ("event", "data")
            assert name not in fields
            fields[name] = value.removeprefix(" ")
        line = b""
    assert not line
    assert not fields
    return found


def test_a_scenario_is_answered_with_all_that_the_schema_requires(served, scenario):
    reply = served.http.post("/v1/responses", json={"model": "tiny", **scenario, "anygen": TEXT})
    assert reply.status_code == 200, reply.text
    check_response(reply.json())


def test_its_stream_follows_the_grammar_of_events(served, scenario):
    body = {"model": "tiny", **scenario, "anygen": TEXT, "stream": True}
    with served.http.stream("POST", "/v1/responses", json=body) as reply:
        *framed, last = events_of(reply.read())
    assert last == {"data": "[DONE]"}
    events = [json.loads(each["data"]) for each in framed]
    assert [each["event"] for each in framed] == [event["type"] for event in events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    kinds = [event["type"].removeprefix("response.") for event in events]
    assert kinds[:2] == ["created", "in_progress"]
    assert kinds[-1] == "completed"
    item = ["output_item.added", "content_part.added"]
    end = ["output_text.done", "content_part.done", "output_item.done"]
    deltas = ["output_text.delta"] * kinds.count("output_text.delta")
    assert kinds[2:-1] == ([*item, *deltas, *end] if deltas else [])
    response = events[-1]["response"]
    check_response(response)
    for event in events[2:-1]:
        assert event["output_index"] == 0
        if "item" not in event:
            assert event["item_id"] == response["output"][0]["id"]
            assert event["content_index"] == 0
    text = "".join(event["delta"] for event in events if event["type"].endswith(".delta"))
    assert [text] * len(response["output"]) == [
        item["content"][0]["text"] for item in response["output"]
    ]
