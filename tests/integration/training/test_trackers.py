"""What a run logs is also shown by a tracker."""

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from anygen.io.json_lines import read_json_lines
from anygen.training.runs import trackers
from anygen.training.trainer import train

VAE = {"decoders": ["image"], "tracker": "tensorboard", "log_every": 1}


def test_tensorboard_has_every_step_of_a_run_that_was_stopped_once(write_run):
    name = write_run("vae", **VAE)
    out = train(name, ["steps=2"])
    train(name, ["steps=4"], ["steps"])
    events = EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    points = [(point.step, point.value) for point in events.Scalars("autoencoding")]
    rows = [row for row in read_json_lines(out / "log.jsonl") if "autoencoding" in row]
    assert [step for step, _ in points] == [row["step"] for row in rows] == [1, 2, 3, 4]
    assert [value for _, value in points] == pytest.approx([row["autoencoding"] for row in rows])


@pytest.mark.parametrize("package", ["wandb", "trackio"])
def test_a_tracker_that_is_not_installed_is_named(write_run, tmp_path, package, monkeypatch):
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    name = write_run("vae", **VAE | {"tracker": package})
    with pytest.raises(ValueError, match=f"tracker: the package {package} is not installed; pip"):
        train(name, [])
    assert not (tmp_path / "run").exists()
