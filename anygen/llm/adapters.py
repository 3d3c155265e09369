"""Layers inside the LLM that only media use: texts without media are read as without these layers.

`visual_expert`: at the positions of media, separate layers compute the queries, keys, values and
the MLP of every layer; they start as copies of the LLM's own (CogVLM, Wang et al. 2023, section
2.1). `adapter`: the embeddings of media are added again before each of the upper layers, through
one projection for all layers and a gate for each, which starts at zero (ImageBind-LLM, Han et al.
2023). ImageBind-LLM adds its feature to every token. Here it is added at the positions of the
medium: the LLM reads several media piece by piece, and what it has read must not change; text
attends to them. The prompts of LLaMA-Adapter (V1) do not depend on a medium, so they are not
offered.

B rows, T positions, M positions of media among them, D width of the LLM.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from anygen.config.system import MediaLayerKind
from anygen.numerics.devices import device_kind

EXPERT_LAYERS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp")


class MediaLayers(nn.Module):
    """One set of layers for each decoder layer that they belong to; `hook` connects them."""

    def __init__(self, kind: MediaLayerKind, decoder: Any) -> None:
        """Raises ValueError if the LLM has no layers with the names in EXPERT_LAYERS."""
        super().__init__()
        self.kind = kind
        self.media: Tensor | None = None  # (B, T), the positions of media in this pass
        self.embeds: Tensor | None = None  # of media (M, D), or with `every_row` of all (B, T, D)
        self.every_row = False  # whether the layers for media compute all rows of a pass
        self.handles: list[Any] = []
        width = decoder.config.hidden_size
        if kind == "adapter":
            upper = len(decoder.layers) - len(decoder.layers) // 2
            self.project = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width))
            self.gates = nn.Parameter(torch.zeros(upper))
        else:
            self.experts = nn.ModuleList(map(expert_of, decoder.layers))

    def hook(self, decoder: Any) -> None:
        """Connects the layers to those that the decoder has now."""
        for handle in self.handles:
            handle.remove()
        self.handles.clear()
        if self.kind == "adapter":
            upper = decoder.layers[-len(self.gates) :]
            for gate, layer in enumerate(upper):
                self.handles.append(layer.register_forward_pre_hook(self.adapter_hook(gate)))
            return
        for expert, layer in zip(self.experts, decoder.layers, strict=True):
            for name, part in zip(EXPERT_LAYERS, expert, strict=True):
                hooked = layer.get_submodule(name)
                self.handles.append(hooked.register_forward_hook(self.expert_hook(part)))

    def adapter_hook(self, gate: int) -> Any:
        """Adds the gated embeddings of media to the input of a layer."""

        def hook(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
            if self.media is None:
                return None
            added = self.gates[gate].tanh() * self.project(self.embeds)
            if self.every_row:
                return torch.where(self.media[..., None], args[0] + added, args[0]), *args[1:]
            hidden = args[0].masked_scatter(self.media[..., None], args[0][self.media] + added)
            return hidden, *args[1:]

        return hook

    def expert_hook(self, expert: nn.Module) -> Any:
        """Replaces the output of a layer at the positions of media by the expert's."""

        def hook(_: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
            if self.media is None:
                return None
            if self.every_row:
                return torch.where(self.media[..., None], expert(args[0]).to(output), output)
            media = expert(args[0][self.media]).to(output)
            return output.masked_scatter(self.media[..., None], media)

        return hook

    @contextmanager
    def enabled(self, media_BT: Tensor | None, embeds_BTD: Tensor) -> Iterator[None]:
        """Within the context, passes of these embeddings have media at the positions `media_BT`.

        While answering on a CPU, the layers compute all rows of a pass: the result for one must not
        depend on how many positions of media there are (see passes.py).
        """
        on_cpu = device_kind(embeds_BTD.device) == "cpu"
        self.every_row = on_cpu and not torch.is_grad_enabled()
        if media_BT is not None and media_BT.any():
            self.media = media_BT
            self.embeds = embeds_BTD if self.every_row else embeds_BTD[media_BT]
        try:
            yield
        finally:
            self.media = self.embeds = None

    def contexts(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        """For a layer that runs now, and for the same layer when a backward pass runs it again."""
        return nullcontext(), self.again(self.media, self.embeds, self.every_row)

    @contextmanager
    def again(self, media: Tensor | None, embeds: Tensor | None, every_row: bool) -> Iterator[None]:
        now = self.media, self.embeds, self.every_row
        self.media, self.embeds, self.every_row = media, embeds, every_row
        try:
            yield
        finally:
            self.media, self.embeds, self.every_row = now


def expert_of(layer: Any) -> nn.ModuleList:
    """Trainable copies of the layers that a visual expert replaces."""
    try:
        copies = [copy.deepcopy(layer.get_submodule(name)) for name in EXPERT_LAYERS]
    except AttributeError as error:
        raise ValueError(
            f"llm.media_layers: a visual expert replaces {', '.join(EXPERT_LAYERS)}, and this LLM "
            f"has other layers: {error}; write none or adapter"
        ) from error
    return nn.ModuleList(copies).requires_grad_(True)
