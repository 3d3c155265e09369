"""Files of any bytes and rows of any JSON: each row becomes one record, and nothing is lost."""

import json
import math
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anygen.batch.answering import BatchSettings
from anygen.batch.parts import URLS as URL_PARTS
from anygen.batch.records import MAX_ERROR, RECORDS, record_line
from anygen.batch.runner import generate_file
from anygen.batch.sources import read_rows
from anygen.core.media import Image
from anygen.core.modality import MEDIA, MODALITIES
from anygen.generation.answer import Answer
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from anygen.generation.request_checks import prepare
from anygen.io.media_files import write_media
from support.batches import Painter

EXAMPLES = 250
PATHS = (
    "cat.png",
    "gone.png",
    "",
    ".",
    "..",
    "a\0b",
    "~/x",
    "x" * 300,
    "/dev/null",
    "file:cat.png",
)
URLS = ("data:,", "data:;base64,AAAA", "data:image/png;base64,!", "https://a.b/c.png", "file://[")


def encoded(value):
    return json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")


def file_of(lines):
    """The lines of a file; rows get an id, most of them one of their own."""
    ids = ("a", "A", 7, "\ud800")
    rows = [
        encoded({"id": ids[number], **line}) if isinstance(line, dict) else line
        for number, line in enumerate(lines)
    ]
    return b"\n".join(rows)


any_text = st.text(st.characters(exclude_categories=()), max_size=8)  # half surrogates, too
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(any_text, inner, max_size=2),
    max_leaves=4,
)
ODD = (None, True, "", "x", "\ud800", "\0", -1, 2, 0.5, 10**40, 1e308, math.nan, -math.inf)
odd = st.sampled_from([*ODD, [], {}, [[]], ["x"], [None], {"x": {}}, {"url": 1}]) | any_json
role = st.sampled_from(["user", "assistant", "system"])
place = st.sampled_from(PATHS + URLS)
text_part = st.builds(lambda text: {"type": "text", "text": text}, any_text)
media_part = st.builds(
    lambda kind, place: {"type": kind, "path": place}, st.sampled_from(MEDIA), place
)
url_part = st.builds(
    lambda kind, key, place: {"type": kind, key: place},
    st.sampled_from([*URL_PARTS, "input_audio"]),
    st.sampled_from(["image_url", "audio_url", "input_audio"]),
    place | st.builds(lambda place: {"url": place, "data": place}, place),
)
edit_part = st.builds(lambda ref: {"type": "image", "ref": ref, "strength": 0.5}, odd)
cat = st.just({"type": "image", "path": "cat.png"})
part = st.one_of(text_part, cat, media_part, url_part, edit_part, any_text, odd)
prompt = st.sampled_from(["draw a cat", "\udcff", "refuse", "break"])
content = prompt | any_text | st.lists(part, min_size=1, max_size=2) | odd
messages = st.lists(
    st.builds(lambda role, content: {"role": role, "content": content}, role, content) | odd,
    max_size=3,
)
limits = st.dictionaries(st.sampled_from(MODALITIES), st.integers(0, 2), max_size=2)
options = st.dictionaries(
    st.sampled_from([*AnswerOptions.model_fields, "other"]), limits | odd, max_size=2
)
question = st.builds(lambda content: {"prompt": content}, content) | st.builds(
    lambda messages: {"messages": messages}, messages
)
extra = st.fixed_dictionaries(
    {},
    optional={
        "seed": st.integers() | odd,
        "modalities": st.lists(st.sampled_from(MODALITIES), max_size=2) | odd,
        "options": options | odd,
    },
)
row = st.builds(
    lambda question, extra: {**question, **extra}, question, st.one_of(extra, extra, question)
)
line = st.integers(0, 9).flatmap(
    lambda kind: {0: st.binary(max_size=20), 1: any_json.map(encoded)}.get(kind, row)
)
files = st.lists(line, min_size=1, max_size=3).map(file_of)


class Careful(Painter):
    """Checks requests as the network does, and draws noise."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def reply_many(self, requests: Sequence[Request]) -> list[Answer]:
        for request in requests:
            assert prepare(self.network, request).prompt.keys
        return super().reply_many(requests)


@pytest.fixture(scope="module")
def folder():
    """In memory where there is such a folder: each record is flushed to the disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        write_media(Image(torch.zeros(3, 8, 8, dtype=torch.uint8)), Path(name, "cat.png"))
        yield Path(name)


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=files)
def test_every_row_of_any_file_becomes_one_record(folder, tiny_model, data):
    source, out = folder / "rows.jsonl", folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    source.write_bytes(data)
    batch = BatchSettings(out, batch_size=2, metadata=False)
    model = Careful(tiny_model)
    try:
        ids = [row.id for row in read_rows(source)]
    except ValueError:  # the whole file is in another encoding: nothing is begun
        with pytest.raises(ValueError, match=r"rows\.jsonl: "):
            list(generate_file(lambda: model, source, batch))
        assert not out.exists()
        return
    made = list(generate_file(lambda: model, source, batch))
    assert [record["id"] for record in made] == ids
    assert lines_of(out) == [record_line(record) for record in made]
    for record in made:
        error = record.get("error", "")
        assert len(error) <= MAX_ERROR
        assert (record["status"] == "error") == bool(error)
        assert not error or "\n" not in error
    again = list(generate_file(lambda: model, source, batch))
    failed = [record for record in made if record["status"] == "error"]
    assert again == [{**record, "attempts": 2} for record in failed]
    latest = {record["id"]: record for record in made + again}
    assert lines_of(out) == list(map(record_line, latest.values()))


def lines_of(out):
    path = out / RECORDS
    return path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
