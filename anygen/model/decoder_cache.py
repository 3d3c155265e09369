"""Decoders by modality: all of them at once for training, or each on its first use."""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from anygen.checkpoints import checkpoint
from anygen.config import plugins
from anygen.config.plugins import Plugin
from anygen.core.modality import MediaModality
from anygen.model.placing import settle
from decoders.base import ConditionSpec, DeferredWeights

PREFIX = "decoders."  # of a decoder's names in a model


@dataclass(frozen=True)
class DecoderInfo:
    """What is known of a decoder while it is not loaded."""

    spec: ConditionSpec
    tensors: Mapping[str, Tensor]  # its own by their names in a model; their values are not used
    shares: frozenset[MediaModality]  # earlier decoders whose tensors it has, too
    size: int  # bytes of its weights, published ones and those that wait for a caption included


class LazyDecoders(nn.Module, Mapping[MediaModality, Any]):
    """A mapping whose decoders are sub-modules from when they are loaded until they are dropped.

    Those of a file load on first use, in the thread that wants them, and do not learn. Together
    they stay within `budget` bytes of weights: before one loads, and after one was held, those
    that were used the longest ago go first. What is held, and what a loaded one shares weights
    of, never goes; so a decoder that does not fit is there while it is held, and no longer.

    Without a file all are built at once, with random weights, and stay.
    """

    place: Tensor  # on the device and of the precision that decoders are loaded to
    __hash__ = nn.Module.__hash__  # a module is itself, where a mapping would be its contents
    __eq__ = nn.Module.__eq__

    def __init__(
        self,
        described: Mapping[MediaModality, Plugin],
        folder: Path,
        weights: Path | None = None,
        budget: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """`folder` holds the files that the plugins name; `weights` is the file of a whole model.

        What is loaded from it is of `dtype`, except what decoders list in `keep_in_fp32_modules`.

        In the order of `described` a decoder may extend an earlier one. Raises ValueError naming
        every key and shape of the file that does not fit; no tensor is read for that.
        """
        super().__init__()
        self.register_buffer("place", torch.empty(0, dtype=dtype), persistent=False)
        self.described, self.folder, self.budget = described, folder, budget
        self.lock = threading.RLock()
        self.holders: Counter[MediaModality] = Counter()
        self.recent: list[MediaModality] = []  # what was loaded from the file, the last used last
        with torch.device("meta") if weights else nullcontext():
            decoders = self.build_all()
        if weights:
            for decoder in decoders.values():
                settle(decoder, "meta", dtype)
        self.outlines = outlines_of(decoders)
        if weights:
            self.file = checkpoint.open_weights(weights)  # a newer file of its name is another's
            own = {n: t for outline in self.outlines.values() for n, t in outline.tensors.items()}
            checkpoint.check_keys(own, checkpoint.stored_shapes(self.file, PREFIX), complete=True)
        else:
            for modality, decoder in decoders.items():
                self.add_module(modality, decoder)

    def __getitem__(self, modality: MediaModality) -> Any:
        """The decoder, loaded if it is not. KeyError where the system has none."""
        with self.lock:
            if modality not in self.loaded:
                self.load(modality)
            self.touch(modality)
            return self._modules[modality]

    def __iter__(self) -> Iterator[MediaModality]:
        return iter(self.described)

    def __len__(self) -> int:
        return len(self.described)

    @property
    def modalities(self) -> tuple[MediaModality, ...]:
        return tuple(self.described)

    @property
    def loaded(self) -> tuple[MediaModality, ...]:
        return tuple(modality for modality in self.described if modality in self._modules)

    def spec(self, modality: MediaModality) -> ConditionSpec:
        """What the decoder wants; nothing is loaded for it."""
        return self.outlines[modality].spec

    def size(self, modalities: Iterable[MediaModality]) -> int:
        """Bytes of weights; what is shared belongs to the earlier decoder."""
        return sum(self.outlines[modality].size for modality in modalities)

    @contextmanager
    def hold(self, *modalities: MediaModality) -> Iterator[None]:
        """Inside, these are loaded and stay so."""
        with self.lock:
            self.holders.update(modalities)
        try:
            for modality in modalities:
                self[modality]
            yield
        finally:
            with self.lock:
                self.holders.subtract(modalities)
                self.make_room()

    def load(self, modality: MediaModality) -> None:
        outline = self.outlines[modality]
        for other in outline.shares:
            self[other]
        self.make_room(modality)
        # The decoder must not depend on the caller's mode, nor change the caller's random numbers.
        with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
            with torch.device(self.place.device):
                decoder = self.build(modality, self)
            own, start = decoder.state_dict(keep_vars=True), f"{PREFIX}{modality}."
            for name in outline.tensors:  # what is shared is there already
                checkpoint.copy_tensor(own[name.removeprefix(start)], self.file.get_tensor(name))
            settle(decoder, self.place.device, self.place.dtype)
            decoder.train(self.training).requires_grad_(False)
        self.add_module(modality, decoder)
        self.recent.append(modality)

    def touch(self, modality: MediaModality) -> None:
        """It, and what it shares, was used just now."""
        used = {modality, *self.outlines[modality].shares}
        self.recent.sort(key=lambda other: other in used)  # the sort is stable

    def make_room(self, *coming: MediaModality) -> None:
        """Drop idle decoders until the budget holds with those `coming`, or none is idle."""
        while self.budget is not None and self.size({*self.recent, *coming}) > self.budget:
            shared = {s for m in (*self.recent, *coming) for s in self.outlines[m].shares}
            idle = [m for m in self.recent if not self.holders[m] and m not in shared]
            if not idle:
                return
            self.recent.remove(idle[0])
            del self._modules[idle[0]]

    def build_all(self) -> dict[MediaModality, Any]:
        built: dict[MediaModality, Any] = {}
        for modality in self.described:
            built[modality] = self.build(modality, built)
        return built

    def build(self, modality: MediaModality, others: Mapping[MediaModality, Any]) -> Any:
        where, plugin = f"{PREFIX}{modality}", self.described[modality]
        return plugins.build("decoders", plugin, where, folder=self.folder, decoders=others)


def outlines_of(decoders: Mapping[MediaModality, nn.Module]) -> dict[MediaModality, DecoderInfo]:
    """In order: what two decoders have in common is the earlier one's own."""
    whole = nn.ModuleDict({PREFIX[:-1]: nn.ModuleDict(decoders)})
    owner: dict[int, MediaModality] = {}
    outlines: dict[MediaModality, DecoderInfo] = {}
    for modality, decoder in decoders.items():
        everything = {id(t): t for t in chain(decoder.parameters(), decoder.buffers())}
        shares = frozenset(owner[tensor] for tensor in everything if tensor in owner)
        size = sum(t.nbytes for tensor, t in everything.items() if tensor not in owner)
        size += deferred_bytes(whole, f"{PREFIX}{modality}.")
        own = checkpoint.own_tensors(whole, [f"{PREFIX}{modality}."])
        owner |= {tensor: modality for tensor in everything if tensor not in owner}
        spec: Any = decoder.condition_spec
        outlines[modality] = DecoderInfo(spec, own, shares, size)
    return outlines


def deferred_bytes(model: nn.Module, prefix: str) -> int:
    """Of what parts under `prefix` load only when they need it: no module has it before."""
    return sum(
        module.deferred_bytes
        for name, module in model.named_modules()
        if name.startswith(prefix) and isinstance(module, DeferredWeights)
    )
