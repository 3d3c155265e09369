"""The tiny model on a GPU: turns in every placement, and a step of every stage."""

import json
import math

import pytest
import torch
from accelerate.state import AcceleratorState

from anygen import AnyGen
from anygen.core.media import Image, Message
from anygen.training.trainer import train
from decoders.base import SampleOptions
from support.on_gpu import DEVICE, NEEDS_CUDA, values
from support.precision import TOLERANCE, distance, logits

pytestmark = NEEDS_CUDA

HALF = TOLERANCE["bfloat16"]
PLACES = [
    ({"dtype": "float32"}, 2e-3),  # a CPU's packed weights are in half precision
    ({"dtype": "bfloat16"}, HALF),
    ({"dtype": "bfloat16", "offload": "model"}, HALF),
    ({"dtype": "bfloat16", "offload": "sequential"}, HALF),
    ({"dtype": "bfloat16", "device_map": "auto"}, HALF),
    ({"dtype": "bfloat16", "quant": "int8"}, HALF + TOLERANCE["int8"]),
    ({"dtype": "bfloat16", "quant": "nf4"}, HALF + TOLERANCE["nf4"]),
]
IDS = ["-".join(place.values()) for place, _ in PLACES]
EVERY = {"image": 1, "audio": 1, "video": 1}
POOL = {"image": 4, "audio": 4, "video": 4}
STAGES = {
    "vae": {"decoders": ["image"]},
    "vocoder": {"decoders": ["audio"]},
    "caption": {"decoders": ["image", "audio"]},
    "denoise": {"decoders": ["audio", "image"], "pool": POOL, "ema": 0.9},
    "joint": {"pool": POOL},
    "encode": {},
    "decode": {},
    "project": {"decoders": ["image"], "pool": POOL},
    "instruct": {"denoised": 1, "batch_size": 6},
}


@pytest.fixture(scope="module")
def expected(saved_model):
    return logits(AnyGen.from_pretrained(saved_model).model.llm)


@pytest.fixture
def question():
    torch.manual_seed(0)
    pixels = torch.randint(0, 255, (3, 40, 40), dtype=torch.uint8)
    return [Message("user", (Image(pixels), "a flat cat on a blue background"))]


@pytest.fixture(autouse=True)
def fresh_accelerator():
    """accelerate keeps the precision of a process's first run."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def load(saved_model, place):
    if "quant" in place:
        pytest.importorskip("bitsandbytes")
    return AnyGen.from_pretrained(saved_model, device=DEVICE, **place)


@pytest.mark.parametrize(("place", "tolerance"), PLACES, ids=IDS)
def test_logits_on_a_gpu_are_those_of_a_cpu(saved_model, expected, place, tolerance):
    assert distance(logits(load(saved_model, place).model.llm).cpu(), expected) < tolerance


@pytest.mark.parametrize("place", [place for place, _ in PLACES], ids=IDS)
def test_a_turn_on_a_gpu_has_every_medium(saved_model, question, place):
    model = load(saved_model, place)
    media = {modality: SampleOptions(steps=2) for modality in EVERY}
    answer = model.generate(question, max_new_tokens=2, exactly=EVERY, media=media)
    found = [part for part in answer.parts if not isinstance(part, str)]
    assert len(found) == len(EVERY)
    assert all(values(medium).isfinite().all() for medium in found)


def test_what_is_offloaded_is_not_on_the_gpu_when_a_turn_is_over(saved_model, question):
    model = load(saved_model, {"offload": "model"})
    media = {"image": SampleOptions(steps=2)}
    model.generate(question, max_new_tokens=2, exactly={"image": 1}, media=media)
    assert {parameter.device.type for parameter in model.model.encoder.parameters()} == {"cpu"}
    assert model.model.decoders.loaded == ()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_learns_on_a_gpu(stage, write_run):
    assert_learned(train(write_run(stage, log_every=1, **STAGES[stage]), []))


@pytest.mark.parametrize("precision", ["bf16", "nf4"])
def test_instruction_tuning_learns_on_a_gpu_in_few_bits(precision, write_run):
    if precision == "nf4":
        pytest.importorskip("bitsandbytes")
    settings = STAGES["instruct"] | {"precision": precision}
    assert_learned(train(write_run("instruct", log_every=1, **settings), []))


def assert_learned(folder):
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    steps = [row for row in rows if "grad_norm" in row]
    assert len(steps) == 2
    assert all(math.isfinite(row["grad_norm"]) and row["grad_norm"] > 0 for row in steps)
