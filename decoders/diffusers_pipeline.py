"""Modern image, audio and video models, each through its own diffusers pipeline.

`decoders/parts/pipelines/families.py` is the table of them. A pipeline gets conditions instead of
the output of its text encoders, which are loaded only to encode captions. A token of zeros is
padding, which some families mask.
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
from anygen.io.pretrained import shapes_only
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
    negative_conditions,
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
from decoders.parts.pipelines.families import Family, Text, family_of, full_length, padding_mask
from decoders.parts.pipelines.losses import TRAININGS, Training, pipeline_loss
from decoders.parts.pipelines.media import to_floats, to_medium
from decoders.parts.pipelines.sources import (
    PipelineSource,
    class_of,
    pretrained_source,
    random_source,
)
from decoders.parts.pipelines.tiny import TINY_SDXL
from decoders.parts.sampling import Sampler

MAX_NEGATIVES = 16  # negative prompts whose conditions are cached


class Config(Strict):
    """A `pretrained` model, or a `family` with random weights of the sizes in `components`.

    Settings that are None have the family's values.
    """

    pretrained: str | None = None  # a folder or a Hugging Face id
    family: str | None = None  # the pipeline's class, without a pretrained model
    components: dict[str, dict[str, Any]] = {}  # the contents of the parts' config.json
    tokenizer: str | None = None  # of random text encoders: a file beside the system's YAML
    tokens: PositiveInt | None = None
    steps: PositiveInt | None = None
    guidance: float | None = Field(default=None, ge=1)
    size: PositiveInt | tuple[PositiveInt, PositiveInt] | None = None  # pixels; height and width
    frames: PositiveInt | None = None
    fps: PositiveFloat | None = None
    seconds: PositiveFloat | None = None

    @model_validator(mode="after")
    def _pretrained_or_described(self) -> Self:
        description = (self.family, self.components)
        if any(description) if self.pretrained else not all(description):
            raise ValueError(
                "give either pretrained, a folder or a Hugging Face id, or family and components"
            )
        return self


TINY = Config(**TINY_SDXL)


@dataclass(frozen=True)
class BatchKey:
    """What all requests of a batch share: everything but condition, init_media and seed."""

    scheduler: SchedulerName | None
    steps: int
    run: int  # steps that run; init_media replaces the others
    guidance: float
    uses_negatives: bool  # False: there is no second branch, or one of zeros
    size: tuple[int, int]  # height and width
    frames: int
    seconds: float


class DiffusersPipeline(Sampler):
    modality: MediaModality
    keep_in_fp32_modules = ("vae.", "vocoder.")

    def __init__(self, config: Config, source: PipelineSource) -> None:
        super().__init__()
        self.family = family_of(source.pipeline)
        self.config = completed(config, self.family)
        self.source = source
        self.modality = self.family.modality
        self.frozen = ("",) if config.pretrained else ()
        self.parts: dict[str, Any] = {}
        text = self.family.text if config.pretrained else ()
        self.add_parts([name for name in source.classes if name not in text])
        width, pooled = self.family.widths(self.parts)
        self.condition_spec = ConditionSpec(self.config.tokens, width, pooled=pooled)
        self.negatives: dict[str, Tensor] = {}
        if self.frozen and shapes_only():  # no text encoder is read for a shape
            zeros = torch.zeros(1, self.config.tokens, width), torch.zeros(1, pooled)
            [self.negatives[""]] = self.condition_spec.join(zeros[0], zeros[1] if pooled else None)
        keep_own_precision(self.parts["vae"])
        self.eval()

    def add_parts(self, names: Sequence[str]) -> None:
        for name in names:
            class_name = self.family.classes.get(name, self.source.classes[name])
            part = self.source.make(name, class_of(class_name))
            if isinstance(part, nn.Module):
                self.add_module(name, part)
            self.parts[name] = part

    @property
    def scheduler(self) -> Any:
        return self.parts["scheduler"]

    @property
    def rate(self) -> float:
        """Samples or frames per second."""
        return self.config.fps or self.family.rate(self.parts)

    @property
    def denoiser(self) -> Any:
        return self.parts[self.family.denoiser]

    def train(self, mode: bool = True) -> Self:
        """Pretrained models stay in evaluation mode, without dropout."""
        return super().train(mode and not self.frozen)

    @torch.no_grad()
    def encode_prompt(self, captions: Sequence[str]) -> Tensor:
        """Loads the text encoders, which stay until `drop_text`, unless all captions are cached.

        Raises ValueError if the pipeline has no text encoders.
        """
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
                f"{self.config.pretrained or self.source.pipeline} has no text encoders, which "
                "captions, and guidance away from a caption, need"
            )
        missing = [name for name in self.text_names if name not in self.parts]
        with torch.inference_mode(False):  # training may use them later
            self.add_parts(missing)
        for name in missing:
            if name in self._modules:
                self.parts[name].to(self.denoiser.device, self.denoiser.dtype).eval()

    def drop_text(self) -> None:
        """Frees the memory of the text encoders of a pretrained model."""
        for name in self.text_names if self.frozen else ():
            self.parts.pop(name, None)
            self._modules.pop(name, None)

    def unconditional(self, negative: str) -> Tensor:
        """The condition of a negative prompt.

        A pretrained model caches it, and drops text encoders that were loaded only for it.
        """
        were_loaded = all(name in self.parts for name in self.text_names)
        [condition] = self.encode_prompt([negative])
        if not were_loaded:
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
                f"scheduler: {self.source.pipeline} supports only its own; leave it out"
            )
        for side in self.size(options):
            check_side(side, self.family.multiple(self.parts))
        check_frames(self.frames(options), self.family.frame_step)
        check_seconds(self.seconds(options), self.family.longest(self.parts))

    def check_guidance(self, options: SampleOptions) -> None:
        if self.family.embedded:
            if options.negative:
                raise ValueError("negative: the guidance of this decoder has none; leave it out")
            if options.guidance is not None and not self.denoiser.config.guidance_embeds:
                raise ValueError("guidance: this decoder was trained without; leave it out")
        elif options.guidance is not None and options.guidance < 1:
            raise ValueError(
                f"guidance: {options.guidance:g} is less than 1, no guidance; give 1 or more"
            )

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
        negative = options.negative or request.negative_condition is not None
        plain = self.leads_away_from_zeros() and not negative
        return BatchKey(
            scheduler=options.scheduler,
            steps=steps,
            run=run,
            guidance=guidance,
            uses_negatives=guidance > 1 and not self.family.embedded and not plain,
            size=self.size(options),
            frames=self.frames(options),
            seconds=self.seconds(options),
        )

    def leads_away_from_zeros(self) -> bool:
        settings = self.source.settings
        return self.family.zeros and settings.get("force_zeros_for_empty_prompt", True)

    @torch.no_grad()
    def sample_batch(
        self, requests: Sequence[RenderRequest], on_step: OnStep, cancelled: Cancelled
    ) -> list[Any]:
        key = self.batch_key(requests[0])
        name = self.family.editing if key.run < key.steps else self.source.pipeline
        pipeline = self.pipeline(name, key.scheduler)
        pipeline.progress_bar = Steps(on_step, cancelled)
        outputs = call(pipeline, self.arguments(requests, key))
        return [to_medium(output, self.modality, self.rate) for output in outputs]

    def arguments(self, requests: Sequence[RenderRequest], key: BatchKey) -> dict[str, Any]:
        """The arguments of all pipelines' calls; `call` passes those that a pipeline accepts."""
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
            **self.prompt_arguments(torch.stack([request.condition for request in requests])),
        }
        if key.uses_negatives:
            negative_arguments = self.prompt_arguments(
                negative_conditions(requests, self.unconditional)
            )
            arguments |= {f"negative_{name}": value for name, value in negative_arguments.items()}
        if key.run < key.steps:
            # exact, because some pipelines round it down and some up
            arguments["strength"] = Fraction(key.run, key.steps)
            init_media = to_floats(
                [request.init_media for request in requests], key.size, key.frames
            )
            arguments[self.modality] = init_media.to(self.denoiser.device)
        return arguments

    def prompt_arguments(self, conditions: Tensor) -> dict[str, Tensor]:
        """The arguments that replace a prompt."""
        text = self.text_of(conditions)
        arguments = {"prompt_embeds": text.tokens}
        if text.pooled is not None:
            arguments[self.family.pooled] = text.pooled.unflatten(-1, self.family.pooled_shape)
        if self.family.mask:
            arguments[self.family.mask] = padding_mask(text.tokens)
        return arguments

    def text_of(self, conditions: Tensor) -> Text:
        placed = conditions.to(self.denoiser.device, self.denoiser.dtype)
        tokens, pooled = self.condition_spec.split(placed)
        return Text(tokens, padding_mask(tokens), pooled)

    def loss(
        self, media: Sequence[Image], conditions: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        return self.latent_loss(self.to_latents(media), conditions, generators)

    @torch.no_grad()
    def to_latents(self, media: Sequence[Image]) -> Tensor:
        pictures = to_floats(media, self.size(SampleOptions())).to(self.denoiser.device) * 2 - 1
        return self.training_row().encode(self.parts["vae"], pictures).to(self.denoiser.dtype)

    def latent_loss(
        self, latents: Tensor, conditions: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        noise = normal_rows(latents.shape[1:], generators).to(latents)
        training, text = self.training_row(), self.text_of(conditions)
        return pipeline_loss(training, self.parts, latents, noise, text, generators)

    def training_row(self) -> Training:
        """Raises ValueError for a family without a denoising loss here."""
        name = self.source.pipeline
        if name not in TRAININGS:
            raise ValueError(
                f"{name} has no denoising loss here: train this decoder by alignment to captions"
            )
        return TRAININGS[name]

    def pipeline(self, name: str, scheduler: SchedulerName | None = None) -> Any:
        """A new pipeline of our parts, with a new scheduler, which has no state."""
        usual = self.scheduler
        solver = (
            make_solver(usual, scheduler) if scheduler else type(usual).from_config(usual.config)
        )
        parts = {**self.source.settings, **self.parts, "scheduler": solver}
        stand_ins = dict.fromkeys(self.family.stand_ins, Absent(self.denoiser.dtype))
        return assemble(getattr(diffusers, name), parts, stand_ins)


def completed(config: Config, family: Family) -> Any:
    """The settings, with the family's values in place of None."""
    names = ("tokens", "steps", "guidance", "size", "frames", "fps", "seconds")
    missing = {name: getattr(family, name) for name in names if getattr(config, name) is None}
    return config.model_copy(update=missing)


def build(config: Config, folder: Path, **_: Any) -> DiffusersPipeline:
    if config.pretrained:
        return DiffusersPipeline(config, pretrained_source(config.pretrained))
    tokenizer = folder / config.tokenizer if config.tokenizer else None
    family = config.family or ""  # given without a pretrained model
    return DiffusersPipeline(config, random_source(family, config.components, tokenizer))
