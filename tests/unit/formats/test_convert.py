"""A conversion keeps and refuses rows one by one, and writes whole files or none."""

import json
import re

import pytest

from anygen.core.records import Record
from mosit_data.formats.convert import Job, convert
from mosit_data.formats.layouts import LAYOUTS, WRITERS, find
from support.layouts import LLAVA, TALK, read_layout, shown, write_rows


def job(layout, path, out, **settings):
    return Job(LAYOUTS[layout], [path], out, **settings)


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_refused_rows_are_listed_with_place_id_and_reason(folder):
    source = write_rows(folder / "l.json", [LLAVA, {**LLAVA, "id": "k2", "image": "gone.jpg"}])
    out = folder / "out" / "rows.jsonl"
    counts = convert(job("llava", source, out, licence="CC-BY-4.0"))
    assert (counts.kept, counts.refused) == (1, 1)
    [record] = map(Record.model_validate, lines(out))
    assert record.messages[0].content[0].path == "../part/k1.jpg"
    assert record.licence == "CC-BY-4.0"
    assert counts.outside == 1
    [refused] = lines(folder / "out" / "rows.refused.jsonl")
    assert (refused["place"], refused["id"]) == ("l.json:1 (row 2)", "k2")
    assert refused["reason"].startswith("gone.jpg: no such file in ")

    convert(job("llava", write_rows(source, [LLAVA]), out))
    assert [path.name for path in out.parent.iterdir()] == ["rows.jsonl"]


def test_what_is_not_read_is_counted_once_for_each_name(folder):
    weighed = [{**TALK[0], "lang": "en"}, {**TALK[1], "lang": "en", "weight": 0.5}]
    rows = [
        {"id": "k1", "conversations": weighed, "image_size": [64, 64], "note": None},
        {"id": "k2", "conversations": TALK, "image_id": "12.jpg", "audio_id": "3", "id_of": ""},
        {"id": "k3", "conversations": weighed, "img_path": "a.jpg"},
    ]
    counts = convert(job("llava", write_rows(folder / "l.json", rows), folder / "rows.jsonl"))
    assert counts.unread == {"lang": 1, "weight": 1, "image_size": 1, "image_id": 1, "audio_id": 1}
    assert (counts.kept, counts.refused) == (2, 1)


@pytest.mark.parametrize(
    "name", ["image_0", "images-12", "img2", "image_list", "video_file_name", "audio_filenames_1"]
)
def test_a_row_is_refused_rather_than_kept_without_its_medium(folder, name):
    rows = [{"id": "k1", "conversations": TALK}, {"conversations": TALK, name: ["a.jpg"]}]
    counts = convert(job("llava", write_rows(folder / "l.json", rows), folder / "rows.jsonl"))
    assert (counts.kept, counts.refused) == (1, 1)
    assert counts.first_refusal.reason.startswith(f"'{name}' is not read by this layout, and a m")


def test_the_identifier_of_a_task_begins_every_message_of_a_user(folder):
    turns = [
        {"from": "human", "value": "<image>\nHow many?"},
        {"from": "gpt", "value": "Two."},
        {"from": "human", "value": "What colour?"},
        {"from": "gpt", "value": "Red."},
    ]
    source = write_rows(folder / "l.json", [{**LLAVA, "conversations": turns}])
    convert(job("llava", source, folder / "rows.jsonl", task="[vqa]"))
    [record] = map(Record.model_validate, lines(folder / "rows.jsonl"))
    texts = [part.text for turn in record.messages for part in turn.content if part.type == "text"]
    assert texts == ["[vqa] How many?", "Two.", "[vqa] What colour?", "Red."]


def test_rows_with_one_id_get_ids_of_their_own(folder):
    talk = {"id": "k1", "conversations": TALK}
    source = write_rows(folder / "l.json", [talk, talk, {**talk, "id": "k1-2"}, {"id": "", **talk}])
    convert(job("llava", source, folder / "rows.jsonl"))
    assert [row["id"] for row in lines(folder / "rows.jsonl")] == ["k1", "k1-2", "k1-2-2", "k1-3"]


def test_rows_of_one_line_are_named_by_their_number_in_the_list(folder):
    talk = {"conversations": TALK}
    source = write_rows(folder / "l.json", [talk, {}, talk, {"id": "l-3", **talk}])
    convert(job("llava", source, folder / "rows.jsonl"))
    assert [row["id"] for row in lines(folder / "rows.jsonl")] == ["l-1", "l-3", "l-3-2"]
    [refused] = lines(folder / "rows.refused.jsonl")
    assert (refused["place"], refused["id"]) == ("l.json:1 (row 2)", "l-2")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[{"id": "k1", "conv', r"l\.json:1: the file ends in the middle of a value"),
        ("[]", r"no row could be converted; .*l\.json has none"),
        (
            '[{"id": "k1"}]',
            r"no row could be converted; the first: l\.json:1 \(row 1\): conversations: Field",
        ),
        (
            '[{"id": "k1", "conversations": 5}, 7]',
            r"the first: l\.json:1 \(row 1\): conversations: Input ",
        ),
    ],
)
def test_what_cannot_be_used_leaves_earlier_files_as_they_were(folder, text, reason):
    out = folder / "out" / "rows.jsonl"
    out.parent.mkdir()
    out.write_text("earlier")
    with pytest.raises(ValueError, match=reason):
        convert(job("llava", write_rows(folder / "l.json", text), out))
    assert [path.name for path in out.parent.iterdir()] == ["rows.jsonl"]
    assert out.read_text() == "earlier"


def test_what_a_layout_cannot_hold_is_refused_or_counted(folder):
    kite = {"type": "image", "path": "a.jpg", "caption": "a kite"}
    draw, reply = {"role": "user", "content": "Draw"}, {"role": "assistant", "content": "No"}
    rows = [
        {"id": "d1", "messages": [draw, {"role": "assistant", "content": [kite]}]},
        {"id": "d2", "messages": [{"role": "system", "content": "x"}, draw, reply]},
    ]
    source = write_rows(folder / "r.jsonl", rows)
    counts = convert(job("records", source, folder / "l.json", writer="llava"))
    assert (counts.kept, counts.refused, counts.as_text) == (1, 1, 1)
    [refused] = lines(folder / "l.refused.jsonl")
    assert (refused["place"], refused["id"]) == ("r.jsonl:2", "d2")


def test_records_are_written_where_a_run_can_read_them(folder):
    source = write_rows(folder / "l.json", [LLAVA])
    with pytest.raises(
        ValueError, match=r"rows\.json: records are JSON lines; write .*rows\.jsonl"
    ):
        convert(job("llava", source, folder / "new" / "rows.json"))
    assert not (folder / "new").exists()


def test_the_files_of_a_folder_are_read_without_those_written_before(folder):
    annotations = [{"image_id": "12", "caption": "A wide view."}]
    write_rows(folder / "filter_cap.json", {"annotations": annotations})
    assert convert(job("minigpt4", folder, folder / "rows.jsonl")).kept == 1
    mine = folder / "mine"
    mine.mkdir()
    for name in ("b.jsonl", "a.jsonl"):
        write_rows(mine / name, [{"id": name, "conversations": TALK}, {"id": "empty"}])
    for _ in range(2):
        counts = convert(job("sharegpt", mine, mine / "rows.jsonl"))
        assert (counts.kept, counts.refused) == (2, 2)
        assert [row["id"] for row in lines(mine / "rows.jsonl")] == ["a.jsonl", "b.jsonl"]
    with pytest.raises(ValueError, match=r"part: holds no file of the layout \(\.json, \.jsonl"):
        convert(job("llava", folder / "part", folder / "rows.jsonl"))


def test_folders_in_a_folder_are_read_too_and_nothing_that_is_hidden(folder):
    for name in ("b.json", "a/part/k.json", "a/b.json", ".hidden.json", ".git/c.json"):
        path = folder / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_rows(path, [{**LLAVA, "id": name, "image": "k1.jpg"}, {"id": "empty"}])
        (path.parent / "k1.jpg").write_bytes((folder / "a.jpg").read_bytes())
    (folder / "mine/.git/k1.txt").write_text("a hidden kite")
    out = folder / "rows.jsonl"
    assert convert(job("llava", folder / "mine", out)).kept == 3
    records = [Record.model_validate(row) for row in lines(out)]
    assert [(record.id, record.messages[0].content[0].path) for record in records] == [
        ("a/b.json", "mine/a/k1.jpg"),
        ("a/part/k.json", "mine/a/part/k1.jpg"),
        ("b.json", "mine/k1.jpg"),
    ]
    places = [row["place"] for row in lines(folder / "rows.refused.jsonl")]
    assert places == [f"{name}:1 (row 2)" for name in ("a/b.json", "a/part/k.json", "b.json")]
    with pytest.raises(ValueError, match=r"the first: a/k1\.jpg: no k1\.txt beside it"):
        convert(job("captions", folder / "mine", out))


def test_no_folder_is_made_for_what_cannot_be_used(folder):
    with pytest.raises(ValueError, match="has none"):
        convert(job("llava", write_rows(folder / "l.json", []), folder / "new" / "rows.jsonl"))
    assert not (folder / "new").exists()


@pytest.mark.parametrize("layout", sorted(set(WRITERS) - {"records"}))
@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_a_written_file_is_read_again_below_the_folder_of_its_media(folder, layout, suffix):
    source = write_rows(folder / "l.json", [LLAVA, {"id": "k2", "conversations": TALK}])
    out = folder / "out" / f"other{suffix}"
    convert(job("llava", source, out, writer=layout, media=folder))
    path = out.with_name("dataset_info.json") if layout == "llamafactory" else out
    assert [*map(shown, read_layout(layout, path, folder))] == [
        *map(shown, read_layout("llava", source))
    ]


def test_entries_of_dataset_info_that_are_there_stay(folder):
    source = write_rows(folder / "l.json", [LLAVA])
    (folder / "dataset_info.json").write_text('{"other": {"file_name": "o.json"}}')
    convert(job("llava", source, folder / "mine.json", writer="llamafactory"))
    known = json.loads((folder / "dataset_info.json").read_text())
    assert [*known] == ["other", "mine"]
    assert known["other"] == {"file_name": "o.json"}


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("lava", "did you mean llava?"),
        ("LLaVA", "did you mean llava?"),
        ("xx", "there are alpaca, "),
    ],
)
def test_a_mistyped_layout_is_guessed(name, guess):
    with pytest.raises(ValueError, match=re.escape(guess)):
        find(name, LAYOUTS)
