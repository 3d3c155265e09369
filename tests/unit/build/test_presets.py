"""Every preset builds a set: the grammar of the small world, an endpoint of the user's captions."""

import json
from collections import Counter
from pathlib import Path

import pytest

from anygen.core.record_faults import faults_of
from anygen.core.records import MediaContent, Record
from anygen.io.media_files import write_media
from mosit_data.build.endpoint import EndpointWriter
from mosit_data.build.jobs import Box, Medium
from mosit_data.build.pipeline import Order, build
from mosit_data.build.presets import describing, tasks
from mosit_data.build.presets.base import Source
from mosit_data.build.presets.table import PRESETS
from mosit_data.build.subjects import boxes_of, read_media, scene_medium
from mosit_data.build.writers import GrammarWriter
from mosit_data.world.pictures import render_picture
from mosit_data.world.scene import PictureScene, Thing

LONG = (
    "A red kite rises above a wide green field, a girl in a yellow coat holds its line and laughs."
)


def rows_of(folder: Path, name: str) -> list:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def records_of(folder: Path) -> list[Record]:
    return [Record.model_validate(row) for row in rows_of(folder, "unique")]


def media_in(record: Record) -> list[tuple[str, MediaContent]]:
    return [(m.role, p) for m in record.messages for p in m.content if isinstance(p, MediaContent)]


def text_of(record: Record, role: str) -> str:
    parts = (p for m in record.messages if m.role == role for p in m.content)
    return " ".join(part.text for part in parts if not isinstance(part, MediaContent))


@pytest.mark.parametrize("name", PRESETS)
def test_the_grammar_builds_every_preset_twice_the_same(name, tmp_path):
    topics = ["cats"] if PRESETS[name].needs_topics else ()
    for out in (tmp_path / "one", tmp_path / "two"):
        build(Order(name, Source(topics), 25, GrammarWriter(), out, licence="CC0-1.0"))
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / n).iterdir()} for n in ("one", "two"))
    assert one == two
    records = records_of(tmp_path / "one")
    assert len(records) > 15
    for record in records:
        assert not [*faults_of(record)]
        assert {part.type for _, part in media_in(record)} <= set(PRESETS[name].modalities)
        assert record.licence == "CC0-1.0"
    report = json.loads((tmp_path / "one" / "report.json").read_text())
    assert set(report["kinds"]) == {kind.name for kind in PRESETS[name].kinds}
    assert sum(report["kept"].values()) + sum(report["refused"].values()) == 25


TURNS = {
    "turns": [
        {"role": "user", "parts": [{"text": "What flies here?"}]},
        {"role": "assistant", "parts": [{"text": "A kite with a long tail."}]},
    ]
}


def reply(body) -> str:
    """As an LLM that does as it is told; what it writes differs with the seed."""
    system, user = body["messages"][0]["content"], body["messages"][-1]["content"]
    if "yes or no" in system:
        return "Yes."
    number = body["seed"]
    if "response_format" not in body:
        return f"A kite numbered {number} flies over field {number % 7}. It is red. It is red."
    turns = json.loads(json.dumps(TURNS))
    turns["turns"][0]["parts"][0]["text"] += f" I mean number {number}, thing {number % 11}."
    for line in user.splitlines() if isinstance(user, str) else ():
        for modality in ("image", "video"):
            for owner, turn in (("shown by the user", 0), ("made by the assistant", 1)):
                if line.startswith(f"- {modality}, {owner}: "):
                    turns["turns"][turn]["parts"].append({modality: line.partition(": ")[2]})
    return json.dumps(turns)


@pytest.fixture
def pictures(tmp_path, image, video) -> Path:
    """Captioned media of a user; the captions of one video are short."""
    folder = tmp_path / "mine"
    folder.mkdir()
    rows = []
    for number in range(4):
        write_media(image, folder / f"k{number}.png")
        box = {"category": "kite", "bbox": [0.1, 0.2, 0.5, 0.6]}
        row = {"image": f"k{number}.png", "captions": [f"{LONG} {number}", "a kite"]}
        rows.append({**row, "instances": [box], "weather": "sunny" if number % 2 else "windy"})
    for number, text in enumerate((LONG, "a kite")):
        write_media(video, folder / f"v{number}.mp4")
        rows.append({"video": f"v{number}.mp4", "caption": text})
    rows.append({"image": "gone.png", "caption": "a kite"})
    path = folder / "media.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("name", PRESETS)
def test_an_endpoint_builds_every_preset_of_the_users_captions(name, tmp_path, serve, pictures):
    out = tmp_path / "out"
    server = serve(reply)
    media = [row for row in read_media(pictures, out) if isinstance(row, Medium)]
    topics = ["kites"] if PRESETS[name].needs_topics else ()
    order = Order(name, Source(topics, media), 12, EndpointWriter(server.url, "m"), out)
    build(order)
    records = records_of(out)
    assert len(records) >= 8
    for record in records:
        assert media_in(record)
        for _, part in media_in(record):
            assert (out / part.path).is_file()
        assert record.source is None or (out / record.source).is_file()
    if name == "valley":
        assert {record.source for record in records} == {"../mine/v0.mp4"}
        [too_short] = [r for r in rows_of(out, "refused") if r["id"].endswith("v1.mp4")]
        assert too_short["sentence"] == "its captions have 2 words, too few to write of; 20 do"
    asked = len(server.requests)
    build(order)
    assert len(server.requests) == asked, "every answer is kept"


@pytest.mark.parametrize(("name", "sees"), [("lvis", True), ("minigpt4", True), ("llava", False)])
def test_a_visual_llm_is_shown_the_picture_itself(name, sees, tmp_path, serve, pictures):
    out = tmp_path / "out"
    server = serve(reply)
    media = [m for m in read_media(pictures, out) if isinstance(m, Medium) and m.type == "image"]
    build(Order(name, Source((), media), 2, EndpointWriter(server.url, "m"), out))
    content = server.requests[0][1]["messages"][-1]["content"]
    assert isinstance(content, list) == sees
    if sees:
        assert content[0]["image_url"]["url"].startswith("data:image/png;base64,")
    else:
        assert "- kite: 0.10, 0.20, 0.50, 0.60" in content


def test_a_description_is_mended_and_looked_at_again(tmp_path, serve, pictures):
    """The writer repeats itself, mends nothing, and finds fault with every second one."""
    count = iter(range(1000))

    def careless(body):
        if "yes or no" in body["messages"][0]["content"]:
            return "no, it is blue" if next(count) % 2 else "Yes"
        return f"Kite {body['seed']} is red. It flies. it flies. And then"

    out = tmp_path / "out"
    media = [m for m in read_media(pictures, out) if isinstance(m, Medium) and m.type == "image"]
    writer = EndpointWriter(serve(careless).url, "m", parallel=1)
    result = build(Order("minigpt4", Source((), media), 6, writer, out))
    assert result.reasons == {"second_look": 3}
    for record in records_of(out):
        answer = text_of(record, "assistant")
        assert answer.count("flies") == 1
        assert answer.endswith("flies.")
        assert "And then" not in answer


def test_a_text_keeps_whole_sentences_once():
    text = "A cat. It sits. A  cat. It sleeps! And it"
    assert describing.without_repetition(text) == "A cat. It sits. It sleeps!"


def test_examples_of_the_cold_start_raise_the_share_that_passes(tmp_path, serve):
    """The endpoint keeps to the form when it is shown examples, and else half of the time."""

    def learning(body):
        has_examples = len(body["messages"]) > 2
        return reply(body) if has_examples or body["seed"] % 2 else "I would rather talk."

    server = serve(learning)
    out = tmp_path / "out"
    build(Order("syphus", Source(), 40, EndpointWriter(server.url, "m"), out))
    report = json.loads((out / "report.json").read_text())
    for kind in ("conversation", "reasoning"):
        first, *_, last = [r for r in report["cold start"] if r["kind"] == kind]
        assert first["passed"] < first["written"]
        assert last["passed"] == last["written"]
        assert len(last["examples"]) > 0
    shown = [body for _, body, _ in server.requests if len(body["messages"]) > 2]
    assert all(body["messages"][2]["role"] == "assistant" for body in shown)
    assert "parse" not in report["refused"]


def test_tasks_are_drawn_by_the_square_root_of_their_rows(tmp_path):
    many = [medium(n, {"colour": "red" if n % 2 else "blue"}) for n in range(900)]
    few = [medium(1000 + n, {"weather": "sunny" if n % 2 else "windy"}) for n in range(100)]
    jobs = tasks.plan_tasks(
        "multiinstruct", PRESETS["multiinstruct"], Source((), many + few), 3000, 0
    )
    counts = Counter(job.task for job in jobs)
    # roots of 1000 captions, 900 colours and 100 weathers
    expected = {"caption": 31.6 / 71.6, "colour": 30 / 71.6, "weather": 10 / 71.6}
    for task, share in expected.items():
        assert counts[task] / 3000 == pytest.approx(share, abs=0.03)
    for job in jobs:
        if job.options:
            assert job.media[0].labels[job.task] in job.options
            assert len(set(job.options)) == len(job.options)


def medium(number: int, labels: dict) -> Medium:
    return Medium(type="image", path=f"{number}.png", captions=(f"kite {number}",), labels=labels)


def test_a_question_of_the_users_is_asked_as_it_is():
    labels = {"question": "How many kites?", "answer": "two", "weather": "sunny"}
    labels["story"] = "one day a girl went out to fly her kite"  # no short answer
    picture = medium(0, labels)
    assert tasks.tasks_of(picture) == ["answer", "caption", "weather"]
    jobs = tasks.plan_tasks("x", PRESETS["multiinstruct"], Source((), [picture]), 30, 0)
    asked = [job for job in jobs if job.task == "answer"]
    assert asked
    for job in asked:
        assert "How many kites?" in tasks.instruction(job)
        assert tasks.answer(job) == "Two."


def test_boxes_of_the_small_world_are_around_what_is_visible():
    thing = Thing(concept="cat", x=0.25, y=0.5, size=0.5)
    scene = PictureScene(things=(thing,), style="flat", background="green")
    [box] = boxes_of(scene)
    pixels = render_picture(scene).pixels
    differs = (pixels != pixels[:, :1, -1:]).any(0)
    rows, columns = differs.any(1).nonzero(), differs.any(0).nonzero()
    edges = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert box.corners == pytest.approx([float(edge) / 128 for edge in edges], abs=0.02)
    assert scene_medium(scene).boxes == (box,)


def test_rows_of_the_user_that_cannot_be_used_are_named(tmp_path, pictures):
    rows = [
        {"image": "k0.png"},
        {"image": "k0.png", "caption": "x", "instances": [{"category": "a", "bbox": [0, 0, 9, 9]}]},
        {"image": "../k.png", "caption": "x"},
        {"caption": "x"},
    ]
    path = pictures.with_name("bad.jsonl")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    refused = [*read_media(path, tmp_path)]
    assert [row.place for row in refused] == [f"bad.jsonl:{n}" for n in (1, 2, 3, 4)]
    starts = ("the row has no caption", "instances.0", "../k.png: leads out", "the row has 0 media")
    for row, start in zip(refused, starts, strict=True):
        assert row.reason.startswith(start)


def test_a_label_may_have_any_name():
    picture = medium(0, {"place": "indoors"}).model_copy(
        update={"boxes": (Box(name="kite", corners=(0.1, 0.2, 0.3, 0.4)),)}
    )
    jobs = tasks.plan_tasks("x", PRESETS["multiinstruct"], Source((), [picture]), 30, 0)
    answers = {job.task: tasks.answer(job) for job in jobs}
    assert answers["place"] == "Indoors."
    assert answers["instances"] == "[0.10, 0.20, 0.30, 0.40]"
