"""64 machines on a simulated clock: slow, dying and lost ones change no byte, and hold nothing up.

The planner, the scheduler and the shards are the real ones: benchmarks/simulate_batch.py.
"""

import os

import pytest

from anygen.batch.answering import BatchSettings
from simulate_batch import LOAD_SECONDS, ROW_SECONDS, Machine, WithoutHelp, faulty, simulate

MACHINES, ROWS = 64, 512
IDEAL = LOAD_SECONDS + ROWS / MACHINES * ROW_SECONDS


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda stream: None)


def settings_of(folder):
    return BatchSettings(folder, shard_size=4)


def shards(out):
    return {path.name: path.read_bytes() for path in (out / "shards").iterdir()}


def test_equal_machines_are_as_fast_as_can_be(tmp_path):
    outcome = simulate(settings_of(tmp_path), ROWS, [Machine() for _ in range(MACHINES)])
    assert (len(outcome.ids), outcome.seconds) == (ROWS, IDEAL)


@pytest.mark.parametrize("seed", range(2))
def test_faulty_machines_write_the_bytes_of_one_and_each_row_once(tmp_path, seed):
    simulate(settings_of(tmp_path / "one"), ROWS, [Machine()])
    outcome = simulate(settings_of(tmp_path / "many"), ROWS, faulty(MACHINES, seed, IDEAL))
    assert shards(tmp_path / "many") == shards(tmp_path / "one")
    assert sorted(outcome.ids) == [f"r{number:05d}" for number in range(ROWS)]


def test_a_slow_machine_is_helped_with_its_last_shard(tmp_path):
    def machines():
        return [Machine(20.0), *(Machine() for _ in range(7))]

    helped = simulate(settings_of(tmp_path / "helped"), 32, machines())
    alone = simulate(settings_of(tmp_path / "alone"), 32, machines(), WithoutHelp)
    assert alone.seconds == LOAD_SECONDS + 4 * 20 * ROW_SECONDS
    assert helped.seconds == LOAD_SECONDS + (4 + 4) * ROW_SECONDS  # then a helper answers all four
    assert shards(tmp_path / "helped") == shards(tmp_path / "alone")
