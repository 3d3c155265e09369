"""A decoder's own text encoder: captions -> conditions. Alignment trains towards its output."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast

DEFAULT_TOKENS = 24  # of a caption


class CaptionEncoder(nn.Module):
    """CLIP's text transformer, with a tokenizer in a file of the library `tokenizers`."""

    def __init__(
        self, tokenizer: Path, tokens: int | None, config: dict[str, Any], *, pooled: bool = False
    ) -> None:
        """`pooled`: one unit vector per caption, as CLAP makes for AudioLDM."""
        super().__init__()
        if not tokenizer.is_file():
            raise ValueError(f"tokenizer: there is no file {tokenizer}; copy it beside the config")
        self.tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=str(tokenizer), pad_token="<pad>", eos_token="<eos>"
        )
        # A call would set it, and must not while another thread is in one.
        self.tokenizer.backend_tokenizer.encode_special_tokens = True
        self.tokens, self.pooled = tokens or DEFAULT_TOKENS, pooled
        self.model = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(self.tokenizer),
                max_position_embeddings=self.tokens,
                eos_token_id=self.tokenizer.eos_token_id,
                bos_token_id=self.tokenizer.eos_token_id,
                pad_token_id=self.tokenizer.pad_token_id,
                **config,
            )
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(T, W) of a condition."""
        return (1 if self.pooled else self.tokens, self.model.config.hidden_size)

    def forward(self, captions: Sequence[str]) -> Tensor:
        """The last hidden state of every token, (B, T, W), padding included as in SD."""
        rows = [self.ids(caption) for caption in captions]
        ids = torch.tensor(rows, device=self.model.device)
        hidden: Tensor = self.model(ids).last_hidden_state
        return F.normalize(hidden.mean(1, keepdim=True), dim=-1) if self.pooled else hidden

    def ids(self, caption: str) -> list[int]:
        """Exactly `tokens` ids: the caption as plain text, cut if necessary, its end, padding."""
        plain = self.tokenizer(caption, add_special_tokens=False, split_special_tokens=True)
        ids = [*plain.input_ids[: self.tokens - 1], self.tokenizer.eos_token_id]
        return ids + [self.tokenizer.pad_token_id] * (self.tokens - len(ids))
