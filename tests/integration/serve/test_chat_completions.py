"""/v1/chat/completions: what OpenAI's client adds up from a stream is the plain answer."""

from base64 import b64decode

import pytest

from anygen.serve.parameters import derived_seeds
from support.served import IMAGE, OPTIONS, SEED, failing


def create(served, messages="draw a cat", options=OPTIONS, **fields):
    turns = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    return served.openai.chat.completions.create(
        model=served.service.name,
        messages=turns,
        seed=SEED,
        extra_body={"anygen": options},
        **fields,
    )


def contents(message):
    """Texts and files of a message in the order of `parts`."""
    found = []
    for part in message["parts"]:
        if part["type"] == "text":
            found.append(("text", message["content"][part["start"] : part["end"]]))
            continue
        name, _, index = part["ref"].partition("/")
        entry = message[name][int(index)] if index else message[name]
        data = entry["data"] if "data" in entry else entry[f"{part['type']}_url"]["url"]
        found.append((part["type"], b64decode(data.rpartition(",")[2])))
    return found


def test_a_served_message_has_the_bytes_of_generate(served, generated):
    completion = create(served)
    [choice] = completion.choices
    assert choice.finish_reason == "stop"
    message = choice.message.to_dict()
    assert contents(message) == generated("draw a cat", SEED, OPTIONS)
    texts = [content for kind, content in contents(message) if kind == "text"]
    assert len(texts) > 1
    assert message["content"] == "\n\n".join(texts)  # for clients that show `content` alone
    usage = completion.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert completion.anygen == {"seed": SEED, "finish": "stop"}


@pytest.mark.parametrize("feedback", ["wait", "late"])
def test_what_openais_client_adds_up_is_the_plain_message(served, feedback):
    options = {**OPTIONS, "feedback": feedback}
    plain = create(served, options=options).choices[0].message.to_dict()
    with served.openai.chat.completions.stream(
        model=served.service.name,
        messages=[{"role": "user", "content": "draw a cat"}],
        seed=SEED,
        stream_options={"include_usage": True},
        extra_body={"anygen": options},
    ) as stream:
        for _ in stream:
            pass
        completion = stream.get_final_completion()
    message = completion.choices[0].message.to_dict()
    for sounds in ([plain["audio"], message["audio"]], [*plain["audios"], *message["audios"]]):
        for sound in sounds:
            sound.pop("expires_at")
    assert {name: message[name] for name in plain if name != "refusal"} == {
        name: value for name, value in plain.items() if name != "refusal"
    }
    assert completion.usage.total_tokens > 0


def chunk_parts(chunk):
    return (chunk.choices[0].delta.model_extra or {}).get("parts", [])


def test_chunks_that_are_read_without_a_helper_hold_steps_and_the_end(served):
    chunks = list(create(served, stream=True))
    assert {chunk.id for chunk in chunks} == {chunks[0].id}
    assert chunks[0].choices[0].delta.role == "assistant"
    steps = [
        chunk.anygen for chunk in chunks if "step" in (chunk.model_extra or {}).get("anygen", {})
    ]
    parts = [part for chunk in chunks for part in chunk_parts(chunk) if "type" in part]
    assert [part["index"] for part in parts] == list(range(len(parts)))
    media = {part["index"] for part in parts if part["type"] != "text"}
    assert {step["part"] for step in steps} == media
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert chunks[-1].anygen == {"seed": SEED, "finish": "stop"}


def test_several_choices_have_the_bytes_of_their_seeds(served, generated):
    plain = create(served, n=3)
    seeds = derived_seeds(SEED, 3)
    assert [choice.anygen["seed"] for choice in plain.choices] == seeds
    for choice, seed in zip(plain.choices, seeds, strict=True):
        assert contents(choice.message.to_dict()) == generated("draw a cat", seed, OPTIONS)
    one = create(served).usage
    assert plain.usage.prompt_tokens == one.prompt_tokens
    assert plain.usage.completion_tokens > one.completion_tokens


def test_what_openais_client_adds_up_of_several_choices_are_the_plain_ones(served):
    plain = create(served, n=2).choices
    with served.openai.chat.completions.stream(
        model=served.service.name,
        messages=[{"role": "user", "content": "draw a cat"}],
        seed=SEED,
        n=2,
        extra_body={"anygen": OPTIONS},
    ) as stream:
        seen = [
            choice.index
            for event in stream
            if event.type == "chunk"
            for choice in event.chunk.choices
        ]
        choices = stream.get_final_completion().choices
    assert sorted(set(seen)) == [0, 1]
    assert [contents(choice.message.to_dict()) for choice in choices] == [
        contents(choice.message.to_dict()) for choice in plain
    ]


def test_a_message_that_comes_back_is_read_in_its_order(served):
    """Its image has the same pixels, so that the model has read all of it before."""
    question = {"role": "user", "content": "draw a dog"}
    options = {**IMAGE, "modalities": ["text", "image"], "begin": "image", "max_new_tokens": 4}
    first = create(served, [question], options)
    assert first.choices[0].message.parts[0]["type"] == "image"
    turns = [question, first.choices[0].message, {"role": "user", "content": "and now a cat"}]
    second = create(served, turns, options)
    assert second.usage.prompt_tokens_details.cached_tokens > first.usage.prompt_tokens + 1


def test_a_medium_that_comes_back_by_its_id_is_the_same(served):
    options = {**OPTIONS, "exactly": {"audio": 1}, "begin": "audio"}
    question = {"role": "user", "content": "a bell"}
    message = create(served, [question], options).choices[0].message.to_dict()
    whole = [question, message, question]
    short = [question, {**message, "audio": {"id": message["audio"]["id"]}}, question]
    inline, by_id = (create(served, turns, options) for turns in (whole, short))
    assert contents(inline.choices[0].message.to_dict()) == contents(
        by_id.choices[0].message.to_dict()
    )
    assert by_id.usage.prompt_tokens_details.cached_tokens == by_id.usage.prompt_tokens - 1


def test_a_medium_that_fails_is_a_failed_part(served, model, monkeypatch):
    with failing(model, monkeypatch):
        message = create(served).choices[0].message.to_dict()
        chunks = list(create(served, stream=True))
    failed = [part for part in message["parts"] if part.get("status") == "failed"]
    assert [(part["type"], part["error_message"]) for part in failed] == [
        ("image", "the paint is dry")
    ] * 2
    assert "images" not in message
    assert chunks[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_ends_when_its_client_goes(served, hanging, stream):
    begun, ended = hanging
    turns = [{"role": "user", "content": "draw"}]
    body = {"messages": turns, "stream": stream, "anygen": IMAGE}
    with served.send("/v1/chat/completions", body):
        assert begun.acquire(timeout=300)
    assert ended.acquire(timeout=300)
    assert served.is_idle()


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"messages": []}, "invalid_value", "messages"),
        ({"n": 11}, "invalid_value", "n"),
        ({"n": 0}, "invalid_value", "n"),
        ({"logprobs": True}, "unsupported_value", "logprobs"),
        ({"tools": [{"type": "function"}]}, "unsupported_value", "tools"),
        ({"response_format": {"type": "json_object"}}, "unsupported_value", "response_format"),
        ({"frequency_penalty": 0.5}, "unsupported_value", "frequency_penalty"),
        ({"audio": {"format": "mp3"}}, "invalid_value", "audio.format"),
        ({"modalities": ["smell"]}, "invalid_value", "modalities.0"),
        ({"modalities": []}, "invalid_value", "modalities"),
        ({"anygen": {"stop": ["a"]}, "stop": "b"}, "invalid_value", "anygen.stop"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "unsupported_value", None),
        ({"messages": [{"role": "user", "content": "x", "smell": 1}]}, "unknown_parameter", None),
        ({"messages": [{"role": "user", "content": [{"type": "file"}]}]}, "invalid_value", None),
        ({"messages": [{"role": "assistant", "images": [1]}]}, "invalid_value", "messages.0"),
        ({"messages": [{"role": "assistant", "audio": {"id": 5}}]}, "invalid_value", "messages.0"),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_request_is_named(served, fields, code, param):
    body = {"messages": [{"role": "user", "content": "x"}], **fields}
    reply = served.http.post("/v1/chat/completions", json=body)
    assert reply.status_code == 400, reply.text
    error = reply.json()["error"]
    assert error["code"] == code
    assert param is None or error["param"] == param


@pytest.mark.parametrize(
    "fields",
    [
        {"frequency_penalty": 0, "presence_penalty": 0.0, "n": 1, "logit_bias": {}},
        {"user": "me", "metadata": {"a": "b"}, "service_tier": "auto", "parallel_tool_calls": True},
        {"temperature": 0, "top_p": 1, "response_format": {"type": "text"}, "tools": []},
        {"temperature": 0.7, "top_p": 0.9},
    ],
    ids=str,
)
def test_neutral_and_able_parameters_are_accepted(served, fields):
    turns = [{"role": "developer", "content": "be brief"}, {"role": "user", "content": "hi"}]
    body = {"messages": turns, "max_completion_tokens": 2, "modalities": ["text"], **fields}
    assert served.http.post("/v1/chat/completions", json=body).status_code == 200
