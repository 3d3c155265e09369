import json

import pytest

from anygen.core.media import Image
from anygen.evaluation.asking import best_choice
from anygen.evaluation.results import read_lines, table
from anygen.evaluation.runner import Plan, run
from anygen.evaluation.suites.base import Case, Source
from anygen.evaluation.suites.reform import scoring, suite
from anygen.evaluation.suites.reform.catalogue import SETS, TaskSet
from anygen.evaluation.suites.reform.questions import Question, Repeat, repeats_of
from anygen.evaluation.suites.reform.readers import Sample
from anygen.generation.choices import ChoiceScore
from support.reform import COLOURS, ROOT, Scoring, option, picture, put, write_reform
from support.suites import Ruled, results_of, text_of, values

YES = ("yes", "no", "maybe")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_reform(tmp_path_factory.mktemp("reform"))


def units(data, split, mode="generation"):
    return suite.read(Source(data, mode, split))


def prompt(case) -> list[str]:
    return ["".join(p for p in turn.parts if isinstance(p, str)) for turn in case.messages]


def outcome_of(answers, options=YES, gold=0, mode="generation"):
    """Of a question that is asked once for each answer, always in the same order."""
    given = tuple(Repeat("", "?", options, gold, "ABC") for _ in answers)
    query = Question(
        TaskSet("own", "coarse", "choice", ""), Sample("1", (), options=options), (), mode, given
    )
    return suite.score_choices(query, answers).numbers


def test_the_release_has_61_sets_in_eight_groups():
    assert len(SETS) == len({one.name for one in SETS}) == 61
    assert len({one.group for one in SETS}) == 8


def test_repeats_that_disagree_have_the_entropy_of_their_answers():
    numbers = outcome_of(["(A)", "(A) yes", "it is (a)", "(B)", "(2)"])
    assert numbers["right"] / numbers["asked"] == 0.6
    assert numbers["entropies"] == [pytest.approx(0.6730, abs=1e-4)]
    assert numbers["marked"] == 5


def test_a_text_without_a_mark_is_wrong_and_a_class_of_its_own():
    numbers = outcome_of(["(A)", "(A)", "(A)", "(B)", "Blue"])
    assert numbers["entropies"] == [pytest.approx(0.9503, abs=1e-4)]
    assert numbers["marked"] / numbers["asked"] == 0.8
    assert outcome_of(["yes"])["right"] == 0


def test_a_mark_that_no_option_has_is_wrong():
    numbers = outcome_of(["(E)", None])
    assert (numbers["right"], numbers["marked"]) == (0, 1)


def test_choices_compare_by_the_sum_of_their_tokens_or_by_the_mean():
    scores = [ChoiceScore("yes", -1.2, 1), ChoiceScore("not sure", -1.3, 2)]
    answer, likelihoods = best_choice(Case([], choices=("yes", "not sure")), scores)
    assert answer.message.parts == ("yes",)
    assert likelihoods == ((-1.2, 1), (-1.3, 2))
    answer, _ = best_choice(Case([], choices=("yes", "not sure"), per_token=True), scores)
    assert answer.message.parts == ("not sure",)


@pytest.mark.parametrize(
    ("text", "gold", "right", "words"),
    [
        ("It says OPEN 24", "open 24", True, 1),
        ("Open24.", "Open-24", True, 1),
        ("openly", "open", False, 0),
        ("Exit", "Exit Here", False, 0.5),
        ("five", "***", False, 0),
        ("five *** stars", "***", True, 0),
    ],
)
def test_written_text_is_found_whole_or_word_by_word(text, gold, right, words):
    assert scoring.has_text(text, gold) is right
    assert scoring.token_share(text, gold) == words


def test_key_information_is_compared_as_answers_of_vqa_with_any_of_several():
    assert scoring.has_normalized("the total is two dollars", ["3", "2"])
    assert not scoring.has_normalized("anything", ["-", "/A"])


def test_a_question_has_the_published_form(data):
    [unit, _] = units(data, "VQAv2")
    cases = suite.ask(unit, 0)
    assert len(cases) == 5
    turns = prompt(cases[0])
    instruction, example = turns[0].split("\n")
    assert instruction == unit.content.instructions[0]
    assert example == "can you see the image? Options: (A) yes; (B) no; (C) not sure; (D) maybe."
    assert turns[1] == "The answer is (A) yes"
    assert turns[2].startswith("Which colour is right, red? Options: (")
    assert turns[2].endswith(".")
    assert isinstance(cases[0].messages[0].parts[0], Image)
    instructions = {prompt(case)[0].split("\n")[0] for case in cases}
    orders = {repeat.options for repeat in repeats_of(unit.content, 0)}
    assert len(instructions) == 5
    assert len(orders) > 1
    assert all(set(order) == set(COLOURS) for order in orders)


def test_repeats_are_the_same_for_every_seed(data):
    [unit, _] = units(data, "VQAv2")
    assert [prompt(case) for case in suite.ask(unit, 0)] == [
        prompt(case) for case in suite.ask(unit, 1)
    ]


def test_likelihood_mode_shows_no_options_and_compares_them(data):
    [unit, _] = units(data, "VQAv2", "likelihood")
    case = suite.ask(unit, 0)[0]
    [text] = prompt(case)
    assert "Options" not in text
    assert "option" not in text
    assert set(case.choices) == set(COLOURS)
    assert not case.per_token
    [unit, _] = units(data, "VQAv2", "likelihood-mean")
    assert suite.ask(unit, 0)[0].per_token


@pytest.mark.parametrize(
    ("split", "end"),
    [
        ("K-ViQuAE", "Which colour is right, red? Context: It is old."),
        ("A-OKVQRA", "Which colour is right, red? Rationale: it glows"),
        ("A-OKVQAR", "Which colour is right, red? Answer: red"),
        ("MP3D", "Where is it, wording 0?"),
        ("ITM", "Does the caption 'a red thing' describe the image? Choose one of the options."),
        ("WikiHow", "'Bake'. Which text describes this step? Choose one of the options."),
        ("MOCHEG", "this claim? Claim: It rains Text Evidence: Wet."),
        ("MSCOCO-OC", "How many?"),
    ],
)
def test_each_layout_gives_its_question(data, split, end):
    case = suite.ask(units(data, split)[0], 0)[0]
    assert prompt(case)[-1].partition(" Options: ")[0].endswith(end)


def test_paraphrases_take_turns_in_the_repeats(data):
    cases = suite.ask(units(data, "MP3D")[0], 0)
    assert ["wording 4" in prompt(case)[-1] for case in cases] == [False] * 4 + [True]


def test_a_question_of_the_form_of_mp3d_may_have_several_pictures(tmp_path):
    image = picture(tmp_path)
    row = {"question_id": 1, "image": [image, image], "questions": ["Which?"], "answer": 0}
    put(tmp_path, "MP3D/mp3d_core_multiple_choice.json", core([{**row, "answer_options": ["a"]}]))
    case = suite.ask(units(tmp_path, "MP3D")[0], 0)[0]
    assert [type(part) for part in case.messages[0].parts] == [Image, Image, str]


def test_wrong_counts_and_colours_are_drawn_anew_for_each_repeat(data):
    for split, gold in (("MSCOCO-OC", "3"), ("TDIUC-color", "red")):
        repeats = repeats_of(units(data, split)[0].content, 0)
        assert all(one.options[one.gold] == gold for one in repeats)
        assert {len(set(one.options)) for one in repeats} == {4}
    assert [unit.id for unit in units(data, "TDIUC-color")] == ["TDIUC-color/11", "TDIUC-color/12"]


def test_boxes_are_drawn_or_cut_out(data):
    def pixels(split):
        return suite.ask(units(data, split)[0], 0)[0].messages[0].parts[0].pixels

    red = (255, 0, 0)
    assert tuple(pixels("MSCOCO-GOI")[:, 4, 8].tolist()) == red
    assert tuple(pixels("MSCOCO-GOI")[:, 12, 14].tolist()) == red  # 4 + 8, 4 + 10
    assert tuple(pixels("RefCOCO")[:, 9, 9].tolist()) == red
    assert tuple(pixels("VQAv2")[:, 4, 8].tolist()) == (90, 90, 90)
    assert pixels("TextOCR").shape == (3, 9, 9)


def test_a_model_that_knows_is_right_in_every_repeat(data, tmp_path):
    def knows(text):
        return option(text, "red" if ", red?" in text else "blue")

    results = results_of("reform", data, knows, tmp_path, split="VQAv2")
    rows = results["tasks"]["VQAv2"]
    assert {name: row["value"] for name, row in rows.items()} == {
        "accuracy": 100,
        "chance": 25,
        "format": 100,
        "instability": 0,
    }
    assert values(results)["reasoning"] == 100
    assert rows["accuracy"]["n"] == 2


def test_a_silent_model_is_wrong_everywhere_and_counted(data, tmp_path):
    results = results_of("reform", data, lambda _: "", tmp_path)
    assert values(results)["accuracy"] == values(results)["format"] == 0
    assert values(results)["instability"] == 0
    assert len(results["tasks"]) == 20
    assert results["rows"]["accuracy"]["unparsed"] > 100
    lines = list(table(results, "reform"))
    assert lines[0].split()[:3] == ["task", "accuracy", "chance"]
    assert any(line.startswith("scene_text") for line in lines)


def test_the_likeliest_option_is_the_answer_and_the_rest_is_recorded(data, tmp_path):
    model = Scoring(lambda _: "", lambda text: text == "red")
    results = results_of("reform", data, model, tmp_path, mode="likelihood", split="VQAv2")
    row = results["tasks"]["VQAv2"]["accuracy"]
    assert row["value"] == 50
    assert "format" not in results["tasks"]["VQAv2"]
    [first, _] = read_lines(tmp_path)
    assert first["answers"] == ["red"] * 5
    assert sorted(first["likelihoods"][0]) == [[-5.0, 2]] * 3 + [[-1.0, 2]]
    assert len(model.rows) == 2 * 5


def test_a_dialogue_goes_on_with_what_the_model_answers_most_often(data, tmp_path):
    """The second question is answered with a text of its own, which stands in the history."""

    def rule(text):
        return "no idea" if "big" in text else option(text, "no")

    model = Ruled(rule)
    results = results_of("reform", data, model, tmp_path, split="VisDial")
    assert len(model.requests) == 3 * 5
    last = [text_of(one) for one in model.requests[-1:]]
    assert last[0].startswith("is it new? Options: (")
    turns = prompt(model.requests[-1])
    assert turns[2] == "is it red? Options: (A) yes; (B) no; (C) maybe."
    assert turns[3:6] == [
        "The answer is (B) no",
        "is it big? Options: (A) yes; (B) no; (C) maybe.",
        "no idea",
    ]
    rows = {name: row["value"] for name, row in results["tasks"]["VisDial"].items()}
    assert (rows["accuracy"], rows["format"]) == (0, 66.67)
    assert len(results["tasks"]) == 1


def test_accuracy_over_the_rounds_has_a_slope():
    own = {"set": "d", "rounds": [[0, 1.0], [1, 0.5], [2, 0.0]]}
    assert scoring.slope([own]) == pytest.approx(-50)
    assert scoring.correlation([own]) == pytest.approx(-1)
    assert scoring.correlation([{"set": "d", "rounds": [[0, 1.0], [1, 1.0]]}]) == 0


def test_captions_have_the_figures_of_the_captions_suite(data, tmp_path):
    def caption(text):
        return "a dog on the grass"

    results = results_of("reform", data, caption, tmp_path, split="Flickr30K-captions")
    row = results["tasks"]["Flickr30K-captions"]
    assert row["rouge_l_simple"]["value"] > 50
    assert row["rouge_l_simple"]["n"] == 3
    assert "accuracy" not in row


def test_instructions_of_others_take_the_place_of_ours(tmp_path):
    data = write_reform(tmp_path)
    path = data / "instructions.json"
    path.write_text(json.dumps({"VQAv2": {"generation": ["Look!"]}, "choice": {"x": ["y"]}}))
    assert prompt(suite.ask(units(data, "VQAv2")[0], 0)[4])[0].startswith("Look!\n")
    assert not prompt(suite.ask(units(data, "CIFAR10")[0], 0)[0])[0].startswith("Look!")
    path.write_text(json.dumps({"VQAv2": ["Look!"]}))
    with pytest.raises(ValueError, match=r"instructions.json: 'VQAv2' has no lists of instr"):
        units(data, "VQAv2")


# --- prediction files


def predictions(folder, name, rows):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(rows))
    return Plan("reform", folder, mode="answers")


def row(answer, prediction, sample="s", **more):
    return {"sample_id": sample, "answer": answer, "prediction": prediction, **more}


def test_predictions_of_other_programs_are_scored(tmp_path):
    rows = [row(n % 2, p, answer_options=["a", "b"]) for n, p in enumerate([0, 1, 1, 1, 7])]
    plan = predictions(tmp_path / "data", "TDIUC_SingleChoice_likelihood_x.json", rows)
    own = run("", plan, tmp_path / "out")["tasks"]["TDIUC"]
    assert own["accuracy"]["value"] == 60
    assert own["instability"]["value"] == pytest.approx(0.95, abs=0.01)
    assert "format" not in own
    words = [row("Open 24", "it says open 24", "1"), row("Exit", "entry", "2")]
    plan = predictions(tmp_path / "texts", "IC15_OCROpenEnded_x.json", words)
    assert run("", plan, tmp_path / "out2")["tasks"]["IC15"]["accuracy"]["value"] == 50


def test_predictions_of_dialogues_are_scored_by_round(tmp_path):
    rows = [
        row(0, "(A) a" if n == 0 else "(B) b", f"7_{n}", answer_options=["a", "b"], round_id=n)
        for n in range(2)
    ]
    plan = predictions(tmp_path / "data", "VisDial_SingleChoice.json", rows)
    own = run("", plan, tmp_path / "out")["tasks"]["VisDial"]
    assert (own["accuracy"]["value"], own["slope"]["value"]) == (50, -100)


@pytest.mark.parametrize(
    ("name", "rows", "complaint"),
    [
        ("a.json", [], "the name says no formulation; write NAME_SingleChoice.json"),
        ("a_SingleChoice.json", [{"sample_id": 1}], "row 0: lacks answer, prediction"),
        ("a_SingleChoice.json", [row(0, "(A)")], "sample s: lacks answer_options"),
        ("a_SingleChoice.json", [row(2, 0, answer_options=["a"])], "2 is none of its 1 options"),
        ("a_SingleChoice.json", {"a": 1}, "holds no list of rows"),
    ],
)
def test_predictions_in_another_form_are_refused(tmp_path, name, rows, complaint):
    plan = predictions(tmp_path / "data", name, rows)
    with pytest.raises(ValueError, match=complaint):
        run("", plan, tmp_path / "out")


# --- data that are not valid


def core(rows):
    return {"data": rows}


VQA_FILE = "VQA_v2/vqa_val_10p.json"
GOOD = {
    "question_id": 1,
    "image_id": "",
    "question": "?",
    "answer": "a",
    "answer_options": ["a", "b"],
}


@pytest.mark.parametrize(
    ("name", "rows", "split", "complaint"),
    [
        (
            VQA_FILE,
            core([{**GOOD, "answer": "c"}]),
            "VQAv2",
            "row 0: the answer 'c' is none of its 2",
        ),
        (VQA_FILE, core([{"question_id": 1}]), "VQAv2", "row 0: lacks answer_options or options"),
        (VQA_FILE, "?", "VQAv2", "vqa_val_10p.json: holds no list of rows"),
        (VQA_FILE, core([GOOD]), "GQA", "needs the file GQA/gqa_testdev_10p.json of GQA"),
        ("x.json", core([]), "", "has no such set of ReForm-Eval; it needs ReForm-Eval-Data/hugg"),
        (
            "MSCOCO/object-counting-all.json",
            [],
            "MSCOCO-OC",
            "there is no file .*answer_list.json, from which wrong options are drawn",
        ),
        (
            "VisDial/Visdial_1.0_val_v1.2.json",
            core(
                {
                    "questions": [],
                    "answers": [],
                    "dialogs": [
                        {
                            "image_id": 1,
                            "image_base64": "",
                            "dialog": [{"question": 3, "answer": 0, "answer_options": [0]}],
                        }
                    ],
                }
            ),
            "VisDial",
            "dialogue 0: names a question or an answer that is not listed",
        ),
    ],
)
def test_a_file_in_another_layout_is_refused(tmp_path, name, rows, split, complaint):
    put(tmp_path, name, rows)
    with pytest.raises(ValueError, match=complaint):
        units(tmp_path, split)


def test_a_picture_that_is_none_is_named(tmp_path):
    put(tmp_path, VQA_FILE, core([{**GOOD, "image_id": "?"}]))
    with pytest.raises(ValueError, match="the picture of VQAv2/1 is not in base64"):
        suite.ask(units(tmp_path, "VQAv2")[0], 0)


def test_the_folder_itself_may_be_the_data(data):
    assert units(data / ROOT, "VQAv2")[0].id == units(data / ROOT.split("/")[0], "VQAv2")[0].id
