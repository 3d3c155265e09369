"""The text encoder of a published pipeline, which is loaded only while it is needed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import (
    ClapTextModelWithProjection,
    CLIPTextModel,
    CLIPTokenizer,
    RobertaTokenizer,
)

from anygen.io.pretrained import reading, shapes_only
from decoders.parts.pretrained import read_part


@dataclass(frozen=True)
class TextTower:
    """How a pipeline encodes captions. T tokens, W width."""

    model: Any
    tokenizer: Any
    shape: Callable[[Any], tuple[int, int]]  # config -> (T, W) of a condition, T at most
    condition: Callable[[Any, Any], Tensor]  # (model, output of the tokenizer) -> (B, T, W)


# Stable Diffusion (Rombach et al. 2022) and Zeroscope use all tokens, padding included.
CLIP = TextTower(
    CLIPTextModel,
    CLIPTokenizer,
    lambda config: (config.max_position_embeddings, config.hidden_size),
    lambda model, encoded: model(encoded.input_ids).last_hidden_state,
)
# AudioLDM (Liu et al. 2023) uses one unit vector.
CLAP = TextTower(
    ClapTextModelWithProjection,
    RobertaTokenizer,
    lambda config: (1, config.projection_dim),
    lambda model, encoded: F.normalize(model(**encoded).text_embeds, dim=-1)[:, None],
)


class PretrainedCaptions(nn.Module):
    """Captions -> conditions (B, T, W), with a frozen text encoder.

    Guidance needs only the empty caption, which is encoded when this is built; then the text
    encoder is dropped. The first other caption, a target of training or a negative prompt, loads it
    again, and it stays. It is not a sub-module; `deferred_bytes` is its size.
    """

    empty: Tensor  # (1, T, W)

    def __init__(self, source: str, tower: TextTower, tokens: int | None = None) -> None:
        """`tokens` is T: captions are cut there.

        Raises ValueError if the text encoder reads fewer.
        """
        super().__init__()
        self.source, self.tower, self.tokens = source, tower, tokens
        config = self.shapes.config
        most, width = tower.shape(config)
        if tokens and tokens > most:
            raise ValueError(f"tokens: the text encoder of {source!r} reads {most} at most")
        self.shape, self.vocabulary = (tokens or most, width), config.vocab_size
        empty = torch.empty(1, *self.shape) if shapes_only() else self.encode([""])
        self.register_buffer("empty", empty, persistent=False)
        self.__dict__.pop("model", None)

    @property
    def shapes(self) -> Any:
        """The text encoder on the meta device."""
        with torch.device("meta"):
            return read_part(self.tower.model, self.source, "text_encoder")

    @property
    def deferred_bytes(self) -> int:
        """The size of the text encoder in the precision of the conditions."""
        parameters = sum(parameter.numel() for parameter in self.shapes.parameters())
        return parameters * self.empty.element_size()

    def forward(self, captions: Sequence[str]) -> Tensor:
        if not any(captions):
            return self.empty.expand(len(captions), -1, -1)
        self.model.to(self.empty)  # the decoder may have moved since
        return self.encode(captions)

    @torch.no_grad()
    def encode(self, captions: Sequence[str]) -> Tensor:
        encoded = self.tokenizer(
            list(captions),
            padding="max_length",
            max_length=self.tokens or self.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        ).to(self.model.device)
        return self.tower.condition(self.model, encoded)

    @cached_property  # in the instance's __dict__, so that it is not a sub-module
    def model(self) -> Any:
        return read_part(self.tower.model, self.source, "text_encoder")

    @cached_property
    def tokenizer(self) -> Any:
        with reading("tokenizer", self.source, "tokenizer"):
            tokenizer = self.tower.tokenizer.from_pretrained(self.source, subfolder="tokenizer")
            if len(tokenizer) != self.vocabulary:  # without a file, transformers makes a small one
                raise ValueError(
                    f"it has {len(tokenizer)} tokens, and the text encoder {self.vocabulary}"
                )
            return tokenizer
