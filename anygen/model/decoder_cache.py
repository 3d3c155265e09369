"""Decoders by modality: all of them at once for training, or each on its first use."""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from anygen.checkpoints import checkpoint
from anygen.config import plugins
from anygen.config.plugins import Plugin
from anygen.core.modality import MediaModality
from anygen.model.decoder_record import DecoderRecord, layout_hash
from anygen.model.placing import settle
from decoders.base import ConditionSpec, Decoder, DeferredWeights

PREFIX = "decoders."  # of a decoder's names in a model


@dataclass(frozen=True)
class DecoderInfo:
    """The properties of a decoder that are known while it is not loaded."""

    spec: ConditionSpec
    tensors: Mapping[str, Tensor]  # its own, by their names in a model; only shapes are used
    shares: frozenset[MediaModality]  # earlier decoders that it shares tensors with
    size: int  # bytes of its weights, with published and deferred ones


class LazyDecoders(nn.Module, Mapping[MediaModality, Decoder]):
    """A mapping whose decoders are sub-modules while they are loaded.

    Decoders from a file are loaded on first use, in the thread that uses them, and are frozen.
    Together their weights stay within `budget` bytes: before one is loaded, and after one was held,
    the least recently used are dropped. One that is held, or that a loaded one shares weights with,
    is never dropped; so a decoder that exceeds the budget stays only while it is held.

    Without a file all are built at once, with random weights, and stay.
    """

    place: Tensor  # has the device and the precision of decoders that are loaded
    __hash__ = nn.Module.__hash__  # by identity, where a mapping would compare its contents
    __eq__ = nn.Module.__eq__

    def __init__(
        self,
        described: Mapping[MediaModality, Plugin],
        folder: Path,
        weights: Sequence[Path] = (),
        budget: int | None = None,
        dtype: torch.dtype = torch.float32,
        record: DecoderRecord | None = None,
    ) -> None:
        """`folder` holds the files that the plugins name; `weights` are the files of a whole model.

        Loaded decoders have `dtype`, except for what they list in `keep_in_fp32_modules`. In the
        order of `described` a decoder may extend an earlier one. Raises ValueError naming every key
        and shape of the file that does not fit; no tensor is read for that. Unless the file is laid
        out as in the `record`, all decoders are built for it, without memory for their weights.
        """
        super().__init__()
        self.register_buffer("place", torch.empty(0, dtype=dtype), persistent=False)
        self.described, self.folder, self.budget = described, folder, budget
        self.lock = threading.RLock()
        self.holders: Counter[MediaModality] = Counter()
        self.recent: list[MediaModality] = []  # loaded from the file, the most recently used last
        if weights:
            self.file = checkpoint.open_all(weights)  # stay these if they are replaced
            self.specs = self.recorded(record) or specs_of(self.infos)
        else:
            decoders = self.build_all()
            self.infos = infos_of(decoders)
            self.specs = specs_of(self.infos)
            for modality, decoder in decoders.items():
                self.add_module(modality, decoder)

    def recorded(self, record: DecoderRecord | None) -> Mapping[MediaModality, ConditionSpec]:
        """The shapes of conditions by a record of this file, nothing by one of another."""
        stored = checkpoint.stored_shapes(self.file, PREFIX)
        fits = record is not None and record.layout == layout_hash(self.described, stored)
        return record.conditions if record and fits else {}

    @cached_property
    def infos(self) -> Mapping[MediaModality, DecoderInfo]:
        """Those of all decoders in the file. Raises ValueError naming all keys that do not fit."""
        # Building must not depend on the caller's mode, nor change the caller's random numbers.
        with torch.inference_mode(False), torch.random.fork_rng(devices=[]), torch.device("meta"):
            decoders = self.build_all()
            for decoder in decoders.values():
                settle(decoder, "meta", self.place.dtype)
        infos = infos_of(decoders)
        own = {n: t for info in infos.values() for n, t in info.tensors.items()}
        checkpoint.check_keys(own, checkpoint.stored_shapes(self.file, PREFIX), complete=True)
        return infos

    @property
    def record(self) -> DecoderRecord:
        """What a folder with these decoders should record."""
        tensors = {n: t for info in self.infos.values() for n, t in info.tensors.items()}
        return DecoderRecord(
            layout=layout_hash(self.described, tensors), conditions=specs_of(self.infos)
        )

    def __getitem__(self, modality: MediaModality) -> Decoder:
        """The decoder, loaded if it is not. KeyError where the system has none."""
        with self.lock:
            if modality not in self.loaded:
                self.load(modality)
            self.mark_used(modality)
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
        """The shape of the decoder's condition; nothing is loaded for it."""
        return self.specs[modality]

    def size(self, modalities: Iterable[MediaModality]) -> int:
        """Bytes of weights; shared ones count for the earlier decoder."""
        return sum(self.infos[modality].size for modality in modalities)

    @contextmanager
    def hold(self, *modalities: MediaModality) -> Iterator[None]:
        """Within the context, these decoders are loaded and are not dropped."""
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
        """Raises ValueError for a decoder that is no longer what the file was made for."""
        info = self.infos[modality]
        if info.spec != self.specs[modality]:
            raise ValueError(
                f"{PREFIX}{modality}: its condition is {info.spec}, but the model was saved when "
                f"it was {self.specs[modality]}"
            )
        for other in info.shares:
            self[other]
        self.make_room(modality)
        # The decoder must not depend on the caller's mode, nor change the caller's random numbers.
        with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
            with torch.device(self.place.device):
                decoder = cast(nn.Module, self.build(modality, self))
            own, start = decoder.state_dict(keep_vars=True), f"{PREFIX}{modality}."
            for name in info.tensors:  # shared ones are loaded already
                checkpoint.copy_tensor(own[name.removeprefix(start)], self.file.get_tensor(name))
            settle(decoder, self.place.device, self.place.dtype)
            decoder.train(self.training).requires_grad_(False)
        self.add_module(modality, decoder)
        self.recent.append(modality)

    def mark_used(self, modality: MediaModality) -> None:
        """The decoder and those that it shares tensors with were used just now."""
        used = {modality, *self.infos[modality].shares}
        self.recent.sort(key=lambda other: other in used)  # the sort is stable

    def make_room(self, *coming: MediaModality) -> None:
        """Drops idle decoders until the others and those `coming` fit into the budget."""
        while self.budget is not None and self.size({*self.recent, *coming}) > self.budget:
            shared = {s for m in (*self.recent, *coming) for s in self.infos[m].shares}
            idle = [m for m in self.recent if not self.holders[m] and m not in shared]
            if not idle:
                return
            self.recent.remove(idle[0])
            del self._modules[idle[0]]

    def build_all(self) -> dict[MediaModality, Decoder]:
        built: dict[MediaModality, Decoder] = {}
        for modality in self.described:
            built[modality] = self.build(modality, built)
        return built

    def build(self, modality: MediaModality, others: Mapping[MediaModality, Decoder]) -> Decoder:
        where, plugin = f"{PREFIX}{modality}", self.described[modality]
        return plugins.build("decoders", plugin, where, folder=self.folder, decoders=others)


def infos_of(decoders: Mapping[MediaModality, nn.Module]) -> dict[MediaModality, DecoderInfo]:
    """By modality; a tensor that two decoders share belongs to the earlier one."""
    whole = nn.ModuleDict({PREFIX[:-1]: nn.ModuleDict(decoders)})
    owner: dict[int, MediaModality] = {}
    infos: dict[MediaModality, DecoderInfo] = {}
    for modality, decoder in decoders.items():
        everything = {id(t): t for t in chain(decoder.parameters(), decoder.buffers())}
        shares = frozenset(owner[tensor] for tensor in everything if tensor in owner)
        size = sum(t.nbytes for tensor, t in everything.items() if tensor not in owner)
        size += deferred_bytes(whole, f"{PREFIX}{modality}.")
        own = checkpoint.own_tensors(whole, [f"{PREFIX}{modality}."])
        owner |= {tensor: modality for tensor in everything if tensor not in owner}
        spec = cast(Decoder, decoder).condition_spec
        infos[modality] = DecoderInfo(spec, own, shares, size)
    return infos


def specs_of(
    infos: Mapping[MediaModality, DecoderInfo],
) -> dict[MediaModality, ConditionSpec]:
    return {modality: info.spec for modality, info in infos.items()}


def deferred_bytes(model: nn.Module, prefix: str) -> int:
    """The bytes of weights that parts under `prefix` load only when they need them."""
    return sum(
        module.deferred_bytes
        for name, module in model.named_modules()
        if name.startswith(prefix) and isinstance(module, DeferredWeights)
    )
