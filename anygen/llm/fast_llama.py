"""A Llama (Touvron et al. 2023) that reads several conversations, with little work between layers.

The Python code in the modules of transformers takes as much time per token as a small LLM needs to
compute. The layers here use the same weights, but compute queries, keys and values in one product,
and so the two halves of the gated MLP.

If all linear layers are Fp16Linear, a row of a pass has the same bits beside any other rows: the
norm sums over each row by itself; sums, products and roots are correctly rounded by any kernel; and
exponentials and cosines, which are not, come from `silu` and `Rotations`.

T rows of a pass, D width, H query heads, G key heads, d width of a head.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anygen.llm.attention import Attention, AttentionParams
from anygen.llm.lora import LoraLayer
from anygen.numerics.batch_invariant import silu
from anygen.numerics.fp16_linear import Fp16Linear, Pack

BLOCK = 128  # positions


class Llama:
    """The layers of a `LlamaForCausalLM`, which must not be quantized or have LoRA beside them."""

    def __init__(
        self, base: Any, pack: Pack, prepare: Callable[[nn.Module], None], middle: int
    ) -> None:
        """The base model gives its weights away: its linear layers are of no use afterwards, except
        for its head, which is packed in its place.

        Every thread prepares and takes one layer after the other. LoRA that is beside linear
        layers then acts at the rows of a pass that are adapted. `middle` is the number of layers
        before the hidden state that is returned beside the last.
        """
        self.middle = middle
        self.rotations = Rotations(base.model.rotary_emb)

        def take(index: int, layer: Any) -> Layer:
            prepare(layer)
            return Layer(index, layer, pack)

        layers = [partial(take, index, layer) for index, layer in enumerate(base.model.layers)]
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:  # FBGEMM packs on one thread
            # nothing is computed on the meta device, and plans are of the thread that makes them
            each = map if base.model.norm.weight.is_meta else pool.map
            # the head is the largest and comes first, so that no thread is left alone with it
            base.lm_head, *self.layers = each(run, [partial(pack, base.lm_head), *layers])
        linear = [module for layer in self.layers for part in layer.linear for module in part.all]
        # whether a row has the same bits in passes of any length
        self.is_row_wise = all(isinstance(module, Fp16Linear) for module in linear)
        self.norm = base.model.norm.weight
        self.epsilon = base.config.rms_norm_eps

    def __call__(
        self, embeds: Tensor, attention: Attention, adapted: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Embeddings (T, D) -> hidden states after the final norm and in the middle, (T, D) each.

        LoRA acts at the rows where `adapted` (T, 1) is 1, not where it is 0.
        """
        cosines, sines = self.rotations(attention, embeds)
        hidden = middle = embeds
        for count, layer in enumerate(self.layers, start=1):
            hidden = layer(hidden, cosines, sines, attention, adapted)
            middle = hidden if count == self.middle else middle
        return F.rms_norm(hidden, self.norm.shape, self.norm, self.epsilon), middle


def run(task: Callable[[], Any]) -> Any:
    return task()


class Rotations:
    """Cosines and sines of positions, computed for a whole block at a time.

    So those of a position are always the same: in a short tensor the last elements are computed by
    other code than the rest.
    """

    def __init__(self, rotary: Any) -> None:
        self.rotary = rotary
        self.table: tuple[Tensor, Tensor] | None = None  # (positions, 1, d) each

    def __call__(self, attention: Attention, like: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines of the rows of a pass, (T, 1, d) each."""
        end = max(chunk.end for chunk in attention.batch.chunks)
        table = self.table if self.table and self.table[0].device == like.device else None
        while table is None or len(table[0]) < end:
            start = 0 if table is None else len(table[0])
            positions = torch.arange(start, start + BLOCK, device=like.device)
            block = [x[0, :, None] for x in self.rotary(like[None], positions[None])]
            both = block if table is None else [torch.cat(pair) for pair in zip(table, block)]
            table = both[0], both[1]
        self.table = table
        return table[0][attention.positions], table[1][attention.positions]


class Layer:
    def __init__(self, index: int, layer: Any, pack: Pack) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.width, self.params = attention.head_dim, AttentionParams(index, attention.scaling)
        self.heads = without_lora(attention.q_proj).out_features // self.width
        self.key_heads = without_lora(attention.k_proj).out_features // self.width
        self.qkv_proj = Joined(pack, attention.q_proj, attention.k_proj, attention.v_proj)
        self.o_proj = Joined(pack, attention.o_proj)
        self.gate_up_proj = Joined(pack, mlp.gate_proj, mlp.up_proj)
        self.down_proj = Joined(pack, mlp.down_proj)
        self.linear = (self.qkv_proj, self.o_proj, self.gate_up_proj, self.down_proj)
        self.norms = (layer.input_layernorm.weight, layer.post_attention_layernorm.weight)
        self.epsilon = layer.input_layernorm.variance_epsilon

    def __call__(
        self,
        hidden: Tensor,
        cosines: Tensor,
        sines: Tensor,
        attention: Attention,
        adapted: Tensor | None,
    ) -> Tensor:
        """(T, D) -> (T, D)."""
        normal = F.rms_norm(hidden, self.norms[0].shape, self.norms[0], self.epsilon)
        qkv = self.qkv_proj(normal, adapted).view(len(hidden), -1, self.width)  # (T, H + 2 G, d)
        qk, values = qkv.split([self.heads + self.key_heads, self.key_heads], dim=1)
        first, second = qk.chunk(2, dim=-1)
        rotated = qk * cosines + torch.cat([-second, first], dim=-1) * sines
        queries, keys = rotated.split([self.heads, self.key_heads], dim=1)
        attended = attention(self.params, queries, keys, values)  # (T, H, d)
        hidden = hidden + self.o_proj(attended.reshape(len(hidden), -1), adapted)
        normal = F.rms_norm(hidden, self.norms[1].shape, self.norms[1], self.epsilon)
        gate, up = self.gate_up_proj(normal, adapted).chunk(2, dim=-1)
        return hidden + self.down_proj(silu(gate) * up, adapted)


class Joined:
    """Linear layers of the same input as one, and their LoRA, for some of the rows, as another."""

    def __init__(self, pack: Pack, *layers: Any) -> None:
        bare = [without_lora(layer) for layer in layers]
        self.lora = [pack(part) for part in joined_lora(layers, bare)]
        self.linear = pack(joined(*bare))

    @property
    def all(self) -> Sequence[nn.Module]:
        return [self.linear, *self.lora]

    def __call__(self, rows: Tensor, adapted: Tensor | None) -> Tensor:
        """(T, inputs) -> (T, outputs); LoRA acts at the rows where `adapted` (T, 1) is 1."""
        product: Tensor = self.linear(rows)
        if adapted is not None and self.lora:
            down, up = self.lora  # of all rows: no result depends on how many are adapted
            product.addcmul_(up(down(rows)), adapted)
        return product


def without_lora(layer: Any) -> nn.Linear:
    """The frozen linear layer that LoRA may be beside."""
    linear: nn.Linear = layer.base_layer if isinstance(layer, LoraLayer) else layer
    return linear


def joined_lora(layers: Sequence[Any], bare: Sequence[nn.Linear]) -> list[nn.Linear]:
    """LoRA of layers of the same input as two layers, its scale included; empty without any.

    The second has the blocks of the layers on its diagonal.
    """
    with_lora = [layer for layer in layers if isinstance(layer, LoraLayer)]
    if not with_lora:
        return []
    outputs, like = sum(linear.out_features for linear in bare), bare[0].weight
    down = torch.cat([layer.matrices[0].weight.detach() for layer in with_lora]).to(like.device)
    up, row, column = down.new_zeros(outputs, len(down)), 0, 0
    for layer, linear in zip(layers, bare, strict=True):
        if isinstance(layer, LoraLayer):
            block = layer.matrices[1].weight.detach().to(up) * layer.scaling
            end = column + block.shape[1]
            up[row : row + linear.out_features, column:end] = block
            column = end
        row += linear.out_features
    return [linear_of(down), linear_of(up)]


def linear_of(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    """A frozen layer with these weights (outputs, inputs)."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, device="meta")
    layer.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias, requires_grad=False)
    return layer


def joined(*layers: nn.Linear) -> nn.Linear:
    """One layer with the outputs of all `layers`, one after the other.

    Their own weights are deleted, because a large LLM does not fit into memory twice.
    """
    weight = torch.cat([layer.weight.detach() for layer in layers])
    bias = None if layers[0].bias is None else torch.cat([layer.bias.detach() for layer in layers])
    for layer in layers:
        del layer.weight
    return linear_of(weight, bias)
