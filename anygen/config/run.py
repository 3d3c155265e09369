"""A run: one training of a system, as its YAML file describes it."""

from pathlib import Path
from typing import Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from anygen.core.modality import MEDIA, MediaModality
from anygen.core.schema import Strict

Stage = Literal[
    "vae", "vocoder", "caption", "denoise", "joint", "encode", "decode", "instruct", "project"
]


class Run(Strict):
    """One training run: `anygen train FILE` reads this, writes `out`."""

    system: str  # name in configs/ or path of a system's YAML
    stage: Stage
    decoders: list[MediaModality] = []  # which decoders a component stage trains
    init: list[Path] = []  # folders of earlier runs, later ones win
    out: Path
    vocabulary: Literal["core", "full"] = "core"
    steps: PositiveInt
    batch_size: PositiveInt
    rows: dict[MediaModality, PositiveInt] = {}  # batch sizes of modalities that differ
    pool: dict[MediaModality, PositiveInt] = {}  # scenes to encode once and learn from
    learning_rate: PositiveFloat = 1e-3
    warmup: NonNegativeInt = 100  # steps
    weight_decay: NonNegativeFloat = 0.0
    max_grad_norm: PositiveFloat = 1.0
    ema: float = Field(default=0.0, ge=0, lt=1)  # decay of the saved averages; 0 is off
    # int8 and nf4 (QLoRA: Dettmers et al. 2023) are for the layers of the frozen base LLM
    precision: Literal["float32", "bf16", "int8", "nf4"] = "float32"
    denoised: NonNegativeInt = 0  # spans per modality and step that also get the denoising loss
    log_every: PositiveInt = 20
    save_every: PositiveInt = 200
    sample_every: PositiveInt = 1000
    seed: int = 0

    @model_validator(mode="after")
    def _components_are_named(self) -> "Run":
        of_decoders = ("vae", "vocoder", "caption", "denoise", "project")
        if self.stage in of_decoders and not self.decoders:
            raise ValueError(f"stage {self.stage} trains what decoders need; name them in decoders")
        pooled = MEDIA if self.stage == "joint" else self.decoders
        if self.stage in ("joint", "denoise", "project") and not set(pooled) <= self.pool.keys():
            raise ValueError(f"stage {self.stage} learns from a pool: say how many scenes of each")
        return self
