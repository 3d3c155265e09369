"""Tiny random replicas of published pipelines, saved in their own layout; no network."""

from pathlib import Path

import torch
from diffusers import (
    AnimateDiffPipeline,
    AudioLDMPipeline,
    AutoencoderKL,
    DDIMScheduler,
    MotionAdapter,
    PNDMScheduler,
    StableDiffusionPipeline,
    TextToVideoSDPipeline,
    UNet2DConditionModel,
    UNet3DConditionModel,
)
from transformers import (
    ClapTextConfig,
    ClapTextModelWithProjection,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    RobertaTokenizer,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
)
from transformers.convert_slow_tokenizer import bytes_to_unicode

LETTERS = list(bytes_to_unicode().values())
LINEAR = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
NOISE = {**LINEAR, "clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1}


def stable_diffusion(folder: Path, prediction_type: str = "epsilon") -> Path:
    """The layout of Stable Diffusion 1.5, or with "v_prediction" that of 2.1."""
    torch.manual_seed(0)
    pipeline = StableDiffusionPipeline(
        vae=vae(3, scaling_factor=0.18215),
        text_encoder=clip(),
        tokenizer=clip_tokenizer(),
        unet=unet(use_linear_projection=prediction_type == "v_prediction"),
        scheduler=PNDMScheduler(
            **LINEAR, skip_prk_steps=True, steps_offset=1, prediction_type=prediction_type
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return saved(pipeline, folder)


def motion(folder: Path, widths: tuple[int, ...] = (16, 32), *, middle: bool = True) -> Path:
    """A MotionAdapter that moves."""
    torch.manual_seed(1)
    adapter = MotionAdapter(
        block_out_channels=widths,
        motion_layers_per_block=1,
        motion_num_attention_heads=2,
        motion_norm_num_groups=4,
        motion_max_seq_length=6,
        use_motion_mid_block=middle,
    )
    return saved(lively(adapter), folder)


def zeroscope(folder: Path) -> Path:
    torch.manual_seed(0)
    pipeline = TextToVideoSDPipeline(
        vae=vae(3, scaling_factor=0.18215),
        text_encoder=clip(),
        tokenizer=clip_tokenizer(),
        unet=lively(
            UNet3DConditionModel(
                sample_size=8,
                block_out_channels=(16, 32),
                down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
                up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
                layers_per_block=1,
                norm_num_groups=4,
                attention_head_dim=4,
                cross_attention_dim=16,
            )
        ),
        scheduler=DDIMScheduler(**NOISE),
    )
    return saved(pipeline, folder)


def audioldm(folder: Path) -> Path:
    torch.manual_seed(0)
    pipeline = AudioLDMPipeline(
        vae=vae(1, scaling_factor=0.9),
        text_encoder=clap(),
        tokenizer=RobertaTokenizer(
            vocab=vocabulary(["<s>", "<pad>", "</s>", "<unk>", "<mask>"], []),
            merges=[],
            model_max_length=16,
        ),
        unet=unet(
            cross_attention_dim=[16, 32],
            class_embed_type="simple_projection",
            class_embeddings_concat=True,
            projection_class_embeddings_input_dim=16,
        ),
        scheduler=DDIMScheduler(**NOISE),
        vocoder=SpeechT5HifiGan(
            SpeechT5HifiGanConfig(
                model_in_dim=8,
                sampling_rate=16_000,
                upsample_initial_channel=16,
                upsample_rates=[8, 20],
                upsample_kernel_sizes=[16, 40],
                resblock_kernel_sizes=[3, 7],
                resblock_dilation_sizes=[[1, 3], [1, 3]],
                normalize_before=False,
                initializer_range=0.12,  # with the default no sound is heard
            )
        ),
    )
    return saved(pipeline, folder)


def saved(model, folder: Path) -> Path:
    model.save_pretrained(folder, safe_serialization=True)
    return folder


@torch.no_grad()
def lively(network):
    """Layers that begin as zeros would hide what goes wrong in those before them."""
    for parameter in network.parameters():
        if not parameter.any():
            parameter.normal_(std=0.1)
    return network


def vae(channels: int, scaling_factor: float) -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=channels,
        out_channels=channels,
        block_out_channels=(16, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
        layers_per_block=1,
        scaling_factor=scaling_factor,
    )


def unet(**settings) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        **{
            "sample_size": 8,
            "block_out_channels": (16, 32),
            "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
            "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
            "layers_per_block": 1,
            "norm_num_groups": 4,
            "attention_head_dim": 2,
            "cross_attention_dim": 16,
            **settings,
        }
    )


def clip() -> CLIPTextModel:
    tokenizer = clip_tokenizer()
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def clip_tokenizer() -> CLIPTokenizer:
    words = [letter + "</w>" for letter in LETTERS]
    return CLIPTokenizer(
        vocab=vocabulary([], [*words, "<|startoftext|>", "<|endoftext|>"]),
        merges=[],
        model_max_length=77,
    )


def clap() -> ClapTextModelWithProjection:
    return ClapTextModelWithProjection(
        ClapTextConfig(
            vocab_size=len(LETTERS) + 5,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=20,
            projection_dim=16,
        )
    )


def vocabulary(before: list[str], after: list[str]) -> dict[str, int]:
    return {token: index for index, token in enumerate([*before, *LETTERS, *after])}


def pipeline_of(kind, folder: Path, **components):
    """What diffusers makes of it."""
    pipeline = kind.from_pretrained(folder, **components)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def animatediff_pipeline(folder: Path, adapter: Path) -> AnimateDiffPipeline:
    return pipeline_of(
        AnimateDiffPipeline, folder, motion_adapter=MotionAdapter.from_pretrained(adapter)
    )
