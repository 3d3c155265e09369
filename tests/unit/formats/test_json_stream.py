"""JSON is decoded member by member, and a damaged file is named with the line of the damage."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosit_data.formats.json_stream import JsonStream
from mosit_data.formats.rows import read_json, read_rows

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


chunks = st.integers(1, 9)  # characters


def members(path, chunk):
    with JsonStream(path, chunk) as stream:
        return [(key, stream.line, stream.value()) for key in stream.members()]


@given(
    data=st.lists(values, max_size=5), indent=st.sampled_from([None, 1]), chunk=st.integers(1, 9)
)
def test_any_list_is_read_wherever_it_is_cut_into_chunks(tmp_path_factory, data, indent, chunk):
    path = tmp_path_factory.mktemp("json") / "x.json"
    path.write_text(json.dumps(data, indent=indent, ensure_ascii=False), encoding="utf-8")
    assert [value for *_, value in members(path, chunk)] == data


@given(data=st.dictionaries(st.text(max_size=3), values, max_size=4), chunk=chunks)
def test_any_object_is_read_with_its_keys(tmp_path_factory, data, chunk):
    path = tmp_path_factory.mktemp("json") / "x.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    assert {key: value for key, _, value in members(path, chunk)} == data


def test_rows_stand_at_the_line_where_they_begin(tmp_path):
    (tmp_path / "x.json").write_text('[\n {"a":\n  1},\n\n {"a": 2}, {"a": 3},\n 4\n]\n')
    rows = [*read_rows(tmp_path / "x.json")]
    assert [row.place for row in rows] == [
        *("x.json:2 (row 1)", "x.json:5 (row 2)", "x.json:5 (row 3)", "x.json:6 (row 4)")
    ]
    assert rows[3].error == "is a number, not an object"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[\n{"a": 1},\n{"a":', "x.json:3: the file ends in the middle of a value"),
        ('[{"a": "b', "x.json:1: the file ends in the middle of a value"),
        ('[{"a": 1}', "x.json:1: the file ends before ]"),
        ("[", "x.json:1: the file ends where a value should begin"),
        ('[\n{"a": 1}\n{"a": 2}]', "x.json:3: , or ] should stand here"),
        ('[{"a" 1}' + " " * 40 + "]", "x.json:1: Expecting ':' delimiter"),
        ("[" * 100_000, "x.json:1: the JSON is nested too deeply"),
        ('[{"a": 1}]\n[', "x.json:2: the list has ended, and more follows"),
        (b'[{"a": "\xff"}]', "x.json: is not UTF-8; save it as UTF-8"),
        (gzip.compress(b"[]", mtime=0), "x.json: is compressed by gzip; unpack it"),
    ],
)
def test_a_damaged_list_is_unusable(tmp_path, text, reason):
    path = tmp_path / "x.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=r"x\.json") as error:
        list(read_json(path))
    assert str(error.value) == reason


def test_a_damaged_line_of_json_lines_is_a_row_of_its_own(tmp_path):
    (tmp_path / "x.jsonl").write_bytes(b'{"a": 1}\n\n{"a":\n\xff\n[]\n{"a": 2}\n')
    rows = [*read_rows(tmp_path / "x.jsonl")]
    assert [row.place for row in rows] == [f"x.jsonl:{line}" for line in (1, 3, 4, 5, 6)]
    assert [bool(row.error) for row in rows] == [False, True, True, True, False]
    assert rows[4].data == {"a": 2}


def test_the_list_under_a_key_is_found_wherever_it_stands(tmp_path):
    text = '{"meta": {"annotations": [5]}, "annotations": [{"a": 1}], "end": null}'
    (tmp_path / "x.json").write_text(text)
    assert [row.data for row in read_json(tmp_path / "x.json", "annotations")] == [{"a": 1}]
