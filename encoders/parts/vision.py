"""Pictures -> tokens with a frozen trunk, and tokens that stand for a class without a picture."""

# B pictures, K tokens of a picture (the grid's cells row by row, then the whole), W width

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from encoders.parts.efficientnet import LITE2, EfficientNetLite, Stage, read_published

TRUNKS: dict[str, dict[str, Any]] = {
    "efficientnet_lite2": {"stages": LITE2},
    "tiny": {"stages": (Stage(1, 3, 2, 1, 8), Stage(1, 3, 2, 2, 16)), "stem": 8, "width": 32},
}
CHUNK = 32  # pictures at once: more are no faster and need memory

# How far features lie from the average towards their class's row of the classifier, and how long
# the features of a whole picture are: both as measured on photographs (lengths 9.7 to 13.2).
TOWARDS_CLASS = 5.0
LENGTH = 11.0
# The classifier's logits are multiplied by this: so its opinion of test photographs lay on the
# prototype of one class (cosine 0.99 instead of 0.97).
SURENESS = 2.0
SURROUNDINGS = 0.4  # share of an imagined photograph's cells that show something else


class Vision(nn.Module):
    """The trunk under `trunk`, frozen; it has no other parameters."""

    def __init__(self, trunk: str, grid: int, weights: Path | None) -> None:
        super().__init__()
        self.grid = grid
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # weights that no model saves are the same in every process
            self.trunk = EfficientNetLite(**TRUNKS[trunk])
        if weights is not None:
            self.trunk.load_state_dict(read_published(weights))
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

        A row of the classifier is a direction; its features lie that way from the average
        feature, are not negative (ReLU6) and are as long as the features of photographs.
        """
        features = (self.trunk.average + 2 * TOWARDS_CLASS * self.class_directions()).relu()
        return LENGTH * functional.normalize(features)

    def class_token(self, tokens: Tensor) -> Tensor:
        """What the classifier takes pictures for, as one more token: (B, K, W) -> (B, 1, W).

        A mean of the prototypes, weighted by its probabilities. It is the same for a photograph
        and for an imagined one of the class, while the other tokens are only alike.
        """
        logits = self.trunk.classifier(tokens[:, -1:].to(self.trunk.average.dtype))
        return (SURENESS * logits).softmax(-1) @ self.prototypes()

    def prototype_tokens(self, classes: Tensor, generator: torch.Generator) -> Tensor:
        """Tokens (B, K, W) of imagined photographs of the classes (B,), indices into 1,000.

        Some cells show something else, as around the thing in a photograph; the whole does not.
        """
        strangers = torch.randint(
            len(self.trunk.classifier.weight), classes.shape, generator=generator
        )
        cells, whole = self.imagined(classes, generator)
        others, _ = self.imagined(strangers, generator)
        strange = torch.rand(cells.shape[:2], generator=generator)[..., None] < SURROUNDINGS
        return torch.cat([others.where(strange.to(cells.device), cells), whole], 1)

    def imagined(self, classes: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Cells (B, grid^2, W) and wholes (B, 1, W).

        Exponential factors, one per channel for the picture and one for each cell, make features
        as sparse and heavy-tailed as real ones without moving their mean. So lengths of the whole
        and of the cells, the angle between them and the classifier's confidence come out as
        measured on photographs.
        """
        rows = self.class_directions()[classes]
        expected = (self.trunk.average + TOWARDS_CLASS * rows).relu()[:, None]
        whole = expected * self.factors(len(classes), 1, generator)
        cells = (whole * self.factors(len(classes), self.grid**2, generator)).clamp(max=6)
        return cells, cells.mean(1, keepdim=True)

    def factors(self, batch: int, count: int, generator: torch.Generator) -> Tensor:
        """(batch, count, W), exponentially distributed around one; made on the CPU."""
        draws = torch.empty(batch, count, self.width).exponential_(generator=generator)
        return draws.to(self.trunk.average)

    def class_directions(self) -> Tensor:
        """(1000, W) of length one."""
        rows = self.trunk.classifier.weight
        return functional.normalize(rows - rows.mean(0))


def fit(pictures: Tensor, size: int) -> Tensor:
    """(B, 3, H, W) uint8 -> (B, 3, size, size) float in [0, 255].

    Everything stays in view: other aspect ratios are squeezed, and test photographs were
    recognised as surely as with bars or cropping. Small pictures are enlarged bicubically; in
    large ones the (antialiased) kernel averages over the area that becomes a pixel.
    """
    return functional.interpolate(
        pictures.float(), (size, size), mode="bicubic", antialias=True
    ).clamp(0, 255)


@cache
def class_names() -> list[str]:
    """The 1,000 classes of ImageNet in the order of the classifier's rows."""
    text = files("encoders.parts").joinpath("imagenet_classes.txt").read_text("utf-8")
    return text.splitlines()
