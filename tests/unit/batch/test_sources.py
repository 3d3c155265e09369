"""Files of prompts in every form become the same rows."""

import io
import json
import sys

import pytest

from anygen.batch.rows import media_reader, open_row
from anygen.batch.sources import STDIN, read_rows, source_of
from anygen.generation.options import AnswerOptions
from anygen.io.media_files import write_media

LONG = {"modality": "audio", "options": {"audio.steps": 4}, "seed": 7}


def written(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def requests_of(path):
    return [
        (row.id, open_row(row, media_reader([path.parent]), 0, AnswerOptions()))
        for row in read_rows(path)
    ]


def forms(folder):
    """The same two prompts in a file of every kind."""
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    rows = [{"id": "a", "prompt": "a cat", "modality": "image"}, {"prompt": "a bell", **LONG}]
    table = [
        {"id": "a", "prompt": "a cat", "modality": "image", "seed": None, "audio.steps": None},
        {"id": "", "prompt": "a bell", "modality": "audio", "seed": 7, "audio.steps": 4},
    ]
    parquet.write_table(pyarrow.Table.from_pylist(table), folder / "rows.parquet")
    cells = "id,prompt,modality,seed,audio.steps\na,a cat,image,,\n,a bell,audio,7,4\n"
    return [
        written(folder, "rows.jsonl", "\n".join(map(json.dumps, rows))),
        written(folder, "rows.csv", "\ufeff" + cells),
        written(folder, "rows.tsv", cells.replace(",", "\t")),
        folder / "rows.parquet",
    ]


def test_tables_hold_the_same_requests_as_lines(tmp_path):
    first, *others = [requests_of(path) for path in forms(tmp_path)]
    (_, cat), (_, bell) = first
    assert (cat.messages[0].parts, bell.messages[0].parts) == (("a cat",), ("a bell",))
    assert (cat.options.exactly, bell.options.exactly) == ({"image": 1}, {"audio": 1})
    assert (bell.seed, bell.options.media["audio"].steps) == (7, 4)
    for other in others:
        assert [request.options for _, request in other] == [cat.options, bell.options]
        assert other[0][1].seed == cat.seed
        assert other[1][1].seed == 7


def test_a_text_file_has_a_prompt_per_line(tmp_path):
    rows = read_rows(written(tmp_path, "captions.txt", "a cat\r\n\n  a dog \n"))
    assert [(row.id, row.data["prompt"]) for row in rows] == [
        ("line-1", "a cat"),
        ("line-3", "a dog"),
    ]


@pytest.mark.parametrize("text", ["a cat\na dog\n", '{"prompt": "a cat"}\n{"prompt": "a dog"}\n'])
def test_standard_input_holds_prompts_or_objects(monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    rows = read_rows(source_of("-"))
    assert [(row.id, row.data["prompt"]) for row in rows] == [
        ("line-1", "a cat"),
        ("line-2", "a dog"),
    ]
    assert STDIN.parent.resolve() == STDIN.parent.cwd()  # where relative paths begin


def test_a_table_shows_media_and_holds_dialogues(tmp_path, image):
    write_media(image, tmp_path / "cat.png")
    dialogue = '"[{""role"": ""user"", ""content"": ""hi""}]"'
    cells = f"prompt,image,messages\nin blue,cat.png,\n,,{dialogue}\n"
    path = written(tmp_path, "rows.csv", cells)
    (_, edit), (_, talk) = requests_of(path)
    assert edit.messages[0].parts[0].pixels.equal(image.pixels)
    assert edit.messages[0].parts[1] == "in blue"
    assert talk.messages[0].parts == ("hi",)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("prompt,colour\nx,red\n", "no column may be named 'colour'; there are id, prompt, "),
        ("prompt,sede\nx,1\n", "no column may be named 'sede'; did you mean seed"),
        ("id\nx\n", "has no column prompt, and none of messages"),
        ("prompt,seed,seed\nx,1,2\n", "has more than one column named 'seed'; keep one of them"),
        ('prompt\n"a cat', "line 1: unexpected end of data"),
        ("", "has no column prompt"),
    ],
)
def test_a_table_that_is_wrong_as_a_whole_is_refused(tmp_path, text, sentence):
    with pytest.raises(ValueError, match=r"rows\.csv: ") as refusal:
        read_rows(written(tmp_path, "rows.csv", text))
    assert sentence in str(refusal.value)


def test_a_row_of_a_table_that_is_wrong_fails_alone(tmp_path):
    rows = read_rows(
        written(tmp_path, "rows.csv", f"prompt,messages\na,,b\n,[1\n,{'9' * 5000}\nc,\n")
    )
    assert [row.error[:30] for row in rows] == [
        "has more cells than the table ",
        "messages: is not JSON: Expecti",
        "messages: holds a number of to",
        "",
    ]


def openai(url, **body):
    return {"custom_id": "r1", "method": "POST", "url": url, "body": {"model": "gpt-x", **body}}


HELLO = {"role": "user", "content": "hello"}
CHAT, RESPONSES, IMAGES = "/v1/chat/completions", "/v1/responses", "/v1/images/generations"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            openai(CHAT, messages=[HELLO], max_completion_tokens=9, stop="END", n=1, seed=5),
            {"messages": [HELLO], "seed": 5, "options": {"max_new_tokens": 9, "stop": ["END"]}},
        ),
        (
            openai(RESPONSES, instructions="Be brief.", input="hello", temperature=0.5),
            {
                "messages": [{"role": "system", "content": "Be brief."}, HELLO],
                "options": {"temperature": 0.5},
            },
        ),
        (
            openai(CHAT, messages=[HELLO], anygen={"seed": 3, "exactly": {"image": 1}}),
            {"messages": [HELLO], "seed": 3, "options": {"exactly": {"image": 1}}},
        ),
        (
            openai(IMAGES, prompt="a cat", n=2, size="64x64", response_format="b64_json"),
            {
                "prompt": "a cat",
                "modality": "image",
                "options": {"exactly.image": 2, "image.size": 64},
            },
        ),
    ],
)
def test_lines_of_openais_batches_are_rows(tmp_path, line, expected):
    path = written(tmp_path, "rows.jsonl", json.dumps(line))
    [row] = read_rows(path)
    assert row.data == {"id": "r1", "options": {}, **expected}
    assert open_row(row, media_reader([tmp_path]), 0, AnswerOptions())


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (openai(CHAT, messages=[HELLO], tools=[{}]), "body.tools: [{}] is not supported; leave"),
        (openai(CHAT, messages=[HELLO], n=2), "body.n: 2 is not supported; leave it out or give 1"),
        (openai(CHAT, max_token=5), "body.max_token: unknown parameter; did you mean max_tokens;"),
        (openai(IMAGES, prompt="x", size="64x32"), "body.size: '64x32' is no size of a square,"),
        (openai(CHAT, anygen=5), "body.anygen: should be an object"),
        (openai(CHAT, modalities=["text"], anygen={"modalities": ["image"]}), "body.anygen.modal"),
        (openai(IMAGES, prompt="x", n=11), "body.n: should be a whole number from 1 to 10"),
        (openai(CHAT, messages=[HELLO], stream="true"), "body.stream: 'true' is not supported;"),
        ({**openai(CHAT, messages=[HELLO]), "method": "GET"}, "method: should be POST, not 'GET'"),
        (openai("/v1/embeddings"), "url: '/v1/embeddings' is none of /v1/chat/completions, "),
        ({"custom_id": "a", "url": CHAT, "body": 5}, "body: should be an object"),
    ],
)
def test_a_line_of_openai_that_cannot_be_met_fails_alone(tmp_path, line, sentence):
    path = written(tmp_path, "rows.jsonl", json.dumps(line) + '\n{"prompt": "x"}')
    [row, other] = read_rows(path)
    assert row.error.startswith(f"line 1: {sentence}")
    assert row.id == line["custom_id"]
    assert not other.error


def test_a_name_of_a_file_is_no_prompt(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("cat", "a cat.png", "rows.yaml"):
        (tmp_path / name).write_text("draw a cat")
    for name in ("cat", "a cat.png", "rows.yaml", "gone.md", "deep/rows.JSON"):
        with pytest.raises(ValueError, match="the name of a file of prompts ends in one of"):
            source_of(name)
    for empty in ("", " \n"):
        with pytest.raises(ValueError, match="the prompt is empty"):
            source_of(empty)
    (tmp_path / "my prompts.txt").write_text("draw a cat")
    for name in ("rows.JSONL", "gone.txt", "my prompts.txt", "rows.csv"):
        assert source_of(name).name == name
    for prompt in ("draw a cat", "what is in notes.txt", "~nobody", "x" * 5_000, "a\0b", "Node.js"):
        assert source_of(prompt) == prompt
