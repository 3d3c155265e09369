"""The six towers, one row each, with the module names of the published state dict.

These are four lists: `modality_preprocessors` (input -> tokens), `modality_trunks` (transformers),
`modality_heads` (width -> joint space) and `modality_postprocessors` (the length of the results).
All facts are those of the published model imagebind_huge.
"""

# B views, T tokens, D width of a tower, E width of the joint space

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal, Self

import torch
from pydantic import PositiveInt, model_validator
from torch import Tensor, nn

from anygen.core.schema import Strict

TowerName = Literal["vision", "text", "audio", "depth", "thermal", "imu"]

EPSILON = 1e-6  # of all layer norms except the stems', which use PyTorch's 1e-5
LARGEST_SCALE = 100.0


class Sizes(Strict):
    """What differs between a large and a tiny tower."""

    width: PositiveInt
    blocks: PositiveInt
    heads: PositiveInt
    # height and width of pictures, bands and frames of a spectrogram, words of a text, instants
    input: tuple[PositiveInt, ...]

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of {self.heads} heads")
        return self


HUGE: dict[TowerName, Sizes] = {
    "vision": Sizes(width=1280, blocks=32, heads=16, input=(224, 224)),
    "text": Sizes(width=1024, blocks=24, heads=16, input=(77,)),
    "audio": Sizes(width=768, blocks=12, heads=12, input=(128, 204)),
    "depth": Sizes(width=384, blocks=12, heads=8, input=(224, 224)),
    "thermal": Sizes(width=768, blocks=12, heads=12, input=(224, 224)),
    "imu": Sizes(width=512, blocks=6, heads=8, input=(2000,)),
}


@dataclass(frozen=True)
class Design:
    """What all sizes of a tower share. Text has no patches, so its kernel is empty."""

    channels: int = 1
    kernel: tuple[int, ...] = ()  # of a patch; the first of three counts frames
    stride: tuple[int, ...] = ()
    stem: str = "rgbt_stem"
    positions: str = "pos_embedding_helper.pos_embed"
    scale: float | None = None  # of the results; None: unit length
    bare: bool = False  # a layer norm before the trunk instead of one in the stem
    extra_key: bool = True  # every attention has one more, learned key and value
    dropout: bool = False  # in the published head; here it only shifts a name


DESIGNS: dict[TowerName, Design] = {
    "vision": Design(3, (2, 14, 14), (2, 14, 14), bare=True, extra_key=False),
    "text": Design(scale=1 / 0.07, extra_key=False),
    "audio": Design(1, (16, 16), (10, 10), scale=20.0),
    "depth": Design(1, (16, 16), (16, 16), "depth_stem", scale=5.0),
    "thermal": Design(1, (16, 16), (16, 16), scale=10.0),
    "imu": Design(6, (8,), (8,), "imu_stem", "pos_embed", scale=5.0, dropout=True),
}


def view_shapes(tower: TowerName, sizes: Sizes) -> list[tuple[int, ...]]:
    """The shapes a view may have: for vision that of an image, or of two frames of a video."""
    design = DESIGNS[tower]
    if not design.kernel:
        return [sizes.input]
    shapes = [(design.channels, *sizes.input)]
    if len(design.kernel) == 3:
        shapes.append((design.channels, design.kernel[0], *sizes.input))
    return shapes


def in_views(tower: TowerName, sizes: Sizes, inputs: Tensor) -> Tensor:
    """Items (B, ...) or views of items (B, S, ...) -> (B, S, ...).

    Raises ValueError for other shapes.
    """
    shapes = view_shapes(tower, sizes)
    for shape in shapes:
        if tuple(inputs.shape[1:]) == shape:
            return inputs[:, None]
        if tuple(inputs.shape[2:]) == shape:
            return inputs
    raise ValueError(
        f"the tower {tower} reads views of the shape {' or '.join(map(str, shapes))}, one or "
        f"several per item, not a tensor of the shape {tuple(inputs.shape)}"
    )


def patch_count(tower: TowerName, sizes: Sizes) -> int:
    """The number of tokens of a view without the first, which represents the whole."""
    design = DESIGNS[tower]
    dimensions = len(sizes.input)
    kernel, stride = design.kernel[-dimensions:], design.stride[-dimensions:]
    return math.prod((n - k) // s + 1 for n, k, s in zip(sizes.input, kernel, stride, strict=True))


def preprocessor(tower: TowerName, sizes: Sizes, vocabulary: int) -> nn.Module:
    if tower == "text":
        return Words(sizes.input[0], sizes.width, vocabulary)
    return Patches(DESIGNS[tower], sizes.width, patch_count(tower, sizes))


def head(tower: TowerName, sizes: Sizes, joint: int) -> nn.Sequential:
    """Tokens (..., D) -> (..., E), each by itself."""
    norm = nn.LayerNorm(sizes.width, EPSILON)
    out = nn.Linear(sizes.width, joint, bias=False)
    if tower == "text":
        return nn.Sequential(OrderedDict(proj=nn.Sequential(norm, out)))
    # The published list has the selection of a token, and dropout, between the two.
    between = [nn.Identity()] * (2 if DESIGNS[tower].dropout else 1)
    return nn.Sequential(norm, *between, out)


def postprocessor(tower: TowerName) -> nn.Sequential:
    """Unit vectors -> vectors of the published length; the published list first normalises."""
    scale = DESIGNS[tower].scale
    if scale is None:
        return nn.Sequential()
    return nn.Sequential(nn.Identity(), Scale(scale, learned=tower == "text"))


class Patches(nn.Module):
    """A view (B, channels, ...) -> tokens (B, 1 + T, D), the first for the whole view."""

    mask = None

    def __init__(self, design: Design, width: int, count: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.design = design
        self.add_module(design.stem, Stem(design, width))
        holder, _, name = design.positions.rpartition(".")
        if holder:
            self.add_module(holder, nn.Module())
        positions = nn.Parameter(0.02 * torch.randn(1, 1 + count, width))
        self.get_submodule(holder).register_parameter(name, positions)

    def forward(self, view: Tensor) -> Tensor:
        patches = self.get_submodule(self.design.stem)(view)
        tokens = torch.cat([self.cls_token.expand(len(view), -1, -1), patches], 1)
        return tokens + self.get_parameter(self.design.positions)

    def whole(self, view: Tensor, tokens: Tensor) -> Tensor:
        """The token that represents the whole view, among the outputs of the trunk: (B, 1, D)."""
        return tokens[:, :1]


class Stem(nn.Module):
    """A view (B, channels, ...) -> (B, T, D)."""

    def __init__(self, design: Design, width: int) -> None:
        super().__init__()
        if len(design.kernel) == 1:
            self.proj: nn.Module = Instants(design, width)
        elif len(design.kernel) == 2:
            self.proj = nn.Conv2d(1, width, design.kernel, design.stride, bias=False)
        else:
            frames = nn.Conv3d(design.channels, width, design.kernel, design.stride, bias=False)
            self.proj = nn.Sequential(Still(), frames)
        self.norm_layer = nn.Identity() if design.bare else nn.LayerNorm(width)

    def forward(self, view: Tensor) -> Tensor:
        return self.norm_layer(self.proj(view).flatten(2).transpose(1, 2))


class Still(nn.Module):
    """An image (B, 3, H, W) becomes a video of two equal frames (B, 3, 2, H, W)."""

    def forward(self, view: Tensor) -> Tensor:
        return view[:, :, None].expand(-1, -1, 2, -1, -1) if view.ndim == 4 else view


class Instants(nn.Linear):
    """Signals (B, channels, N) -> (B, D, N / 8): a patch has eight instants of all channels."""

    def __init__(self, design: Design, width: int) -> None:
        super().__init__(design.channels * design.kernel[0], width, bias=False)
        self.size = design.kernel[0]

    def forward(self, signals: Tensor) -> Tensor:
        patches = signals.unfold(-1, self.size, self.size).transpose(1, 2).flatten(2)
        return super().forward(patches).transpose(1, 2)


class Words(nn.Module):
    """Ids (B, T) -> tokens (B, T, D)."""

    mask: Tensor

    def __init__(self, length: int, width: int, vocabulary: int) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, length, width))
        self.register_buffer("mask", torch.full((length, length), -math.inf).triu(1))

    def forward(self, ids: Tensor) -> Tensor:
        return self.token_embedding(ids) + self.pos_embed

    def whole(self, ids: Tensor, tokens: Tensor) -> Tensor:
        """The token at a text's end, whose id is the largest: (B, 1, D)."""
        return tokens[torch.arange(len(ids), device=ids.device), ids.argmax(-1)][:, None]


class Trunk(nn.Module):
    """A pre-norm transformer, (B, T, D) -> (B, T, D); its last norm is the head's."""

    def __init__(self, tower: TowerName, sizes: Sizes) -> None:
        super().__init__()
        design = DESIGNS[tower]
        norms = [nn.LayerNorm(sizes.width, EPSILON)] if design.bare else []
        self.pre_transformer_layer = nn.Sequential(*norms)
        self.blocks = nn.ModuleList(
            Block(sizes.width, sizes.heads, design.extra_key) for _ in range(sizes.blocks)
        )

    def forward(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        """`mask` (T, T) is added to the attention's logits."""
        tokens = self.pre_transformer_layer(tokens)
        for block in self.blocks:
            tokens = block(tokens, mask)
        return tokens


class Block(nn.Module):
    def __init__(self, width: int, heads: int, extra_key: bool) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(width, EPSILON)
        self.attn = nn.MultiheadAttention(width, heads, add_bias_kv=extra_key, batch_first=True)
        self.norm_2 = nn.LayerNorm(width, EPSILON)
        layers = {"fc1": nn.Linear(width, 4 * width), "gelu": nn.GELU()}
        self.mlp = nn.Sequential(OrderedDict(layers, fc2=nn.Linear(4 * width, width)))

    def forward(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        normed = self.norm_1(tokens)
        attended, _ = self.attn(normed, normed, normed, attn_mask=mask, need_weights=False)
        tokens = tokens + attended
        return tokens + self.mlp(self.norm_2(tokens))


class Scale(nn.Module):
    def __init__(self, scale: float, learned: bool) -> None:
        super().__init__()
        logarithm = torch.tensor(math.log(scale))
        if learned:
            self.log_logit_scale = nn.Parameter(logarithm)
        else:
            self.register_buffer("log_logit_scale", logarithm)

    def forward(self, vectors: Tensor) -> Tensor:
        return vectors * self.log_logit_scale.exp().clamp(max=LARGEST_SCALE)
