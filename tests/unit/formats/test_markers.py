"""Markers, tags and files: what is written in a trainer's layout is read back as it was."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anygen.core.records import MediaContent, Record, TextContent
from mosit_data.formats.conversations.llamafactory import DataSet, entry
from mosit_data.formats.conversations.llava import LlavaRow
from mosit_data.formats.conversations.openai import OpenaiRow
from mosit_data.formats.conversations.swift import SwiftRow
from mosit_data.formats.layouts import WRITERS
from mosit_data.formats.markers import escape, split_markers, unescape
from support.layouts import media_folder

PARSE = {
    "llava": LlavaRow.model_validate,
    "llamafactory": DataSet.model_validate(entry("m.json")).parse,
    "openai": OpenaiRow.model_validate,
    "swift": SwiftRow.model_validate,
}
FILES = {"image": ("a.jpg", "part/k1.jpg"), "audio": ("rain.wav",), "video": ("clips/v1.mp4",)}
typed = st.sampled_from(
    [
        "<image>",
        "<video>",
        "</audio>",
        "<Image>",
        "<\\image>",
        "<\\\\audio>",
        "\n",
        "\n\n",
        "<",
        "\\",
    ]
)
texts = st.lists(
    st.one_of(typed, st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)),
    min_size=1,
    max_size=4,
).map("".join)
parts = st.one_of(
    texts.map(lambda text: TextContent(text=text)),
    st.sampled_from([*FILES.items()]).flatmap(
        lambda item: st.sampled_from(item[1]).map(
            lambda path: MediaContent(type=item[0], path=path)
        )
    ),
)


def merged(content):
    """Texts side by side are one: no layout with markers keeps them apart."""
    found = []
    for part in content:
        if found and isinstance(part, TextContent) and isinstance(found[-1], TextContent):
            found[-1] = TextContent(text=found[-1].text + part.text)
        else:
            found.append(part)
    return found


answers = texts.filter(str.strip).map(lambda text: [TextContent(text=text)])
questions = (
    st.lists(parts, min_size=1, max_size=5)
    .map(merged)
    .filter(lambda content: any(isinstance(p, MediaContent) or p.text.strip() for p in content))
)
turns = st.lists(st.tuples(questions, answers), min_size=1, max_size=3)


def record_of(turns, system=None):
    messages = [{"role": "system", "content": [system]}] if system else []
    for question, answer in turns:
        messages += [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    return Record(id="r1", messages=messages)


@pytest.mark.parametrize("layout", sorted(PARSE))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # it is only read
@given(turns=turns, system=answers)
def test_what_is_written_is_read_back(folder, layout, turns, system):
    system = None if layout == "llava" else system[0]
    record = record_of(turns, system)
    row = json.loads(json.dumps(WRITERS[layout](record)))
    assert PARSE[layout](row).to_messages(media_folder(folder)) == record.messages


@given(texts)
def test_escaping_is_undone(text):
    assert unescape(escape(text)) == text
    assert "<image>" not in escape(text)


@pytest.mark.parametrize("layout", ["llava", "llamafactory", "swift"])
@given(turns=turns)
def test_trainers_count_as_many_markers_as_files(layout, turns):
    row = WRITERS[layout](record_of(turns))
    dump = json.dumps(row.get("conversations") or row["messages"])
    for kind in FILES:
        files = row.get(f"{kind}s") or row.get(kind, [])
        assert dump.count(f"<{kind}>") == len([files] if isinstance(files, str) else files)


def test_a_medium_of_the_assistant_is_written_as_its_caption():
    kite = MediaContent(type="image", path="a.jpg", caption="a red kite")
    record = record_of([([TextContent(text="Draw")], [TextContent(text="Here: "), kite])])
    expected = "Here: <Image>a red kite</Image>"
    assert WRITERS["llava"](record)["conversations"][1]["value"] == expected
    assert WRITERS["openai"](record)["messages"][1]["content"] == expected
    assert "image" not in WRITERS["llava"](record)


@pytest.mark.parametrize("layout", sorted(PARSE))
def test_a_medium_of_the_user_without_a_file_is_refused(layout):
    scene = MediaContent(type="image", scene={"sprite": "cat"})
    with pytest.raises(ValueError, match="the image has no file"):
        WRITERS[layout](record_of([([scene], [TextContent(text="A cat.")])]))


def test_llava_has_no_system_message():
    record = record_of(
        [([TextContent(text="Hi")], [TextContent(text="Yes")])], TextContent(text="x")
    )
    with pytest.raises(ValueError, match="no place for a system message"):
        WRITERS["llava"](record)


def test_media_of_each_modality_come_in_their_own_order():
    media = [
        MediaContent(type="image", path="1"),
        MediaContent(type="audio", path="2"),
        MediaContent(type="image", path="3"),
    ]
    [first, second] = split_markers(["<audio> then <image>", "<image>"], media)
    assert [getattr(part, "path", None) for part in first] == ["2", None, "1"]
    assert second == [media[2]]
