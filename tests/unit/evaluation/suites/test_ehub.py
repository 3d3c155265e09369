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


def prompt_of(body) -> str:
    return body["messages"][-1]["content"][-1]["text"]


def run_judged(server, data, out, **options):
    return run("no model", Plan("ehub", data, judge=f"{server.url}#judge"), out, **options)


def test_the_mark_that_a_judge_gives_most_often_counts(serve, tmp_path):
    """Three, two and five of the five instructions find an answer right; an empty one is wrong."""
    rights = {"three": 3, "two": 2, "five": 5}

    def mark(body):
        text = prompt_of(body)
        place = [text.startswith(instruction) for instruction in ehub.INSTRUCTIONS].index(True)
        right = place < rights[text.rpartition("Reply: ")[2]]
        return f"MARK: 0 would be harsh or fair.\nMark: **{int(right)}**"

    server = serve(mark)
    golds = ["a dog", "dogs"]
    data = write_ehub(tmp_path / "data", VQAv2=[*((own, golds) for own in rights), (" ", golds)])
    results = run_judged(server, data, tmp_path / "out")
    assert results["rows"]["judged"]["value"] == 50
    assert results["rows"]["accuracy"]["value"] == 0
    prompts = [prompt_of(body) for _, body, _ in server.requests]
    assert len(set(prompts)) == len(prompts) == 3 * 5
    assert all("Question: ?\nSolution: a dog / dogs\nReply: " in one for one in prompts)
    again = run_judged(server, data, tmp_path / "out", score_only=True)
    assert again["rows"] == results["rows"]
    assert len(server.requests) == 15
    alone = run("no model", Plan("ehub", data), tmp_path / "out", score_only=True)
    assert "judged" not in alone["rows"]


def test_a_judge_that_gives_no_mark_leaves_answers_wrong_and_unparsed(serve, tmp_path):
    data = write_ehub(tmp_path / "data", VQAv2=[("a dog", "dog")])
    results = run_judged(serve(lambda body: "I cannot say."), data, tmp_path / "out")
    row = results["rows"]["judged"]
    assert (row["value"], row["unparsed"]) == (0, 1)


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
