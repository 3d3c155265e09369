"""Calling a diffusers pipeline from a decoder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from types import SimpleNamespace
from typing import Any, Self

import torch
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

from decoders.base import Cancelled, CancelledError, OnStep


class Steps:
    """Takes the place of a pipeline's progress bar: counts the steps, and may cancel them.

    All pipelines have a progress bar, while their callbacks differ or are missing.
    """

    def __init__(self, on_step: OnStep, cancelled: Cancelled) -> None:
        self.on_step, self.cancelled = on_step, cancelled

    def __call__(self, iterable: None = None, total: int = 0) -> Self:
        self.done, self.total = 0, total
        return self

    def __enter__(self) -> Self:
        self.check_cancelled()
        return self

    def __exit__(self, *_: object) -> None:
        """Errors pass through."""

    def update(self) -> None:
        self.done += 1
        self.on_step(self.done, self.total)
        if self.done < self.total:
            self.check_cancelled()

    def check_cancelled(self) -> None:
        if self.cancelled():
            raise CancelledError


@dataclass(frozen=True)
class Absent:
    """A text encoder that is not loaded: AudioLDM 2 reads its precision and its config."""

    dtype: torch.dtype
    config = SimpleNamespace(model_type="t5")


def assemble(kind: Any, parts: Mapping[str, Any], stand_ins: Mapping[str, Absent]) -> Any:
    """A pipeline of the class `kind` with those of `parts` that it has; missing ones are None."""
    accepted = signature(kind.__init__).parameters
    required = [n for n, p in accepted.items() if p.default is p.empty and n != "self"]
    arguments = {**dict.fromkeys(required), **stand_ins, **parts}
    return kind(**{name: part for name, part in arguments.items() if name in accepted})


def call(pipeline: Any, arguments: Mapping[str, Any]) -> Sequence[torch.Tensor]:
    """The pipeline's output per row, called with those of `arguments` that it accepts."""
    accepted = signature(type(pipeline).__call__).parameters
    named = {name: value for name, value in arguments.items() if name in accepted}
    rows: Sequence[torch.Tensor] = pipeline(**named, output_type="pt", return_dict=False)[0]
    return rows


def keep_own_precision(vae: Any) -> None:
    """Makes a VAE use its own precision instead of the pipeline's, one row at a time."""
    encode, decode = vae.encode, vae.decode

    def encode_in_own(pictures: torch.Tensor, **settings: Any) -> Any:
        output = encode(pictures.to(vae.dtype), **settings)
        if "latent_dist" in output:
            output.latent_dist = DiagonalGaussianDistribution(
                output.latent_dist.parameters.to(pictures.dtype)
            )
        return output

    def decode_in_own(latents: torch.Tensor, *more: Any, **settings: Any) -> Any:
        return decode(latents.to(vae.dtype), *more, **settings)

    vae.encode, vae.decode = encode_in_own, decode_in_own
    vae.enable_slicing()  # a row is the same in any batch, and memory does not grow
    if "force_upcast" in vae.config:  # some pipelines would change its precision and not restore it
        vae.register_to_config(force_upcast=False)
