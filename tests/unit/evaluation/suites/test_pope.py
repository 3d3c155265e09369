import json
from collections import Counter

import pytest

from anygen.evaluation.suites import pope
from anygen.evaluation.suites.base import Source, Unit
from support.suites import judged, results_of, values, write_pope


def affirm(text: str) -> str:
    return "Yes, there is." if "dog" in text or "cat" in text else "No."


def test_the_worked_example_has_its_published_figures():
    """Gold yes, no, yes, no."""
    answers = ["Yes, there is.", "It is not there", "I see nothing", ""]
    golds = ["yes", "no", "yes", "no"]
    said = [pope.yes_or_no(answer) for answer in answers]
    assert said == ["yes", "no", "yes", "yes"]
    assert sum(a == g for a, g in zip(said, golds)) / 4 == 0.75
    counts = Counter(zip(golds, said))
    assert pope.precision(counts) == pytest.approx(2 / 3)
    assert pope.recall(counts) == 1
    assert pope.f1(counts) == pytest.approx(0.8)
    assert pope.yes_share(counts) == 0.75


@pytest.mark.parametrize(
    ("text", "answer"),
    [("NO", "yes"), ("It doesn't.", "yes"), ("no, none", "no"), ("Yes. No.", "yes"), ("", "yes")],
)
def test_only_three_words_of_the_first_sentence_deny(text, answer):
    assert pope.yes_or_no(text) == answer


def test_perfect_silent_and_wrong_models_have_what_they_deserve(tmp_path):
    data = write_pope(tmp_path / "data")
    perfect = results_of("pope", data, affirm, tmp_path / "a")
    assert values(perfect) == dict.fromkeys(("accuracy", "precision", "recall", "f1"), 100) | {
        "yes": 50
    }
    assert perfect["rows"]["accuracy"]["n"] == 12
    assert perfect["rows"]["accuracy"]["chance"] == 50
    silent = results_of("pope", data, lambda _: "", tmp_path / "b")
    assert values(silent) == {
        "accuracy": 50,
        "precision": 50,
        "recall": 100,
        "f1": 66.67,
        "yes": 100,
    }
    assert silent["rows"]["accuracy"]["unparsed"] == 12
    wrong = results_of(
        "pope", data, lambda t: "No" if affirm(t) != "No." else "Yes", tmp_path / "c"
    )
    assert values(wrong)["f1"] == 0


def test_a_split_alone_can_be_measured(tmp_path):
    data = write_pope(tmp_path / "data")
    results = results_of("pope", data, affirm, tmp_path / "out", split="popular")
    assert list(results["tasks"]) == ["popular"]
    assert results["rows"]["accuracy"]["n"] == 4


@pytest.mark.parametrize("gold", ["yes", "no"])
def test_a_question_without_an_answer_is_wrong(gold):
    unit = Unit("random/1", "random", ("random",), (None, "Is there?", gold))
    outcome = judged(pope, unit, None)
    assert outcome.numbers["answer"] != gold
    assert outcome.unparsed == 0


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"label": "maybe"}, "label 'maybe' is neither yes nor no"),
        ({"image": "gone.jpg"}, r"there is no file .*images/gone.jpg"),
        ({"text": None}, "lacks text"),
    ],
)
def test_a_line_that_is_not_valid_is_named(tmp_path, change, complaint):
    data = write_pope(tmp_path)
    path = data / "coco_pope_random.json"
    row = json.loads(path.read_text().splitlines()[0]) | change
    row = {key: value for key, value in row.items() if value is not None}
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(ValueError, match=complaint):
        pope.read(Source(data))


def test_a_folder_without_the_files_is_told_what_it_needs(tmp_path):
    write_pope(tmp_path, splits=["random"])
    with pytest.raises(ValueError, match=r"needs one file \*_pope_popular.json.*; it has none"):
        pope.read(Source(tmp_path))
    with pytest.raises(ValueError, match="the suite pope needs --data, a folder with coco_pope"):
        pope.read(Source())
