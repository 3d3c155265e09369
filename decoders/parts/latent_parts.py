"""The parts of a latent-diffusion decoder, published or new, and the smallest settings."""

from pathlib import Path
from typing import Any, NamedTuple

from diffusers import DDIMScheduler
from diffusers.models.attention_processor import AttnProcessor

from decoders.parts.autoencoder import PatchAutoencoder
from decoders.parts.caption_encoder import CaptionEncoder
from decoders.parts.pretrained import PartSettings, read_autoencoder, read_part, read_scheduler
from decoders.parts.pretrained_captions import PretrainedCaptions, TextTower


class Parts(NamedTuple):
    vae: PatchAutoencoder
    unet: Any
    text_encoder: CaptionEncoder | PretrainedCaptions
    scheduler: DDIMScheduler


def pretrained_parts(unet: Any, source: str, tower: TextTower, tokens: int | None = None) -> Parts:
    """The parts of a pipeline whose denoiser is of the class `unet`."""
    captions = PretrainedCaptions(source, tower, tokens)  # first: it is dropped before others load
    denoiser = read_part(unet, source, "unet")
    return Parts(read_autoencoder(source), denoiser, captions, read_scheduler(source))


def new_parts(
    unet: Any,
    config: PartSettings,
    folder: Path,
    vae: PatchAutoencoder,
    *,
    extra_channels: int = 0,
    pooled: bool = False,
    **shape: Any,
) -> Parts:
    """Random weights; `folder` holds the tokenizer.

    `extra_channels` stand beside the latents, `pooled` captions become one unit vector, and `shape`
    are settings of the class `unet` that follow from others.
    """
    channels = vae.channels
    denoiser = unet(
        in_channels=channels + extra_channels, out_channels=channels, **shape, **config.unet
    )
    # Plain attention: the backward pass of the CPU's fused kernel is several times slower.
    denoiser.set_attn_processor(AttnProcessor())
    captions = CaptionEncoder(
        folder / config.tokenizer, config.tokens, config.text_encoder, pooled=pooled
    )
    return Parts(vae, denoiser, captions, DDIMScheduler(**config.scheduler))


TINY_PARTS: dict[str, Any] = {
    "vae": {
        "block_out_channels": [16, 16],
        "down_block_types": ["DownEncoderBlock2D"] * 2,
        "up_block_types": ["UpDecoderBlock2D"] * 2,
        "latent_channels": 4,
        "norm_num_groups": 4,
        "layers_per_block": 1,
    },
    "tokenizer": "captions.json",
    "tokens": 8,
    "text_encoder": {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    },
    "scheduler": {"prediction_type": "v_prediction", "beta_schedule": "squaredcos_cap_v2"},
    "steps": 2,
}
TINY_UNET: dict[str, Any] = {
    "block_out_channels": [16, 32],
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "attention_head_dim": 2,
    "cross_attention_dim": 16,
}
