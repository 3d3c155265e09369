"""Rows that a run does not learn from: their losses, the best weights, and an early end."""

import json

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file

from anygen import AnyGen
from anygen.config.loader import load_run
from anygen.training.parallel.sharing import Replicated
from anygen.training.precomputed import NegativeBank
from anygen.training.runs.dialogue_losses import dialogue_losses
from anygen.training.runs.held_out import Best, HeldOutRows, name_of, open_files, read_all
from anygen.training.trainer import train
from support.html_page import Page
from support.own_data import picture, talk, write_dialogues, write_picture, write_records

DATA = [{"path": "mine.jsonl"}]
FAST = {"batch_size": 4, "learning_rate": 1e-2, "warmup": 1, "log_every": 2}


@pytest.fixture
def held_out_run(write_run, tmp_path):
    """The name of a run with held-out rows of other answers than those it learns."""

    def write(stage="instruct", **settings):
        write_dialogues(tmp_path, 8)
        lines = (tmp_path / "mine.jsonl").read_text().splitlines()
        (tmp_path / "mine.jsonl").write_text("\n".join(lines[:4]) + "\n")
        (tmp_path / "mine.held_out.jsonl").write_text("\n".join(lines[4:]) + "\n")
        held_out = {"path": "mine.held_out.jsonl", "every": 2, **settings.pop("held_out", {})}
        return write_run(stage, data=DATA, held_out=held_out, **FAST | settings)

    return write


def rows_of(out):
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def evaluations(out):
    return [row for row in rows_of(out) if "best_step" in row]


@pytest.mark.slow
def test_losses_are_logged_by_source_by_modalities_and_by_term(held_out_run):
    out = train(held_out_run(steps=6, held_out={"world": 3}), [])
    rows = evaluations(out)
    assert [row["step"] for row in rows] == [0, 2, 4, 6]
    assert {
        "held_out/mine",
        "held_out/mine/image/text",
        "held_out/mine/image/image_align",
        "held_out/mine/text/text",
        "held_out/world",
    } <= rows[0].keys()
    grown = [round(row["held_out/world"] - rows[0]["held_out/world"], 5) for row in rows]
    assert [row["forgetting/world"] for row in rows] == grown
    assert rows[-1]["held_out/mine"] < rows[0]["held_out/mine"]
    page = Page(out / "report.html")
    assert "held_out/mine/image: " in page.text
    assert f"best at step {rows[-1]['best_step']}" in page.text


@pytest.mark.slow
def test_the_best_weights_are_kept_and_the_run_ends_when_nothing_improves(held_out_run, tmp_path):
    settings = {"learning_rate": 0.3, "held_out": {"every": 1, "patience": 3}, "steps": 40}
    name = held_out_run(**settings)
    out = train(name, [])
    rows = evaluations(out)
    losses = {row["step"]: row["held_out/mine"] for row in rows}
    best, last = rows[-1]["best_step"], rows[-1]["step"]
    assert losses[best] == min(losses.values())
    assert (best, last) == (best, best + 3)
    assert 0 < best < last < 40
    kept, present = (
        load_file(folder / "weights.safetensors") for folder in (out / "checkpoints" / "best", out)
    )
    assert any(not torch.equal(kept[key], present[key]) for key in kept)
    before = (out / "state.pt").read_bytes()
    assert train(name, []) == out
    assert (out / "state.pt").read_bytes() == before


@pytest.mark.slow
def test_a_run_that_goes_on_knows_its_best_loss_and_learns_the_same(held_out_run, tmp_path):
    settings = {"held_out": {"world": 2, "every": 1}, "warmup": 100}
    name = held_out_run(steps=4, **settings)
    never, twice = tmp_path / "never", tmp_path / "twice"
    train(name, [f"out={twice}", "steps=2"])
    train(name, [f"out={twice}"], ["steps"])
    assert [row["step"] for row in evaluations(twice)] == [0, 1, 2, 3, 4]
    losses = [row["held_out/mine"] for row in evaluations(twice)]
    assert evaluations(twice)[-1]["best_step"] == losses.index(min(losses))
    train(name, [f"out={never}", "held_out=null"])
    weights = [load_file(out / "weights.safetensors") for out in (twice, never)]
    assert all(tensor.equal(weights[1][key]) for key, tensor in weights[0].items())


@pytest.mark.slow
def test_the_loss_does_not_depend_on_how_passes_divide_the_rows(held_out_run, make_model):
    run, found = load_run(held_out_run(denoised=1, held_out={"world": 3})), []
    model = make_model().eval()
    bank = NegativeBank(model, run)
    for size in (1, 8):
        resized = run.model_copy(update={"batch_size": size})
        rows = HeldOutRows(model, resized, run.held_out)
        alone = Replicated(Accelerator(cpu=True))
        found.append(rows.losses(lambda step: dialogue_losses(model, bank, run, step), alone))
    assert {"mine/image/image_denoise", "world"} <= found[0].keys()
    assert found[0] == pytest.approx(found[1], rel=1e-4, abs=1e-4)


def test_a_run_answers_held_out_questions(held_out_run):
    out = train(held_out_run(steps=1), [])
    [samples] = [row["samples"] for row in rows_of(out) if "samples" in row]
    texts = {path.name: path.read_text() for path in (out / "samples" / "000001").glob("*.txt")}
    assert "say 7" in texts.values()
    assert any("question" in path and path.endswith(".png") for path in samples)
    assert any("answer" in path for path in samples)
    assert "say 7" in Page(out / "report.html").text


@pytest.fixture
def asked(tmp_path):
    """Requests without answers, one of them about a picture."""
    write_picture(tmp_path / "a.png")
    turns = [{"role": "user", "content": [picture("a.png"), {"type": "text", "text": "what?"}]}]
    rows = [{"id": "draw", "prompt": "draw a cat"}, {"id": "look", "messages": turns}]
    return write_records(tmp_path / "asked.jsonl", *rows)


@pytest.mark.slow
def test_requests_are_asked_before_the_first_step_and_with_the_samples(
    held_out_run, asked, tmp_path
):
    name = held_out_run(steps=2, sample_every=1, held_out={"requests": "asked.jsonl"})
    once, twice = tmp_path / "once", tmp_path / "twice"
    train(name, [f"out={once}"])
    found = {row["step"]: row["forgetting/asked"] for row in rows_of(once) if "samples" in row}
    assert list(found) == [0, 1, 2]
    assert found[0] == 0
    assert set(found.values()) <= {0, 0.5, 1}
    assert f"forgetting: asked {found[2]:.4g}" in Page(once / "report.html").text
    train(name, [f"out={twice}", "steps=1"])
    train(name, [f"out={twice}"], ["steps"])
    before = [torch.load(out / "state.pt")["held_out"]["media"] for out in (once, twice)]
    assert before[0] == before[1]
    assert len(before[0]["asked"][1]) == 2


def test_forgetting_is_the_share_of_requests_that_get_other_media(held_out_run, asked, make_model):
    run = load_run(held_out_run(held_out={"requests": "asked.jsonl"}))
    answers = iter([[["image"], []], [["image"], ["audio"]], [["image"], []], [[], ["image"]]])
    rows = HeldOutRows(make_model(), run, run.held_out)
    shares = [rows.forgetting(lambda requests: next(answers)) for _ in range(3)]
    again = HeldOutRows(make_model(), run, run.held_out)
    again.resume(rows.state())
    shares.append(again.forgetting(lambda requests: next(answers)))
    assert shares == [{"forgetting/asked": share} for share in (0, 0.5, 0, 1)]


def test_the_first_answers_stay_those_of_the_same_requests(held_out_run, asked, make_model):
    run, model = load_run(held_out_run(held_out={"requests": "asked.jsonl"})), make_model()
    rows = HeldOutRows(model, run, run.held_out)
    rows.forgetting(lambda requests: [["image"], []])
    rows.add({"mine": 1.0}, 0)
    for changes, share in (({"world": 2, "every": 9}, 0.5), ({"rows": 1}, 0)):
        changed = HeldOutRows(model, run, run.held_out.model_copy(update=changes))
        changed.resume(rows.state())
        answers = [["image"], ["image"]][: len(changed.requests["asked"])]
        assert not changed.has_begun
        assert changed.forgetting(lambda requests, answers=answers: answers) == {
            "forgetting/asked": share
        }
        changed.add({"mine": 1.0, "world": 2.0}, 4)
        assert changed.has_begun


def test_requests_alone_are_asked_as_their_lines_say(held_out_run, tmp_path):
    row = {"id": "say", "prompt": "draw a cat", "modalities": ["text"], "seed": 3}
    write_records(tmp_path / "asked.jsonl", {**row, "options": {"max_new_tokens": 2}})
    held_out = {"path": [], "requests": "asked.jsonl"}
    out = train(held_out_run(steps=1, held_out=held_out), [])
    asked = [row for row in rows_of(out) if "forgetting/asked" in row]
    assert [(row["step"], row["forgetting/asked"]) for row in asked] == [(0, 0), (1, 0)]
    assert not any("best_step" in row for row in rows_of(out))
    assert "best at" not in Page(out / "report.html").text


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (talk("a"), r"asked\.jsonl:1: record a: the last message is not the user's; "),
        ({"id": "l", "prompt": "a " * 3000}, r"asked\.jsonl:1: record l: messages: the last one"),
        ({"id": "o", "prompt": "a", "options": {"smell": 1}}, "record o: smell: "),
        ({"id": "b", "messages": [{"role": "user", "content": [picture("no.png")]}]}, r"no\.png"),
    ],
)
def test_requests_that_cannot_be_asked(held_out_run, tmp_path, row, sentence):
    write_records(tmp_path / "asked.jsonl", row)
    with pytest.raises(ValueError, match=sentence):
        train(held_out_run(steps=1, held_out={"requests": "asked.jsonl"}), [])


def test_a_run_that_has_no_decoders_answers_in_words(write_run):
    out = train(write_run("encode", steps=1), [])
    [samples] = [row["samples"] for row in rows_of(out) if "samples" in row]
    answers = [path for path in samples if "answer" in path]
    assert all(path.endswith(".txt") for path in answers)


def test_a_file_that_is_learned_from_is_not_held_out(write_run, tmp_path):
    path = write_records(tmp_path / "mine.jsonl", talk("a"))
    (tmp_path / "copy.jsonl").write_bytes(path.read_bytes())
    name = write_run("encode", data=DATA, held_out={"path": "copy.jsonl"}, init=["mini"])
    with pytest.raises(ValueError, match=r"held_out: the run learns from .*copy\.jsonl, too"):
        train(name, [])  # before weights are read: those of mini do not fit this system


@pytest.mark.parametrize(
    ("held_out", "stage", "sentence"),
    [
        ({}, "encode", "held_out: give a 'path' of files, or with 'world' the number"),
        ({"world": 2}, "project", "held_out: stage project does not read dialogues; encode"),
        ({"path": "gone.jsonl"}, "encode", r"gone\.jsonl: no such file"),
        ({"requests": "gone.jsonl"}, "instruct", r"gone\.jsonl: no such file"),
        ({"requests": "a.jsonl", "patience": 2}, "instruct", "patience: is for losses"),
        ({"requests": "a.jsonl"}, "encode", r"held_out\.requests: stage encode makes no media"),
    ],
)
def test_held_out_rows_that_cannot_be(write_run, held_out, stage, sentence):
    name = write_run(stage, held_out=held_out, decoders=["image"], pool={"image": 2})
    with pytest.raises(ValueError, match=sentence):
        train(name, [])


def test_a_loss_that_is_not_finite_is_no_best_one():
    best = Best()
    assert [best.add(loss, step) for step, loss in enumerate([2.0, None, 3.0, 1.0])] == [
        True,
        False,
        False,
        True,
    ]
    assert (best.loss, best.step, best.waiting) == (1.0, 3, 0)


def test_sources_of_one_name_are_told_apart():
    names = {}
    for path in ("a/mine-2.jsonl", "a/mine.held_out.jsonl", "b/mine.jsonl", "world.jsonl"):
        names[name_of(path, names)] = path
    assert list(names) == ["mine-2", "mine", "mine-3", "world-2"]


def test_the_best_weights_are_a_model(write_run, saved_model, tmp_path):
    write_picture(tmp_path / "a.png")
    write_records(tmp_path / "mine.jsonl", talk("a", [picture("a.png")], "a cat"))
    write_records(tmp_path / "held.jsonl", talk("b", [picture("a.png")], "a cat."))
    held_out = {"path": ["held.jsonl"], "every": 1}
    settings = FAST | {"init": [str(saved_model)], "steps": 1}
    out = train(write_run("encode", data=DATA, held_out=held_out, **settings), [])
    assert AnyGen.from_pretrained(out / "checkpoints" / "best").model.llm is not None


def test_captioned_media_that_are_held_out_are_requests_for_stage_decode(
    held_out_run, tiny_model, tmp_path
):
    name = held_out_run("decode")
    turns = [{"role": "assistant", "content": [picture("k.png", "a kite")]}]
    records = [{"id": f"k{index}", "messages": turns} for index in range(12)]
    write_picture(tmp_path / "k.png")
    write_records(tmp_path / "mine.held_out.jsonl", *records)
    run = load_run(name)
    rows = list(read_all(tiny_model, run, open_files(run.held_out, run.seed))["mine"])
    assert [list(row.captions.values()) for row in rows] == [["a kite"]] * 12
