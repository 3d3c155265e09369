"""The state of a run is written whole or not at all, and a damaged one is named."""

import resource
from contextlib import contextmanager

import pytest
import torch

from anygen.checkpoints.checkpoint import save_weights
from anygen.core.schema import explain
from anygen.io.json_lines import read_json_lines
from anygen.training.runs.log import append_row, drop_rows_after, finite_means
from anygen.training.runs.state import read_state, write_state

TENSOR = torch.arange(5000, dtype=torch.float32)
STATE = {"step": 3, "tensors": {"weight": TENSOR}, "optimizer": {}}


@contextmanager
def small_disk(most):
    """No file may have more bytes: what is written then fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_state_is_read_as_it_was_written(tmp_path):
    assert read_state(tmp_path) is None
    write_state(STATE, tmp_path)
    state = read_state(tmp_path)
    assert state["step"] == 3
    assert state["tensors"]["weight"].equal(TENSOR)


def flipped(data):
    """One bit of the tensor is another."""
    at = data.index(TENSOR.numpy().tobytes()) + 4 * 1234
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize(
    "damage", [flipped, lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"x"]
)
def test_a_damaged_state_is_one_sentence_that_names_the_file(tmp_path, damage):
    write_state(STATE, tmp_path)
    path = tmp_path / "state.pt"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"state\.pt: the state of the run is damaged") as refused:
        read_state(tmp_path)
    assert "\n" not in explain(refused.value)


def test_another_file_of_torch_is_no_state(tmp_path):
    torch.save({"weight": TENSOR}, tmp_path / "state.pt")
    with pytest.raises(ValueError, match=r"state\.pt: is not the state of a training run"):
        read_state(tmp_path)


def test_what_does_not_fit_on_the_disk_leaves_the_earlier_file(tmp_path):
    write_state(STATE, tmp_path)
    save_weights({"weight": TENSOR}, tmp_path / "weights.safetensors")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    larger = {"weight": torch.zeros(50_000)}
    with small_disk(100_000):
        with pytest.raises(OSError, match="cannot be written") as state:
            write_state({**STATE, "tensors": larger}, tmp_path)
        with pytest.raises(OSError, match="cannot be written") as weights:
            save_weights(larger, tmp_path / "weights.safetensors")
    assert explain(state.value).startswith(f"{tmp_path / 'state.pt'}: cannot be written")
    assert explain(weights.value).startswith(f"{tmp_path / 'weights.safetensors'}: cannot be")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_log_loses_the_steps_that_are_done_again_and_a_line_cut_short(tmp_path):
    log = tmp_path / "log.jsonl"
    for step in (2, 4, 6):
        append_row({"step": step}, log)
    with log.open("a") as file:
        file.write('{"step": 7, "te')
    drop_rows_after(4, log)
    append_row({"step": 5}, log)
    assert [row["step"] for row in read_json_lines(log)] == [2, 4, 5]
    assert len(log.read_text().splitlines()) == 3


def test_what_is_not_finite_is_left_out_of_a_mean():
    terms = {"a": [1.0, float("nan"), 3.0], "b": [float("inf")]}
    assert finite_means(terms) == {"a": 2.0}
