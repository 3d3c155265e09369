"""Whatever a file holds, it is read, refused row by row, or refused as a whole in a sentence."""

import json
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mosit_data.formats.convert import Job, convert
from mosit_data.formats.layouts import LAYOUTS
from support.layouts import LLAVA, SWIFT, media_folder, shown

NAMES = """
    id image images video videos audio source conversations conversation messages system objects
    query response history instruction input output outputs inputs image_base64_str img_str
    unique_id image_path prompt target text_list image_info texts metadata caption text file
    image_name image_list image_captions output_image input_image pcl Answer Question TaskPrompt
    file_name columns tags formatting data annotations
"""
COLUMNS = NAMES.split()
KEYS = ["from", "value", "role", "content", "type", "text", "image_url", "url", "caption", "ref"]
TEXTS = [
    *("human", "gpt", "user", "assistant", "system", "<image>", "<image>\nHi", "<Image>a</Image>"),
    *("<Image>", "a.jpg", "../a.jpg", "/a.jpg", "\0", "x" * 300, "data:image/png;base64,AAAA"),
    *("[IMAGE]", "<IMAGE>a", "image", "image_url", "\ud800", "sharegpt", "m.json", "<bbox>", "[{"),
]
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(TEXTS),
    st.text(max_size=3),
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*COLUMNS, *KEYS]), inner, max_size=3)
    ),
    max_leaves=8,
)
turns = st.lists(st.dictionaries(st.sampled_from(KEYS), values, max_size=3), max_size=3)
changed = st.builds(
    lambda row, key, value: {**row, key: value},
    st.sampled_from([LLAVA, SWIFT]),
    st.sampled_from(COLUMNS),
    values,
)
rows = changed | st.dictionaries(st.sampled_from(COLUMNS), values | turns, max_size=6)
names = st.sampled_from(sorted(LAYOUTS))
bounded = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def check(layout, path):
    """Every outcome is a record or one sentence on one line."""
    outcomes = []
    with suppress(ValueError, OSError):
        outcomes = list(LAYOUTS[layout].read(path, media_folder(path.parent)))
    for outcome in outcomes:
        reason = shown(outcome)
        assert isinstance(reason, list) or (reason and len(reason.splitlines()) == 1)


@bounded
@given(data=st.lists(rows, min_size=1, max_size=3))
def test_columns_may_hold_anything(folder, data):
    path = folder / "rows.json"
    path.write_text(json.dumps(data))
    for layout in LAYOUTS:
        check(layout, path)


@bounded
@given(layout=names, row=rows, name=st.sampled_from(["DC_instructions.json", "dataset_info.json"]))
def test_so_may_files_that_lead_to_others(folder, layout, row, name):
    (folder / "DC.json").write_text("{}")
    path = folder / name
    path.write_text(json.dumps({"data": {"DC_INS_1": row}, **row}))
    check(layout, path)


@bounded
@given(
    layout=names,
    suffix=st.sampled_from([".json", ".jsonl", ".csv", ".tsv", ".txt", ".tar", ".parquet", ""]),
    data=st.one_of(
        st.binary(max_size=60),
        st.tuples(st.sampled_from([LLAVA, SWIFT]), st.integers(0, 200)).map(
            lambda cut: json.dumps([cut[0]]).encode()[: cut[1]]
        ),
    ),
)
def test_bytes_may_be_anything(folder, layout, suffix, data):
    path = folder / f"bytes{suffix}"
    path.write_bytes(data)
    check(layout, path)


@pytest.mark.parametrize("name", ["/dev/null", "/dev/zero", "gone.json", "x" * 300, "a\0b"])
def test_only_files_and_folders_are_read(folder, name):
    with pytest.raises((ValueError, OSError)):
        convert(Job(LAYOUTS["llava"], [folder / name], folder / "out.jsonl"))
    assert not (folder / "out.jsonl").exists()


def test_a_device_is_not_replaced(folder):
    (folder / "l.json").write_text(json.dumps([LLAVA]))
    with pytest.raises(ValueError, match="is no file"):
        convert(Job(LAYOUTS["llava"], [folder / "l.json"], folder / "part"))
