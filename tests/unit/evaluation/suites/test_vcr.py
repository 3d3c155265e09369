import pytest

from anygen.evaluation.suites import vcr
from anygen.evaluation.suites.base import Source, Unit
from support.reform import Scoring
from support.suites import judged, results_of, values, vcr_row, write_vcr


def cases(folder, mode="generation"):
    [unit] = vcr.read(Source(folder, mode))
    return vcr.ask(unit, 0)


def test_objects_have_names_and_frames(tmp_path):
    first, second = cases(write_vcr(tmp_path, vcr_row()))
    picture, text = first.messages[0].parts
    assert text == (
        "Question: In the image these are framed: car1 in red, person2 in green.\n"
        "Does person2 feel well?\nOptions:\nA. Yes, car1 is glad.\nB. No, she doesn't.\n"
        "C. Yes, car1 is glad.\nD. No, she doesn't.\n"
        "Please select the correct answer from the options above. \n"
    )
    assert picture.pixels[:, 2, 4].tolist() == [255, 0, 0]
    assert picture.pixels[:, 2, 14].tolist() == [0, 160, 0]
    assert "Does person2 feel well? No, she doesn't. Why?" in second.messages[0].parts[1]


@pytest.mark.parametrize(
    ("texts", "right"),
    [
        (("B", "D"), (1, 1, 1)),
        (("B", "A"), (1, 0, 0)),
        (("C", "D"), (0, 1, 0)),
        (("", None), (0,) * 3),
    ],
)
def test_both_the_answer_and_the_reason_count(texts, right):
    unit = Unit("val-0", "vcr", tuple(vcr.CHANCES), (vcr_row(), [], None, None, "generation"))
    scores = judged(vcr, unit, *texts).scores
    assert [scores[name]["model"] for name in ("q_a", "qa_r", "q_ar")] == [(n, 1) for n in right]


def test_options_are_compared_by_their_likelihood(tmp_path):
    answers = [["A", "."], ["B", "."], ["C", "."], ["D", "."]]
    data = write_vcr(tmp_path / "data", vcr_row(answer_choices=answers, rationale_choices=answers))
    model = Scoring(str, lambda text: text == "B.")
    results = results_of("vcr", data, model, tmp_path / "out", mode="likelihood")
    assert values(results) == {"q_a": 100, "qa_r": 0, "q_ar": 0}
    assert "Options" not in model.rows[0][0][0].parts[1]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"answer_label": 4}, "val-0: the answer 4 is no option"),
        ({"question": [[7]]}, "val-0: names an object that it does not list"),
        ({"img_fn": "film/gone.png"}, "there is no file .*gone.png"),
    ],
)
def test_a_line_that_is_not_valid_is_refused(tmp_path, change, complaint):
    with pytest.raises(ValueError, match=complaint):
        vcr.read(Source(write_vcr(tmp_path, vcr_row(**change))))


def test_missing_files_and_boxes_are_named(tmp_path):
    with pytest.raises(
        ValueError, match=r"there is no file .*val.jsonl; --data takes a folder with"
    ):
        vcr.read(Source(tmp_path))
    with pytest.raises(
        ValueError, match=r"p.json: has 1 boxes, fewer than its picture has objects"
    ):
        cases(write_vcr(tmp_path, vcr_row(), boxes=1))
