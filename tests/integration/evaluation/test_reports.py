"""The pages are whole by themselves, show what lies in the folder, and take no text for HTML."""

import json
from pathlib import Path

import pytest

from anygen.evaluation import report, runner
from anygen.evaluation.comparison import compare
from anygen.evaluation.judges.judges import Judges
from anygen.evaluation.results import OUTCOMES, RESULTS, by_row, read_lines, summarize
from anygen.evaluation.runner import Plan, claim
from anygen.evaluation.suites.base import Bench
from anygen.evaluation.suites.world.suite import METRICS, TASKS
from anygen.io.atomic import write_json
from anygen.io.json_lines import read_json_lines
from anygen.reports import plots
from anygen.training import report as training_report
from anygen.training.trainer import train
from support.html_page import Page, assert_is_whole
from support.prepared_model import Prepared, measured, truthful

HOSTILE = '<script>alert("x")</script> & </dd><b>'
IDENTITY = {"suite": "world", "weights": "0", "seed": 0}


@pytest.fixture(scope="module")
def judges() -> Judges:
    return Judges()


def write(out: Path) -> Page:
    lines = read_lines(out)
    results = summarize(lines, "world") | {"model": HOSTILE, "weights": "0", "seed": 0}
    results |= {"version": "0", "date": runner.today(), "machine": runner.machine()}
    return Page(report.write(out, results, lines))


@pytest.fixture(scope="module")
def folder(judges, tmp_path_factory) -> Path:
    """Two cases of each kind; the first answer of each pair is right."""
    out = tmp_path_factory.mktemp("measured")
    for task in ("pictures", "sounds", "videos"):
        model = truthful(task, 1)
        model.answers.append(HOSTILE)
        measured(Bench(model, judges), task, out, 2)
    measured(Bench(Prepared("a dog", HOSTILE), judges), "motions", out, 2)
    claim(out, IDENTITY)
    return out


@pytest.fixture(scope="module")
def page(folder) -> Page:
    return write(folder)


def test_a_page_is_whole_and_shows_every_medium(folder, page):
    assert_is_whole(page)
    rows = {row: task for task in ("sounds", "videos", "motions") for row in TASKS[task].rows}
    shown = [line["files"] for line in read_lines(folder) for row in rows if row in line["scores"]]
    names = [name for files in shown for name in files.values()]
    assert page.count("audio") == sum(name.endswith(".wav") for name in names) > 0
    assert page.count("video") == sum(name.endswith(".mp4") for name in names) > 0
    sections = [found["id"] for tag, found in page.tags if tag == "section"]
    assert sections == list(by_row(read_lines(folder), METRICS))


def test_text_is_never_taken_for_html(page):
    assert page.text.count(HOSTILE) > 4
    assert page.count("script") == 0


def test_failures_come_first(folder):
    lines = by_row(read_lines(folder), METRICS)["picture_object"]
    assert [
        line["case"] for line in report.chosen("picture_object", METRICS["picture_object"], lines)
    ] == [1, 0]


def test_the_cases_of_a_row_with_classes_are_all_in_its_matrix(folder):
    rows = by_row(read_lines(folder), METRICS)
    for row, lines in ((row, rows[row]) for row in rows if METRICS[row].measure is None):
        _, matrix = plots.confusion(report.classes(row, lines))
        assert matrix.sum() == len(lines)
        assert matrix.trace() == sum(report.is_right(row, line) for line in lines)


def test_lines_of_an_earlier_version_are_shown_with_less(folder, tmp_path):
    line = read_lines(folder)[0]
    for name in ("prompt", "truth", "verdict"):
        del line[name]
    (tmp_path / OUTCOMES).write_text(json.dumps(line) + "\n")
    assert write(tmp_path).count("article") == 4  # object, style, background, sharpness


def test_a_finished_evaluation_is_reported_again_without_a_question(saved_model, tmp_path, capsys):
    for _ in range(2):
        runner.run(str(saved_model), Plan(limit=1, rows=["picture_style"]), tmp_path)
        lines = read_lines(tmp_path)
        page = Page(tmp_path / report.PAGE)
        assert_is_whole(page)
        assert lines[0]["prompt"] in page.text
        (tmp_path / report.PAGE).unlink()
    assert len(lines) == 1
    assert set(json.loads((tmp_path / RESULTS).read_text())["rows"]) == set(TASKS["pictures"].rows)
    assert capsys.readouterr().out.count("picture_style") == 2


# --- comparing ---


def scored(out: Path, row: str, task: str, scores: list[tuple[int, int]], seed: int = 0) -> Path:
    """A folder with these scores of the first cases."""
    claim(out, {**IDENTITY, "seed": seed})
    lines = [
        {
            "task": task,
            "case": case,
            "prompt": f"question {case}",
            "text": HOSTILE,
            "truth": {"object": "cat"},
            "verdict": {},
            "scores": {row: {"model": score}},
            "numbers": {},
            "files": {},
            "seconds": 1,
        }
        for case, score in enumerate(scores)
    ]
    (out / OUTCOMES).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return out


def test_two_are_compared_case_by_case(tmp_path):
    """Of ten, one only the first has right, and six only the second: p is 16 of 128."""
    row, task = "understand_object", "objects"
    first = scored(tmp_path / "a", row, task, [(1, 1)] * 3 + [(0, 1)] * 7)
    second = scored(tmp_path / "b", row, task, [(1, 1)] * 2 + [(0, 1)] + [(1, 1)] * 6 + [(0, 1)])
    head, line, path = compare(first, second, tmp_path / "compare.html")
    assert head.split() == ["row", "A", "B", "B", "-", "A", "95", "%", "p", "n"]
    name, a, b, change, interval, p, n = line.split()
    assert (name, a, b, change, n) == (row, "30.0", "80.0", "+50", "10")
    assert float(p) == pytest.approx(16 / 128)
    low, high = map(float, interval.split(".."))
    assert low < 50 < high
    page = Page(Path(path))
    assert page.count("article") == 7
    assert page.text.count("only A is right") == 1
    assert page.text.count(HOSTILE) == 14
    assert page.count("script") == 0


def test_media_counted_one_by_one_have_an_interval_and_no_test(tmp_path):
    row, task = "trigger_recall", "triggers"
    first = scored(tmp_path / "a", row, task, [(1, 2), (1, 1), (0, 0), (0, 1)] * 5)
    second = scored(tmp_path / "b", row, task, [(2, 2), (1, 1), (0, 0), (1, 1)] * 5)
    _, line, _ = compare(first, second, tmp_path / "compare.html")
    name, a, b, change, interval, n = line.split()
    assert (name, a, b, change, n) == (row, "50.0", "100.0", "+50", "20")
    low, high = map(float, interval.split(".."))
    assert 0 < low < 50 < high < 100
    _, line, _ = compare(first, first, tmp_path / "compare.html")
    assert line.split() == [row, "50.0", "50.0", "+0", "20"]


def test_answers_are_shown_beside_each_other(folder, tmp_path, judges):
    """The other folder has the same first answer and a picture where this one has none."""
    other = tmp_path / "other"
    measured(Bench(truthful("pictures", 2), judges), "pictures", other, 2)
    claim(other, IDENTITY)
    *_, path = compare(folder, other, tmp_path / "compare.html")
    page = Page(Path(path))
    assert_is_whole(page)
    assert page.count("article") == 3
    assert page.count("img") == 6


@pytest.mark.parametrize(
    ("other", "complaint"),
    [
        ({"seed": 1}, "a was measured with seed 0, .*b with 1; only answers to the same cases"),
        ({"scores": [(1, 1)]}, "has 2 cases in .*a and 1 in .*b, .*; measure both .* one --limit"),
        ({"row": "photographs", "task": "photographs"}, "a and .*b have no row in common"),
    ],
)
def test_what_cannot_be_compared_is_said_in_a_sentence(tmp_path, other, complaint):
    given = {"row": "understand_object", "task": "objects", "scores": [(1, 1), (0, 1)]}
    first, second = scored(tmp_path / "a", **given), scored(tmp_path / "b", **{**given, **other})
    with pytest.raises(ValueError, match=complaint):
        list(compare(first, second, tmp_path / "compare.html"))


def test_another_suite_is_another_question(tmp_path):
    first = scored(tmp_path / "a", "understand_object", "objects", [(1, 1)])
    second = scored(tmp_path / "b", "understand_object", "objects", [(1, 1)])
    write_json({**IDENTITY, "suite": "moon"}, second / "identity.json")
    with pytest.raises(ValueError, match="no suite named 'moon'"):
        list(compare(first, second, tmp_path / "compare.html"))
    with pytest.raises(ValueError, match="nowhere holds no results; anygen evaluate --out"):
        list(compare(first, tmp_path / "nowhere", tmp_path / "compare.html"))


# --- training ---


def test_a_run_has_a_page_with_its_curves_its_samples_and_its_config(write_run):
    name = write_run("denoise", decoders=["audio"], pool={"audio": 2}, log_every=1)
    out = train(name, [])
    page = Page(out / training_report.PAGE)
    assert_is_whole(page)
    for text in ("audio: ", "grad_norm: ", "learning_rate: ", "stage: denoise", "step 2"):
        assert text in page.text
    assert page.count("audio") == len(list((out / "samples" / "000002").iterdir())) > 0


def test_a_log_with_a_line_cut_short_and_a_step_done_twice_has_curves(tmp_path):
    lines = [{"step": 1, "text": 0.5}, {"step": 2, "text": 0.4}, {"step": 2, "text": 0.3}]
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join(map(json.dumps, lines)) + '\n{"step": 3, "te\n')
    assert list(training_report.curves(list(read_json_lines(log)))) == [
        ("text", [1, 2], [0.5, 0.3])
    ]


def test_terms_of_the_same_rows_share_a_plot():
    found = [(name, [1], [0.5]) for name in ("text", "held_out/mine", "a/b/text", "a/b/image")]
    curve = [1], [0.5]
    assert training_report.grouped(found) == {
        "text": {"text": curve},
        "held_out": {"mine": curve},
        "a/b": {"text": curve, "image": curve},
    }


def test_of_many_steps_the_first_the_last_and_some_between_are_shown():
    assert training_report.evenly_spaced(list(range(100)), 4) == [0, 33, 66, 99]
    assert training_report.evenly_spaced([1, 2], 4) == [1, 2]
