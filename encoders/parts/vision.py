"""Images -> tokens with a frozen trunk, and imagined tokens of a class without an image."""

# B images, K tokens of an image (the grid's cells row by row, then the whole), W width

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

    def class_token(self, tokens: Tensor) -> Tensor:
        """The classifier's result as one more token: (B, K, W) -> (B, 1, W).

        It is the mean of the prototypes weighted by the probabilities of their classes, and equal
        for a photograph and an imagined one of the class, while other tokens are only similar.
        """
        logits = self.trunk.classifier(tokens[:, -1:].to(self.trunk.average.dtype))
        return (CONFIDENCE * logits).softmax(-1) @ self.prototypes()

    def prototype_tokens(self, classes: Tensor, generator: torch.Generator) -> Tensor:
        """Tokens (B, K, W) of imagined photographs of the classes (B,), indices below 1,000.

        Some cells show another class, like the surroundings in a photograph; the whole does not.
        """
        other_classes = torch.randint(
            len(self.trunk.classifier.weight), classes.shape, generator=generator
        )
        cells, whole = self.imagined(classes, generator)
        others, _ = self.imagined(other_classes, generator)
        around = torch.rand(cells.shape[:2], generator=generator)[..., None] < SURROUNDINGS
        return torch.cat([others.where(around.to(cells.device), cells), whole], 1)

    def imagined(self, classes: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Cells (B, grid^2, W) and wholes (B, 1, W).

        Exponential factors, one per channel for the image and one for each cell, make features as
        sparse and heavy-tailed as real ones and keep their mean. Lengths of the whole and of cells,
        the angle between them and the classifier's confidence then match those of photographs.
        """
        rows = self.class_directions()[classes]
        expected = (self.trunk.average + TOWARDS_CLASS * rows).relu()[:, None]
        whole = expected * self.factors(len(classes), 1, generator)
        cells = (whole * self.factors(len(classes), self.grid**2, generator)).clamp(max=6)
        return cells, cells.mean(1, keepdim=True)

    def factors(self, batch: int, count: int, generator: torch.Generator) -> Tensor:
        """(batch, count, W), exponentially distributed with mean one; drawn on the CPU."""
        draws = torch.empty(batch, count, self.width).exponential_(generator=generator)
        return draws.to(self.trunk.average)

    def class_directions(self) -> Tensor:
        """(1000, W), unit length."""
        rows = self.trunk.classifier.weight
        return functional.normalize(rows - rows.mean(0))


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
