"""A run in bfloat16 holds what is frozen in it; what learns stays in float32."""

from types import SimpleNamespace

import pytest
import torch

from anygen.config.loader import load_run, load_system
from anygen.memory.workloads import TrainingStep
from anygen.model.multimodal import MultimodalModel
from anygen.training.parallel.devices import placement_of
from anygen.training.runs.trainable import narrow_frozen
from anygen.training.stages import STAGES

ON_CPU = SimpleNamespace(device=torch.device("cpu"))


@pytest.fixture
def build(tiny_system, write_run):
    def build(stage, precision):
        run = load_run(write_run(stage), [f"precision={precision}"])
        torch.manual_seed(0)
        system, place = load_system(str(tiny_system)), placement_of(run, ON_CPU)
        return MultimodalModel(system, tiny_system.parent, STAGES[stage].needs, placement=place)

    return build


@pytest.mark.parametrize("stage", ["encode", "decode", "instruct"])
def test_what_is_frozen_is_narrow_and_what_learns_is_not(build, stage):
    model = build(stage, "bf16")
    model.llm.prepare_training(checkpointing=True)
    step = TrainingStep(model, stage, rows=2, length=64)
    narrow_frozen(model, torch.bfloat16)
    assert {parameter.dtype for parameter in step.trained.values()} == {torch.float32}
    frozen = {n: p for n, p in model.named_parameters() if n not in step.trained}
    for name, parameter in frozen.items():
        if name.startswith("llm.base.") and ".lora_" not in name:
            assert parameter.dtype == torch.bfloat16, name
    encoder = [p.dtype for n, p in frozen.items() if n.startswith("encoder.")]
    assert torch.bfloat16 in encoder
    with torch.autocast("cpu", torch.bfloat16):
        loss = step.loss()
    loss.backward()
    assert loss.isfinite()
    for name, parameter in step.trained.items():
        if parameter.grad is not None:
            assert parameter.grad.dtype == torch.float32, name
    assert any(parameter.grad is not None for parameter in step.trained.values())


def test_a_run_in_float32_holds_everything_in_it(build):
    assert {p.dtype for p in build("instruct", "float32").parameters()} == {torch.float32}
