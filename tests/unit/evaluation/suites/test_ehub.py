import pytest

from anygen.evaluation.runner import Plan, run
from anygen.evaluation.suites import ehub
from anygen.evaluation.suites.base import Source
from support.suites import write_ehub


def values(data, out) -> dict:
    results = run("no model", Plan("ehub", data), out)
    return {
        task: {name: row["value"] for name, row in rows.items()}
        for task, rows in results["tasks"].items()
    }


def test_each_kind_of_set_has_its_own_figure(tmp_path):
    data = write_ehub(
        tmp_path / "data",
        VQAv2=[("There are two dogs.", ["2", "three"]), ("many", ["2"])],
        IIIT5K=[("it says OPEN-24!", "open24"), ("opener", "open")],
        CIFAR10=[("a frog", "frog"), ("a toad", "frog"), ("a cat", "cat")],
        Visdial=[("no", ["yes", "no"]), ("maybe", ["yes", "no"]), ("yes", ["yes", "no"])],
        SROIE=[("total is 5.00", "5.00 today")],
        NoCaps=[(f"a {thing} here", [f"a {thing} here"]) for thing in ("dog", "cat", "cow")],
    )
    (data / "result.json").write_text("{}")
    found = values(data, tmp_path / "out")
    assert found["VQAv2"]["accuracy"] == found["IIIT5K"]["accuracy"] == 50
    assert found["CIFAR10"] == {"accuracy": 66.67, "class_accuracy": 75}
    assert found["Visdial"]["rank"] == 50
    assert found["SROIE"]["words"] == 40
    assert found["NoCaps"]["cider_d_simple"] > 500


def test_the_total_is_the_mean_of_the_sets(tmp_path):
    data = write_ehub(tmp_path / "data", GQA=[("yes", "yes")] * 3, OKVQA=[("no", "yes")])
    results = run("no model", Plan("ehub", data), tmp_path / "out")
    assert results["rows"]["accuracy"]["value"] == 50


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{}", "VQAv2.json: holds no list of answers"),
        ("[", "VQAv2.json: is not JSON"),
        ('[{"answer": "a"}]', "row 0: lacks gt_answers"),
        ('[{"answer": "a", "gt_answers": []}]', "row 0: has no right answer"),
    ],
)
def test_a_file_in_another_form_is_refused(tmp_path, text, complaint):
    (tmp_path / "VQAv2.json").write_text(text)
    with pytest.raises(ValueError, match=complaint):
        ehub.read(Source(tmp_path))


def test_a_folder_without_answers_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"has no answers; it needs a .json for each set"):
        ehub.read(Source(tmp_path))
