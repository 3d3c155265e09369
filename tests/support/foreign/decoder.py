"""A published decoder: nothing of it is ours, and it makes the same of any condition."""

import torch
from pydantic import BaseModel, ConfigDict
from torch import nn

from anygen.core.media import Audio, Image, Video
from anygen.core.modality import MediaModality
from decoders.base import ConditionSpec

MADE = {
    "image": lambda: Image(torch.zeros(3, 8, 8, dtype=torch.uint8)),
    "audio": lambda: Audio(torch.zeros(1, 80), rate=16000),
    "video": lambda: Video(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), fps=8.0),
}


class Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    modality: MediaModality
    tokens: int
    width: int


class Published(nn.Module):
    frozen = ("",)

    def __init__(self, config):
        super().__init__()
        self.modality = config.modality
        self.condition_spec = ConditionSpec(config.tokens, config.width)
        self.weight = nn.Parameter(torch.zeros(1), requires_grad=False)

    def encode_prompt(self, captions):
        spec = self.condition_spec
        return torch.zeros(len(captions), spec.tokens, spec.width)

    def check(self, options):
        pass

    def batch_key(self, request):
        return None

    def sample(self, requests, on_step, cancelled):
        return [MADE[self.modality]() for _ in requests]


def build(config, folder, **_):
    return Published(config)
