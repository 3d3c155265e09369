import json
from pathlib import Path

import pytest

import configs
from anygen.checkpoints.checkpoint import own_tensors, save_weights
from anygen.config.loader import load_system
from anygen.evaluation import decoder_control, runner
from anygen.evaluation.judges.judges import Judges
from anygen.evaluation.results import OUTCOMES, read_lines, table
from anygen.evaluation.runner import claim
from anygen.evaluation.suites.base import Bench, Source
from anygen.evaluation.suites.registry import find_suite
from anygen.evaluation.suites.world.suite import METRICS, TASKS, make_case, read
from anygen.evaluation.units import chosen_units
from anygen.io.atomic import write_json
from anygen.io.json_lines import append_json_line
from anygen.model.multimodal import MultimodalModel
from encoders import imagebind
from mosit_data.world.render import render
from support.prepared_model import Prepared, measured, truthful


@pytest.fixture(scope="module")
def judges() -> Judges:
    return Judges()


TRUE_MEDIA = ["pictures", "pairs", "sounds", "videos", "open_videos", "crossmodal"]


@pytest.mark.parametrize("task", TRUE_MEDIA)
def test_true_media_score_what_the_judge_scores(tmp_path, judges, task):
    rows = measured(Bench(truthful(task, 3), judges), task, tmp_path, 3)
    scored = {name for name in TASKS[task].rows if METRICS[name].measure is None}
    assert set(rows) >= scored
    for row in (rows[name] for name in scored):
        assert row["value"] == row["judge"]["value"]
        assert row["interval"][0] <= row["value"] <= row["interval"][1]
        assert row["control"]["n"] == row["n"]


def test_samples_lie_beside_the_outcomes(tmp_path, judges):
    measured(Bench(truthful("pictures", 1), judges), "pictures", tmp_path, 1)
    [line] = read_lines(tmp_path)
    assert set(line["files"]) == {"model", "control", "true"}
    assert all((tmp_path / "samples" / name).is_file() for name in line["files"].values())


def test_a_line_says_what_was_asked_and_what_the_judge_said(tmp_path, judges):
    measured(Bench(truthful("sounds", 1), judges), "sounds", tmp_path, 1)
    measured(Bench(Prepared("A kazoo."), judges), "instruments", tmp_path, 1)
    made, heard = read_lines(tmp_path)
    assert made["verdict"] == made["truth"]
    assert made["truth"]["sound"] in made["prompt"]
    assert heard["prompt"].startswith("[audio] ")
    assert (set(heard["files"]), set(heard["truth"]), heard["verdict"]) == (
        {"asked"},
        {"sound"},
        {},
    )


def test_a_run_goes_on_where_it_was_killed(tmp_path, judges):
    model = truthful("pictures", 3)
    measured(Bench(model, judges), "pictures", tmp_path, 2)
    with (tmp_path / OUTCOMES).open("a") as stream:
        stream.write('{"task": "pictures", "ca')
    measured(Bench(model, judges), "pictures", tmp_path, 3)
    assert [line["case"] for line in read_lines(tmp_path)] == [0, 1, 2]
    assert len(model.asked) == 3


def test_no_medium_where_one_was_asked_for_is_wrong(tmp_path, judges):
    rows = measured(Bench(Prepared("Sorry."), judges), "pictures", tmp_path, 1)
    assert rows["picture_object"]["value"] == 0
    assert "nearest" not in rows["picture_object"]


def test_a_missing_video_is_as_many_wrong_frames(tmp_path, judges):
    rows = measured(Bench(Prepared("Sorry."), judges), "open_videos", tmp_path, 1)
    assert (rows["video_background"]["value"], rows["video_background"]["n"]) == (0, 1)
    assert (rows["video_identity"]["value"], rows["video_identity"]["n"]) == (0, 16)


def test_triggers_are_counted_medium_by_medium(tmp_path, judges):
    """Case 0 asks for one medium, case 2 is a question; both get a picture."""
    cases = [make_case("triggers", index, 0) for index in range(5)]
    picture = render(make_case("pictures", 0, 0).scene)
    answers = [picture if case.expected else "No." for case in cases[:4]] + [picture]
    rows = measured(Bench(Prepared(*answers), judges), "triggers", tmp_path, 5)
    asked = sum(len(case.expected) for case in cases)
    right = sum("image" in case.expected for case in cases)
    made = sum(not isinstance(answer, str) for answer in answers)
    assert rows["trigger_precision"]["value"] == round(100 * right / made, 1)
    assert rows["trigger_recall"]["value"] == round(100 * right / asked, 1)


@pytest.mark.parametrize(
    ("task", "row", "wrong"),
    [
        ("objects", "understand_object", "nothing"),
        ("instruments", "understand_instrument", "a kazoo"),
        ("motions", "understand_motion", "it waits"),
    ],
)
def test_answers_are_read_for_the_true_word(tmp_path, judges, task, row, wrong):
    scene = make_case(task, 0, 0).scene
    names = {
        "image": lambda: scene.things[0].concept,
        "audio": lambda: scene.sound,
        "video": lambda: f"an apple {scene.motion}",
    }
    model = Prepared(names[scene.type](), wrong)
    rows = measured(Bench(model, judges), task, tmp_path, 2)
    assert rows[row] | {"value": 50.0, "n": 2} == rows[row]


def test_photographs_are_not_scored_without_a_classifier(tmp_path, judges, make_model):
    encoder = json.dumps({"name": "imagebind", **imagebind.TINY.model_dump(mode="json")})
    anygen = Prepared("A cat.")
    anygen.model.encoder = make_model("encoder", settings=[f"encoder={encoder}"]).encoder
    assert measured(Bench(anygen, judges), "photographs", tmp_path, 1) == {}
    assert [line["text"] for line in read_lines(tmp_path)] == ["Here it is.A cat."]


def test_a_smaller_run_is_the_beginning_of_a_larger_one():
    for name in TASKS:
        one, same = (make_case(name, 1, 0) for _ in range(2))
        assert [p for p in one.messages[-1].parts if isinstance(p, str)] == [
            p for p in same.messages[-1].parts if isinstance(p, str)
        ]
        assert one.scene == same.scene


def test_every_row_is_measured_by_one_task():
    rows = [row for task in TASKS.values() for row in task.rows]
    assert sorted(rows) == sorted(METRICS)
    units = chosen_units(read(Source()), ["sound_name"], 2)
    assert [unit.id for unit in units] == ["sounds/0", "sounds/1"]


def test_the_table_has_a_line_per_row(tmp_path, judges):
    rows = measured(Bench(truthful("sounds", 1), judges), "sounds", tmp_path, 1)
    lines = list(table({"rows": rows, "tasks": {}}, "world"))
    assert [line.split()[0] for line in lines] == ["row", "sound_name", "sound_pattern"]


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (
            lambda out: chosen_units(read(Source()), ["taste"], None),
            "no row named 'taste'; there are pict",
        ),
        (lambda out: find_suite("moon"), "no suite named 'moon'; there are world, people"),
        (lambda out: claim(out, {"seed": 1, "split": "a"}), "they differ in seed, split; choose"),
    ],
)
def test_what_cannot_be_measured_is_said_in_a_sentence(tmp_path, call, complaint):
    claim(tmp_path, {"seed": 0})
    append_json_line(tmp_path / OUTCOMES, {"task": "pictures", "case": 0})
    with pytest.raises(ValueError, match=complaint):
        call(tmp_path)


def test_a_run_that_got_no_answer_leaves_its_folder_to_another(tmp_path):
    claim(tmp_path, {"seed": 0})
    claim(tmp_path, {"seed": 1})
    assert json.loads((tmp_path / "identity.json").read_text()) == {"seed": 1}


def test_results_say_with_what_they_were_made(tmp_path):
    assert runner.machine()["threads"] >= 1
    write_json({"rows": {}}, tmp_path / "results.json")
    assert json.loads((tmp_path / "results.json").read_text()) == {"rows": {}}


def test_a_decoder_with_an_untrained_part_is_not_scored(tmp_path):
    folder = Path(configs.__path__[0]) / "mini"
    model = MultimodalModel(load_system("mini/system"), folder, parts=("decoders",))
    weights = tmp_path / "unet.safetensors"
    save_weights(own_tensors(model, ("decoders.image.unet.",)), weights)
    with pytest.raises(ValueError, match=r"nothing for .*image\.vae; add the runs that do"):
        decoder_control.control([weights], "mini/system", ["pictures"], 1, None)
