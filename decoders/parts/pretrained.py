"""Published parts in the layout of diffusers' pipelines: vae/, unet/ and so on."""

from typing import Any, ClassVar

import torch
from diffusers import AutoencoderKL, DDIMScheduler
from pydantic import PositiveInt, model_validator
from torch import nn
from transformers import PreTrainedModel

from anygen.core.schema import Strict
from anygen.io.pretrained import read_model, reading, shapes_only
from decoders.parts.autoencoder import PatchAutoencoder


class PartSettings(Strict):
    """What a decoder consists of: `pretrained` parts, or settings of the diffusers classes.

    `pretrained` is a folder or a Hugging Face id in the layout of diffusers' pipelines, with
    weights as safetensors. Its own configs give all sizes, so none may be given beside it.
    """

    needed: ClassVar = ("vae", "unet", "tokenizer", "text_encoder")  # without pretrained parts
    sized: ClassVar[tuple[str, ...]] = ()  # needed too, because none of the parts has it
    fixed: ClassVar[tuple[str, ...]] = ("scheduler",)  # also refused with pretrained parts

    pretrained: str | None = None
    vae: dict[str, Any] = {}
    unet: dict[str, Any] = {}
    tokenizer: str = ""  # a file beside the system's YAML
    tokens: PositiveInt | None = None  # of a caption; None: as many as pretrained parts read, or 24
    text_encoder: dict[str, Any] = {}
    scheduler: dict[str, Any] = {}

    @model_validator(mode="after")
    def _pretrained_or_described(self) -> "PartSettings":
        fields = type(self).model_fields.items()
        changed = [name for name, field in fields if getattr(self, name) != field.default]
        missing = [name for name in (*self.needed, *self.sized) if name not in changed]
        useless = [name for name in changed if name in (*self.needed, *self.fixed)]
        if self.pretrained is None and missing:
            raise ValueError(
                f"{', '.join(missing)}: give the settings, or pretrained: a folder or a Hugging "
                "Face id of published parts"
            )
        if self.pretrained is not None and useless:
            raise ValueError(
                f"{', '.join(useless)}: the parts of {self.pretrained!r} determine that; leave it "
                "out"
            )
        return self


def read_part(kind: Any, source: str, part: str = "") -> Any:
    """A frozen diffusers or transformers model from the folder `part` of `source`, in float32.

    On the meta device only its shapes are read. Raises ValueError if it is not there, is damaged,
    is of another class, lacks weights or has them only as pickles.
    """
    if shapes_only():
        with reading(kind.__name__, source, part):
            return part_shapes(kind, source, part)
    model = read_model(kind, source, part, dtype=torch.float32, use_safetensors=True)
    return without_dropout(model)


def part_shapes(kind: Any, source: str, part: str) -> nn.Module:
    """The shapes of a part, from its config alone."""
    if issubclass(kind, PreTrainedModel):
        settings, _ = kind.config_class.get_config_dict(source, subfolder=part)
        if not settings:  # transformers would use the sizes of another model
            raise ValueError("there is no config.json")
        model = kind(kind.config_class.from_dict(settings))
    else:
        model = kind.from_config(kind.load_config(source, subfolder=part))
    return model.requires_grad_(False)


def without_dropout(model: nn.Module) -> nn.Module:
    """A frozen part computes the same while other parts are trained."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model.eval()


def read_scheduler(source: str) -> DDIMScheduler:
    """The noise levels and the target that the published denoiser was trained with."""
    with reading("scheduler", source, "scheduler"):
        return DDIMScheduler.from_pretrained(source, subfolder="scheduler")


def read_autoencoder(source: str) -> PatchAutoencoder:
    """The VAE of a pipeline; latents are scaled as its config says."""
    kl = read_part(AutoencoderKL, source, "vae")
    kl.enable_slicing()  # one picture at a time: all frames of a video would not fit into memory
    vae = PatchAutoencoder(kl)
    vae.std.fill_(1 / kl.config.scaling_factor)
    vae.mean.fill_(kl.config.shift_factor or 0)
    return vae
