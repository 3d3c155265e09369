"""The text encoder of a published pipeline: there only while captions are told."""

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

from anygen.numerics.batch_invariant import stabilize_rows
from decoders.parts.pretrained import only_outlined, read_part, reading


@dataclass(frozen=True)
class Tower:
    """How a pipeline reads captions. T tokens, W width."""

    model: Any
    tokenizer: Any
    shape: Callable[[Any], tuple[int, int]]  # config -> (T, W) of a condition, T at most
    condition: Callable[[Any, Any], Tensor]  # (model, what the tokenizer made) -> (B, T, W)


# Stable Diffusion (Rombach et al. 2022) and Zeroscope see all tokens, padding as well.
CLIP = Tower(
    CLIPTextModel,
    CLIPTokenizer,
    lambda config: (config.max_position_embeddings, config.hidden_size),
    lambda model, encoded: model(encoded.input_ids).last_hidden_state,
)
# AudioLDM (Liu et al. 2023) sees one unit vector.
CLAP = Tower(
    ClapTextModelWithProjection,
    RobertaTokenizer,
    lambda config: (1, config.projection_dim),
    lambda model, encoded: F.normalize(model(**encoded).text_embeds, dim=-1)[:, None],
)


class PublishedCaptions(nn.Module):
    """Captions -> conditions (B, T, W), which never learn.

    What guidance needs, the empty caption, is told when this is built; then the model is dropped.
    It is loaded again for the first other caption, a target of training or a negative prompt, and
    stays. As it is no sub-module, whoever counts bytes adds `deferred_bytes`.
    """

    empty: Tensor  # (1, T, W)

    def __init__(self, source: str, tower: Tower, tokens: int | None = None) -> None:
        """`tokens`: captions end there, and conditions have so many. Raises ValueError for more
        than the model reads."""
        super().__init__()
        self.source, self.tower, self.tokens = source, tower, tokens
        config = self.waiting.config
        most, width = tower.shape(config)
        if tokens and tokens > most:
            raise ValueError(f"tokens: the text encoder of {source!r} reads {most} at most")
        self.shape, self.vocabulary = (tokens or most, width), config.vocab_size
        empty = torch.empty(1, *self.shape) if only_outlined() else self.tell([""])
        self.register_buffer("empty", empty, persistent=False)
        self.__dict__.pop("model", None)

    @property
    def waiting(self) -> Any:
        """The text encoder's shapes, on the meta device."""
        with torch.device("meta"):
            return read_part(self.tower.model, self.source, "text_encoder")

    @property
    def deferred_bytes(self) -> int:
        """What the text encoder takes when it is there, in the precision of the conditions."""
        parameters = sum(parameter.numel() for parameter in self.waiting.parameters())
        return parameters * self.empty.element_size()

    def forward(self, captions: Sequence[str]) -> Tensor:
        if not any(captions):
            return self.empty.expand(len(captions), -1, -1)
        self.model.to(self.empty)  # where the decoder went since
        return self.tell(captions)

    @torch.no_grad()
    def tell(self, captions: Sequence[str]) -> Tensor:
        encoded = self.tokenizer(
            list(captions),
            padding="max_length",
            max_length=self.tokens or self.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        ).to(self.model.device)
        return self.tower.condition(self.model, encoded)

    @cached_property  # so that torch does not know it
    def model(self) -> Any:
        model = read_part(self.tower.model, self.source, "text_encoder")
        stabilize_rows(model)
        return model

    @cached_property
    def tokenizer(self) -> Any:
        def read() -> Any:
            tokenizer = self.tower.tokenizer.from_pretrained(self.source, subfolder="tokenizer")
            if len(tokenizer) != self.vocabulary:  # where no file is there, it has a few
                raise ValueError(
                    f"it has {len(tokenizer)} tokens, and the text encoder {self.vocabulary}"
                )
            return tokenizer

        return reading("tokenizer", self.source, "tokenizer", read)
