"""Where the parts of a model come from: encoder plugins, and the base LLM."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from anygen.config import plugins
from anygen.config.plugins import Plugin
from anygen.core.modality import MediaModality
from anygen.io.assets import base_llm, vision_trunk
from encoders.base import Encoder


def build_encoder(plugin: Plugin, folder: Path, where: str = "encoder") -> Encoder:
    """The encoder that `plugin` describes; one that joins others has them built in turn."""

    def build_part(modality: MediaModality, settings: Mapping[str, Any]) -> Encoder:
        return build_encoder(Plugin.model_validate(settings), folder, f"{where}.{modality}")

    pretrained = plugin.options.get("trunk") == "efficientnet_lite2"
    shapes_only = torch.get_default_device().type == "meta"
    encoder: Encoder = plugins.build(
        "encoders",
        plugin,
        where,
        folder=folder,
        vision_trunk=vision_trunk() if pretrained and not shapes_only else None,
        build_part=build_part,
    )
    return encoder


def find_base(base: str, folder: Path) -> Path | str:
    """The folder of a causal LM, or its Hugging Face id; `smollm2-135m` is fetched once.

    The LLM's folder may lie inside the model's, as it does after a conversion.
    """
    if base == "smollm2-135m":
        return base_llm()
    return folder / base if (folder / base).is_dir() else base
