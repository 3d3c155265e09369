"""Batches on Ray: the files of one process, and rows that end their actor."""

import math
import sys
from pathlib import Path

import pytest

from anygen.batch.report import REPORT
from anygen.batch.shards import ray_pool, scheduler
from anygen.cli import generate
from support.batches import Painter, never_load, records, rows_of, run, write_rows
from support.worker_models import Harmful, meet, refuse

pytestmark = pytest.mark.slow


RAY = {"engine": "ray", "threads": 1}


def files_of(out):
    return {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("cluster")
def test_actors_write_what_one_process_writes(tmp_path):
    source = write_rows(tmp_path, *rows_of(*"abcdefg"))
    run(Painter, source, tmp_path / "one", shard_size=2, threads=1)
    given = {"shard_size": 2, "workers": 9, "least_workers": 1, **RAY}  # there is room for two
    made = run(Painter, source, tmp_path / "ray", **given)
    assert sorted(record["id"] for record in made) == [f"r{number}" for number in range(7)]
    assert files_of(tmp_path / "one") == files_of(tmp_path / "ray")


@pytest.mark.usefixtures("cluster")
def test_the_command_has_as_many_actors_as_asked_for_and_writes_what_one_process_writes(
    anygen_cli, tmp_path, monkeypatch
):
    """No row is answered before two actors have one each; there is no room for a third."""
    monkeypatch.setattr(generate, "load_model", meet)
    met = tmp_path / "met"
    met.mkdir()
    (tmp_path / "rows.txt").write_text("a cat\na dog\na hat\na bell\n")
    command = ["generate", "rows.txt", "--model", str(met), "--shard-size", "1", "--threads", "1"]
    actors = ["--engine", "ray", "--workers", "2:3"]
    for out, more, count in (("ray", actors, 2), ("one", [], 3)):  # the last one finds who has met
        code, lines, err = anygen_cli(*command, "--out", out, *more)
        assert (code, len(lines.splitlines())) == (0, 4), err
        assert len(list(met.iterdir())) == count
    of_actors, of_one = files_of(tmp_path / "ray"), files_of(tmp_path / "one")
    assert of_actors.pop(Path(REPORT)) != of_one.pop(Path(REPORT))  # with the folder and the time
    assert of_actors == of_one


@pytest.mark.usefixtures("cluster")
def test_a_row_that_ends_its_actor_becomes_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(scheduler, "MAX_DEATHS", 1)  # an actor takes seconds
    source = write_rows(tmp_path, *rows_of("a", "die", "b"))
    made = run(Harmful, source, tmp_path / "out", workers=1, **RAY)
    assert sorted(record["id"] for record in made) == ["r0", "r1", "r2"]
    codes = [record.get("code") for record in records(tmp_path / "out")]
    assert codes == [None, "worker_died", None]


@pytest.mark.usefixtures("cluster")
def test_a_cluster_without_room_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(ray_pool, "PLACE_SECONDS", 0.0)
    source = write_rows(tmp_path, *rows_of("a", "b"))
    given = {"shard_size": 1, "workers": 2, "worker_gpus": 0.5, **RAY}
    with pytest.raises(ValueError, match=r"--workers 2: .* room for 0 with 1 CPU and 0.5 GPU each"):
        run(never_load, source, tmp_path / "out", **given)


@pytest.mark.parametrize(
    ("gpus", "each", "room"), [(0, 0, math.inf), (1, 0.1, 10), (2, 0.6, 2), (1, 1, 1), (3, 2, 1)]
)
def test_a_worker_has_parts_of_one_gpu_or_whole_ones(gpus, each, room):
    assert ray_pool.room_on(gpus, each) == room


@pytest.mark.usefixtures("cluster")
def test_a_model_that_cannot_be_loaded_is_one_sentence(tmp_path):
    source = write_rows(tmp_path, *rows_of("a"))
    with pytest.raises(ValueError, match="no model named 'x'"):
        run(refuse, source, tmp_path / "out", workers=1, **RAY)


def test_an_address_where_nothing_answers_is_one_sentence(anygen_cli, tmp_path):
    pytest.importorskip("ray")
    (tmp_path / "rows.txt").write_text("a cat\n")
    command = ["generate", "rows.txt", "--engine", "ray", "--ray-address", "127.0.0.1:1"]
    code, out, err = anygen_cli(*command)
    assert (code, out) == (2, "")
    assert err == (
        "anygen: --ray-address 127.0.0.1:1: nothing answers there: Connection refused\n"
    ), sys.version


def test_a_table_of_rows_becomes_a_table_of_records(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from anygen.ray import RowWorker

    rows = [{"id": "a", "prompt": "a cat"}, {"id": None, "prompt": "x"}, {"id": "c", "prompt": ""}]
    source = write_rows(tmp_path, rows[0])
    worker = RowWorker(Painter(), seed=3)
    table = worker(pyarrow.Table.from_pylist(rows)).to_pylist()
    assert [row["code"] for row in table] == [None, "invalid", "invalid"]
    run(Painter, source, tmp_path / "out", seed=3, metadata=False)
    [picture] = (tmp_path / "out").glob("*.png")
    assert table[0]["content"][1]["data"] == picture.read_bytes()
