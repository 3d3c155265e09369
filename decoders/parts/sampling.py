"""Sampling of requests whose rows do not depend on each other."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from decoders.base import (
    Cancelled,
    OnStep,
    RenderRequest,
    SampleOptions,
    is_sampled_alone,
)


class Sampler(nn.Module):
    """A decoder with a `sample_batch`, in which rows may depend on how many there are."""

    check: Callable[[SampleOptions], None]
    batch_key: Callable[[RenderRequest], Any]
    # (requests of one key that passed `check`, on_step, cancelled) -> one medium per request
    sample_batch: Callable[[Sequence[RenderRequest], OnStep, Cancelled], list[Any]]

    def sample(
        self, requests: Sequence[RenderRequest], on_step: OnStep, cancelled: Cancelled
    ) -> list[Any]:
        """See `Decoder.sample`."""
        for request in requests:
            self.check(request.options)
        [_] = {self.batch_key(request) for request in requests}
        if not is_sampled_alone(requests[0]):
            return self.sample_batch(requests, on_step, cancelled)
        media: list[Any] = []
        for request in requests:

            def on_row_step(step: int, total: int, rows: int = len(media)) -> None:
                on_step(rows * total + step, len(requests) * total)

            media += self.sample_batch([request], on_row_step, cancelled)
        return media
