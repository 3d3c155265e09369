"""What makes decoded pictures crisp: the features of a trained network, and a discriminator.

Pictures are (B, 3, H, W) in [-1, 1].
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

SCALES = 3  # the features at a half, a quarter and an eighth of the resolution
FEATURE_WEIGHT = 0.1
ADVERSE_SHARE = 0.25  # length of the discriminator's gradient, in those of the pixels' errors


class FeatureDistance(nn.Module):
    """Relative L1 distance of the features of a trained trunk, which stays as it is."""

    def __init__(self, trunk: Any) -> None:
        """`trunk` is an EfficientNetLite: it has a `stem` and `blocks`."""
        super().__init__()
        halving = [i for i, block in enumerate(trunk.blocks) if block.depthwise.stride[0] == 2]
        self.ends = [index - 1 for index in halving if index > 0][:SCALES]
        self.stem, self.blocks = trunk.stem, trunk.blocks[: self.ends[-1] + 1]
        self.requires_grad_(False)

    def features(self, pictures: Tensor) -> list[Tensor]:
        """What the blocks know before each of them halves the resolution."""
        hidden = F.relu6(self.stem(pictures))
        found = []
        for index, block in enumerate(self.blocks):
            hidden = block(hidden)
            if index in self.ends:
                found.append(hidden)
        return found

    def forward(self, drawn: Tensor, true: Tensor) -> Tensor:
        """Per row, (B,)."""
        with torch.no_grad():
            targets = self.features(true)
        terms = []
        for features, target in zip(self.features(drawn), targets):
            scale = target.float().abs().mean((0, 2, 3), keepdim=True) + 1e-3
            terms.append(((features - target).float().abs() / scale).flatten(1).mean(1))
        return torch.stack(terms).mean(0)


class PatchDiscriminator(nn.Module):
    """Distinguishes true patches from decoded ones (Isola et al. 2017, pix2pix)."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            spectral_norm(nn.Conv2d(3, width, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(2 * width, 4 * width, 3, padding=1)),
            nn.LeakyReLU(0.2),
            nn.Conv2d(4 * width, 1, 3, padding=1),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 1, H / 4, W / 4): large where a patch looks true."""
        scores: Tensor = self.layers(pictures)
        return scores


class Critic(nn.Module):
    """Both of them. One optimizer serves the decoder and its discriminator."""

    def __init__(self, trunk: Any) -> None:
        super().__init__()
        self.distance = FeatureDistance(trunk)
        self.discriminator = PatchDiscriminator()

    def losses(self, drawn: Tensor, true: Tensor, *, adverse: bool) -> dict[str, Tensor]:
        """Per row, (B,): features always; with `adverse` what both opponents learn from, too.

        The gradient of "adverse" has a fixed share of the length of the pixels' errors', as in
        VQGAN (Esser et al. 2021, eq. 7), where it is compared at the last layer. Its value has no
        meaning.
        """
        features = FEATURE_WEIGHT * self.distance(drawn, true)
        if not adverse:
            return {"features": features}
        generated = drawn.detach().requires_grad_()
        scores = self.discriminator(torch.cat([true, generated])).flatten(1)
        score_of_true, score_of_drawn = scores.chunk(2)
        [towards] = torch.autograd.grad(-score_of_drawn.mean(), generated, retain_graph=True)
        length = drawn.numel() ** -0.5  # of the gradient of the pixels' mean absolute error
        push = ADVERSE_SHARE * length / (towards.norm() + 1e-12) * towards
        hinge = F.relu(1 - score_of_true).mean(1) + F.relu(1 + score_of_drawn).mean(1)
        return {
            "features": features,
            "adverse": len(drawn) * (drawn * push).flatten(1).sum(1),
            "discriminator": 0.5 * hinge,
        }
