"""What a model's config.json records of its decoders, so that it opens without building them.

To build them, even without memory for their weights, takes seconds: for that diffusers is imported.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from anygen.checkpoints.checkpoint import CONFIG
from anygen.config.plugins import Plugin
from anygen.core.modality import MediaModality
from anygen.core.schema import Strict
from anygen.core.text import to_json
from decoders.base import ConditionSpec

KEY = "decoders"  # of the record in config.json, beside the system


class DecoderRecord(Strict):
    """It holds for decoders whose `layout_hash` is `layout`: their tensors were checked then."""

    layout: str
    conditions: dict[MediaModality, ConditionSpec]


def layout_hash(described: Mapping[MediaModality, Plugin], tensors: Mapping[str, Tensor]) -> str:
    """The SHA-256 of the settings of decoders and of the names and shapes of their tensors."""
    settings = {modality: plugin.model_dump(mode="json") for modality, plugin in described.items()}
    shapes = {name: list(tensors[name].shape) for name in sorted(tensors)}
    return hashlib.sha256(to_json([settings, shapes]).encode()).hexdigest()


def read_record(folder: Path) -> DecoderRecord | None:
    """The record in a model's folder; None if it was saved without one. Raises ValueError."""
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    return DecoderRecord.model_validate(config[KEY]) if KEY in config else None
