"""A Llama (Touvron et al. 2023) that reads for several contexts, with little work between layers.

The modules of transformers cost as much time per token, in Python, as a small LLM takes to compute.
These read the same weights, with the products of a layer's queries, keys and values made at once,
and those of its gate.

T positions of a pass, D width, H query heads, G key heads, d width of a head.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anygen.llm.attention import Group, Look, attend_all
from anygen.numerics.fp16_linear import packed


class Llama:
    """Of a `LlamaForCausalLM` whose linear layers are plain."""

    def __init__(self, base: Any) -> None:
        self.rotary = base.model.rotary_emb
        self.layers = [Layer(index, layer) for index, layer in enumerate(base.model.layers)]
        self.norm = base.model.norm.weight
        self.epsilon = base.config.rms_norm_eps

    def __call__(self, embeds: Tensor, positions: Tensor, groups: Sequence[Group]) -> Tensor:
        """Embeddings (T, D) at `positions` (T,) -> hidden states after the final norm, (T, D)."""
        cosines, sines = (x[0, :, None] for x in self.rotary(embeds[None], positions[None]))
        hidden = embeds
        for layer in self.layers:
            hidden = layer(hidden, cosines, sines, groups)
        return F.rms_norm(hidden, self.norm.shape, self.norm, self.epsilon)


class Layer:
    def __init__(self, index: int, layer: Any) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.width, self.look = attention.head_dim, Look(index, attention.scaling)
        self.heads = attention.q_proj.weight.shape[0] // self.width
        self.key_heads = attention.k_proj.weight.shape[0] // self.width
        self.inward = packed(joined(attention.q_proj, attention.k_proj, attention.v_proj))
        self.outward = packed(attention.o_proj)
        self.gate = packed(joined(mlp.gate_proj, mlp.up_proj))
        self.down = packed(mlp.down_proj)
        self.norms = (layer.input_layernorm.weight, layer.post_attention_layernorm.weight)
        self.epsilon = layer.input_layernorm.variance_epsilon

    def __call__(
        self, hidden: Tensor, cosines: Tensor, sines: Tensor, groups: Sequence[Group]
    ) -> Tensor:
        """(T, D) -> (T, D)."""
        normal = F.rms_norm(hidden, self.norms[0].shape, self.norms[0], self.epsilon)
        made = self.inward(normal).view(len(hidden), -1, self.width)  # (T, H + 2 G, d)
        turned, values = made.split([self.heads + self.key_heads, self.key_heads], dim=1)
        first, second = turned.chunk(2, dim=-1)
        turned = turned * cosines + torch.cat([-second, first], dim=-1) * sines
        queries, keys = turned.split([self.heads, self.key_heads], dim=1)
        queries, keys, values = (x.transpose(0, 1) for x in (queries, keys, values))
        seen = attend_all(groups, self.look, queries, keys, values)  # (T, H, d)
        hidden = hidden + self.outward(seen.reshape(len(hidden), -1))
        normal = F.rms_norm(hidden, self.norms[1].shape, self.norms[1], self.epsilon)
        opened, raised = self.gate(normal).chunk(2, dim=-1)
        return hidden + self.down(F.silu(opened) * raised)


def joined(*layers: nn.Linear) -> nn.Linear:
    """One layer that makes what these make, side by side. They give their weights away: a large
    LLM has no room for both."""
    weight = torch.cat([layer.weight.detach() for layer in layers])
    bias = None if layers[0].bias is None else torch.cat([layer.bias.detach() for layer in layers])
    for layer in layers:
        del layer.weight
    one = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, device="meta")
    one.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        one.bias = nn.Parameter(bias, requires_grad=False)
    return one
