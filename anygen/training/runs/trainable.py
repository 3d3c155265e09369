"""What learns in a run: the parameters that ask for gradients, and their names in its files."""

from collections import Counter

import torch
from torch import nn

from anygen.checkpoints.checkpoint import own_tensors
from anygen.checkpoints.parts import part_of
from anygen.model.multimodal import MultimodalModel
from anygen.model.placing import settle

AUXILIARY = "aids."  # prefix of the names of auxiliaries in weights.safetensors and state.pt


def learning_table(model: nn.Module) -> str:
    """One line per part of the model: how many of its parameters are trained."""
    learned: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for name, parameter in model.named_parameters():
        part = part_of(name)
        total[part] += parameter.numel()
        learned[part] += parameter.numel() * parameter.requires_grad
    return "\n".join(f"{part:28}{learned[part]:>14,} of {total[part]:>14,}" for part in total)


def saved_names(auxiliaries: nn.Module | None) -> dict[str, nn.Parameter]:
    """What learns of a stage's auxiliaries, by the names under which a run saves it."""
    named = auxiliaries.named_parameters() if auxiliaries else ()
    return {f"{AUXILIARY}{name}": p for name, p in named if p.requires_grad}


def unfreeze(model: nn.Module, prefixes: list[str]) -> dict[str, nn.Parameter]:
    """Require gradients of exactly the parameters under `prefixes`, and return them by name.

    Raises ValueError if there are none.
    """
    own = own_tensors(model, prefixes)
    learned = {}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in own)
        if name in own:
            learned[name] = parameter
    if not learned:
        raise ValueError(f"nothing would learn: no parameter is named {' or '.join(prefixes)}")
    return learned


def narrow_frozen(model: MultimodalModel, dtype: torch.dtype) -> None:
    """Holds the encoder and the decoders in `dtype` where nothing of them learns.

    The base LLM was loaded in it; what learns stays in float32.
    """
    encoders = [part for name, part in model.named_children() if name == "encoder"]
    for part in (*encoders, *model.decoders.children()):
        parameters = list(part.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            settle(part, parameters[0].device, dtype)
