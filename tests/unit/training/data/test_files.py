"""Lines are found by their number, and what is wrong with one is said with its place."""

import gzip
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from anygen.cli.main import app
from anygen.config.data import DataSource
from anygen.training.data.files import MediaFolder, RecordFile, RowError
from anygen.training.data.sources import find_files, open_source
from support.own_data import talk, write_records

LAYOUTS = Path(__file__).parents[4] / "docs" / "data.md"


def test_a_row_is_a_line_that_is_not_blank(tmp_path):
    path = write_records(
        tmp_path / "a.jsonl",
        b"\xef\xbb\xbf" + b'{"id": 7, "prompt": "first"}',
        b"  \r",
        talk("b", "two\u2028lines", "\u00fc"),
        b"",
    )
    path.write_bytes(path.read_bytes() + b'{"prompt": "last, without a line end"}')
    file = RecordFile(path)
    assert len(file) == 3
    assert [file.read(row).id for row in (2, 0, 1)] == ["line-5", "7", "b"]
    assert file.read(1).messages[0].content[0].text == "two\u2028lines"
    assert [file.line(row) for row in range(3)] == [1, 3, 5]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"\xff\xfa", ":2: is not UTF-8; save the file as UTF-8"),
        (b'{"id": "a",', ":2: is not JSON: "),
        (b"[" * 100_000, ":2: is nested too deeply"),
        (b'"hi"', ":2: is not a JSON object"),
        (b'{"id": "a"}', ":2: record a: messages: Field required"),
        (
            b'{"id": "a", "mesages": []}',
            ":2: record a: messages: Field required; mesages: unknown key; did you mean messages?",
        ),
        (
            b'{"prompt": [{"type": "image", "path": "a.png", "captoin": "x", "list": 1}]}',
            ":2: record line-2: messages.0.content.0.captoin: unknown key; did you mean caption?; "
            "messages.0.content.0.list: unknown key",
        ),
        (
            b'{"id": "a", "prompt": [{"type": "picture"}]}',
            ":2: record a: messages.0.content.0: should be a text or a medium, with a 'type' of "
            "'text', 'image', 'audio' or 'video'",
        ),
        (
            b'{"id": "a", "messages": ["hi"], "made_by": "me"}',
            ":2: record a: messages.0: should be keys with values, as in {key: value}; "
            "made_by: should be keys with values, as in {writer: me}",
        ),
        (
            b'{"id": "a", "messages": [{"role": "bot", "content": "x"}]}',
            ":2: record a: messages.0.role: Input should be ",
        ),
        (b'{"id": "a", "prompt": [{"type": "image"}]}', ":2: record a: messages.0.content.0: a me"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_line_that_is_no_record_is_named_by_file_and_number(tmp_path, line, sentence):
    path = write_records(tmp_path / "a.jsonl", talk("fine"), line)
    with pytest.raises(RowError) as error:
        RecordFile(path).read(1)
    assert str(error.value).startswith(f"{path}{sentence}")
    assert "\n" not in str(error.value)


LAYOUT_ROWS = re.findall(r"^\| `(\w+)` \|.*\| `(\{.*\})` \|$", LAYOUTS.read_text(), re.MULTILINE)


@pytest.mark.parametrize(("layout", "row"), LAYOUT_ROWS, ids=lambda value: value[:12])
def test_a_row_of_another_layout_is_answered_with_what_converts_it(tmp_path, layout, row):
    """For every layout that is shown with a row in docs/data.md."""
    path = write_records(tmp_path / "a.jsonl", row.encode())
    if layout == "records":
        assert RecordFile(path).read(0)
        return
    same = {"lamm": "llava", "parquet": "captions"}  # have rows of these
    with pytest.raises(RowError, match=f"--from {same.get(layout, layout)} makes records of such"):
        RecordFile(path).read(0)


@pytest.mark.parametrize("command", ["check", "stats", "split", "index", "preview"])
@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ('{"id": "a"}'.encode("utf-16"), "is not UTF-8; save it as UTF-8"),
        (gzip.compress(b'{"id": "a"}\n', mtime=0), "is compressed by gzip; unpack it"),
    ],
    ids=["UTF-16", "gzip"],
)
def test_a_file_that_is_no_text_in_utf_8_is_refused_as_a_whole(tmp_path, data, sentence, command):
    path = tmp_path / "a.jsonl"
    path.write_bytes(data)
    refused = CliRunner().invoke(app, ["data", command, str(path)])
    assert str(refused.exception) == f"{path}: {sentence}"
    assert refused.stdout == ""
    assert [file.name for file in tmp_path.iterdir()] == ["a.jsonl"]


@pytest.mark.parametrize("command", ["stats", "split", "preview"])
def test_nothing_is_said_of_a_file_without_records(tmp_path, command):
    path = write_records(tmp_path / "a.jsonl", b"")
    refused = CliRunner().invoke(app, ["data", command, str(path)])
    assert str(refused.exception) == f"{path}: holds no records"
    assert refused.stdout == ""


def test_a_pattern_is_all_files_of_such_names_in_order(tmp_path):
    for name in ("b/2.jsonl", "a/1.jsonl", "a/1.txt"):
        write_records(tmp_path / name, talk(name))
    found = [file.path.name for file in find_files(str(tmp_path / "**" / "*.jsonl"))]
    assert found == ["1.jsonl", "2.jsonl"]
    odd = write_records(tmp_path / "x[1].jsonl", talk("odd"))
    assert [file.path for file in find_files(str(odd))] == [odd]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("none.jsonl", "none.jsonl: no such file"),
        ("*.nothing", "nothing: no file has such a name"),
        (
            "a.json",
            r"a.json: records are a .jsonl file, one JSON object per line, or a .tar",
        ),
        ("empty.jsonl", "empty.jsonl: holds no records"),
        ("", r"is a folder; name its files, as in .*/\*\.jsonl"),
    ],
)
def test_files_that_hold_no_records_are_refused(tmp_path, name, sentence):
    (tmp_path / "a.json").write_text("[]")
    (tmp_path / "empty.jsonl").write_text("\n\n")
    with pytest.raises(ValueError, match=sentence):
        open_source(DataSource(path=str(tmp_path / name)), seed=0)


def test_rows_of_several_files_count_on(tmp_path):
    write_records(tmp_path / "a.jsonl", talk("a0"), talk("a1"))
    write_records(tmp_path / "b.jsonl", talk("b0"))
    source = open_source(DataSource(path=str(tmp_path / "*.jsonl")), seed=0)
    assert [source.read(row).id for row in range(len(source))] == ["a0", "a1", "b0"]
    assert (source.place(2).file.name, source.place(2).line) == ("b.jsonl", 1)
    assert source.place(0).media == MediaFolder(tmp_path)


def test_a_limit_is_a_random_choice_that_stays(tmp_path):
    path = write_records(tmp_path / "a.jsonl", *(talk(str(index)) for index in range(50)))
    choices = []
    for seed in (0, 0, 1):
        source = open_source(DataSource(path=str(path), limit=8), seed)
        choices.append([source.read(row).id for row in range(len(source))])
    assert len(set(choices[0])) == 8
    assert choices[0] == choices[1] != choices[2]


def test_all_rows_are_read_in_one_pass_as_one_by_one(tmp_path, monkeypatch):
    path = write_records(tmp_path / "mine.jsonl", talk("a"), b"", b"{", talk("b"), b"\xff")
    file = RecordFile(path)
    single = []
    for row in range(len(file)):
        try:
            single.append(file.read(row))
        except RowError as error:
            single.append(str(error))
    opened, open_path = [], Path.open
    monkeypatch.setattr(Path, "open", lambda p, *a, **k: opened.append(p) or open_path(p, *a, **k))
    found = [str(row) if isinstance(row, RowError) else row for row in file.read_all()]
    assert found == single
    assert opened == [path]


def test_a_limited_source_is_read_in_its_own_order(tmp_path):
    path = write_records(tmp_path / "mine.jsonl", *(talk(f"row-{n}") for n in range(9)))
    source = open_source(DataSource(path=str(path), limit=4), seed=1)
    assert [*source.read_all()] == [source.read(row) for row in range(4)]
    whole = open_source(DataSource(path=str(path)), seed=1)
    assert [record.id for record in whole.read_all()] == [f"row-{n}" for n in range(9)]
