"""EfficientNet-Lite (Tan & Le 2019, the published Lite variant): images -> grid, pooled, logits.

For inference only: the network has no batch norms, because reading the weights folds each into the
convolution before it.
"""

# B images, C channels, h w the grid, W width of the features

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-3  # of the batch norms of the published weights
MEAN, SCALE = 127.0, 128.0  # of pixels in [0, 255], as in the training of the Lite models


class BlockGroup(NamedTuple):
    repeats: int
    kernel: int
    stride: int  # of the first block; the others keep the size
    expansion: int
    channels: int


# The stages of B0 with width 1.1 and depth 1.2; Lite scales neither stem nor head, nor the depth
# of the first and the last stage.
LITE2 = (
    BlockGroup(1, 3, 1, 1, 16),
    BlockGroup(3, 3, 2, 6, 24),
    BlockGroup(3, 5, 2, 6, 48),
    BlockGroup(4, 3, 2, 6, 88),
    BlockGroup(4, 5, 1, 6, 120),
    BlockGroup(5, 5, 2, 6, 208),
    BlockGroup(1, 3, 1, 6, 352),
)


class TrunkOutput(NamedTuple):
    grid: Tensor  # (B, W, h, w), before pooling
    pooled: Tensor  # (B, W), the mean of the grid
    logits: Tensor  # (B, classes)


class EfficientNetLite(nn.Module):
    """The trunk and its classifier. `read_pretrained` reads its state dict."""

    def __init__(
        self,
        groups: tuple[BlockGroup, ...] = LITE2,
        stem: int = 32,
        width: int = 1280,
        classes: int = 1000,
    ) -> None:
        super().__init__()
        self.stem = SameConv(3, stem, kernel=3, stride=2)
        self.blocks = nn.Sequential(*blocks_of(groups, stem))
        self.head = SameConv(groups[-1].channels, width)
        self.classifier = nn.Linear(width, classes)
        # the mean pooled feature of the training images; see `average_feature`
        self.average: Tensor
        self.register_buffer("average", torch.zeros(width))

    def forward(self, pixels: Tensor) -> TrunkOutput:
        """pixels (B, 3, H, W), float in [0, 255]."""
        x = functional.relu6(self.stem((pixels - MEAN) / SCALE))
        grid = functional.relu6(self.head(self.blocks(x)))
        pooled = grid.mean((2, 3))
        return TrunkOutput(grid, pooled, self.classifier(pooled))


class Block(nn.Module):
    """Expand 1x1, depthwise kxk, project 1x1, with a shortcut if the shapes agree."""

    def __init__(self, before: int, group: BlockGroup, stride: int) -> None:
        super().__init__()
        inside = before * group.expansion
        self.expand = SameConv(before, inside) if group.expansion > 1 else None
        self.depthwise = SameConv(inside, inside, group.kernel, stride, groups=inside)
        self.project = SameConv(inside, group.channels)
        self.shortcut = stride == 1 and before == group.channels

    def forward(self, x: Tensor) -> Tensor:
        inside = x if self.expand is None else functional.relu6(self.expand(x))
        out = self.project(functional.relu6(self.depthwise(inside)))
        return x + out if self.shortcut else out


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's "SAME" padding: the odd pixel is right and below."""

    def __init__(
        self, before: int, after: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(before, after, kernel, stride, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        vertical, horizontal = (
            max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in x.shape[2:]
        )
        left, top = horizontal // 2, vertical // 2
        if left == horizontal - left and top == vertical - top:
            return functional.conv2d(
                x, self.weight, self.bias, stride, (top, left), groups=self.groups
            )
        padded = functional.pad(x, (left, horizontal - left, top, vertical - top))
        return functional.conv2d(padded, self.weight, self.bias, stride, groups=self.groups)


def blocks_of(groups: tuple[BlockGroup, ...], before: int) -> Iterator[Block]:
    for group in groups:
        for repeat in range(group.repeats):
            yield Block(before, group, group.stride if repeat == 0 else 1)
            before = group.channels


def read_pretrained(path: Path) -> dict[str, Tensor]:
    """The published weights as our state dict. Raises ValueError if a key is left over."""
    tensors = load_file(path)
    state = {
        "average": average_feature(tensors["_bn1.bias"], tensors["_bn1.weight"]),
        "classifier.weight": tensors.pop("_fc.weight"),
        "classifier.bias": tensors.pop("_fc.bias"),
    }
    for ours, convolution, norm in layers_of(tensors):
        state[f"{ours}.weight"], state[f"{ours}.bias"] = folded(tensors, convolution, norm)
    if tensors:
        raise ValueError(f"{path} is not an EfficientNet-Lite: unknown keys {sorted(tensors)[:3]}")
    return state


def layers_of(tensors: dict[str, Tensor]) -> list[tuple[str, str, str]]:
    """(our name, published convolution, published norm) of every convolution."""
    layers = [("stem", "_conv_stem", "_bn0"), ("head", "_conv_head", "_bn1")]
    norms = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}
    for key in tensors:
        if key.startswith("_blocks.") and key.endswith("_conv.weight"):
            _, index, name, _ = key.split(".")
            part = name.removeprefix("_").removesuffix("_conv")
            theirs = f"_blocks.{index}"
            layers.append((f"blocks.{index}.{part}", f"{theirs}.{name}", f"{theirs}.{norms[part]}"))
    return layers


def folded(tensors: dict[str, Tensor], convolution: str, norm: str) -> tuple[Tensor, Tensor]:
    """Weight and bias of the convolution with its batch norm folded in; removes their keys."""
    take = {
        name: tensors.pop(f"{norm}.{name}")
        for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    }
    factor = take["weight"] / torch.sqrt(take["running_var"] + EPSILON)
    weight = tensors.pop(f"{convolution}.weight") * factor[:, None, None, None]
    return weight, take["bias"] - take["running_mean"] * factor


def average_feature(shift: Tensor, scale: Tensor) -> Tensor:
    """The mean (W,) of ReLU6 of normal values with mean `shift` and deviation `scale`.

    The outputs of a batch norm have this distribution over the training images, so the weights
    determine the average feature and no data set is needed. Computed from 1,000 quantiles.
    """
    quantiles = torch.special.ndtri((torch.arange(1000, dtype=torch.float64) + 0.5) / 1000)
    return (shift[:, None] + scale[:, None] * quantiles).clamp(0, 6).mean(1).float()
