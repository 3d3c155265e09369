"""Dialogues are planned, written, grounded and checked; the same words give the same bytes."""

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from anygen.core.records import MediaContent, Record
from anygen.training.dialogues import read_record
from mosit_data.build.duplicates import Duplicates
from mosit_data.build.endpoint import EndpointWriter
from mosit_data.build.jobs import Job, Medium
from mosit_data.build.pipeline import STAGES, Order, build
from mosit_data.build.presets.base import Source
from mosit_data.build.presets.mosit import MOSIT, phrase
from mosit_data.build.topics import plan_topics, read_topics, things_in
from mosit_data.build.writers import GrammarWriter
from mosit_data.world.scene import in_split, parse_scene

TOPICS = ["a rainy weekend", "cats", "music for dinner"]


def order(out: Path, count: int, writer=None, topics=TOPICS, seed: int = 0) -> Order:
    return Order("mosit", Source(topics), count, writer or GrammarWriter(), out, seed)


def plan(topics, count, seed):
    return plan_topics("mosit", MOSIT, Source(topics), count, seed)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def lines(path: Path) -> list:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "set"
    build(order(folder, 120))
    return folder


def test_the_same_words_give_the_same_bytes(built, tmp_path):
    build(order(tmp_path / "again", 120))
    assert files_of(tmp_path / "again") == files_of(built)
    build(order(tmp_path / "other", 120, seed=1))
    assert files_of(tmp_path / "other")["records.jsonl"] != files_of(built)["records.jsonl"]


def test_every_dialogue_is_kept_or_refused_with_a_reason(built):
    names = ("records", "held_out", "refused")
    rows = [row for name in names for row in lines(built / f"{name}.jsonl")]
    assert sorted(row["id"] for row in rows) == [f"mosit-{n:06d}" for n in range(120)]
    report = json.loads((built / "report.json").read_text())
    assert sum(report["kept"].values()) + sum(report["refused"].values()) == 120
    assert report["kept"]["train"] > 100


def test_dialogues_hold_the_media_of_their_job_and_no_others(built):
    jobs = {row["id"]: row for row in lines(built / "jobs.jsonl")}
    for row in lines(built / "records.jsonl"):
        record, job = Record.model_validate(row), jobs[row["id"]]
        parts = [
            (m.role, p) for m in record.messages for p in m.content if isinstance(p, MediaContent)
        ]
        assert [p.scene for _, p in parts] == [medium["scene"] for medium in job["media"]]
        assert {p.type for role, p in parts if role == "assistant"} == set(job["mix"])
        assert all((p.caption is None) == (role == "user") for role, p in parts)
        assert job["topic"].lower() in record.messages[0].content[0].text.lower()
        assert record.made_by.writer == "grammar"


def test_some_answers_hold_several_media(built):
    counts = Counter(
        sum(part["type"] != "text" for part in message["content"])
        for row in lines(built / "records.jsonl")
        for message in row["messages"]
        if message["role"] == "assistant"
    )
    assert counts[2] > 10
    assert counts[3] > 0
    assert counts[1] > counts[2]


def test_captions_of_ones_own_are_asked_for_together(tmp_path):
    files = {"image": "A kite in the sky.", "audio": "rain on a roof", "video": "A dog runs"}
    media = [
        Medium(type=modality, path=f"{modality}.bin", captions=(caption,))
        for modality, caption in files.items()
    ]
    job = Job(id="j", kind="mosit", seed=0, split="train", media=media, topic="a walk")
    questions, answers = set(), set()
    for seed in range(40):
        turns = json.loads(phrase(random.Random(seed), job, ()))["turns"]
        if sum(part.keys() != {"text"} for part in turns[1]["parts"]) == 3:
            questions.add(turns[0]["parts"][-1]["text"])
            answers.add(tuple(part.get("text") for part in turns[1]["parts"][2::2]))
    assert any(
        all(word in text for word in ("a picture of a kite in the sky", "the sound of rain"))
        for text in questions
    )
    assert answers == {("And the sound of rain on a roof.", "And a video of a dog runs.")}


def test_held_out_scenes_are_in_no_dialogue_to_train_on(built):
    for name, split in [("records", "train"), ("held_out", "heldout")]:
        rows = lines(built / f"{name}.jsonl")
        scenes = [
            parse_scene(part["scene"])
            for row in rows
            for message in row["messages"]
            for part in message["content"]
            if "scene" in part
        ]
        assert scenes
        assert all(in_split(scene, split) for scene in scenes)


def test_a_dialogue_can_be_learned_from(built):
    record = Record.model_validate(lines(built / "records.jsonl")[0])
    assert read_record(record).captions


class Counting(GrammarWriter):
    """Counts the dialogues that it writes."""

    def __init__(self):
        self.written = []

    def write(self, request):
        self.written.append(request.job.id)
        return super().write(request)


@pytest.mark.parametrize("cut", [0, 1, 5000, 20_000])
def test_a_build_that_was_stopped_goes_on_where_it_was(built, tmp_path, cut):
    raw = (built / "raw.jsonl").read_bytes()[:cut]
    (tmp_path / "raw.jsonl").write_bytes(raw)
    writer = Counting()
    build(order(tmp_path, 120, writer))
    assert files_of(tmp_path) == files_of(built)
    assert len(writer.written) == 120 - raw.count(b"\n")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"seed": 1}, "seed was 0 and is 1"),
        ({"count": 5}, "count was 4 and is 5"),
        ({"licence": "CC0-1.0"}, "licence was not given and is CC0-1.0"),
        ({"source": Source(["dogs"])}, "topics was [0-9a-f]{16} and is [0-9a-f]{16}"),
        ({"preset": "llava", "source": Source()}, "preset was mosit and is llava; topics was .*"),
        (
            {"writer": EndpointWriter("http://localhost:1/v1", "m")},
            "writer.max_tokens was not given and is 2048; .*; writer.name was grammar and is .*",
        ),
    ],
)
def test_a_folder_with_answers_takes_no_other_build(tmp_path, changes, sentence):
    first = order(tmp_path / "set", 4)
    build(first)
    before = files_of(tmp_path / "set")
    with pytest.raises(ValueError, match=f"set: is the folder of another build: {sentence}; give"):
        build(replace(first, **changes))
    assert files_of(tmp_path / "set") == before
    (tmp_path / "set" / "order.json").unlink()
    with pytest.raises(ValueError, match=r"set: holds a build, and no order\.json that says"):
        build(first)


def test_a_plan_without_answers_is_replaced(tmp_path):
    build(order(tmp_path, 4), until="plan")
    build(order(tmp_path, 5), until="plan")
    assert len(lines(tmp_path / "jobs.jsonl")) == 5
    build(order(tmp_path, 5))


def test_more_dialogues_leave_the_first_as_they_were(built, tmp_path):
    (tmp_path / "raw.jsonl").write_bytes((built / "raw.jsonl").read_bytes())
    writer = Counting()
    build(order(tmp_path, 125, writer))
    assert writer.written == [f"mosit-{n:06d}" for n in range(120, 125)]
    assert list(plan(TOPICS, 5, 0)) == list(plan(TOPICS, 9, 0))[:5]


class Scripted:
    """Writes what a test gives it, with {c} for the caption of the first medium."""

    name = "scripted"
    parallel = 1
    settings: ClassVar = {}

    def __init__(self, *turns):
        self.turns = turns

    def key(self, request):
        return request.job.id

    def write(self, request):
        medium = request.job.media[0]
        turns = [
            {"role": role, "parts": [self.part(part, medium) for part in parts]}
            for role, *parts in self.turns
        ]
        return json.dumps({"turns": turns})

    def part(self, part, medium):
        return {medium.type: medium.caption} if part is None else part


USER = ("user", {"text": "Draw one"})


@pytest.mark.parametrize(
    ("turns", "reason", "sentence"),
    [
        (
            [USER, ("assistant", {"image": "a dragon"})],
            "ground",
            "'a dragon' is no image of the job",
        ),
        ([USER, ("assistant", {"text": "Sorry."})], "mix", "the mix is image; not so: image"),
        ([USER, ("assistant", {"text": ""}, None), USER], "form", "the last message is the user's"),
        ([("assistant", None)] * 2, "form", "message 1 is the assistant's"),
        ([USER, ("assistant", None)] * 7, "rounds", "7 rounds"),
        ([USER, ("assistant", None, {"text": "so " * 121})], "text_length", "a turn has 121 words"),
        (
            [USER, ("assistant", None, {"text": "As an AI I can not see."})],
            "meta_phrases",
            "speaks of 'As an AI'",
        ),
        (
            [USER, ("assistant", None), USER, ("assistant", {"text": "Here is another."})],
            "announced",
            "turn 4 announces a medium and has none",
        ),
        ([USER, ("assistant", {"text": "a", "image": "b"})], "parse", "turns.1.parts.0: a part is"),
        ([USER, ("robot", None)], "parse", "turns.1.role: Input should be 'user' or 'assistant'"),
    ],
)
def test_a_dialogue_that_fails_a_check_is_refused_under_its_name(tmp_path, turns, reason, sentence):
    with pytest.raises(ValueError, match="every dialogue is refused"):
        build(order(tmp_path, 1, Scripted(*turns), ["a walk"]))
    [row] = lines(tmp_path / "refused.jsonl")
    assert (row["id"], row["reason"]) == ("mosit-000000", reason)
    assert row["sentence"].startswith(sentence)


def test_what_is_no_json_is_refused_and_a_fence_around_it_is_not(tmp_path):
    class Fenced(Scripted):
        def write(self, request):
            text = super().write(request)
            return f"Sure!\n```json\n{text}\n```" if request.job.id.endswith("0") else text[:20]

    result = build(order(tmp_path, 2, Fenced(USER, ("assistant", None)), ["a walk"]))
    assert [dialogue.job.id for dialogue in result.dialogues] == ["mosit-000000"]
    assert result.reasons == {"parse": 1}


def record_of(name, text):
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": text}]
    return Record(id=name, messages=messages)


def test_nearly_the_same_words_are_a_duplicate():
    words = [f"word{i}" for i in range(60)]
    duplicates = Duplicates()
    assert duplicates.find_or_add(record_of("a", " ".join(words))) is None
    assert duplicates.find_or_add(record_of("b", " ".join(words).upper() + "!")) == "a"
    assert duplicates.find_or_add(record_of("c", " ".join([*words[:59], "other"]))) == "a"
    assert duplicates.find_or_add(record_of("d", " ".join(words[::-1]))) is None
    assert duplicates.find_or_add(record_of("e", " ".join(words[:20]))) is None


def test_a_topic_that_names_things_is_about_them():
    assert things_in("two cats and a guitar", "image") == things_in("a cat and a guitar", "image")
    assert "cat" in things_in("cats", "video")
    assert things_in("a concatenation", "image") == []
    named = {
        part.scene["things"][0]["concept"]
        for job in plan(["cats"], 14, 0)
        for part in job.media
        if part.type == "image"
    }
    assert "cat" in named


def test_topics_are_lines(tmp_path):
    (tmp_path / "t.txt").write_text("\n a  walk \n\ncats\n")
    assert read_topics(tmp_path / "t.txt") == ["a walk", "cats"]
    (tmp_path / "t.txt").write_text("\n \n")
    with pytest.raises(ValueError, match=r"t\.txt: holds no topic"):
        read_topics(tmp_path / "t.txt")
    (tmp_path / "t.txt").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"t\.txt: is not UTF-8"):
        read_topics(tmp_path / "t.txt")


def test_a_damaged_line_of_an_earlier_build_is_named(tmp_path):
    (tmp_path / "raw.jsonl").write_text('{"id": "x"}\n')
    with pytest.raises(ValueError, match=r"raw\.jsonl:1: is damaged"):
        build(order(tmp_path, 1))


def test_a_build_stops_after_any_stage_and_goes_on(tmp_path):
    last = {"plan": "jobs", "write": "raw", "parse": "parsed", "ground": "grounded"}
    last |= {"check": "checked", "dedup": "unique", "split": "held_out", "pack": "report"}
    assert [*STAGES] == [*last]
    writer = Counting()
    before = set()
    for stage, name in last.items():
        build(order(tmp_path / "steps", 20, writer), until=stage)
        files = {path.name for path in (tmp_path / "steps").iterdir()}
        assert {f"{name}.jsonl", f"{name}.json"} & (files - before)
        before = files
    build(order(tmp_path / "whole", 20))
    assert files_of(tmp_path / "steps") == files_of(tmp_path / "whole")
    assert len(writer.written) == 20
