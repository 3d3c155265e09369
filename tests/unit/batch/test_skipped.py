"""A second run names the rows that it skips, and what has changed about them."""

import json

from anygen.generation.options import AnswerOptions
from support.batches import Painter, never_load, records, rows_of, run, write_rows


def skipped(source, out, **settings):
    """What is reported of the rows that are done."""
    reports = []
    run(Painter, source, out, reports.append, **settings)
    return [str(report) for report in reports]


def test_a_first_run_has_nothing_to_report(tmp_path):
    assert skipped(write_rows(tmp_path, *rows_of("a", "refuse")), tmp_path) == []


def test_rows_that_are_as_they_were_are_counted(tmp_path):
    source = write_rows(tmp_path, *rows_of("a", "b", "refuse"))
    run(Painter, source, tmp_path)
    assert skipped(source, tmp_path) == ["2 done before"]


def test_a_changed_prompt_is_named_and_its_answer_stays(tmp_path):
    run(Painter, write_rows(tmp_path, *rows_of("a", "b")), tmp_path)
    source = write_rows(tmp_path, *rows_of("a", "c"))
    assert skipped(source, tmp_path) == ["2 done before, 1 of them with another prompt (r1)"]
    assert records(tmp_path)[1]["content"][0]["text"] == "Here is b:"


def test_the_same_prompt_in_another_form_has_not_changed(tmp_path):
    content = [{"type": "text", "text": "a"}]
    run(Painter, write_rows(tmp_path, {"id": "x", "prompt": "a"}), tmp_path)
    row = {"messages": [{"content": content, "role": "user"}], "id": "x"}
    assert skipped(write_rows(tmp_path, row), tmp_path) == ["1 done before"]


def test_changed_settings_are_named(tmp_path):
    source = write_rows(tmp_path, *rows_of("a"))
    given = {"seed": 3, "options": AnswerOptions(max_media=2), "model": "mini"}
    run(Painter, source, tmp_path, **given)
    assert skipped(source, tmp_path, **given, batch_size=4) == ["1 done before"]
    report = ["1 done before, 1 of them with other settings (r0)"]
    assert skipped(source, tmp_path, **{**given, "seed": 4}) == report
    assert skipped(source, tmp_path, **{**given, "options": AnswerOptions(max_media=3)}) == report
    assert skipped(source, tmp_path, **{**given, "model": "maxi"}) == report


def test_a_row_that_can_no_longer_be_answered_has_changed(tmp_path):
    run(Painter, write_rows(tmp_path, *rows_of("a")), tmp_path)
    report = "1 done before, 1 of them with another prompt (r0), 1 of them with other settings (r0)"
    assert skipped(write_rows(tmp_path, {"id": "r0", "prompt": 5}), tmp_path) == [report]


def test_files_that_are_gone_are_named(tmp_path):
    source = write_rows(tmp_path, *rows_of(*"abcdefgh"))
    run(Painter, source, tmp_path)
    for path in tmp_path.glob("*.png"):
        path.unlink()
    named = "r0, r1, r2, r3, r4 and 3 more"
    expected = f"8 done before, 8 of them with a file that is gone ({named})"
    assert skipped(source, tmp_path) == [expected]


def test_records_of_the_last_release_are_not_compared(tmp_path):
    source = write_rows(tmp_path, *rows_of("a"))
    record = {"id": "r0", "status": "ok", "seed": 1, "content": []}
    (tmp_path / "records.jsonl").write_text(json.dumps(record) + "\n")
    reports = []
    assert run(never_load, source, tmp_path, reports.append) == []
    assert [report.has_changed for report in reports] == [False]
