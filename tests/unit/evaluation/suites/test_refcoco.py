import pytest

from anygen.evaluation.suites import refcoco
from anygen.evaluation.suites.base import Source
from anygen.evaluation.suites.refcoco import find_box, intersection_over_union
from support.suites import results_of, write_lines, write_refcoco


def test_half_an_overlap_is_a_miss():
    overlap = intersection_over_union((0, 0, 10, 10), (0, 0, 10, 5))
    assert overlap == 0.5
    assert not overlap > refcoco.HIT


def test_boxes_that_do_not_meet_share_nothing():
    assert intersection_over_union((0, 0, 1, 1), (2, 2, 3, 3)) == 0
    assert intersection_over_union((5, 5, 1, 1), (5, 5, 1, 1)) == 0


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("[1, 2, 3.5, 4]", (1, 2, 3.5, 4)),
        ("It is at [0.1,0.2,0.3,0.4], or [1,2,3,4].", (0.1, 0.2, 0.3, 0.4)),
        ("(1, 2, 3, 4)", (1, 2, 3, 4)),
        ("1, 2, 3, 4", None),
        ("[1, 2, 3]", None),
    ],
)
def test_the_first_four_numbers_in_brackets_are_the_box(text, box):
    assert find_box(text) == box


@pytest.mark.parametrize(
    ("mode", "answer"),
    [
        ("share", "[0.5, 0, 1, 0.5]"),
        ("thousand", "[500, 0, 1000, 500]"),
        ("pixels", "[10, 0, 20, 5]"),
    ],
)
def test_each_mode_has_one_scale(tmp_path, mode, answer):
    data = write_refcoco(tmp_path / "data", {"the cup": [10, 0, 20, 5], "a cat": [0, 0, 5, 5]})
    results = results_of("refcoco", data, lambda _: answer, tmp_path / "out", mode=mode)
    row = results["rows"]["REC_refcoco_unc_val"]
    assert (row["value"], row["n"], row["unparsed"]) == (50, 2, 0)


def test_an_answer_without_a_box_is_wrong_and_counted(tmp_path):
    data = write_refcoco(tmp_path / "data", {"the cup": [10, 0, 20, 5]})
    results = results_of("refcoco", data, lambda _: "on the right", tmp_path / "out")
    row = results["rows"]["REC_refcoco_unc_val"]
    assert (row["value"], row["unparsed"]) == (0, 1)


def test_files_in_another_form_are_refused(tmp_path):
    with pytest.raises(ValueError, match="needs REC_"):
        refcoco.read(Source(tmp_path))
    (tmp_path / "refs(unc).p").write_bytes(b"")
    with pytest.raises(ValueError, match=r"refs\(unc\).p: is a pickle, which could run code"):
        refcoco.read(Source(tmp_path))
    data = write_refcoco(tmp_path, {"the cup": [10, 0, 5, 5]})
    with pytest.raises(ValueError, match=r"bbox \[10, 0, 5, 5\] is not x1, y1, x2, y2"):
        refcoco.read(Source(data))
    write_lines(data / "REC_refcoco_unc_val.jsonl", [{"img_path": "p.png"}])
    with pytest.raises(ValueError, match=r"val.jsonl:1: lacks expression, bbox"):
        refcoco.read(Source(data))
