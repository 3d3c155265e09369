import json

import pytest

from anygen.evaluation.suites import vqa
from anygen.evaluation.suites.base import Source
from support.suites import results_of, values, write_vqa


@pytest.mark.parametrize(
    ("agree", "accuracy"), [(0, 0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1), (10, 1)]
)
def test_accuracy_is_the_mean_over_sets_of_nine(agree, accuracy):
    answers = ["cat"] * agree + [f"thing {n}" for n in range(10 - agree)]
    assert vqa.accuracy("cat", answers) == pytest.approx(accuracy)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The  Cat", "cat"),
        ("two", "2"),
        ("none", "0"),
        ("dont", "don't"),
        ("don't", "don't"),
        ("couldntve", "couldntve"),
        ("couldnt've", "couldn't've"),
        ("cat/dog", "cat dog"),
        ("cat, dog", "cat dog"),
        ("1,000", "1000"),
        ("1,000 cats/dogs", "1000 catsdogs"),
        ("3.5 m.", "3.5 m"),
        ("no.", "no"),
    ],
)
def test_texts_are_normalized_as_by_the_tools(text, normal):
    assert vqa.normalized(text) == normal


def test_texts_are_normalized_only_where_people_differ():
    assert vqa.accuracy("The cat", ["the cat"] * 10) == 0
    assert vqa.accuracy("The cat", ["the cat"] * 9 + ["cat"]) == 1
    assert vqa.accuracy(" cat\n", ["cat"] * 10) == 1


def test_figures_are_means_by_kind_of_answer(tmp_path):
    data = write_vqa(tmp_path / "data", {1: ["2"] * 10, 2: ["cat"] * 2 + ["dog"] * 8})
    results = results_of("vqa", data, lambda t: "cat" if "2" in t else "two", tmp_path / "out")
    assert values(results) == {"overall": 30, "number": 0, "other": 60}


def test_the_short_mode_asks_for_a_word_and_the_plain_one_does_not(tmp_path):
    data = write_vqa(tmp_path, {1: ["cat"] * 10})
    texts = {
        mode: vqa.ask(vqa.read(Source(data, mode))[0], 0)[0].messages[0].parts[1]
        for mode in vqa.MODES
    }
    assert texts == {"short": f"What is 1?{vqa.SHORT}", "plain": "What is 1?"}


def test_what_is_missing_is_named(tmp_path):
    data = write_vqa(tmp_path, {1: ["cat"] * 10, 2: []})
    with pytest.raises(ValueError, match="question 2 has no answers"):
        vqa.read(Source(data))
    path = data / "v2_mscoco_val2014_annotations.json"
    path.write_text(json.dumps({"annotations": []}))
    with pytest.raises(ValueError, match="question 1 has no annotation"):
        vqa.read(Source(data))
    path.write_text("{")
    with pytest.raises(ValueError, match=r"annotations.json: is not JSON"):
        vqa.read(Source(data))
    path.unlink()
    with pytest.raises(ValueError, match=r"needs one file \*annotations.json"):
        vqa.read(Source(data))
