"""Foreign checkpoints, written once: a test that damages one does so in a copy of its folder."""

import shutil

import pytest

from support.foreign.dreamllm import DreamLlm, dreamllm_system, write_dreamllm
from support.foreign.importing import converted
from support.foreign.nextgpt import legacy, legacy_system, write_legacy


@pytest.fixture
def base(foreign_base):
    return foreign_base


@pytest.fixture(scope="session")
def nextgpt(foreign_base):
    """NExT-GPT in plain torch, to be read only."""
    return legacy(foreign_base)


@pytest.fixture(scope="session")
def nextgpt_checkpoint(nextgpt, tmp_path_factory):
    """The folder of its published checkpoint, to be read only."""
    return write_legacy(tmp_path_factory.mktemp("nextgpt") / "checkpoint", nextgpt)


@pytest.fixture
def nextgpt_copy(nextgpt_checkpoint, tmp_path):
    return shutil.copytree(nextgpt_checkpoint, tmp_path / "nextgpt")


@pytest.fixture(scope="package")
def nextgpt_model(nextgpt_checkpoint, foreign_base, tmp_path_factory):
    """What our import makes of it, to be read only."""
    folder = tmp_path_factory.mktemp("imported_nextgpt")
    system = legacy_system(folder / "system.yaml", foreign_base)
    return converted(nextgpt_checkpoint, "nextgpt_7b_tiva_v0", system, folder / "out")


@pytest.fixture(scope="session")
def dreamllm(foreign_base):
    """DreamLLM in plain torch, to be read only."""
    return DreamLlm(foreign_base)


@pytest.fixture(scope="session")
def dreamllm_checkpoint(dreamllm, tmp_path_factory):
    """The folder of its published checkpoint, to be read only."""
    return write_dreamllm(tmp_path_factory.mktemp("dreamllm") / "checkpoint", dreamllm)


@pytest.fixture
def dreamllm_copy(dreamllm_checkpoint, tmp_path):
    return shutil.copytree(dreamllm_checkpoint, tmp_path / "dreamllm")


@pytest.fixture(scope="package")
def dreamllm_model(dreamllm_checkpoint, foreign_base, tmp_path_factory):
    """What our import makes of it, to be read only."""
    folder = tmp_path_factory.mktemp("imported_dreamllm")
    system = dreamllm_system(folder / "system.yaml", foreign_base)
    return converted(dreamllm_checkpoint, "dreamllm", system, folder / "out")
