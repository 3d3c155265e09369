"""Benchmarks whose samples another program scores: the folder that it reads, and its results."""

import json
from pathlib import Path

import pytest

from anygen.evaluation import runner
from anygen.evaluation.runner import Plan
from anygen.evaluation.suites.base import Source, Unit
from anygen.evaluation.suites.generation import compbench, dpg, geneval, vbench
from anygen.evaluation.suites.generation.output import Prompt
from anygen.io.media_files import read_media
from support.generation_suites import (
    PROPOSITIONS,
    Making,
    clip,
    flat,
    write_compbench,
    write_dpg,
    write_dpg_answers,
    write_geneval,
    write_vbench,
)
from support.suites import results_of, write_lines


def made(name, data, out, model=None) -> Path:
    """The folder that the benchmark's scorer reads."""
    results_of(name, data, model or Making(lambda text, n: [flat(n)]), out)
    return out / name


def scored(name, data, out, capsys) -> dict:
    results = runner.run("gone", Plan(name, data), out, score_only=True)
    capsys.readouterr()
    return results["rows"]


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_geneval_gets_its_folder_and_gives_its_results(tmp_path, capsys):
    """Tags with 3 and 1 of 4 samples right make 75, 25 and the mean 50."""
    data, out = write_geneval(tmp_path / "data"), tmp_path / "out"
    folder = made("geneval", data, out)
    samples = [f"0000{n}/samples/{k:04d}.png" for n in range(2) for k in range(4)]
    assert names(folder) == sorted([*samples, "00000/metadata.jsonl", "00001/metadata.jsonl"])
    metadata = json.loads((folder / "00001" / "metadata.jsonl").read_text())
    assert metadata["include"][1]["position"] == ["left of", 0]
    assert read_media(folder / samples[5]).pixels.unique().tolist() == [5]
    right = {samples[place] for place in (0, 1, 2, 6)}
    rows = [{"filename": f"any/{name}", "correct": name in right} for name in samples]
    write_lines(folder / "results.jsonl", rows)
    found = {name: row["value"] for name, row in scored("geneval", data, out, capsys).items()}
    assert (found["geneval"], found["single_object"], found["position"]) == (50, 75, 25)


def test_without_results_a_note_says_how_to_get_them(tmp_path):
    data = write_geneval(tmp_path / "data")
    model = Making(lambda text, n: ["no picture"] if n % 2 else [flat(n)])
    rows = results_of("geneval", data, model, tmp_path / "out")["rows"]
    assert list(rows) == ["made"]
    assert rows["made"]["value"] == 50
    assert rows["made"]["note"].startswith("not scored yet: run evaluate_images.py on the folder")


def test_a_sample_that_was_not_made_is_wrong(tmp_path, capsys):
    data, out = write_geneval(tmp_path / "data"), tmp_path / "out"
    folder = made("geneval", data, out, Making(lambda text, n: [flat(n)] if n else []))
    rows = [{"filename": f"x/{name}", "correct": True} for name in names(folder) if "png" in name]
    write_lines(folder / "results.jsonl", rows)
    assert scored("geneval", data, out, capsys)["single_object"]["value"] == 75


def test_the_plain_captions_results_are_the_control(tmp_path, capsys):
    """They lie in a folder of the same form; here another program made its files."""
    data, out = write_geneval(tmp_path / "data"), tmp_path / "out"
    folder, control = made("geneval", data, out), out / "geneval_control"
    samples = [name for name in names(folder) if name.endswith("png")]
    for name in samples:
        (control / name).parent.mkdir(parents=True, exist_ok=True)
        (control / name).write_bytes((folder / name).read_bytes())
    for where, right in ((folder, 4), (control, 6)):
        rows = [{"filename": name, "correct": n < right} for n, name in enumerate(samples)]
        write_lines(where / "results.jsonl", rows)
    row = scored("geneval", data, out, capsys)["geneval"]
    assert (row["value"], row["control"]["value"], row["over_control"]["value"]) == (50, 75, -25)
    assert row["over_control"]["interval"] == [-50, 0]


def test_another_tag_is_refused(tmp_path):
    write_lines(
        tmp_path / "evaluation_metadata.jsonl", [{"tag": "hats", "include": [], "prompt": "a hat"}]
    )
    with pytest.raises(ValueError, match="the tag 'hats' is none of single_object, two_object"):
        geneval.read(Source(tmp_path))


def test_compbench_names_its_files_by_prompt_and_place(tmp_path, capsys):
    data, out = write_compbench(tmp_path / "data"), tmp_path / "out"
    folder = made("compbench", data, out)
    found = names(folder)
    assert found[:2] == [
        "color/samples/a blue green hat_000010.png",
        "color/samples/a blue green hat_000011.png",
    ]
    assert "spatial/samples/a cat on the left of a dog_000009.png" in found
    results = folder / "color" / "annotation_blip" / "vqa_result.json"
    results.parent.mkdir()
    rows = [{"question_id": n, "answer": "0.5" if n < 10 else "0.9"} for n in range(20)]
    results.write_text(json.dumps(rows))
    rows = scored("compbench", data, out, capsys)
    assert rows["color"]["value"] == 70
    assert rows["spatial"]["value"] == 0  # made, and not scored


def test_a_score_of_no_sample_is_refused(tmp_path):
    folder = tmp_path / "color" / "samples"
    folder.mkdir(parents=True)
    (folder / "x_000000.png").write_bytes(b"")
    (tmp_path / "color" / "vqa_result.json").write_text('[{"question_id": 1, "answer": "1"}]')
    with pytest.raises(ValueError, match=r"vqa_result.json: scores 1, of 1 samples"):
        compbench.read_results(tmp_path)
    (tmp_path / "color" / "b").mkdir()
    (tmp_path / "color" / "b" / "vqa_result.json").write_text("[]")
    with pytest.raises(ValueError, match=r"has 2 files vqa_result\.json; leave one of them"):
        compbench.read_results(tmp_path)


def propositions():
    rows = {
        int(number): dpg.Proposition(question, broad, () if parent == "0" else (int(parent),))
        for number, parent, broad, question in PROPOSITIONS
    }
    return Unit("cat", "prompts", (), Prompt("a cat", "exactly", 4, rows))


@pytest.mark.parametrize(
    ("answers", "score"),
    [("nyy", 0), ("yny", 1 / 3), ("yyn", 2 / 3), ("yyy", 1), ("nnn", 0)],
)
def test_a_question_counts_only_if_all_that_it_rests_on_do(answers, score):
    scores = dict(zip((1, 2, 3), [float(letter == "y") for letter in answers]))
    found = dpg.without_orphans(propositions().content.data, scores)
    assert sum(found.values()) / 3 == pytest.approx(score)


def test_categories_are_those_of_all_fields_or_as_released_of_the_last():
    fields = ["yyy", "yyy", "nyy", "yny"]
    questions = [question for *_, question in PROPOSITIONS]
    answers = {
        ("cat", field): {q: letter == "y" for q, letter in zip(questions, letters)}
        for field, letters in enumerate(fields)
    }
    rows = dpg.item_scores(propositions(), answers)
    assert rows["dpg"] == pytest.approx([100, 100, 0, 100 / 3])
    assert rows["category_relation"] == [100, 100, 0, 0]
    assert rows["category_relation_as_released"] == [100]


def test_dpg_gets_pictures_of_four_fields_and_gives_its_answers(tmp_path, capsys):
    data, out = write_dpg(tmp_path / "data"), tmp_path / "out"
    folder = made("dpg", data, out)
    assert names(folder) == ["cat.png", "mat.png"]
    pixels = read_media(folder / "mat.png").pixels
    assert pixels.shape == (3, 16, 16)
    assert [pixels[0, y, x].item() for y, x in ((0, 0), (0, 8), (8, 0), (8, 8))] == [1, 3, 5, 7]
    yes, no = ("yes",) * 3, ("no", "yes", "yes")
    write_dpg_answers(folder, "cat", [yes, yes, yes, no])
    write_dpg_answers(folder, "mat", [("yes", "no", "no")] * 4)
    rows = scored("dpg", data, out, capsys)
    assert rows["dpg"]["value"] == pytest.approx((75 + 100 / 3) / 2, abs=0.01)
    assert rows["category_attribute"]["value"] == 37.5
    assert rows["category_attribute_as_released"]["value"] == 50


def test_a_question_that_the_released_scorer_leaves_out_does_not_count():
    questions = [question for *_, question in PROPOSITIONS]
    answers = {("cat", field): {questions[1]: True, questions[2]: False} for field in range(4)}
    assert dpg.item_scores(propositions(), answers)["dpg"] == [50] * 4


def test_files_of_dpg_in_another_form_are_refused(tmp_path):
    data = write_dpg(tmp_path / "data")
    path = data / "dpg_bench.csv"
    path.write_text(path.read_text().replace(",2,1,", ",2,3,", 1))
    with pytest.raises(ValueError, match=r"csv:3: rests on 3, which is not before it"):
        dpg.read(Source(data))
    path.write_text(path.read_text().replace(",2,3,", ",2,one,", 1))
    with pytest.raises(ValueError, match=r"csv:3: proposition_id and .* not '2' and 'one'"):
        dpg.read(Source(data))
    (tmp_path / "x_detail.txt").write_text("what is this\n")
    with pytest.raises(ValueError, match=r"x_detail\.txt:1: is no answer of the scorer: 'what is"):
        dpg.read_answers(tmp_path)


def test_vbench_gets_its_videos_and_flickering_needs_no_scorer(tmp_path, capsys):
    """Frames of 0 and 51 are four fifths steady; a video that was not made is not."""
    data, out = write_vbench(tmp_path / "data"), tmp_path / "out"
    model = Making(lambda text, n: [clip(90, 90)] if "lake" in text or n % 5 else [])
    folder = made("vbench", data, out, model)
    assert "a red car-4.mp4" in names(folder)
    assert len([name for name in names(folder) if name.startswith("a still lake-")]) == 25
    rows = scored("vbench", data, out, capsys)
    assert rows["flicker"]["value"] == pytest.approx((100 + 80) / 2, abs=0.5)
    assert rows["made"]["note"].startswith("not scored yet: run VBench's evaluate.py")
    whole = {**vbench.QUALITY, **vbench.SEMANTIC}
    scores = {name: [high, []] for name, (_, high, _) in whole.items()}
    scores["dynamic_degree"] = [0.0, []]
    (folder / "x_eval_results.json").write_text(json.dumps(scores))
    rows = scored("vbench", data, out, capsys)
    assert rows["quality"]["value"] == pytest.approx(100 * 6 / 6.5, abs=0.01)
    assert rows["semantic"]["value"] == 100
    assert rows["total"]["value"] == pytest.approx((4 * 100 * 6 / 6.5 + 100) / 5, abs=0.01)
    assert rows["scene"]["value"] == pytest.approx(82.22)
