"""A batch without a server: how its lines are read, kept and ended."""

import asyncio
import json
import tracemalloc
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from anygen.batch.runner import BatchStart
from anygen.serve import batch_run
from anygen.serve.api.batches import Batch, BatchPlace, BatchRequest, work, write_rows
from anygen.serve.batch_run import BatchRun, Reply, StoppedError
from anygen.serve.guard import MAX_COMMAS
from anygen.serve.settings import ServeSettings
from support.batches import Painter

URL = "/v1/responses"
OK = Reply(200, {})


def line(name, body):
    return b'{"custom_id": "%s", "method": "POST", "url": "%s", "body": %s}\n' % (
        *(text.encode() for text in (name, URL)),
        body if isinstance(body, bytes) else json.dumps(body).encode(),
    )


def begun(service):
    request = BatchRequest(input_file_id="file_0", endpoint=URL, completion_window="24h")
    return Batch(request, "tiny"), BatchRun(service, None, URL)


def service(**parts):
    return SimpleNamespace(settings=ServeSettings(), model=Painter(), is_draining=False, **parts)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (line("a", b"[" + b"0," * MAX_COMMAS + b"0]"), "more than 250000 commas"),
        (line("a", b"9" * 5000), "holds a number of too many digits"),
        (line("a", b"[" * 2000 + b"]" * 2000), "is nested too deeply"),
        (line("a", b"{"), "is not JSON"),
        (line("a", b"1e999"), "body: holds a number that is not finite"),
    ],
    ids=["many", "digits", "deep", "cut", "infinite"],
)
def test_a_line_that_cannot_be_parsed_is_named(tmp_path, data, message):
    [fault] = write_rows(line("b", {}) + data, URL, tmp_path / "rows.jsonl")
    assert fault["line"] == 2
    assert message in fault["message"]


def test_a_file_may_begin_with_a_mark_of_utf_8(tmp_path):
    assert write_rows(b"\xef\xbb\xbf" + line("a", {}), URL, tmp_path / "rows.jsonl") == []


def test_a_body_that_is_nested_too_deeply_for_its_endpoint_fails_alone(tmp_path):
    depths = range(930, 1000)
    lines = [line(f"{depth}", b"[" * depth + b"]" * depth) for depth in depths]
    lines = [each for each in lines if not write_rows(each, URL, tmp_path / "rows.jsonl")]
    replies = {}

    async def answer(run):
        run.service.loop = asyncio.get_running_loop()
        await asyncio.to_thread(
            run.work, tmp_path / "rows.jsonl", lambda _: None, replies.setdefault
        )

    async def post(self, data):
        return OK

    _, run = begun(service())
    write_rows(b"".join(lines), URL, tmp_path / "rows.jsonl")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BatchRun, "post", post)
        asyncio.run(answer(run))
    assert len(replies) == len(lines) > 0
    refused = [reply.body["error"] for reply in replies.values() if not reply.is_ok]
    assert all(error["message"] == "the body is nested too deeply" for error in refused)
    assert replies[f"{depths[0]}"].is_ok


class Busy(Executor):
    """Never comes to its work, and notes the memory that is taken when it gets it."""

    def __init__(self):
        self.bytes = []

    def submit(self, *_):
        self.bytes.append(tracemalloc.get_traced_memory()[0])
        future = Future()
        future.set_exception(StoppedError())
        return future


def test_a_batch_that_waits_keeps_no_copy_of_its_lines():
    data = b"".join(line(f"{number}", {"input": "x" * 10_000}) for number in range(200))
    busy = Busy()
    batch, run = begun(service(batching=busy))
    tracemalloc.start()
    try:
        asyncio.run(work(batch, run, data))
    finally:
        tracemalloc.stop()
    assert batch.status == "cancelled"
    assert busy.bytes[0] < len(data) / 4


def test_what_is_answered_when_a_batch_is_stopped_is_kept_in_order(monkeypatch, tmp_path):
    monkeypatch.setattr(batch_run, "CHECK_SECONDS", 0.01)
    replies = {}

    async def answer(run):
        run.service.loop = asyncio.get_running_loop()
        others = asyncio.Event()

        async def reply(row):
            if row.id == "slow":
                await others.wait()
                run.release()
                await asyncio.Future()
            if row.id == "late":
                others.set()
            else:
                await asyncio.sleep(0)
            return OK

        run.reply = reply
        await asyncio.to_thread(
            run.work, tmp_path / "rows.jsonl", lambda _: None, replies.setdefault
        )

    _, run = begun(service())
    write_rows(b"".join(line(name, {}) for name in ("slow", "late")), URL, tmp_path / "rows.jsonl")
    with pytest.raises(StoppedError):
        asyncio.run(answer(run))
    assert list(replies) == ["late"]


def test_a_batch_that_is_being_cancelled_makes_no_progress():
    class Late(BatchRun):
        def work(self, rows, on_start, on_reply):
            self.service.loop.call_soon_threadsafe(BatchPlace(batch, self).release)
            on_start(BatchStart(0, 1))
            raise StoppedError

    async def cancelled():
        run.service.loop = asyncio.get_running_loop()
        await work(batch, run, line("a", {}))

    with ThreadPoolExecutor(1) as batching:
        batch, _ = begun(None)
        run = Late(service(batching=batching), None, URL)
        asyncio.run(cancelled())
    assert (batch.status, batch.counts["total"]) == ("cancelled", 1)
    assert "in_progress_at" not in batch.times
