"""The model that a run trains, with the weights that it begins with."""

from typing import Any

import torch
from accelerate import Accelerator

from anygen.checkpoints.checkpoint import load_weights, open_weights
from anygen.checkpoints.run_weights import find_weights, weights_of
from anygen.config.loader import find_config, system_of
from anygen.config.run import Run
from anygen.llm.lora import begin_dora
from anygen.model.multimodal import MultimodalModel
from anygen.training.packed_rows import check_window
from anygen.training.parallel.devices import has_fast_int8, placement_of
from anygen.training.stages import Stage, check_decoders


def build_model(run: Run, stage: Stage[Any], accelerator: Accelerator) -> MultimodalModel:
    """With the weights of `init`, ready for the first step. Raises ValueError."""
    torch.manual_seed(run.seed)
    system, folder = system_of(run), find_config(run.system).parent
    model = MultimodalModel(
        system, folder, parts=stage.needs, placement=placement_of(run, accelerator)
    )
    check_decoders(model, run)
    if run.packing:
        check_window(model.llm.config)
    files = weights_of(map(find_weights, run.init))
    load_weights(model, files)
    if "llm" not in stage.needs:
        return model
    if system.llm.lora.dora:
        begin_dora(model.llm, [name for file in files for name in open_weights(file).keys()])  # noqa: SIM118
    if stage.llm_answers:
        model.llm.prepare_answering()
        return model
    if run.precision == "int8" and system.llm.lora.dora:
        raise ValueError("lora.dora: needs weights in at least 16 bits; precision int8 has none")
    int8 = run.precision == "int8" and has_fast_int8(accelerator.device)
    fused = accelerator.device.type != "cpu"
    model.llm.prepare_training(int8, run.gradient_checkpointing, fused)
    return model
