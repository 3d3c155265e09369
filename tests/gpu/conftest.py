"""Full size in tests/gpu: Vicuna-7B's, CLIP-L's and Stable Diffusion's shapes, random weights.

They lie in the folder that ANYGEN_FULL_SIZE names, where benchmarks/fullsize.py may have written
them with `--work`, or in a temporary one: 16 GB.
"""

import gc
import os
from pathlib import Path

import pytest
import torch

from anygen.model.multimodal import MultimodalModel
from random_weights import write_system
from support.on_gpu import PLACE, SIZE


@pytest.fixture(autouse=True)
def float32_is_whole(monkeypatch):
    """Without TensorFloat-32, whose convolutions keep 10 bits of a number."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    named = os.environ.get("ANYGEN_FULL_SIZE")
    return Path(named) if named else tmp_path_factory.mktemp("full")


@pytest.fixture(scope="session")
def system(work):
    return write_system(SIZE, PLACE, work)


@pytest.fixture(scope="session")
def folder(system, work):
    """Of the saved model."""
    if not (work / "model").is_dir():
        MultimodalModel(system, work, placement=PLACE).save_pretrained(work / "model")
    return work / "model"


@pytest.fixture
def empty_gpu():
    """What tests before have loaded is gone."""
    gc.collect()
    torch.cuda.empty_cache()
