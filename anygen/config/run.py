"""A training run of a system, as its YAML file describes it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from anygen.config.data import DataSource, Mixing, check_shares
from anygen.config.held_out import HeldOut
from anygen.config.losses import LossWeights
from anygen.config.stages import Freezable, StageName
from anygen.config.system import Lora
from anygen.core.modality import MEDIA, MediaModality, Modality
from anygen.core.schema import Strict

OptimizerName = Literal["adamw", "adamw_8bit", "adafactor"]

DIALOGUE_STAGES: tuple[StageName, ...] = ("encode", "decode", "instruct")
CAPTIONED_STAGES: tuple[StageName, ...] = ("denoise", "joint", "represent")  # learn from pairs
PIXEL_STAGES: tuple[StageName, ...] = ("vae", "vae_decoder", "vocoder")  # from media alone
MEDIA_STAGES: tuple[StageName, ...] = (*PIXEL_STAGES, "represent")  # without a pool
GENERATING_STAGES: tuple[StageName, ...] = ("decode", "instruct", "project")

# LLaMA-Factory's names of what `freeze` names; None is what never learns from dialogues here.
FREEZE_FLAGS: dict[str, Freezable | None] = {
    "freeze_vision_tower": None,
    "freeze_multi_modal_projector": "input_projector",
    "freeze_language_model": "llm",
}
# What others write to choose DeepSpeed.
DEEPSPEED = ("deepspeed", "zero1", "zero2", "zero3")
MIN_PAIRS = 2  # of a batch of pairs that are compared with each other
MIN_TOKENS = 3  # of a caption and what stands around it

Decay = Annotated[float, Field(ge=0, lt=1)]


class Run(Strict):
    """The settings that `anygen train FILE` reads; results go to `out`."""

    system: str  # a name in configs/, or the path of a system's YAML file
    stage: StageName
    decoders: list[MediaModality] = []  # those whose components a component stage trains
    # what the stage would learn of the LLM and the projectors, and this run does not
    freeze: list[Freezable] = []
    init: list[Path] = []  # folders of earlier runs; of two with the same weights the later wins
    out: Path
    data: list[DataSource] = []  # without any, the stage draws dialogues of the small world
    mixing: Mixing = "sqrt"  # sources without a share: by their rows, by the root of that, or equal
    bad_rows: Literal["stop", "skip"] = "stop"  # skip: they are listed in refused.jsonl
    # positions of a row, by default the LLM's context; in stage `represent` tokens of a caption
    max_length: PositiveInt | None = None
    held_out: HeldOut | None = None  # rows whose losses are logged, and which are not learned
    vocabulary: Literal["core", "full"] = "core"
    steps: NonNegativeInt = 0  # 0 stands for `epochs`
    epochs: PositiveFloat | None = None  # passes over the rows of the files in `data`
    batch_size: PositiveInt  # rows of a step; of each process in stages without dialogues
    accumulation: PositiveInt = 1  # passes that each process divides its rows of a step into
    tokens_per_pass: PositiveInt | None = None  # as many passes as keep each within these positions
    packing: PositiveInt | None = None  # positions of a row that several dialogues share
    rows: dict[MediaModality, PositiveInt] = {}  # batch sizes that differ from batch_size
    # number of media, or of prompts, to encode once, which the sources in `data` divide by their
    # shares; an encoder learns the media that are named
    pool: dict[Modality, PositiveInt] = {}
    # captions per modality that contrastive losses compare with: enough that some differ in the
    # object alone
    negatives: PositiveInt = 4096
    learning_rate: PositiveFloat = 1e-3
    warmup: NonNegativeInt = 100  # steps
    schedule: Literal["cosine", "linear", "constant", "wsd"] = "cosine"  # after the warm-up
    decay: float = Field(default=0.1, gt=0, le=1)  # share of the steps in which wsd falls
    # share of the learning rate at which every schedule but `constant` ends
    final_rate: float = Field(default=0.05, ge=0, le=1)
    optimizer: OptimizerName = "adamw"
    betas: tuple[Decay, Decay] = (0.9, 0.99)  # of AdamW's averages
    # These replace what they set of the system's llm.
    lora: Lora | None = None
    template: str | None = None
    system_prompt: str | None = None
    loss_weights: LossWeights = LossWeights()
    weight_decay: NonNegativeFloat = 0.0
    max_grad_norm: PositiveFloat = 1.0
    ema: float = Field(default=0.0, ge=0, lt=1)  # decay of averaged weights; 0: no average
    # bf16 computes in bfloat16 and holds what is frozen in it; int8 and nf4 (QLoRA: Dettmers et
    # al. 2023) hold the layers of the frozen base LLM in fewer bits
    precision: Literal["float32", "bf16", "int8", "nf4"] = "float32"
    # of several processes each has the whole model, or a part of every layer of the LLM
    parallel: Literal["ddp", "fsdp"] = "ddp"
    gradient_checkpointing: bool = (
        False  # layers of the LLM are computed twice, and kept not at all
    )
    denoised: NonNegativeInt = 0  # spans per modality and step with the denoising loss
    log_every: PositiveInt = 20
    save_every: PositiveInt = 200
    keep: NonNegativeInt = 0  # of the last saved weights that stay in checkpoints/
    sample_every: PositiveInt = 1000
    tracker: Literal["tensorboard", "wandb", "trackio"] | None = None  # also shows the log
    seed: int = 0

    @model_validator(mode="before")
    @classmethod
    def _translate_freeze(cls, data: Any) -> Any:
        """LLaMA-Factory's names become those of `freeze`."""
        flags = FREEZE_FLAGS.keys() & data.keys() if isinstance(data, dict) else ()
        if not flags:
            return data
        settings = {key: value for key, value in data.items() if key not in FREEZE_FLAGS}
        frozen = list(settings.get("freeze") or [])
        for flag in sorted(flags):
            part, value = FREEZE_FLAGS[flag], data[flag]
            if not isinstance(value, bool):
                raise ValueError(f"{flag}: is true or false, not {value!r}")
            if part is None and not value:
                raise ValueError(
                    f"{flag}: encoders do not learn from dialogues; write true, or leave it out"
                )
            frozen += [part] if value and part and part not in frozen else []
        return {**settings, "freeze": frozen}

    @field_validator("parallel", mode="before")
    @classmethod
    def _refuse_deepspeed(cls, value: Any) -> Any:
        """DeepSpeed's way of dividing a model is called `fsdp` here."""
        if str(value).lower().replace("-", "").replace("_", "") in DEEPSPEED:
            raise ValueError(
                "runs do not use DeepSpeed; write `parallel: fsdp`, which divides the LLM as "
                "ZeRO-3 does, or `parallel: ddp`, in which each process has all of it; "
                "`deepspeed: FILE` reads a config of DeepSpeed"
            )
        return value

    @model_validator(mode="after")
    def _check_learning(self) -> "Run":
        if self.freeze and self.stage not in DIALOGUE_STAGES:
            raise ValueError(
                f"freeze: is for {', '.join(DIALOGUE_STAGES)}; stage {self.stage} learns one kind "
                "of component"
            )
        weights = self.loss_weights
        if weights != LossWeights() and self.stage not in GENERATING_STAGES:
            raise ValueError(
                f"loss_weights: are for {', '.join(GENERATING_STAGES)}; the loss of stage "
                f"{self.stage} has no such terms"
            )
        text = weights.text if self.stage != "project" else 0
        denoise = weights.denoise * self.denoised
        if self.stage in GENERATING_STAGES and not any(
            (text, weights.align, weights.contrast, denoise)
        ):
            raise ValueError(
                "loss_weights: no term is left to learn from; give one of text, align, contrast "
                "and denoise a weight, the last one with `denoised` above 0"
            )
        return self

    @model_validator(mode="after")
    def _check_held_out(self) -> "Run":
        if self.held_out and self.stage not in DIALOGUE_STAGES:
            raise ValueError(
                f"held_out: stage {self.stage} does not read dialogues; "
                f"{', '.join(DIALOGUE_STAGES)} do"
            )
        if self.held_out and self.held_out.requests and self.stage not in GENERATING_STAGES:
            raise ValueError(
                f"held_out.requests: stage {self.stage} makes no media; decode and instruct do"
            )
        return self

    @model_validator(mode="after")
    def _check_data(self) -> "Run":
        readers = (*PIXEL_STAGES, *CAPTIONED_STAGES, *DIALOGUE_STAGES)
        if self.data and self.stage not in readers:
            raise ValueError(
                f"data: stage {self.stage} learns from the small world alone; "
                f"{', '.join(readers)} take data"
            )
        if self.stage not in ("decode", "instruct") and any(s.plain for s in self.data):
            raise ValueError(
                f"data: plain answers hold no media, and stage {self.stage} learns from media"
            )
        check_shares(self.data)
        self._check_length()
        if self.accumulation > 1 and self.stage not in DIALOGUE_STAGES:
            raise ValueError(
                f"accumulation: stage {self.stage} computes its batch in one pass; only "
                f"{', '.join(DIALOGUE_STAGES)} divide theirs"
            )
        for name in ("tokens_per_pass", "packing"):
            if getattr(self, name) and self.stage not in DIALOGUE_STAGES:
                raise ValueError(
                    f"{name}: stage {self.stage} has no dialogues; {', '.join(DIALOGUE_STAGES)} do"
                )
        if self.tokens_per_pass and self.accumulation > 1:
            raise ValueError(
                "tokens_per_pass: finds the number of passes by itself; leave accumulation out"
            )
        return self

    def _check_length(self) -> None:
        """Raises ValueError unless steps or epochs are given."""
        if bool(self.steps) == bool(self.epochs):
            raise ValueError("steps: give a number of steps, or one of epochs instead")
        files = any(source.path is not None for source in self.data)
        if self.epochs and not (files and self.stage in DIALOGUE_STAGES):
            raise ValueError(
                f"epochs: are passes over files in `data` of {', '.join(DIALOGUE_STAGES)}; give "
                "a number of steps instead"
            )

    @model_validator(mode="after")
    def _check_pairs(self) -> "Run":
        if self.stage == "represent" and self.rows.get("image", self.batch_size) < MIN_PAIRS:
            raise ValueError(
                "batch_size: stage represent compares each picture with the captions of others; "
                f"give at least {MIN_PAIRS}"
            )
        if self.stage == "represent" and (self.max_length or MIN_TOKENS) < MIN_TOKENS:
            raise ValueError(
                "max_length: a caption has a token before and one after it; give at least "
                f"{MIN_TOKENS}"
            )
        return self

    @model_validator(mode="after")
    def _check_parallel(self) -> "Run":
        if self.parallel == "ddp":
            return self
        if self.stage not in DIALOGUE_STAGES:
            raise ValueError(
                f"parallel: fsdp divides the LLM, which stage {self.stage} does not train; "
                f"{', '.join(DIALOGUE_STAGES)} do"
            )
        if self.precision in ("int8", "nf4"):
            raise ValueError(
                f"parallel: fsdp does not divide weights in {self.precision}; choose precision "
                "bf16 or float32, or parallel: ddp"
            )
        if self.optimizer != "adamw":
            raise ValueError(
                f"parallel: fsdp goes with optimizer adamw, not {self.optimizer}; its state is "
                "divided, too"
            )
        return self

    @model_validator(mode="after")
    def _check_decoders(self) -> "Run":
        component_stages = ("vae", "vae_decoder", "vocoder", "caption", "denoise", "project")
        if self.stage in component_stages and not self.decoders:
            raise ValueError(f"stage {self.stage} trains parts of decoders: name these in decoders")
        pooled: Sequence[Modality] = ("text",) if self.stage == "route" else self.decoders
        uses_pool = self.stage in ("denoise", "project", "route")
        if self.stage in ("joint", "calibrate") and not self.pooled_media:
            pooled, uses_pool = MEDIA, True
        if uses_pool and not set(pooled) <= self.pool.keys():
            raise ValueError(
                f"stage {self.stage} learns from a pool: give the number of {', '.join(pooled)}"
            )
        return self

    @property
    def pooled_media(self) -> list[MediaModality]:
        """The modalities of media in the pool."""
        return [modality for modality in MEDIA if modality in self.pool]

    @property
    def turns(self) -> list[MediaModality]:
        """The modalities that learn in a component stage: one in each step, by turns."""
        if self.stage == "represent":
            return ["image"]
        return self.pooled_media if self.stage in ("joint", "calibrate") else self.decoders

    def turn(self, step: int) -> tuple[MediaModality, int]:
        """The modality that learns in a step, and in how many earlier steps it has learned."""
        rounds, place = divmod(step, len(self.turns))
        modality = self.turns[place]
        earlier = rounds * self.turns.count(modality) + self.turns[:place].count(modality)
        return modality, earlier
