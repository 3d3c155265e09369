"""What a system of full size takes of a GPU's memory, beside what is planned."""

import pytest
import torch

from anygen.llm.prompt import Features
from anygen.memory import workloads
from anygen.memory.planner import Planner
from anygen.model.multimodal import MultimodalModel
from support.on_gpu import DEVICE, NEEDS_CUDA, PLACE
from training_step import trainee

pytestmark = [*NEEDS_CUDA, pytest.mark.usefixtures("empty_gpu")]

PLACES = [{}, {"offload": "model"}, {"quant": "nf4"}]
CARD = 24e9  # bytes


@pytest.mark.parametrize("changes", PLACES, ids=lambda place: "-".join(place.values()) or "plain")
def test_a_chat_takes_the_memory_that_is_planned(system, folder, work, changes):
    if "quant" in changes:
        pytest.importorskip("bitsandbytes")
    place = PLACE.model_copy(update=changes)
    planned = Planner(system, work).chat(place).total
    before = torch.cuda.memory_allocated(DEVICE)  # what a test that failed has left
    model = MultimodalModel.from_pretrained(folder, placement=place)
    if place.offload == "none":
        assert model.decoders["image"]  # its loading is over before anything is measured
    torch.cuda.reset_peak_memory_stats(DEVICE)
    chat_at_its_most(model)
    found = torch.cuda.max_memory_allocated(DEVICE) - before
    print(f"peak {found / 1e9:.2f} GB, planned {planned / 1e9:.2f} GB")
    assert found == pytest.approx(planned, rel=0.1)


@torch.inference_mode()
def chat_at_its_most(model):
    """Its context is full, it sees each kind of medium, and makes a picture."""
    context = workloads.fill_context(model.llm)
    for modality in model.encoder.modalities:
        model.embed_piece(Features(modality, workloads.MEDIA[modality]()))
    with model.decoders.hold("image"):
        workloads.render(model, "image")
    del context


def test_lora_of_7b_learns_in_bfloat16_on_a_card_of_24_gb(system):
    before = torch.cuda.memory_allocated(DEVICE)
    step, _ = trainee(system, PLACE, rows=1, length=512)
    torch.cuda.reset_peak_memory_stats(DEVICE)
    losses = [step().item() for _ in range(5)]
    peak = torch.cuda.max_memory_allocated(DEVICE) - before
    print(f"losses {losses}, peak {peak / 1e9:.2f} GB")
    assert losses[-1] < losses[0]
    assert peak < CARD
