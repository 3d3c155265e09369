"""Layers inside the LLM for media alone: where no medium was read, all is as without them.

`visual_expert`: where a medium stands, a layer's queries, keys, values and MLP are made by layers
of their own, which begin as copies of the LLM's (CogVLM, Wang et al. 2023, section 2.1).
`adapter`: what a medium was read as is added again before each of the upper layers, through one
projection and a gate a layer that begins at zero (ImageBind-LLM, Han et al. 2023, whose gated
feature is added to every token). Here it is added where the medium stands, for the LLM reads
several media piece by piece, and what was read before must not change; the text sees it by
attention. The prompts of LLaMA-Adapter (V1) know nothing of the medium, so they are not for this.

B rows, T positions, M positions of media among them, D width of the LLM.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from anygen.config.system import MediaLayerKind

OWN = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp")


class MediaLayers(nn.Module):
    """Layers by the decoder layer that they stand in for, or before; `hook` puts them there."""

    def __init__(self, kind: MediaLayerKind, decoder: Any) -> None:
        """Raises ValueError where the LLM has no layers of these names."""
        super().__init__()
        self.kind = kind
        self.media: Tensor | None = None  # (B, T), where media stand in this pass
        self.began: Tensor | None = None  # (M, D), what they were read as, or (B, T, D)
        self.every_row = False  # whether layers for media are given all rows of a pass
        self.handles: list[Any] = []
        width = decoder.config.hidden_size
        if kind == "adapter":
            upper = len(decoder.layers) - len(decoder.layers) // 2
            self.project = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width))
            self.gates = nn.Parameter(torch.zeros(upper))
        else:
            self.experts = nn.ModuleList(map(expert_of, decoder.layers))

    def hook(self, decoder: Any) -> None:
        """At the layers that the LLM has now."""
        for handle in self.handles:
            handle.remove()
        self.handles.clear()
        if self.kind == "adapter":
            upper = decoder.layers[-len(self.gates) :]
            for gate, layer in enumerate(upper):
                self.handles.append(layer.register_forward_pre_hook(self.adding(gate)))
            return
        for expert, layer in zip(self.experts, decoder.layers, strict=True):
            for name, own in zip(OWN, expert, strict=True):
                hooked = layer.get_submodule(name)
                self.handles.append(hooked.register_forward_hook(self.standing_in(own)))

    def adding(self, gate: int) -> Any:
        def hook(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
            if self.media is None:
                return None
            added = self.gates[gate].tanh() * self.project(self.began)
            if self.every_row:
                return torch.where(self.media[..., None], args[0] + added, args[0]), *args[1:]
            hidden = args[0].masked_scatter(self.media[..., None], args[0][self.media] + added)
            return hidden, *args[1:]

        return hook

    def standing_in(self, own: nn.Module) -> Any:
        def hook(_: nn.Module, args: tuple[Tensor, ...], made: Tensor) -> Tensor | None:
            if self.media is None:
                return None
            if self.every_row:
                return torch.where(self.media[..., None], own(args[0]).to(made), made)
            return made.masked_scatter(self.media[..., None], own(args[0][self.media]).to(made))

        return hook

    @contextmanager
    def at(self, media_BT: Tensor | None, embeds_BTD: Tensor) -> Iterator[None]:
        """Inside, a pass of these embeddings knows where media stand.

        On a CPU, an answer's rows are all given to the layers for media: what these make of one
        must not depend on how many others there are (see passes.py).
        """
        self.every_row = embeds_BTD.device.type == "cpu" and not torch.is_grad_enabled()
        if media_BT is not None and media_BT.any():
            self.media = media_BT
            self.began = embeds_BTD if self.every_row else embeds_BTD[media_BT]
        try:
            yield
        finally:
            self.media = self.began = None


def expert_of(layer: Any) -> nn.ModuleList:
    """Copies that learn, of what the LLM reads text with."""
    try:
        copies = [copy.deepcopy(layer.get_submodule(name)) for name in OWN]
    except AttributeError as error:
        raise ValueError(
            f"llm.media_layers: a visual expert stands in for {', '.join(OWN)}, and this LLM has "
            f"other layers: {error}; write none or adapter"
        ) from error
    return nn.ModuleList(copies).requires_grad_(True)
