"""Modern image, audio and video models, each through its own diffusers pipeline.

`decoders/parts/pipelines/families.py` is the table of them. A pipeline gets conditions in place of
what its text encoders would make; none of those is loaded until a caption is to become a condition.
A token of zeros stands for padding: families that mask padding do not look at it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import diffusers
import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn

from anygen.core.media import Image
from anygen.core.modality import MediaModality
from anygen.core.schema import Strict
from anygen.numerics.batch_invariant import stabilize_rows
from decoders.base import (
    Cancelled,
    ConditionSpec,
    OnStep,
    RenderRequest,
    SampleOptions,
    SchedulerName,
)
from decoders.parts.latent_diffusion import (
    check_steps_and_guidance,
    guidance_of,
    make_solver,
    normal_rows,
    seeded,
)
from decoders.parts.limits import check_frames, check_modality, check_seconds, check_side
from decoders.parts.pipelines.calls import (
    Absent,
    Steps,
    assemble,
    call,
    keep_own_precision,
)
from decoders.parts.pipelines.families import Family, Text, family_of, full_length, seen
from decoders.parts.pipelines.losses import TRAININGS, Training, pipeline_loss
from decoders.parts.pipelines.media import to_floats, to_medium
from decoders.parts.pretrained import only_outlined
from decoders.parts.published import Source, class_of, described, published

MAX_NEGATIVES = 16  # negative prompts whose conditions are kept


class Config(Strict):
    """A model that is published, or `family` with random weights of the sizes in `components`.

    What is None below is as the family has it.
    """

    pretrained: str | None = None  # a folder, or a Hugging Face id
    family: str | None = None  # the pipeline's class; a published model says its own
    components: dict[str, dict[str, Any]] = {}  # what stands in the parts' config.json
    tokenizer: str | None = None  # of random text encoders: a file beside the system's YAML
    tokens: PositiveInt | None = None
    steps: PositiveInt | None = None
    guidance: float | None = Field(default=None, ge=1)
    size: PositiveInt | tuple[PositiveInt, PositiveInt] | None = None  # pixels; height and width
    frames: PositiveInt | None = None
    fps: PositiveFloat | None = None
    seconds: PositiveFloat | None = None

    @model_validator(mode="after")
    def _says_what_it_is(self) -> Self:
        described = (self.family, self.components)
        if any(described) if self.pretrained else not all(described):
            raise ValueError(
                "give either pretrained, a folder or a Hugging Face id, or family and components"
            )
        return self


TINY_CLIP = {
    "vocab_size": 1024,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 8,
    "projection_dim": 16,
}
TINY_TOKENIZER = {"pad_token": "<pad>", "eos_token": "<eos>", "model_max_length": 8}
TINY = Config(
    family="StableDiffusionXLPipeline",
    components={
        "vae": {
            "_class_name": "AutoencoderKL",
            "block_out_channels": [8, 16],
            "down_block_types": ["DownEncoderBlock2D"] * 2,
            "up_block_types": ["UpDecoderBlock2D"] * 2,
            "latent_channels": 4,
            "norm_num_groups": 4,
            "layers_per_block": 1,
        },
        "unet": {
            "_class_name": "UNet2DConditionModel",
            "sample_size": 8,
            "block_out_channels": [16, 32],
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
            "layers_per_block": 1,
            "norm_num_groups": 4,
            "attention_head_dim": [2, 4],
            "use_linear_projection": True,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 4,
            "projection_class_embeddings_input_dim": 40,  # 16 of the pooled vector
            "cross_attention_dim": 32,  # two text encoders of 16
        },
        "scheduler": {"_class_name": "DPMSolverMultistepScheduler"},
        "text_encoder": {**TINY_CLIP, "architectures": ["CLIPTextModel"]},
        "text_encoder_2": {**TINY_CLIP, "architectures": ["CLIPTextModelWithProjection"]},
        "tokenizer": TINY_TOKENIZER,
        "tokenizer_2": TINY_TOKENIZER,
    },
    tokenizer="captions.json",
    tokens=8,
    steps=2,
    size=16,
)


@dataclass(frozen=True)
class BatchKey:
    """What the requests of one batch have in common: all but condition, init_media and seed."""

    scheduler: SchedulerName | None
    steps: int
    run: int  # of the steps; init_media takes the place of the others
    guidance: float
    led_away: bool  # whether from negative prompts; else there is no second branch, or of zeros
    size: tuple[int, int]  # height and width
    frames: int
    seconds: float


class DiffusersPipeline(nn.Module):
    modality: MediaModality
    keep_in_fp32_modules = ("vae.", "vocoder.")  # what half precision is too small for

    def __init__(self, config: Config, source: Source) -> None:
        super().__init__()
        self.family = family_of(source.pipeline)
        self.config = completed(config, self.family)
        self.source = source
        self.modality = self.family.modality
        self.frozen = ("",) if config.pretrained else ()
        self.parts: dict[str, Any] = {}
        text = self.family.text if config.pretrained else ()
        self.take([name for name in source.classes if name not in text])
        width, pooled = self.family.widths(self.parts)
        self.condition_spec = ConditionSpec(self.config.tokens, width, pooled=pooled)
        self.negatives: dict[str, Tensor] = {}
        if self.frozen and only_outlined():  # then no text encoder is read for a shape
            zeros = torch.zeros(1, self.config.tokens, width), torch.zeros(1, pooled)
            [self.negatives[""]] = self.condition_spec.join(zeros[0], zeros[1] if pooled else None)
        keep_own_precision(self.parts["vae"])
        self.eval()

    def take(self, names: Sequence[str]) -> None:
        """Make these parts."""
        for name in names:
            class_name = self.family.classes.get(name, self.source.classes[name])
            part = self.source.make(name, class_of(class_name))
            if isinstance(part, nn.Module):
                self.add_module(name, part)
                stabilize_rows(part)
            self.parts[name] = part

    @property
    def scheduler(self) -> Any:
        return self.parts["scheduler"]

    @property
    def rate(self) -> float:
        """Of samples or frames, per second."""
        return self.config.fps or self.family.rate(self.parts)

    @property
    def denoiser(self) -> Any:
        return self.parts[self.family.denoiser]

    def train(self, mode: bool = True) -> Self:
        """What is published stays as it answers: without dropout."""
        return super().train(mode and not self.frozen)

    @torch.no_grad()
    def encode_prompt(self, captions: Sequence[str]) -> Tensor:
        """Loads the text encoders, until `drop_text`, unless all are known. ValueError without."""
        if self.negatives.keys() >= {*captions}:
            return torch.stack([self.negatives[caption] for caption in captions])
        self.load_text()
        tokens = self.condition_spec.tokens
        text = self.family.encode(self.pipeline(self.source.pipeline), list(captions), tokens)
        return self.condition_spec.join(full_length(text, tokens), text.pooled)

    @property
    def text_names(self) -> list[str]:
        return [name for name in self.family.text if name in self.source.classes]

    def load_text(self) -> None:
        if not self.text_names:
            raise ValueError(
                f"{self.config.pretrained or self.source.pipeline}: there are no text encoders, "
                "which captions, and guidance away from a caption, need"
            )
        missing = [name for name in self.text_names if name not in self.parts]
        with torch.inference_mode(False):  # they may yet serve in training
            self.take(missing)
        for name in missing:
            if name in self._modules:
                self.parts[name].to(self.denoiser.device, self.denoiser.dtype).eval()

    def drop_text(self) -> None:
        """The memory of the text encoders of a published model is free again."""
        for name in self.text_names if self.frozen else ():
            self.parts.pop(name, None)
            self._modules.pop(name, None)

    def unconditional(self, negative: str) -> Tensor:
        """The condition that guidance leads away from.

        Of what is published it is kept, and text encoders that were not there go again.
        """
        were_there = all(name in self.parts for name in self.text_names)
        [condition] = self.encode_prompt([negative])
        if not were_there:
            self.drop_text()
        if self.frozen and len(self.negatives) < MAX_NEGATIVES:
            self.negatives[negative] = condition
        return condition

    def check(self, options: SampleOptions) -> None:
        check_steps_and_guidance(self, options)
        check_modality(options, self.modality)
        self.check_guidance(options)
        if options.scheduler and not self.family.solvers:
            raise ValueError(
                f"scheduler: {self.source.pipeline} has its own and no other; leave it out"
            )
        for side in self.size(options):
            check_side(side, self.family.multiple(self.parts))
        check_frames(self.frames(options), self.family.frame_step)
        check_seconds(self.seconds(options), self.family.longest(self.parts))

    def check_guidance(self, options: SampleOptions) -> None:
        if self.family.embedded:
            if options.negative:
                raise ValueError("negative: this decoder is guided without one; leave it out")
            if options.guidance is not None and not self.denoiser.config.guidance_embeds:
                raise ValueError("guidance: this decoder was made to need none; leave it out")
        elif options.guidance is not None and options.guidance < 1:
            raise ValueError(f"guidance: {options.guidance:g} is less than none; give 1 or more")

    def size(self, options: SampleOptions) -> tuple[int, int]:
        """Height and width in pixels."""
        size = options.size or self.config.size
        return (size, size) if isinstance(size, int) else size

    def frames(self, options: SampleOptions) -> int:
        return options.frames or self.config.frames

    def seconds(self, options: SampleOptions) -> float:
        return options.seconds or self.config.seconds

    def batch_key(self, request: RenderRequest) -> BatchKey:
        """Raises ValueError for an edit if the family has no pipeline for it."""
        options = request.options
        steps = options.steps or self.config.steps
        run = steps if request.init_media is None else max(int(steps * request.strength), 1)
        if run < steps and not self.family.editing:
            raise ValueError(
                f"init_media: {self.source.pipeline} cannot edit a medium; ask for a new one"
            )
        guidance = guidance_of(self, options)
        plain = self.leads_away_from_zeros() and not options.negative
        return BatchKey(
            scheduler=options.scheduler,
            steps=steps,
            run=run,
            guidance=guidance,
            led_away=guidance > 1 and not self.family.embedded and not plain,
            size=self.size(options),
            frames=self.frames(options),
            seconds=self.seconds(options),
        )

    def leads_away_from_zeros(self) -> bool:
        settings = self.source.settings
        return self.family.zeros and settings.get("force_zeros_for_empty_prompt", True)

    @torch.no_grad()
    def sample(
        self, requests: Sequence[RenderRequest], on_step: OnStep, cancelled: Cancelled
    ) -> list[Any]:
        for request in requests:
            self.check(request.options)
        [key] = {self.batch_key(request) for request in requests}
        begins = key.run < key.steps
        name = self.family.editing if begins else self.source.pipeline
        pipeline = self.pipeline(name, key.scheduler)
        pipeline.progress_bar = Steps(on_step, cancelled)
        made = call(pipeline, self.arguments(requests, key))
        return [to_medium(row, self.modality, self.rate) for row in made]

    def arguments(self, requests: Sequence[RenderRequest], key: BatchKey) -> dict[str, Any]:
        """Of any pipeline's call, which is given those that it takes."""
        height, width = key.size
        arguments = {
            "generator": seeded([request.seed for request in requests]),
            "num_inference_steps": key.steps,
            self.family.guidance_name: key.guidance,
            "height": height,
            "width": width,
            "num_frames": key.frames,
            "frame_rate": self.config.fps,
            "audio_length_in_s": key.seconds,
            "audio_end_in_s": key.seconds,
            **self.family.fixed,
            **self.heard(torch.stack([request.condition for request in requests])),
        }
        if key.led_away:
            negatives = [request.options.negative or "" for request in requests]
            known = {negative: self.unconditional(negative) for negative in set(negatives)}
            heard = self.heard(torch.stack([known[negative] for negative in negatives]))
            arguments |= {f"negative_{name}": value for name, value in heard.items()}
        if key.run < key.steps:
            # exact: some pipelines cut off what is left of a rounded share, some fill it up
            arguments["strength"] = Fraction(key.run, key.steps)
            init_media = to_floats(
                [request.init_media for request in requests], key.size, key.frames
            )
            arguments[self.modality] = init_media.to(self.denoiser.device)
        return arguments

    def heard(self, conditions: Tensor) -> dict[str, Tensor]:
        """The arguments that stand for a prompt."""
        text = self.text_of(conditions)
        heard = {"prompt_embeds": text.tokens}
        if text.pooled is not None:
            heard[self.family.pooled] = text.pooled.unflatten(-1, self.family.pooled_shape)
        if self.family.mask:
            heard[self.family.mask] = seen(text.tokens)
        return heard

    def text_of(self, conditions: Tensor) -> Text:
        placed = conditions.to(self.denoiser.device, self.denoiser.dtype)
        tokens, pooled = self.condition_spec.split(placed)
        return Text(tokens, seen(tokens), pooled)

    def loss(
        self, media: Sequence[Image], conditions: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        return self.latent_loss(self.to_latents(media), conditions, generators)

    @torch.no_grad()
    def to_latents(self, media: Sequence[Image]) -> Tensor:
        pictures = to_floats(media, self.size(SampleOptions())).to(self.denoiser.device) * 2 - 1
        return self.trained_by().encode(self.parts["vae"], pictures).to(self.denoiser.dtype)

    def latent_loss(
        self, latents: Tensor, conditions: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        noise = normal_rows(latents.shape[1:], generators).to(latents)
        training, text = self.trained_by(), self.text_of(conditions)
        return pipeline_loss(training, self.parts, latents, noise, text, generators)

    def trained_by(self) -> Training:
        """Raises ValueError for a family whose denoiser we do not train through."""
        name = self.source.pipeline
        if name not in TRAININGS:
            raise ValueError(
                f"{name} has no denoising loss here: alignment to captions is what trains this "
                "decoder"
            )
        return TRAININGS[name]

    def pipeline(self, name: str, scheduler: SchedulerName | None = None) -> Any:
        """A new one around our parts, with a scheduler that remembers nothing."""
        own = self.scheduler
        solver = make_solver(own, scheduler) if scheduler else type(own).from_config(own.config)
        parts = {**self.source.settings, **self.parts, "scheduler": solver}
        stand_ins = dict.fromkeys(self.family.stand_ins, Absent(self.denoiser.dtype))
        return assemble(getattr(diffusers, name), parts, stand_ins)


def completed(config: Config, family: Family) -> Any:
    """With what the family says where the settings say nothing."""
    names = ("tokens", "steps", "guidance", "size", "frames", "fps", "seconds")
    missing = {name: getattr(family, name) for name in names if getattr(config, name) is None}
    return config.model_copy(update=missing)


def build(config: Config, folder: Path, **_: Any) -> DiffusersPipeline:
    if config.pretrained:
        return DiffusersPipeline(config, published(config.pretrained))
    tokenizer = folder / config.tokenizer if config.tokenizer else None
    family = config.family or ""  # which is there where nothing is published
    return DiffusersPipeline(config, described(family, config.components, tokenizer))
