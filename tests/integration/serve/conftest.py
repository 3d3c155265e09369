"""One server for each module of tests, and answers that hold everything."""

import json
import threading
import time

import pytest

from anygen import AnyGen
from anygen.batch.answering import BatchSettings
from anygen.batch.runner import generate_file
from decoders.base import CancelledError
from support.served import serving


@pytest.fixture(scope="module")
def model(eager_model):
    return AnyGen.from_pretrained(eager_model)


@pytest.fixture(scope="module")
def served(model):
    with serving(model, max_body=2**20) as found:
        yield found


@pytest.fixture(scope="module")
def generated(model, tmp_path_factory):
    """What `anygen generate --no-metadata` writes: (modality, text or bytes of the file)."""

    def generate(prompt, seed, options):
        folder = tmp_path_factory.mktemp("generated")
        row = {"id": "row", "prompt": prompt, "seed": seed, "options": options}
        (folder / "rows.jsonl").write_text(json.dumps(row))
        settings = BatchSettings(folder, metadata=False)
        other = AnyGen(model.model)  # with an engine of its own
        [record] = generate_file(lambda: other, folder / "rows.jsonl", settings)
        assert record["status"] == "ok", record
        return [
            (part["type"], part["text"] if "text" in part else (folder / part["path"]).read_bytes())
            for part in record["content"]
        ]

    return generate


@pytest.fixture
def hanging(model, monkeypatch):
    """Images that are never finished: what counts those that have begun, and that have ended."""
    begun, ended = threading.Semaphore(0), threading.Semaphore(0)
    network = model.model.decoders["image"]

    def sample(requests, on_step, cancelled):
        begun.release()
        on_step(1, 2)  # and none after it: a step may last for long, and wakes nobody meanwhile
        while not cancelled():
            time.sleep(0.01)
        ended.release()
        raise CancelledError

    monkeypatch.setattr(network, "sample", sample)
    return begun, ended
