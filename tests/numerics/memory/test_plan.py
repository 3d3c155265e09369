"""What `anygen plan` says against what a real model of the same configuration takes."""

import json
from itertools import chain

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from anygen import AnyGen
from anygen.config.placement import Placement
from anygen.memory import workloads
from anygen.memory.meta_tracker import MetaTracker, peak_bytes
from anygen.memory.planner import LIBRARIES, TrainingSteps, build_on_meta, planner
from anygen.memory.weight_sizes import WEIGHT_BYTES, weight_sizes
from anygen.numerics.devices import planning_for


def measured(work):
    """(the most bytes that torch's allocator had given out at once, those it still has out)."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        kept = work()
    events = profiler.profiler.kineto_results.events()
    live = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            live += event.nbytes()
            peak = max(peak, live)
    del kept
    return peak, live


def bytes_of(module):
    return sum(t.nbytes for t in chain(module.parameters(), module.buffers()))


@pytest.fixture(scope="module")
def planned(tiny_system):
    with planner(str(tiny_system), []) as found:
        yield found


@pytest.fixture(scope="module")
def needs(planned):
    return planned.needs(Placement(), TrainingSteps(rows=2, length=64))


def test_weights_are_exact(needs, make_model):
    model = make_model()
    sizes = {part.name: part for part in weight_sizes(model).parts}
    assert sum(p.bytes for p in sizes.values()) == bytes_of(model)
    assert sum(p.parameters for p in needs.parts) == sum(p.numel() for p in model.parameters())
    others = [part for part in needs.parts if part.name != "llm.base"]  # which is packed
    assert all(part == sizes[part.name] for part in others)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_weights_for_answering_are_those_of_a_loaded_model(planned, saved_model, dtype):
    model = AnyGen.from_pretrained(saved_model, dtype=dtype).model
    for modality in model.decoders:
        model.decoders[modality]
    parts = {part.name: part.bytes for part in planned.weights(Placement(dtype=dtype)).parts}
    found = {part.name: part.bytes for part in weigh_all(model)}
    assert {n: b for n, b in parts.items() if n != "llm.base"} == {
        n: b for n, b in found.items() if n != "llm.base"
    }


def weigh_all(model):
    from anygen.memory.weight_sizes import part_sizes

    return part_sizes(model)


def test_reading_takes_what_the_tracker_counts(saved_model, planned):
    llm = AnyGen.from_pretrained(saved_model).model.llm
    peak, _ = measured(lambda: workloads.fill_context(llm))
    chat = planned.chat_needs(Placement())
    [reading] = [m for m in chat.operations if m.name == "reading"]
    assert reading.bytes + chat.cache == pytest.approx(peak, rel=0.05)


@pytest.mark.parametrize("modality", ["image", "audio", "video"])
def test_a_whole_chat_stays_within_a_tenth_of_the_plan(saved_model, planned, modality):
    """Weights are most of it, as they are of any larger model."""
    model = AnyGen.from_pretrained(saved_model).model
    decoder = model.decoders[modality]
    peak, _ = measured(lambda: workloads.render(model, modality))
    used = next(
        m.bytes
        for m in planned.chat_needs(Placement()).operations
        if m.name == f"generating {modality}"
    )
    weights = bytes_of(decoder)
    assert weights + used == pytest.approx(weights + peak, rel=0.1)


@pytest.mark.parametrize("stage", ["encode", "decode", "instruct"])
def test_a_step_of_learning_takes_what_the_plan_says(needs, make_model, stage):
    model = make_model()
    model.llm.prepare_training()
    training = workloads.TrainingStep(model, stage, rows=2, length=64)
    training.run()
    before = 2 * sum(p.nbytes for p in training.trained.values())  # averages of the optimizer
    peak, _ = measured(training.run)
    plan = needs.peaks[stage]
    assert plan.gradients + plan.optimizer + plan.activations == pytest.approx(
        before + peak, rel=0.1
    )


def test_a_step_of_packed_rows_takes_what_the_plan_says(planned, make_model):
    model = make_model()
    model.llm.prepare_training()
    training = workloads.TrainingStep(model, "instruct", rows=2, length=64, packing=True)
    training.run()
    averages = 2 * sum(p.nbytes for p in training.trained.values())
    peak, _ = measured(training.run)
    steps = TrainingSteps(rows=2, length=64, packing=True)
    plan = planned.training(Placement(), steps, ["instruct"])["instruct"]
    assert plan.gradients + plan.optimizer + plan.activations == pytest.approx(
        averages + peak, rel=0.1
    )


def test_the_plan_has_the_state_of_the_optimizer(planned, needs):
    steps = TrainingSteps(rows=2, length=64, optimizer="adafactor")
    plan, usual = planned.training(Placement(), steps, ["decode"])["decode"], needs.peaks["decode"]
    assert plan.optimizer < 0.3 * usual.optimizer
    assert usual.total - plan.total == usual.optimizer - plan.optimizer


def test_on_a_cpu_libraries_are_a_part_of_the_plan(planned, needs):
    assert {peak.libraries for peak in needs.peaks.values()} == {LIBRARIES}
    cuda = planned.training(Placement(device="cuda"), TrainingSteps(length=64), ["encode"])
    assert cuda["encode"].libraries == 0


def test_a_longer_step_takes_more(planned, needs):
    longer = planned.training(Placement(), TrainingSteps(rows=2, length=128))
    for stage in ("encode", "decode", "instruct"):
        assert longer[stage].activations > 1.5 * needs.peaks[stage].activations


def test_half_precision_and_checkpointing_make_training_smaller(planned):
    steps = TrainingSteps(rows=2, length=128)
    again = steps.model_copy(update={"checkpointing": True})
    [single, half, checkpointed] = (
        planned.training(Placement(dtype=dtype), steps, ["instruct"])["instruct"]
        for dtype, steps in (("float32", steps), ("bfloat16", steps), ("bfloat16", again))
    )
    assert half.weights < single.weights
    assert half.gradients == single.gradients  # what learns is in float32
    assert checkpointed.activations < 0.8 * half.activations


@pytest.mark.slow
def test_a_card_of_24_gb_trains_lora_of_7b(tiny_system):
    steps = TrainingSteps(length=256, checkpointing=True)
    with planner(str(tiny_system), ["llm.base=lmsys/vicuna-7b-v1.5"]) as found:
        place = Placement(device="cuda", dtype="bfloat16")
        [peak] = found.training(place, steps, ["instruct"]).values()
    assert 13.5e9 < peak.total < 24e9
    assert peak.activations < 1e9


def test_a_cpu_copies_what_it_convolves():
    picture = torch.empty(1, 32, 64, 64, device="meta")
    layer, point = (torch.nn.Conv2d(32, 8, k, device="meta") for k in (3, 1))
    last = picture.to(memory_format=torch.channels_last)
    size = 4 * 8 * 62 * 62
    with torch.inference_mode():
        assert peak_bytes(lambda: layer(picture)) == size
        with planning_for("cpu"):
            assert peak_bytes(lambda: layer(picture)) == picture.nbytes + layer.weight.nbytes + size
            assert peak_bytes(lambda: layer(last)) == layer.weight.nbytes + size
            assert peak_bytes(lambda: point(picture)) == 4 * 8 * 64 * 64


def test_packed_weights_fill_whole_blocks():
    """FBGEMM packs the head of SmolLM2-135M, 49,152 x 576, as if it had 1,024 inputs."""
    assert WEIGHT_BYTES["fp16_packed"](49_152, 576) == 100_663_296


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("llm.context=1", r"llm\.context: 1 positions are too few, one medium takes \d+"),
        ("decoders.image.size=1000000", r"decoders\.image: a tensor of shape .* is too large"),
    ],
)
def test_what_no_machine_can_do_is_one_sentence(tiny_system, setting, reason):
    with planner(str(tiny_system), [setting]) as found, pytest.raises(ValueError, match=reason):
        found.chat(Placement())


def test_steps_longer_than_the_context_are_refused(planned):
    with pytest.raises(ValueError, match=r"length: 1000000000 positions are too many"):
        planned.training(Placement(), TrainingSteps(length=10**9))


def test_offload_keeps_idle_parts_away(planned):
    everything = planned.chat(Placement(dtype="bfloat16"))
    moved = planned.chat(Placement(dtype="bfloat16", offload="model"))
    layers = planned.chat(Placement(dtype="bfloat16", offload="sequential"))
    assert everything.total > moved.total > layers.total


def test_the_tracker_counts_what_lives_at_the_same_time():
    def work():
        first = torch.empty(1000, device="meta")
        second = first + 1  # two live
        del first
        third = second * 2  # still two
        return third[:10]

    assert peak_bytes(work) == 8000
    with MetaTracker() as tracker:
        kept = work()
    assert tracker.live == kept.untyped_storage().nbytes() == 4000


def test_what_was_there_before_counts_as_nothing():
    weight = torch.empty(50, 50, device="meta", requires_grad=True)
    assert peak_bytes(lambda: weight.t()) == 0
    assert peak_bytes(lambda: (weight @ weight).sum().backward()) >= 2 * weight.nbytes


def test_a_plan_reads_no_weights(tiny_system, tmp_path, monkeypatch):
    import safetensors.torch

    def refuse(*_, **__):
        raise AssertionError("weights were read")

    monkeypatch.setattr(safetensors.torch, "load_file", refuse)
    from anygen.config.loader import load_system

    settings = ["llm.base=lmsys/vicuna-7b-v1.5"]
    with planner(str(tiny_system), settings) as found:
        model = build_on_meta(found.system, found.folder, torch.bfloat16, Placement())
        assert {p.device.type for p in model.parameters()} == {"meta"}
    assert load_system(str(tiny_system), settings).llm.base == "lmsys/vicuna-7b-v1.5"
    parts = {part.name: part for part in weight_sizes(model).parts}
    assert parts["llm.base"].parameters == 6_738_415_616
    assert json.loads(json.dumps(parts["llm.base"].model_dump()))["bytes"] > 2 * 6_738_415_616
