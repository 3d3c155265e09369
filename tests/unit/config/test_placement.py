"""`auto` is the best device of a machine, and only its name is kept."""

import pytest
import torch

from anygen import AnyGen
from anygen.config.placement import Placement, preferred_device


@pytest.fixture(scope="module")
def device_here():
    return preferred_device(torch.accelerator.current_accelerator(check_available=True))


@pytest.mark.parametrize(
    ("accelerator", "device"),
    [("cuda", "cuda"), ("mps", "mps"), ("xpu", "cpu"), (None, "cpu")],
)
def test_auto_prefers_cuda_then_mps_then_the_cpu(accelerator, device):
    assert preferred_device(accelerator and torch.device(accelerator)) == device


def test_a_model_on_auto_knows_the_device_that_it_is_on(saved_model, device_here):
    model = AnyGen.from_pretrained(saved_model, device="auto").model
    assert model.placement.device == device_here
    assert model.llm.signal_rows.device.type == device_here


def test_results_hold_the_device_that_auto_stands_for(device_here):
    expected = {} if device_here == "cpu" else {"device": device_here}
    assert Placement(device="auto").validate_available().non_defaults == expected


def test_auto_replaces_no_device_that_is_named():
    assert Placement(device="cuda:1").resolved().device == "cuda:1"


def test_a_placement_is_printed_as_device_and_precision():
    assert str(Placement()) == "cpu, float32"
    assert str(Placement(device="mps")) == "mps, bfloat16"
