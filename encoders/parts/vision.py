"""Images -> tokens with a frozen trunk, and imagined tokens of a class without an image."""

# B images, T frames, K tokens of an image (the grid's cells row by row, then the whole), W width

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from encoders.parts.efficientnet import LITE2, BlockGroup, EfficientNetLite, read_pretrained

TRUNKS: dict[str, dict[str, Any]] = {
    "efficientnet_lite2": {"groups": LITE2},
    "tiny": {
        "groups": (BlockGroup(1, 3, 2, 1, 8), BlockGroup(1, 3, 2, 2, 16)),
        "stem": 8,
        "width": 32,
    },
}
CHUNK = 32  # images at once: more are no faster and need more memory

# The distance of features from the average towards their class's row of the classifier, and the
# length of the features of a whole image, both as measured on photographs (lengths 9.7 to 13.2).
TOWARDS_CLASS = 5.0
LENGTH = 11.0
# Multiplies the classifier's logits, so that the class token of test photographs was the prototype
# of one class (cosine 0.99 instead of 0.97).
CONFIDENCE = 2.0
# A class is certain if its logit is so many standard deviations above the mean of the 1,000. Of 54
# photographs 94 % are, of unfamiliar pictures (textures, shapes) 2 %; the area under the curve is
# 0.98, while that of the largest probability is 0.93.
CERTAIN = 7.0
SURROUNDINGS = 0.4  # share of an imagined photograph's cells that show something else


class Vision(nn.Module):
    """The frozen trunk, in the attribute `trunk`; there are no other parameters."""

    def __init__(self, trunk: str, grid: int, weights: Path | None) -> None:
        super().__init__()
        self.grid = grid
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # no checkpoint has these weights: every process makes the same
            self.trunk = EfficientNetLite(**TRUNKS[trunk])
        if weights is not None:
            self.trunk.load_state_dict(read_pretrained(weights))
        self.trunk.requires_grad_(False)
        self.trunk.to(memory_format=torch.channels_last)  # a third faster on a CPU
        self.width = self.trunk.classifier.in_features

    @torch.no_grad()
    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) float in [0, 255] -> (B, K, W)."""
        return torch.cat([self.tokens(chunk) for chunk in pixels.split(CHUNK)])

    def tokens(self, pixels: Tensor) -> Tensor:
        pixels = pixels.to(self.trunk.average.dtype)
        out = self.trunk(pixels.contiguous(memory_format=torch.channels_last))
        cells = functional.adaptive_avg_pool2d(out.grid, self.grid).flatten(2).transpose(1, 2)
        return torch.cat([cells, out.pooled[:, None]], 1).float()

    def classify(self, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) float in [0, 255] -> logits (B, 1000)."""
        logits: Tensor = self.trunk(pixels.to(self.trunk.average.dtype)).logits
        return logits

    def prototypes(self) -> Tensor:
        """Features (1000, W) that stand for the classes of ImageNet.

        A class's features lie from the average feature in the direction of its row of the
        classifier, are not negative (ReLU6) and are as long as the features of photographs.
        """
        features = (self.trunk.average + 2 * TOWARDS_CLASS * self.class_directions()).relu()
        return LENGTH * functional.normalize(features)

    def class_logits(self, tokens: Tensor) -> Tensor:
        """Tokens (..., K, W) -> (..., 1000)."""
        logits: Tensor = self.trunk.classifier(tokens[..., -1, :].to(self.trunk.average.dtype))
        return logits

    def class_token(self, logits: Tensor) -> Tensor:
        """The classifier's result as one more token: (B, 1000) -> (B, 1, W).

        It is the mean of the prototypes weighted by the probabilities of their classes, and equal
        for a photograph and an imagined one of the class, while other tokens are only similar.
        """
        return ((CONFIDENCE * logits).softmax(-1) @ self.prototypes())[:, None]

    def prototype_tokens(
        self, shares: Tensor, generator: torch.Generator, frames: int = 1
    ) -> Tensor:
        """Tokens (B, T, K, W) of imagined photographs, or of T frames of imagined videos.

        `shares` (B, 1000) are of the classes that one shows: one of 1 is a clear photograph, and
        the smaller they are in sum, the less of a class there is in it. Some cells show another
        class, like the surroundings in a photograph; the whole does not.
        """
        count = len(self.trunk.classifier.weight)
        others = torch.randint(count, (len(shares),), generator=generator)
        cells, whole = self.imagined(shares, generator, frames)
        one_hot = functional.one_hot(others, count).to(cells)
        surroundings, _ = self.imagined(one_hot, generator, frames)
        around = torch.rand(cells.shape[:-1], generator=generator)[..., None] < SURROUNDINGS
        return torch.cat([surroundings.where(around.to(cells.device), cells), whole], -2)

    def imagined(
        self, shares: Tensor, generator: torch.Generator, frames: int
    ) -> tuple[Tensor, Tensor]:
        """Cells (B, T, grid^2, W) and wholes (B, T, 1, W).

        Exponential factors, one per channel for the image and one for each cell, make features as
        sparse and heavy-tailed as real ones and keep their mean. Lengths of the whole and of cells,
        the angle between them and the classifier's confidence then match those of photographs.
        Frames of a video share what they show, and differ in their cells.
        """
        rows = shares.to(self.trunk.average) @ self.class_directions()
        expected = (self.trunk.average + TOWARDS_CLASS * rows).relu()[:, None]
        shown = (expected * self.factors(len(shares), 1, generator))[:, None]
        factors = self.factors(len(shares), frames * self.grid**2, generator)
        cells = (shown * factors.unflatten(1, (frames, -1))).clamp(max=6)
        return cells, cells.mean(-2, keepdim=True)

    def factors(self, batch: int, count: int, generator: torch.Generator) -> Tensor:
        """(batch, count, W), exponentially distributed with mean one; drawn on the CPU."""
        draws = torch.empty(batch, count, self.width).exponential_(generator=generator)
        return draws.to(self.trunk.average)

    def class_directions(self) -> Tensor:
        """(1000, W), unit length."""
        rows = self.trunk.classifier.weight
        return functional.normalize(rows - rows.mean(0))


def is_certain(logits_BC: Tensor) -> Tensor:
    """(B,) bool, see CERTAIN."""
    spread, mean = torch.std_mean(logits_BC.float(), 1)
    return logits_BC.amax(1) >= mean + CERTAIN * spread


def resize(images: Tensor, size: int) -> Tensor:
    """(B, 3, H, W) uint8 -> (B, 3, size, size) float in [0, 255].

    Everything stays in view: other aspect ratios are squeezed, and test photographs were recognised
    as well as with bars or cropping. Small images are enlarged bicubically; for large ones the
    antialiased kernel averages over the area that becomes a pixel.
    """
    return functional.interpolate(
        images.float(), (size, size), mode="bicubic", antialias=True
    ).clamp(0, 255)


@cache
def class_names() -> list[str]:
    """The 1,000 classes of ImageNet in the order of the classifier's rows."""
    text = files("encoders.parts").joinpath("imagenet_classes.txt").read_text("utf-8")
    return text.splitlines()
