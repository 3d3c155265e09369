"""Modern image, audio and video models, each through its own diffusers pipeline.

`decoders/parts/pipelines.py` is the table of them. A pipeline gets conditions in place of what its
text encoders would make, and none of those is loaded until a caption is to become a condition.
A token of zeros stands for padding: families that mask padding do not look at it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from math import nextafter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import diffusers
import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn

from anygen.media import Audio, Image, Video
from anygen.modality import MediaModality
from anygen.records import Strict
from decoders.animatediff import spread
from decoders.base import (
    Cancelled,
    CancelledError,
    ConditionSpec,
    OnStep,
    SampleOptions,
    SchedulerName,
    Task,
)
from decoders.parts.latent_diffusion import (
    check_steps_and_guidance,
    guidance_of,
    make_solver,
    normal_rows,
    refuse,
    seeded,
)
from decoders.parts.pipeline_losses import TRAININGS, Training, pipeline_loss
from decoders.parts.pipelines import FAMILIES, Family, Text, full_length, seen
from decoders.parts.published import Source, class_of, described, published
from decoders.parts.rows import stabilize_rows

MOST_NEGATIVES = 16  # negative prompts whose conditions are kept
NOT_ITS_OWN: dict[MediaModality, tuple[list[str], str]] = {
    "image": (["frames", "seconds"], "an image"),
    "audio": (["size", "frames"], "a sound"),
    "video": (["seconds"], "a video"),
}


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
    guidance: NonNegativeFloat | None = None
    size: PositiveInt | tuple[PositiveInt, PositiveInt] | None = None  # pixels; height and width
    frames: PositiveInt | None = None
    fps: PositiveFloat | None = None
    seconds: PositiveFloat | None = None

    @model_validator(mode="after")
    def _says_what_it_is(self) -> Self:
        if bool(self.pretrained) == bool(self.family and self.components):
            raise ValueError(
                "say either pretrained, a folder or a Hugging Face id, or family and components"
            )
        return self


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
        "text_encoder": {
            "architectures": ["CLIPTextModel"],
            "vocab_size": 1024,
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "max_position_embeddings": 8,
        },
        "text_encoder_2": {
            "architectures": ["CLIPTextModelWithProjection"],
            "vocab_size": 1024,
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "max_position_embeddings": 8,
            "projection_dim": 16,
        },
        "tokenizer": {"pad_token": "<pad>", "eos_token": "<eos>", "model_max_length": 8},
        "tokenizer_2": {"pad_token": "<pad>", "eos_token": "<eos>", "model_max_length": 8},
    },
    tokenizer="captions.json",
    tokens=8,
    steps=2,
    size=16,
)


@dataclass(frozen=True)
class BatchKey:
    """What the tasks of one batch have in common: all but the condition, the start, the seed."""

    scheduler: SchedulerName | None
    steps: int
    run: int  # of the steps; a task's start stands for what the others would have found
    guidance: float
    led_away: bool  # whether from negative prompts; else there is no second branch, or of zeros
    size: tuple[int, int]  # height and width
    frames: int
    seconds: float


class DiffusersPipeline(nn.Module):
    modality: MediaModality
    safe = ("vae.", "vocoder.")  # what half precision is too small for

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
        keep_own_precision(self.parts["vae"])
        self.eval()

    def take(self, names: Sequence[str]) -> None:
        """Make these parts, on the device and in the precision of the denoiser if it is there."""
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
    def denoiser(self) -> Any:
        return self.parts[self.family.denoiser]

    def train(self, mode: bool = True) -> Self:
        """What is published stays as it answers: without dropout."""
        return super().train(mode and not self.frozen)

    @torch.no_grad()
    def caption_condition(self, captions: Sequence[str]) -> Tensor:
        """Loads the text encoders, which stay until `drop_text`."""
        self.load_text()
        tokens = self.condition_spec.tokens
        text = self.family.encode(self.pipeline(self.family_class), list(captions), tokens)
        return self.condition_spec.join(full_length(text, tokens), text.pooled)

    def load_text(self) -> None:
        missing = [n for n in self.family.text if n in self.source.classes and n not in self.parts]
        with torch.inference_mode(False):  # they may yet serve in training
            self.take(missing)
        for name in missing:
            if isinstance(self.parts[name], nn.Module):
                self.parts[name].to(self.denoiser.device, self.denoiser.dtype).eval()

    def drop_text(self) -> None:
        """Of a published model: the memory of its text encoders is free again."""
        for name in self.family.text if self.frozen else ():
            self.parts.pop(name, None)
            self._modules.pop(name, None)

    def unconditional(self, negative: str) -> Tensor:
        """The condition that guidance leads away from. It is kept, the text encoders are not."""
        if negative not in self.negatives:
            with self.text_at_hand():
                [condition] = self.caption_condition([negative])
            if len(self.negatives) == MOST_NEGATIVES:
                del self.negatives[next(iter(self.negatives))]
            self.negatives[negative] = condition
        return self.negatives[negative].to(self.denoiser.device, self.denoiser.dtype)

    @contextmanager
    def text_at_hand(self) -> Iterator[None]:
        """Drops the text encoders at the end, unless they were there before."""
        were_there = all(n in self.parts for n in self.family.text if n in self.source.classes)
        try:
            yield
        finally:
            if not were_there:
                self.drop_text()

    def check(self, options: SampleOptions) -> None:
        check_steps_and_guidance(self, options)
        refuse(options, *NOT_ITS_OWN[self.modality])
        self.check_guidance(options)
        if options.scheduler and not self.family.solvers:
            raise ValueError(
                f"scheduler: {self.source.pipeline} has its own and no other; leave it out"
            )
        if self.modality == "audio":
            self.check_seconds(self.seconds(options))
        else:
            self.check_size(max(self.size(options)), self.family.multiple(self.parts))
            self.check_size(min(self.size(options)), self.family.multiple(self.parts))
            self.check_frames(self.frames(options))

    def check_guidance(self, options: SampleOptions) -> None:
        if self.family.embedded:
            if options.negative:
                raise ValueError("negative: this decoder is guided without one; leave it out")
            if options.guidance is not None and not self.denoiser.config.guidance_embeds:
                raise ValueError("guidance: this decoder was made to need none; leave it out")
        elif options.guidance is not None and options.guidance < 1:
            raise ValueError(f"guidance: {options.guidance:g} is less than none; give 1 or more")

    def check_size(self, side: int, multiple: int) -> None:
        if side % multiple:
            raise ValueError(
                f"size: {side} pixels are no multiple of {multiple}; {side + -side % multiple} are"
            )

    def check_frames(self, frames: int) -> None:
        step = self.family.frame_step
        if frames % step != 1 % step:
            fewer = max(frames - 1, 0) // step * step + 1
            raise ValueError(
                f"frames: {frames} cannot be made, only one more than a multiple of {step}; "
                f"{fewer} or {fewer + step} can"
            )

    def check_seconds(self, seconds: float) -> None:
        longest = self.family.longest(self.parts)
        if seconds > longest:
            raise ValueError(
                f"seconds: {seconds:g} s cannot be made; this decoder makes {longest:g} s or less"
            )

    def size(self, options: SampleOptions) -> tuple[int, int]:
        """Height and width in pixels."""
        size = options.size or self.config.size
        return (size, size) if isinstance(size, int) else size

    def frames(self, options: SampleOptions) -> int:
        return options.frames or self.config.frames

    def seconds(self, options: SampleOptions) -> float:
        return options.seconds or self.config.seconds

    def batch_key(self, task: Task) -> BatchKey:
        """Raises ValueError for a start that the family has no pipeline for."""
        options = task.options
        steps = options.steps or self.config.steps
        run = steps if task.start is None else max(int(steps * task.strength), 1)
        if run < steps and not self.family.editing:
            raise ValueError(
                f"start: {self.source.pipeline} cannot begin with a medium; ask for a new one"
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
    def sample(self, tasks: Sequence[Task], on_step: OnStep, cancelled: Cancelled) -> list[Any]:
        for task in tasks:
            self.check(task.options)
        [key] = {self.batch_key(task) for task in tasks}
        arguments = self.arguments(tasks, key)
        begins = key.run < key.steps
        of = getattr(diffusers, self.family.editing) if begins else self.family_class
        pipeline = self.pipeline(of, key.scheduler)
        pipeline.progress_bar = Steps(on_step, cancelled)
        taken = signature(of.__call__).parameters
        named = {name: value for name, value in arguments.items() if name in taken}
        made = pipeline(**named, output_type="pt", return_dict=False)[0]
        return [self.medium(row) for row in made]

    def arguments(self, tasks: Sequence[Task], key: BatchKey) -> dict[str, Any]:
        """Of any pipeline's call, which is given those that it takes."""
        options, (height, width) = tasks[0].options, key.size
        arguments = {
            "generator": seeded([task.seed for task in tasks]),
            "num_inference_steps": key.steps,
            self.family.guidance_name: key.guidance,
            "height": height,
            "width": width,
            "num_frames": key.frames,
            "frame_rate": self.config.fps,
            "audio_length_in_s": key.seconds,
            "audio_end_in_s": key.seconds,
            **self.family.fixed,
            **self.heard(torch.stack([task.condition for task in tasks])),
        }
        if key.led_away:
            negatives = [self.unconditional(task.options.negative or "") for task in tasks]
            heard = self.heard(torch.stack(negatives))
            arguments |= {f"negative_{name}": value for name, value in heard.items()}
        if key.run < key.steps:
            arguments["strength"] = exact_share(key.run, key.steps)
            arguments[self.modality] = self.pictures([task.start for task in tasks], options)
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

    def pictures(self, media: Sequence[Any], options: SampleOptions) -> Tensor:
        """(B, 3, H, W), of videos (B, frames, 3, H, W), in [0, 1]; squeezed into the size."""
        if self.modality == "image":
            return torch.cat([self.fitted(image.pixels[None], options) for image in media])
        frames = self.frames(options)
        return torch.stack([self.fitted(spread(video, frames), options) for video in media])

    def fitted(self, pixels: Tensor, options: SampleOptions) -> Tensor:
        """(N, 3, h, w) uint8 -> (N, 3, H, W) in [0, 1]."""
        placed = pixels.to(self.denoiser.device).float()
        resized = F.interpolate(placed, self.size(options), mode="bicubic", antialias=True)
        return resized.clamp(0, 255) / 255

    def medium(self, made: Tensor) -> Image | Audio | Video:
        """Of what a pipeline made of one row."""
        match self.modality:
            case "audio":
                samples = made.float().cpu().clamp(-1, 1)
                channels = samples[None] if samples.ndim == 1 else samples
                return Audio(channels, self.family.rate(self.parts))
            case "image":
                return Image(to_bytes(made))
            case "video":
                return Video(to_bytes(made), self.config.fps)

    def loss(
        self, media: Sequence[Image], conditions: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        return self.latent_loss(self.to_latents(media), conditions, generators)

    @torch.no_grad()
    def to_latents(self, media: Sequence[Image]) -> Tensor:
        pictures = self.pictures(media, SampleOptions()) * 2 - 1
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

    @property
    def family_class(self) -> Any:
        return getattr(diffusers, self.source.pipeline)

    def pipeline(self, of: Any, scheduler: SchedulerName | None = None) -> Any:
        """A new one around our parts, with a scheduler that remembers nothing."""
        own, wanted = self.scheduler, signature(of.__init__).parameters
        solver = make_solver(own, scheduler) if scheduler else type(own).from_config(own.config)
        given = {
            **{n: None for n, p in wanted.items() if p.default is p.empty and n != "self"},
            **dict.fromkeys(self.family.stand_ins, Absent(self.denoiser.dtype)),
            **self.source.settings,
            **self.parts,
            "scheduler": solver,
        }
        return of(**{name: value for name, value in given.items() if name in wanted})


@dataclass(frozen=True)
class Absent:
    """AudioLDM 2 asks text encoders for their precision and their kind, though it needs none."""

    dtype: torch.dtype
    config = SimpleNamespace(model_type="t5")


class Steps:
    """Stands where a pipeline shows its progress: counts the steps, and may end them.

    All pipelines have it, where their callbacks differ or are missing.
    """

    def __init__(self, on_step: OnStep, cancelled: Cancelled) -> None:
        self.on_step, self.cancelled = on_step, cancelled

    def __call__(self, iterable: None = None, total: int = 0) -> Self:
        self.done, self.total = 0, total
        return self

    def __enter__(self) -> Self:
        self.go_on()
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever has happened goes on happening."""

    def update(self) -> None:
        self.done += 1
        self.on_step(self.done, self.total)
        if self.done < self.total:
            self.go_on()

    def go_on(self) -> None:
        if self.cancelled():
            raise CancelledError


def family_of(pipeline: str) -> Family:
    if pipeline not in FAMILIES:
        raise ValueError(f"no pipelines of the class {pipeline}; there are {', '.join(FAMILIES)}")
    return FAMILIES[pipeline]


def completed(config: Config, family: Family) -> Any:
    """With what the family says where the settings say nothing."""
    names = ("tokens", "steps", "guidance", "size", "frames", "fps", "seconds")
    missing = {name: getattr(family, name) for name in names if getattr(config, name) is None}
    return config.model_copy(update=missing)


def exact_share(run: int, steps: int) -> float:
    """run / steps, so that the product with steps is run: pipelines cut off or add a fraction."""
    share = run / steps
    return share if share * steps == run else nextafter(share, 1)


def to_bytes(pictures: Tensor) -> Tensor:
    """(..., 3, H, W) in [0, 1] -> uint8 on the CPU."""
    return (pictures.float().clamp(0, 1) * 255).round().byte().cpu()


def keep_own_precision(vae: Any) -> None:
    """Pipelines give it latents and pictures in the denoiser's precision, and want that back."""
    encode, decode = vae.encode, vae.decode

    def encode_in_own(pictures: Tensor, **settings: Any) -> Any:
        output = encode(pictures.to(vae.dtype), **settings)
        if "latent_dist" in output:
            output.latent_dist = DiagonalGaussianDistribution(
                output.latent_dist.parameters.to(pictures.dtype)
            )
        return output

    def decode_in_own(latents: Tensor, *more: Any, **settings: Any) -> Any:
        return decode(latents.to(vae.dtype), *more, **settings)

    vae.encode, vae.decode = encode_in_own, decode_in_own
    vae.enable_slicing()
    if "force_upcast" in vae.config:  # some would change its precision instead, and leave it so
        vae.register_to_config(force_upcast=False)


def build(config: Config, folder: Path, **_: Any) -> DiffusersPipeline:
    if config.pretrained:
        return DiffusersPipeline(config, published(config.pretrained))
    tokenizer = folder / config.tokenizer if config.tokenizer else None
    return DiffusersPipeline(config, described(config.family, config.components, tokenizer))
