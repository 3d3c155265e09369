"""Parts that others published, in the layout of the pipelines of diffusers: vae/, unet/ ..."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import torch
from diffusers import AutoencoderKL, DDIMScheduler
from pydantic import PositiveInt, model_validator
from safetensors import SafetensorError
from torch import nn
from transformers import PreTrainedModel

from anygen.core.schema import Strict
from decoders.parts.autoencoder import PatchAutoencoder


class PartSettings(Strict):
    """What a decoder is made of: `pretrained`, or settings of the diffusers classes.

    `pretrained` is a folder or a Hugging Face id in the layout of diffusers' pipelines, with
    weights in safetensors. Its own configs say all sizes, so none is given beside it.
    """

    described: ClassVar = ("vae", "unet", "tokenizer", "text_encoder")  # without published parts
    sized: ClassVar[tuple[str, ...]] = ()  # what must be told as well, where no part knows it
    known: ClassVar[tuple[str, ...]] = ("scheduler",)  # what published parts know, too

    pretrained: str | None = None
    vae: dict[str, Any] = {}
    unet: dict[str, Any] = {}
    tokenizer: str = ""  # file beside the system's YAML
    tokens: PositiveInt | None = None  # of a caption; None: all that published parts read, else 24
    text_encoder: dict[str, Any] = {}
    scheduler: dict[str, Any] = {}

    @property
    def own_tokens(self) -> int:
        """Of a caption, without published parts."""
        return self.tokens or 24

    @model_validator(mode="after")
    def _published_or_described(self) -> "PartSettings":
        defaults = {name: field.default for name, field in type(self).model_fields.items()}
        given = [name for name in defaults if getattr(self, name) != defaults[name]]
        missing = [name for name in (*self.described, *self.sized) if name not in given]
        useless = [name for name in given if name in (*self.described, *self.known)]
        if self.pretrained is None and missing:
            raise ValueError(
                f"{', '.join(missing)}: give the settings, or pretrained: a folder or a Hugging "
                "Face id of published parts"
            )
        if self.pretrained is not None and useless:
            raise ValueError(
                f"{', '.join(useless)}: the parts of {self.pretrained!r} say that themselves; "
                "leave it out"
            )
        return self


def only_outlined() -> bool:
    """Whether shapes alone are wanted: then no weights are read."""
    return torch.get_default_device().type == "meta"


def read_part(kind: Any, source: str, part: str = "") -> Any:
    """A diffusers or transformers model from the folder `part` of `source`, in float32.

    It never learns. Raises ValueError, one sentence, where it is not there, is damaged, is none
    of its kind, lacks weights or has them in pickles only.
    """
    return reading(kind.__name__, source, part, lambda: load_part(kind, source, part))


def load_part(kind: Any, source: str, part: str) -> nn.Module:
    if only_outlined():
        return outline_part(kind, source, part)
    with torch.inference_mode(False):
        model, report = kind.from_pretrained(
            source,
            subfolder=part,
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
        )
    if report["missing_keys"]:
        raise ValueError(f"weights are missing: {', '.join(sorted(report['missing_keys']))}")
    return without_dropout(model).requires_grad_(False)


def outline_part(kind: Any, source: str, part: str) -> nn.Module:
    """The shapes of a part; its config is all that is read."""
    if issubclass(kind, PreTrainedModel):
        settings, _ = kind.config_class.get_config_dict(source, subfolder=part)
        if not settings:  # transformers would take the sizes of another model
            raise ValueError("there is no config.json")
        model = kind(kind.config_class.from_dict(settings))
    else:
        model = kind.from_config(kind.load_config(source, subfolder=part))
    return model.requires_grad_(False)


def without_dropout(model: nn.Module) -> nn.Module:
    """What does not learn computes the same while something else is trained."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model.eval()


def read_scheduler(source: str) -> DDIMScheduler:
    """The noise levels and the target that the published denoiser was trained with."""

    def read() -> DDIMScheduler:
        return DDIMScheduler.from_pretrained(source, subfolder="scheduler")

    return reading("scheduler", source, "scheduler", read)


def read_autoencoder(source: str) -> PatchAutoencoder:
    """The VAE of a pipeline; latents are scaled as its config says."""
    kl = read_part(AutoencoderKL, source, "vae")
    kl.enable_slicing()  # one picture at a time: a video would not fit into memory
    vae = PatchAutoencoder(kl)
    vae.std.fill_(1 / kl.config.scaling_factor)
    vae.mean.fill_(kl.config.shift_factor or 0)
    return vae


def reading(what: str, source: str, part: str, read: Callable[[], Any]) -> Any:
    """What `read` returns. Raises ValueError, one sentence, where that fails."""
    place = f"{part}/ of {source!r}" if part else repr(source)
    if not Path(source).is_dir() and source.count("/") != 1:
        raise ValueError(f"there is no folder {source!r}; give a folder or a Hugging Face id")
    try:
        return read()
    except (OSError, RuntimeError, SafetensorError, ValueError) as error:
        why = " ".join(str(error).split())
        raise ValueError(f"no {what} can be read from {place}: {why}") from error
