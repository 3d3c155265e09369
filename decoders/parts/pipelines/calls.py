"""What stands between a decoder and the pipeline of diffusers that it calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from types import SimpleNamespace
from typing import Any, Self

import torch
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

from decoders.base import Cancelled, CancelledError, OnStep


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
        """An error passes."""

    def update(self) -> None:
        self.done += 1
        self.on_step(self.done, self.total)
        if self.done < self.total:
            self.go_on()

    def go_on(self) -> None:
        if self.cancelled():
            raise CancelledError


@dataclass(frozen=True)
class Absent:
    """AudioLDM 2 asks text encoders for their precision and their kind, though it needs none."""

    dtype: torch.dtype
    config = SimpleNamespace(model_type="t5")


def assemble(of: Any, parts: Mapping[str, Any], stand_ins: Mapping[str, Absent]) -> Any:
    """A pipeline of those of `parts` that it has; what is not there is None."""
    wanted = signature(of.__init__).parameters
    needed = [n for n, p in wanted.items() if p.default is p.empty and n != "self"]
    given = {**dict.fromkeys(needed), **stand_ins, **parts}
    return of(**{name: part for name, part in given.items() if name in wanted})


def call(pipeline: Any, arguments: Mapping[str, Any]) -> Sequence[torch.Tensor]:
    """What it makes, row by row, of those of `arguments` that it takes."""
    taken = signature(type(pipeline).__call__).parameters
    named = {name: value for name, value in arguments.items() if name in taken}
    made: Sequence[torch.Tensor] = pipeline(**named, output_type="pt", return_dict=False)[0]
    return made


def keep_own_precision(vae: Any) -> None:
    """It works in its own, and one row at a time, whatever the pipeline's precision is."""
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
    vae.enable_slicing()  # a row is the same in any batch, and takes no more memory
    if "force_upcast" in vae.config:  # some would change its precision instead, and leave it so
        vae.register_to_config(force_upcast=False)
