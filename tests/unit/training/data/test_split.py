"""Rows that share something are never on both sides of a split, and an index is what it indexes."""

import json
import shutil

import numpy as np
import pytest

from anygen.training.data.files import RecordFile, find_lines, index_path, store_index
from anygen.training.data.split import split
from support.own_data import picture, talk, write_dialogues, write_picture, write_records


def ids(path):
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


def test_lines_are_dealt_as_they_are_and_each_once(tmp_path):
    path = write_records(tmp_path / "mine.jsonl", *(talk(str(i), f"q {i}") for i in range(400)))
    counts = split([RecordFile(path)], 0.25, None)
    train, held_out = tmp_path / "mine.train.jsonl", tmp_path / "mine.held_out.jsonl"
    assert counts == {train: len(ids(train)), held_out: len(ids(held_out))}
    lines = path.read_text().splitlines()
    assert sorted((train.read_text() + held_out.read_text()).splitlines()) == sorted(lines)
    assert 70 <= len(ids(held_out)) <= 130  # six standard deviations around 100


def test_a_name_that_no_file_can_have_is_one_that_is_missing(tmp_path):
    path = write_records(tmp_path / "mine.jsonl", talk("a", [picture("a" * 5_000)], "x"))
    assert sum(split([RecordFile(path)], 0.5, None).values()) == 1


def test_more_rows_move_none(tmp_path):
    rows = [talk(str(i), f"q {i}") for i in range(60)]
    path = write_records(tmp_path / "mine.jsonl", *rows[:30])
    split([RecordFile(path)], 0.5, None)
    before = set(ids(tmp_path / "mine.held_out.jsonl"))
    write_records(path, *reversed(rows))
    split([RecordFile(path)], 0.5, None)
    after = ids(tmp_path / "mine.held_out.jsonl")
    assert before == {name for name in after if int(name) < 30}


def test_rows_with_the_same_picture_stay_together_also_by_way_of_others(tmp_path):
    """Each row shares a picture with the next, some of them as a copy of another name."""
    for index in range(40):
        write_picture(tmp_path / f"{index}.png", index)
        shutil.copy(tmp_path / f"{index}.png", tmp_path / f"copy-{index}.png")
    chain = [
        talk(f"chain-{i}", [picture(f"{i}.png"), picture(f"copy-{i + 1}.png")], "x")
        for i in range(20)
    ]
    single = [talk(f"single-{i}", [picture(f"{i}.png")], "x") for i in range(21, 40)]
    path = write_records(tmp_path / "mine.jsonl", *chain, *single)
    split([RecordFile(path)], 0.5, None)
    sides = [set(ids(tmp_path / f"mine.{part}.jsonl")) for part in ("train", "held_out")]
    assert sorted(sum(name.startswith("chain") for name in side) for side in sides) == [0, 20]
    assert all(any(name.startswith("single") for name in side) for side in sides)


def test_rows_of_one_source_stay_together_over_files(tmp_path):
    files = []
    for name in ("a", "b"):
        rows = [{**talk(f"{name}{i}", f"{name} {i}"), "source": f"book {i}"} for i in range(30)]
        files.append(RecordFile(write_records(tmp_path / f"{name}.jsonl", *rows)))
    split(files, 0.5, None)
    held_out = [{name[1:] for name in ids(tmp_path / f"{x}.held_out.jsonl")} for x in "ab"]
    assert held_out[0] == held_out[1]
    assert 0 < len(held_out[0]) < 30


def test_a_line_that_is_no_record_stops_the_split_before_anything_is_written(tmp_path):
    path = write_records(tmp_path / "mine.jsonl", talk("a"), b"{")
    with pytest.raises(ValueError, match=r"mine\.jsonl:2: is not JSON"):
        split([RecordFile(path)], 0.5, None)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.jsonl"]


def test_a_file_without_rows_is_refused(tmp_path):
    path = write_records(tmp_path / "mine.jsonl", b"")
    with pytest.raises(ValueError, match=r"mine\.jsonl: holds no records"):
        split([RecordFile(path)], 0.5, None)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.jsonl"]


def test_a_stored_index_is_used_until_its_file_changes(tmp_path):
    path = write_dialogues(tmp_path)
    stored = store_index(path, RecordFile(path).index)
    assert stored == index_path(path)
    with np.load(stored) as columns:
        changed = {**columns, "starts": columns["starts"][::-1], "ends": columns["ends"][::-1]}
    np.savez(stored, **changed)
    status = path.stat()
    find_lines.cache_clear()
    assert RecordFile(path).read(0).id == "row-5"  # what is stored is what is read
    stored.write_bytes(b"no index")
    find_lines.cache_clear()
    assert RecordFile(path).read(0).id == "row-0"
    np.savez(stored, **changed)
    write_records(path, talk("new"))
    assert path.stat().st_size != status.st_size
    assert RecordFile(path).read(0).id == "new"
