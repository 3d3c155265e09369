"""Decoders at work: one worker thread renders, so that progress can be reported meanwhile."""

import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from anygen.media import Media
from decoders.base import Cancelled, CancelledError, SampleOptions


@dataclass(frozen=True)
class Progress:
    step: int
    total: int


def render(
    decoder: Any,
    conditions: Tensor,  # (B, tokens, width)
    seeds: Sequence[int],
    options: SampleOptions,
    cancelled: Cancelled,
) -> Iterator[Progress | list[Media]]:
    """Progress of every step, then the list of B media. Raises CancelledError.

    A caller that stops listening (closes the iterator) cancels the rendering.
    """
    results: queue.Queue[Any] = queue.Queue()
    stopped = threading.Event()

    def work() -> None:
        try:
            with torch.inference_mode():
                results.put(
                    decoder.sample(
                        conditions,
                        seeds,
                        options,
                        lambda step, total: results.put(Progress(step, total)),
                        lambda: stopped.is_set() or cancelled(),
                    )
                )
        except BaseException as error:  # handed to the caller's thread below
            results.put(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    try:
        yield from until_media(results)
    finally:
        stopped.set()
        worker.join()


def until_media(results: queue.Queue[Any]) -> Iterator[Progress | list[Media]]:
    while True:
        result = results.get()
        if isinstance(result, BaseException):
            raise result
        yield result
        if isinstance(result, list):
            return


__all__ = ["CancelledError", "Progress", "render"]
