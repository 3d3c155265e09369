"""What a row may say, how it becomes a request, and what is wrong with it."""

import json
from base64 import b64encode

import pytest

from anygen.batch.sources import read_rows
from anygen.generation.options import AnswerOptions, Edit
from anygen.io.media_files import write_media
from support.batches import Painter, never_load, run, write_rows
from support.net import network, reply


def test_media_are_downloaded_from_hosts_that_are_named(tmp_path, image, monkeypatch):
    path = write_media(image, tmp_path / "cat.png")
    rows = [
        {"id": host, "prompt": [{"type": "image_url", "image_url": f"http://{host}/cat.png"}]}
        for host in ("media.example.org", "evil.example.org")
    ]
    model = Painter()
    with network(monkeypatch) as net:
        net.replies = [reply(path.read_bytes())]
        hosts = ("http://media.example.org",)
        file = write_rows(tmp_path, *rows)
        done, refused = run(lambda: model, file, tmp_path / "out", media_hosts=hosts)
    assert done["status"] == "ok"
    ((request,),) = model.batches
    assert request.messages[0].parts[0].pixels.equal(image.pixels)
    assert refused["error"] == (
        "prompt.0: media are not downloaded from there; allowed are http://media.example.org"
    )


def test_a_dialogue_keeps_its_roles_parts_seed_and_modalities(tmp_path, image):
    (tmp_path / "media").mkdir()
    write_media(image, tmp_path / "media" / "cat.png")
    content = [{"type": "text", "text": "what is"}, {"type": "image", "path": "media/cat.png"}]
    row = {
        "id": "a",
        "seed": 9,
        "modalities": ["text"],
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "hello"},
            {"role": "user", "content": content},
        ],
    }
    model = Painter()
    (made,) = run(
        lambda: model,
        write_rows(tmp_path, row),
        tmp_path / "out",
        options=AnswerOptions(max_new_tokens=5),
    )
    ((request,),) = model.batches
    assert [message.role for message in request.messages] == ["user", "assistant", "user"]
    assert request.messages[2].parts[0] == "what is"
    assert request.messages[2].parts[1].pixels.equal(image.pixels)
    assert request.seed == 9
    assert request.options == AnswerOptions(modalities=("text",), max_new_tokens=5)
    assert made["seed"] == 9


def test_a_row_whose_id_is_not_sound_fails_alone_and_one_without_is_named_after_its_line(tmp_path):
    source = write_rows(
        tmp_path,
        {"id": "a", "prompt": "x"},
        {"prompt": "x"},
        {"id": "", "prompt": "x"},
        {"id": True, "prompt": "x"},
        {"id": "line-6", "prompt": "y"},
        {"prompt": "z"},
    )
    made = run(lambda: Painter(), source, tmp_path / "out")
    unsound = "id: give a text that is not empty, or a whole number"
    assert [(record["id"], record.get("error")) for record in made] == [
        ("a", None),
        ("line-2", None),
        ("line-3", unsound),
        ("line-4", unsound),
        ("line-6", None),
        ("line-6-again", None),
    ]


def test_two_rows_with_one_id_are_refused_before_a_model_loads(tmp_path):
    rows = [{"id": "a", "prompt": "x"}, {"prompt": "y"}, {"id": "a", "prompt": "z"}]
    source = write_rows(tmp_path, *rows)
    with pytest.raises(ValueError, match=r"'a' is the id of line 1 and of line 3; give each its"):
        run(never_load, source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_options_of_a_row_stand_before_those_of_all(tmp_path, image):
    write_media(image, tmp_path / "cat.png")
    ref = {"type": "image", "ref": 1, "strength": 0.4}
    shown = [{"role": "user", "content": [{"type": "image", "path": "cat.png"}]}]
    asked = [{"role": "user", "content": [ref, {"type": "text", "text": "in blue"}]}]
    rows = [
        {"id": "a", "prompt": "x", "options": {"exactly": {"image": 2}, "stop": ["END"]}},
        {"id": "b", "messages": shown + asked},
        {"id": "c", "prompt": "x", "options": {"exactly": {"smell": 2}}},
        {"id": "d", "prompt": "x", "options": {"max_media": 1, "exactly": {"image": 2}}},
    ]
    model = Painter()
    given = AnswerOptions(max_new_tokens=5, stop=("Bye",))
    made = run(lambda: model, write_rows(tmp_path, *rows), tmp_path, batch_size=4, options=given)
    [first, second] = model.batches[0]
    assert first.options == AnswerOptions(max_new_tokens=5, stop=("END",), exactly={"image": 2})
    assert second.options == AnswerOptions(
        max_new_tokens=5, stop=("Bye",), edit=Edit(ref=1, strength=0.4)
    )
    assert second.messages[1].parts[0] is second.messages[0].parts[0]
    assert made[2]["error"].startswith("options.exactly.smell")
    assert made[3]["error"].startswith("options.exactly: 2 image cannot be made")


def answered(folder, *rows, **settings):
    """What a model is asked for these rows, and their records, in a new folder."""
    model, out = Painter(), folder / f"out{len(list(folder.iterdir()))}"
    made = run(lambda: model, write_rows(folder, *rows), out, **settings)
    return [request for batch in model.batches for request in batch], made


def parts_of(folder, content):
    """What the model is given for the content of a message."""
    row = {"id": "a", "messages": [{"role": "user", "content": content}]}
    [request], [record] = answered(folder, row)
    assert record["status"] == "ok"
    return request.messages[0].parts


def error_of(folder, row):
    requests, [record] = answered(folder, {"id": "a", **row})
    assert (requests, record["status"]) == ([], "error")
    return record["error"]


def asking(*content):
    return {"messages": [{"role": "user", "content": list(content)}]}


def test_ids_may_be_whole_numbers(tmp_path):
    rows = [{"id": 7, "prompt": "x"}, {"id": -1, "prompt": "y"}, {"id": "8", "prompt": "z"}]
    _, made = answered(tmp_path, *rows)
    assert [record["id"] for record in made] == ["7", "-1", "8"]
    source = write_rows(tmp_path, {"id": 7, "prompt": "x"}, {"id": "7", "prompt": "x"})
    with pytest.raises(ValueError, match="'7' is the id of line 1 and of line 2"):
        read_rows(source)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"prompt": ""}, "prompt: is empty; write a text or add a medium"),
        ({"prompt": " \n\u3000"}, "prompt: is empty; write a text or add a medium"),
        ({"prompt": []}, "prompt: is empty; write a text or add a medium"),
        (asking(), "messages.0.content: is empty; write a text or add a medium"),
        (asking({"type": "text", "text": ""}), "messages.0.content: is empty; "),
        ({"prompt": 5}, "prompt: should be a text or a list of parts, not a number"),
        ({"prompt": None}, "prompt: should be a text or a list of parts, not null"),
        ({"prompt": ["a", 5]}, "prompt.1: should be a text or a part with a type, not a number"),
        ({"prompt": "a", "messages": []}, "prompt: give either this or messages"),
        ({}, "prompt: is missing; a row has a prompt or messages"),
        ({"promt": "a"}, "promt: no such key; did you mean prompt; a row has id, prompt, "),
        ({"prompt": "a", "steps": 2}, "steps: is an option; write it under options"),
        ({"prompt": "a", "modality": "smell"}, "no modality 'smell'; there are text, image, "),
        (
            {"prompt": "a", "modality": "image", "modalities": ["text"]},
            "modality: give either this or modalities",
        ),
        ({"prompt": [], "image": "a.png"}, "image: is shown before a prompt that is a text; "),
        (
            {"prompt": "a", "options": {"image": {"steps": 2}}},
            "options: no option 'image'; did you mean image.size; there are temperature, ",
        ),
        ({"prompt": "a", "options": {"stepps": 2}}, "options: no option 'stepps'; did you mean s"),
        (
            {"prompt": "a", "options": {"image.steps": 0}},
            "options.media.image.steps: Input should be greater than 0",
        ),
        (
            {"prompt": "a", "options": {"media": {"image": {"stepz": 1}}}},
            "options.media.image.stepz: unknown key; did you mean steps?",
        ),
        ({"messages": []}, "messages: the last one must have the role user"),
        ({"messages": "hi"}, "messages: Input should be a valid list"),
        ({"messages": [{"role": "bot", "content": "x"}]}, "messages.0.role: Input should be "),
        ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        (asking({"type": "smell"}), "messages.0.content.0.type: 'smell' is none of text, image, "),
        (asking({"type": "image"}), "messages.0.content.0: a medium needs one of 'path', "),
        (
            asking({"type": "image", "caption": "a cat"}),
            "messages.0: the image is a caption only, and the user shows it; give it a 'path'",
        ),
        (
            {
                "messages": [
                    {"role": "assistant", "content": [{"type": "image", "caption": "a cat"}]},
                    {"role": "user", "content": "in blue"},
                ]
            },
            "messages.0.content.0: is a caption only, for training; give the medium a path",
        ),
        (asking({"type": "image", "path": 5}), "messages.0.content.0.path: Input should be "),
        ({"prompt": [{"type": "image", "path": 5}]}, "prompt.0.path: Input should be a valid"),
        (asking({"type": "image_url"}), "messages.0.content.0.image_url: should be a text, not n"),
        (
            asking({"type": "image_url", "image_url": {"url": 5}}),
            "messages.0.content.0.image_url.url: should be a text, not a number",
        ),
        (
            asking({"type": "image_url", "image_url": {"url": "https://a.b/c.png"}}),
            "messages.0.content.0: nothing is downloaded from https: URLs; give a local path",
        ),
        (
            asking({"type": "image", "path": "data:image/png;base64," + "A" * 9_000}),
            "messages.0.content.0: the data URL: holds no picture, sound or video; ",
        ),
        (
            asking({"type": "image", "path": "data:image/png;base64,A"}),
            "messages.0.content.0: the data URL is not base64",
        ),
        (asking({"type": "image", "ref": 1}), "messages.0.content.0.ref: medium 1 is not an ear"),
        ({"prompt": "x", "seed": "often"}, "seed: Input should be a valid integer"),
        ({"prompt": "x", "modalities": ["smell"]}, "modalities.0: Input should be "),
        ({"prompt": "x", "options": {"max_media": -1}}, "options.max_media: Input should be great"),
        ({"prompt": "x", "options": {"stop": [""]}}, "options.stop: an empty text would end"),
    ],
    ids=str,
)
def test_an_error_names_the_field_as_it_was_written(tmp_path, row, sentence):
    error = error_of(tmp_path, row)
    assert error.startswith(sentence)
    assert len(error) <= 500


def test_a_medium_of_another_modality_than_declared_is_an_error(tmp_path, image):
    write_media(image, tmp_path / "cat.png")
    error = error_of(tmp_path, asking({"type": "audio", "path": "cat.png"}))
    where = tmp_path / "cat.png"
    assert error == f"messages.0.content.0: the type is audio, and {where} holds image"


def test_parts_may_be_written_as_openai_does(tmp_path, image, audio):
    picture, sound = tmp_path / "a cat.png", tmp_path / "tone.wav"
    write_media(image, picture)
    write_media(audio, sound)
    data = b64encode(picture.read_bytes()).decode()
    for part in (
        {"type": "image", "path": "a cat.png"},
        {"type": "image_url", "image_url": {"url": "a cat.png", "detail": "low"}},
        {"type": "image_url", "image_url": picture.as_uri()},
        {"type": "input_image", "image_url": f"data:image/png;base64,{data}"},
        {"type": "image", "path": f"DATA:;base64,{data}"},
    ):
        [seen, text] = parts_of(tmp_path, [part, {"type": "input_text", "text": "what is it"}])
        assert seen.pixels.equal(image.pixels)
        assert text == "what is it"
    encoded = {"data": b64encode(sound.read_bytes()).decode(), "format": "wav"}
    for part in (
        {"type": "input_audio", "input_audio": encoded},
        {"type": "audio_url", "audio_url": {"url": "tone.wav"}},
    ):
        [heard] = parts_of(tmp_path, [part])
        assert heard.samples.shape == audio.samples.shape


def test_texts_in_a_list_are_lines_of_one_message(tmp_path, image):
    write_media(image, tmp_path / "cat.png")
    assert parts_of(tmp_path, ["draw", "a cat"]) == ("draw\na cat",)
    [text, picture] = parts_of(tmp_path, ["look: ", {"type": "image", "path": "cat.png"}])
    assert text == "look: "
    assert picture.pixels.equal(image.pixels)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_files_that_powershell_and_notepad_write_are_read(tmp_path, encoding):
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    rows = [{"id": "a", "prompt": "häuser"}, {"id": "b", "prompt": "hello"}]
    text = mark + "".join(json.dumps(row, ensure_ascii=False) + "\r\n" for row in rows)
    path = tmp_path / "rows.jsonl"
    path.write_bytes(text.encode(encoding))
    assert [(row.id, row.data["prompt"]) for row in read_rows(path)] == [
        ("a", "häuser"),
        ("b", "hello"),
    ]


@pytest.mark.parametrize("data", [b"\xff\xfe{", "{}".encode("utf-16-le"), "{}".encode("utf-16-be")])
def test_a_file_in_no_known_encoding_is_refused(tmp_path, data):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="save it as UTF-8"):
        read_rows(path)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"id": "\xe4"}', "line 1 is not UTF-8; save the file as UTF-8"),
        (b"[" * 100_000, "line 1 is nested too deeply"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "line 1 holds a number of too many digits"),
        (b'{"id": "a",', "line 1 is not JSON: "),
        (b"7", "line 1 is not a JSON object"),
    ],
    ids=["latin-1", "deep", "digits", "cut", "number"],
)
def test_a_line_that_is_no_object_fails_alone(tmp_path, line, reason):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(line + b'\n{"id": "b", "prompt": "x"}')
    first, second = read_rows(path)
    assert (first.id, second.id) == ("line-1", "b")
    assert first.error.startswith(reason)
