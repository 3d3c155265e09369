"""A published encoder: nothing of it is ours, and a medium always has the same features."""

import torch
from pydantic import BaseModel, ConfigDict
from torch import nn

from anygen.core.content_hash import content_hash


class Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    width: int = 12
    features: int = 1
    learned: bool = False  # whether something of it is ours all the same


class Published(nn.Module):
    modalities = ("image", "audio", "video")
    embeds = ()
    frames = {}
    frozen = ("weight",)

    def __init__(self, config):
        super().__init__()
        self.config, self.width = config, config.width
        self.widths = dict.fromkeys(self.modalities, config.width)
        self.weight = nn.Parameter(torch.zeros(1), requires_grad=False)
        if config.learned:
            self.ours = nn.Parameter(torch.zeros(1))

    def length(self, modality):
        return self.config.features

    def encode(self, media):
        return [self.features(medium) for medium in media]

    def features(self, medium):
        generator = torch.Generator().manual_seed(int(content_hash(medium)[:8], 16))
        return torch.randn(self.config.features, self.width, generator=generator)


def build(config, folder, **_):
    return Published(config)
