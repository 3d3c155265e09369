"""What a person says of answers, on the tiny model: --set, the options of a row, /edit."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from anygen import AnyGen
from anygen.conversation.provenance import read_provenance
from anygen.core.media import Message
from anygen.generation.answer import MediaInfo
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from anygen.io.media_files import read_media, write_media


def records(out: Path) -> dict[str, dict]:
    lines = (out / "records.jsonl").read_text().splitlines()
    return {record["id"]: record for record in map(json.loads, lines)}


def kinds(record: dict) -> Counter[str]:
    return Counter(part["type"] for part in record["content"])


def assert_is_made_again(anygen_cli, path: Path) -> None:
    code, _, err = anygen_cli("generate", "--from", str(path), "--out", "again")
    assert code == 0, err
    assert (Path("again") / path.name).read_bytes() == path.read_bytes()


@pytest.mark.slow
def test_rows_are_answered_as_each_of_them_says(anygen_cli, saved_model, image):
    cat = Path("cat.png")
    write_media(image, cat)
    ref = {"type": "image", "ref": 1, "strength": 0.6}
    shown = {"role": "user", "content": [{"type": "image", "path": "cat.png"}]}
    rows = [
        {"id": "two", "prompt": "draw", "options": {"exactly": {"image": 2}, "words_between": 1}},
        {"id": "sound", "prompt": "play", "options": {"begin": "audio", "exactly": {"audio": 1}}},
        {"id": "none", "prompt": "say", "modalities": ["text"]},
        {
            "id": "blue",
            "messages": [shown, {"role": "user", "content": [ref, {"type": "text", "text": "!"}]}],
        },
    ]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = ["max_new_tokens=12", "max_media=2", "image.steps=3"]
    sets = [word for setting in settings for word in ("--set", setting)]
    command = ["generate", "rows.jsonl", "--model", str(saved_model), "--batch-size", "4", *sets]
    code, _, err = anygen_cli(*command)
    assert code == 0, err
    made = records(Path("out"))
    assert {record["status"] for record in made.values()} == {"ok"}
    assert kinds(made["two"])["image"] == 2
    assert made["sound"]["content"][0]["type"] == "audio"
    assert kinds(made["sound"])["audio"] == 1
    assert kinds(made["none"]).keys() <= {"text"}
    picture = next(part for part in made["blue"]["content"] if part["type"] == "image")
    path = Path("out") / picture["path"]
    assert read_media(path).pixels.shape == (3, 16, 16)
    told = read_provenance(path)
    assert told.turns[0].options.edit.strength == 0.6
    assert told.turns[0].question[0].ref == 1
    assert_is_made_again(anygen_cli, path)


@pytest.mark.slow
def test_a_chat_edits_what_it_made_and_its_files_are_made_again(anygen_cli, saved_model):
    lines = [
        "/modalities audio",
        "play",
        "/edit 1 0.5 louder",
        "/save talk.json",
        "/load talk.json",
        "/edit 3 softer",
    ]
    sets = ("--set", "max_media=1", "--set", "feedback=late", "--set", "deadline=1e9")
    command = ["chat", "--model", str(saved_model), *sets]
    code, shown, err = anygen_cli(*command, stdin="\n".join(lines))
    assert code == 0, err
    numbers = [line.split()[0] for line in shown.splitlines() if line.startswith("[")]
    assert numbers == ["[1]", "[3]", "[5]"]
    last = Path("out") / "003_audio.wav"
    assert [turn.question[0].ref for turn in read_provenance(last).turns[1:]] == [1, 3]
    assert_is_made_again(anygen_cli, last)


def test_a_caption_that_stands_in_for_a_broken_condition_is_told(make_model):
    model = AnyGen(make_model().eval().requires_grad_(False))
    for parameter in model.model.output_projectors["image"].parameters():
        parameter.fill_(torch.nan)
    options = AnswerOptions(modalities=("image",), max_media=1, caption_fallback=True)
    request = Request([Message("user", ("a cat",))], options=options)
    [answer] = model.reply_many([request])
    assert answer.media_info == (MediaInfo(part=0, fallback=True),)
    options = options.model_copy(update={"caption_fallback": False})
    [answer] = model.reply_many([replace(request, options=options)])
    assert (answer.media_info, answer.failed) == (
        (),
        ("the condition of this image is not finite",),
    )


@pytest.mark.parametrize("command", [["chat", "-p", "x"], ["generate", "x"]], ids=lambda c: c[0])
@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("steps", "--set needs NAME=VALUE, such as steps=8, not 'steps'"),
        ("steps=0", "steps cannot be '0': Input should be greater than 0"),
        (
            "steps=2020-99-99",
            "steps cannot be '2020-99-99': Input should be a valid integer, "
            "unable to parse string as an integer",
        ),
        ("guidance=.nan", "guidance cannot be '.nan': Input should be a finite number"),
        ("deadline=1e999", "deadline cannot be '1e999': Input should be a finite number"),
        ("stepps=8", "no setting 'stepps'; did you mean steps?"),
        ("temperature=3", "temperature cannot be '3': Input should be less than or equal to 2"),
        ("top_p=0", "top_p cannot be '0': Input should be greater than 0"),
        ("top_k=-1", "top_k cannot be '-1': Input should be greater than or equal to 0"),
        ("exactly.image=9", "exactly: 9 image cannot be made, where at most 8 may"),
    ],
)
def test_a_wrong_setting_is_one_line_before_any_model_is_looked_for(
    anygen_cli, command, setting, complaint
):
    arguments = [*command, "--set", setting, "--model", "no-such-model"]
    assert anygen_cli(*arguments) == (2, "", f"anygen: {complaint}\n")


@pytest.mark.parametrize("command", [["chat", "-p", "x"], ["generate", "x"]], ids=lambda c: c[0])
def test_limits_of_what_is_drawn_contradict_greedy_decoding(anygen_cli, command, saved_model):
    complaint = (
        "anygen: top_k: limits which tokens are drawn, but none are where the temperature is 0; "
        "set a temperature above 0, too\n"
    )
    greedy = ["--set", "top_k=5", "--set", "temperature=0", "--model", "no-such-model"]
    assert anygen_cli(*command, *greedy) == (2, "", complaint)
    model_is_greedy = ["--set", "top_k=5", "--model", str(saved_model)]
    assert anygen_cli(*command, *model_is_greedy) == (2, "", complaint)


def test_what_this_model_cannot_do_is_one_line_too(anygen_cli, saved_model):
    code, _, err = anygen_cli("chat", "-m", str(saved_model), "-p", "x", "--set", "audio.size=8")
    assert code == 2
    assert err.count("\n") == 1
    assert "size" in err
