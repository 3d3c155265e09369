"""Models write, find and make media for dialogues, and a page shows them to a person."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from anygen.anygen import AnyGen
from anygen.building.local_writer import LocalWriter
from anygen.building.media import VECTORS, open_making, open_search
from anygen.building.review import write_review
from anygen.core.records import Record
from anygen.io.media_files import read_media, write_media
from anygen.training.data.files import RecordFile
from mosit_data.build.dialogues import RefusalError
from mosit_data.build.presets.base import Source
from mosit_data.build.presets.table import PRESETS
from mosit_data.build.subjects import plan_media
from mosit_data.build.topics import plan_topics
from mosit_data.build.writers import Request
from support.html_page import Page
from support.own_data import picture, talk, write_picture, write_records

[JOB] = plan_topics("mosit", PRESETS["mosit"], Source(["cats"]), 1, 0)


@pytest.fixture(scope="module")
def model(saved_model) -> AnyGen:
    return AnyGen.from_pretrained(saved_model)


def test_the_nearest_picture_of_a_folder_stands_for_a_caption(model, tmp_path, audio):
    folder, out = tmp_path / "mine", tmp_path / "out"
    for seed in range(5):
        write_picture(folder / "part" / f"k{seed}.png", seed)
    write_media(audio, folder / "s.wav")
    (folder / "broken.png").write_bytes(b"no picture")
    grounder, refused = open_search(model, folder, out, threshold=-1)
    assert [Path(row.id).name for row in refused] == ["broken.png"]
    encoder = model.model.encoder
    [caption] = encoder.embed(["a flat cat"])
    names = [f"k{seed}.png" for seed in range(5)]
    media = encoder.embed([read_media(folder / "part" / name) for name in names])
    best = names[int((media @ caption).argmax())]
    path = grounder.find(JOB, "image", "a flat cat").path
    assert path == f"../mine/part/{best}"
    assert (out / path).is_file()
    # what is known already is not read again: only what has changed
    stored = (out / VECTORS).read_bytes()
    again, _ = open_search(model, folder, out, threshold=-1)
    assert (out / VECTORS).read_bytes() == stored
    assert again.find(JOB, "image", "a flat cat").path == path


def test_a_folder_without_media_is_one_sentence(model, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty: holds no media that can be searched"):
        open_search(model, tmp_path / "empty", tmp_path, 0.2)


def test_decoders_make_a_medium_once_for_a_caption(model, tmp_path):
    grounder = open_making(model, tmp_path)
    path = tmp_path / grounder.find(JOB, "image", "a cat").path
    before = path.stat().st_mtime_ns
    assert read_media(path).pixels.shape[0] == 3
    assert tmp_path / grounder.find(JOB, "image", "a cat").path == path
    assert path.stat().st_mtime_ns == before
    assert tmp_path / grounder.find(JOB, "image", "a dog").path != path


def requests_of(preset: str, count: int) -> list[Request]:
    table = PRESETS[preset]
    jobs = plan_media(preset, table, Source(), count, 0)
    kinds = {kind.name: kind for kind in table.kinds}
    return [Request(job, kinds[job.kind].steps[0], 0) for job in jobs]


def test_a_model_of_ours_writes_and_sees(saved_model):
    writer = LocalWriter(str(saved_model), max_new_tokens=8)
    one, other = requests_of("minigpt4", 2)
    assert one.medium() is not None
    assert writer.write(one) == writer.write(one)
    assert writer.key(one) != writer.key(other)


def test_an_llm_writes_the_same_for_the_same_seed(tiny_llm):
    writer = LocalWriter(str(tiny_llm), max_new_tokens=30)

    def text_of(request) -> str:
        try:
            return writer.write(request)
        except RefusalError as refusal:
            return refusal.reason

    requests = requests_of("llava", 2)
    assert [text_of(r) for r in requests] == [text_of(r) for r in requests]
    with pytest.raises(ValueError, match="shown media, which an LLM cannot read"):
        writer.write(requests_of("minigpt4", 1)[0])


def test_an_answer_without_an_end_is_refused(tiny_llm):
    writer = LocalWriter(str(tiny_llm), max_new_tokens=1)
    with pytest.raises(RefusalError, match="longer than the writer may write"):
        writer.write(requests_of("llava", 1)[0])


@pytest.fixture
def rows(tmp_path) -> Path:
    """Two dialogues, one of them with a picture of the user and one of the assistant."""
    write_picture(tmp_path / "k.png")
    shown = [picture("k.png"), {"type": "text", "text": "</script> & more?"}]
    answer = [{"type": "text", "text": "Here."}, picture(None, "a kite")]
    return write_records(tmp_path / "rows.jsonl", talk("a", shown, answer), talk("b"))


def test_the_page_shows_dialogues_without_a_decision(rows, tmp_path):
    page, count = write_review(RecordFile(rows), 10, 0, tmp_path / "review.html")
    shown = Page(page)
    assert count == 2
    assert [a["data-key"] for tag, a in shown.tags if tag == "textarea"] == [
        *("0/1/text", "1/0/text", "1/1/caption"),
        *("0/0/text", "1/0/text"),
    ]
    assert "http" not in page.read_text().replace("http-equiv", "")
    sha256 = data_of(page)["rows"][0]["sha256"]
    decision = {"id": "a", "sha256": sha256, "decision": "keep"}
    write_records(tmp_path / "rows.decisions.jsonl", decision)
    page, count = write_review(RecordFile(rows), 10, 0, tmp_path / "review.html")
    assert count == 1
    assert [row["id"] for row in data_of(page)["rows"]] == ["b"]
    assert [json.loads(line) for line in data_of(page)["earlier"]] == [decision]


def data_of(page: Path) -> dict:
    text = page.read_text(encoding="utf-8")
    return json.loads(text.split('id="data">')[1].split("</script>")[0])


# Enough of a browser for the page's own script: sections with areas and buttons.
BROWSER = """
const fs = require("fs");
const html = fs.readFileSync(process.argv[2], "utf8");
const script = html.split("<script>")[1].split("</script>")[0];
const text = html.split('id="data">')[1].split("</script>")[0];
const listeners = {};
const element = {addEventListener: (name, f) => { listeners[name] = f; }};
const sections = JSON.parse(text).rows.map((row, number) => {
  const decisions = {1: "drop", 0: "fix"};
  const areas = number ? [] : [{dataset: {key: "1/1/caption"}, value: "a red kite"}];
  return {
    dataset: {row: String(number)}, addEventListener() {},
    querySelector: q => q === "input:checked" ? {value: decisions[number]} : {},
    querySelectorAll: () => areas,
  };
});
global.localStorage = {getItem: () => null, setItem() {}};
global.document = {
  getElementById: id => id === "data" ? {textContent: text} : element,
  querySelectorAll: () => sections,
  createElement: () => ({click() {}}),
};
global.Blob = class { constructor(parts) { console.log(parts.join("")); } };
global.URL = {createObjectURL: () => ""};
eval(script);
listeners.click();
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="the page's script needs node to run here")
def test_the_page_saves_decisions(rows, tmp_path):
    page, _ = write_review(RecordFile(rows), 10, 0, tmp_path / "review.html")
    (tmp_path / "browser.js").write_text(BROWSER)
    command = ["node", str(tmp_path / "browser.js"), str(page)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    fix, drop = (json.loads(line) for line in done.stdout.strip().splitlines())
    assert (fix["id"], fix["decision"]) == ("a", "fix")
    assert Record(**fix["record"]).messages[1].content[1].caption == "a red kite"
    assert drop == {
        **{k: data_of(page)["rows"][1][k] for k in ("id", "sha256")},
        "decision": "drop",
    }
