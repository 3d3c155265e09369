"""Configurations of published decoders: what diffusers calls the parts of their pipelines."""

from collections.abc import Mapping
from typing import Any

Settings = Mapping[str, Any]
Parts = Mapping[str, tuple[str, Settings]]  # the class of each, and its settings

# --- text encoders

CLIP_L_TEXT: Settings = {
    "model_type": "clip_text_model",
    "projection_dim": 768,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
}
OPENCLIP_H: Settings = {
    "model_type": "clip_text_model",
    "hidden_size": 1024,
    "hidden_act": "gelu",
    "intermediate_size": 4096,
    "num_hidden_layers": 23,
    "num_attention_heads": 16,
}
OPENCLIP_G: Settings = {
    "model_type": "clip_text_model",
    "projection_dim": 1280,
    "hidden_size": 1280,
    "hidden_act": "gelu",
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
}
CLAP_TEXT: Settings = {"model_type": "clap_text_model"}
T5: Settings = {"vocab_size": 32_128, "d_kv": 64}
T5_BASE: Settings = {
    **T5,
    "model_type": "t5",
    "d_model": 768,
    "d_ff": 3072,
    "num_layers": 12,
    "num_heads": 12,
}
T5_XXL: Settings = {
    **T5,
    "model_type": "t5",
    "d_model": 4096,
    "d_ff": 10_240,
    "num_layers": 24,
    "num_heads": 64,
    "feed_forward_proj": "gated-gelu",
    "tie_word_embeddings": False,
}
UMT5_XXL: Settings = {**T5_XXL, "model_type": "umt5", "vocab_size": 256_384}

# --- networks

VAE: Settings = {
    "_class_name": "AutoencoderKL",
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [128, 256, 512, 512],
    "layers_per_block": 2,
    "scaling_factor": 0.18215,
    "sample_size": 512,
}
MEL_VAE: Settings = {
    **VAE,
    "in_channels": 1,
    "out_channels": 1,
    "down_block_types": ["DownEncoderBlock2D"] * 3,
    "up_block_types": ["UpDecoderBlock2D"] * 3,
    "block_out_channels": [128, 256, 512],
    "latent_channels": 8,
    "scaling_factor": 0.9227,
}
UNET: Settings = {"_class_name": "UNet2DConditionModel", "sample_size": 64}
UNET_2: Settings = {
    **UNET,
    "cross_attention_dim": 1024,
    "attention_head_dim": [5, 10, 20, 20],
    "use_linear_projection": True,
}
UNET_XL: Settings = {
    **UNET,
    "sample_size": 128,
    "block_out_channels": [320, 640, 1280],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "transformer_layers_per_block": [1, 2, 10],
    "attention_head_dim": [5, 10, 20],
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
UNET_3D: Settings = {
    "_class_name": "UNet3DConditionModel",
    "sample_size": 32,
    "cross_attention_dim": 1024,
    "attention_head_dim": 64,
}
VOCODER: Settings = {
    "model_type": "hifigan",
    "architectures": ["SpeechT5HifiGan"],
    "model_in_dim": 64,
    "sampling_rate": 16_000,
    "upsample_initial_channel": 1024,
    "upsample_rates": [5, 4, 2, 2, 2],
    "upsample_kernel_sizes": [16, 16, 8, 4, 4],
    "normalize_before": False,
}
WAN: Settings = {
    "_class_name": "WanTransformer3DModel",
    "num_attention_heads": 12,
    "ffn_dim": 8960,
    "num_layers": 30,
}
NOISE: Settings = {
    "_class_name": "DDIMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
NOISE_V: Settings = {**NOISE, "prediction_type": "v_prediction"}
FLOW: Settings = {"_class_name": "FlowMatchEulerDiscreteScheduler"}


def audio_unet(channels: int) -> Settings:
    """Of AudioLDM (Liu et al. 2023)."""
    widths = [channels, 2 * channels, 3 * channels, 5 * channels]
    return {
        **UNET,
        "sample_size": 128,
        "in_channels": 8,
        "out_channels": 8,
        "block_out_channels": widths,
        "cross_attention_dim": widths,
        "down_block_types": ["DownBlock2D", *["CrossAttnDownBlock2D"] * 3],
        "up_block_types": [*["CrossAttnUpBlock2D"] * 3, "UpBlock2D"],
        "attention_head_dim": 32,
        "class_embed_type": "simple_projection",
        "class_embeddings_concat": True,
        "projection_class_embeddings_input_dim": 512,
    }


def of_diffusers(class_name: str) -> tuple[str, Settings]:
    """A part that is all as its class has it."""
    return class_name, {"_class_name": class_name}


CAPTIONS: Parts = {
    "tokenizer": ("CLIPTokenizer", {}),
    "text_encoder": ("CLIPTextModel", CLIP_L_TEXT),
}
CAPTIONS_H: Parts = {**CAPTIONS, "text_encoder": ("CLIPTextModel", OPENCLIP_H)}
VAE_PART: Parts = {"vae": ("AutoencoderKL", VAE)}


def stable_diffusion(unet: Settings, captions: Parts, noise: Settings) -> Parts:
    return {
        **VAE_PART,
        **captions,
        "unet": ("UNet2DConditionModel", unet),
        "scheduler": ("DDIMScheduler", noise),
    }


def audioldm(channels: int) -> Parts:
    return {
        "vae": ("AutoencoderKL", MEL_VAE),
        "text_encoder": ("ClapTextModelWithProjection", CLAP_TEXT),
        "tokenizer": ("RobertaTokenizer", {}),
        "unet": ("UNet2DConditionModel", audio_unet(channels)),
        "vocoder": ("SpeechT5HifiGan", VOCODER),
        "scheduler": ("DDIMScheduler", NOISE),
    }


SD_1: Parts = stable_diffusion({**UNET, "cross_attention_dim": 768}, CAPTIONS, NOISE)
SD_2: Parts = stable_diffusion(UNET_2, CAPTIONS_H, NOISE)
PIPELINES: dict[str, tuple[str, Parts]] = {
    "stable-diffusion-v1-5/stable-diffusion-v1-5": ("StableDiffusionPipeline", SD_1),
    "runwayml/stable-diffusion-v1-5": ("StableDiffusionPipeline", SD_1),
    "stabilityai/stable-diffusion-2-1-base": ("StableDiffusionPipeline", SD_2),
    "stabilityai/stable-diffusion-2-1": (
        "StableDiffusionPipeline",
        stable_diffusion({**UNET_2, "sample_size": 96}, CAPTIONS_H, NOISE_V),
    ),
    "stabilityai/stable-diffusion-xl-base-1.0": (
        "StableDiffusionXLPipeline",
        {
            **stable_diffusion(UNET_XL, CAPTIONS, NOISE),
            "vae": ("AutoencoderKL", {**VAE, "scaling_factor": 0.13025, "sample_size": 1024}),
            "tokenizer_2": ("CLIPTokenizer", {}),
            "text_encoder_2": ("CLIPTextModelWithProjection", OPENCLIP_G),
        },
    ),
    "cerspense/zeroscope_v2_576w": (
        "TextToVideoSDPipeline",
        {
            **VAE_PART,
            **CAPTIONS_H,
            "unet": ("UNet3DConditionModel", UNET_3D),
            "scheduler": ("DDIMScheduler", NOISE),
        },
    ),
    "cvssp/audioldm-s-full-v2": ("AudioLDMPipeline", audioldm(128)),
    "cvssp/audioldm-l-full": ("AudioLDMPipeline", audioldm(256)),
    "stabilityai/stable-audio-open-1.0": (
        "StableAudioPipeline",
        {
            "vae": of_diffusers("AutoencoderOobleck"),
            "text_encoder": ("T5EncoderModel", T5_BASE),
            "tokenizer": ("T5TokenizerFast", {}),
            "projection_model": (
                "StableAudioProjectionModel",
                {
                    "_class_name": "StableAudioProjectionModel",
                    "text_encoder_dim": 768,
                    "conditioning_dim": 768,
                    "min_value": 0,
                    "max_value": 512,
                },
            ),
            "transformer": of_diffusers("StableAudioDiTModel"),
            "scheduler": of_diffusers("EDMDPMSolverMultistepScheduler"),
        },
    ),
    "Wan-AI/Wan2.1-T2V-1.3B-Diffusers": (
        "WanPipeline",
        {
            "vae": of_diffusers("AutoencoderKLWan"),
            "text_encoder": ("UMT5EncoderModel", UMT5_XXL),
            "tokenizer": ("T5TokenizerFast", {}),
            "transformer": ("WanTransformer3DModel", WAN),
            "scheduler": ("FlowMatchEulerDiscreteScheduler", FLOW),
        },
    ),
    "Lightricks/LTX-Video": (
        "LTXPipeline",
        {
            "vae": of_diffusers("AutoencoderKLLTXVideo"),
            "text_encoder": ("T5EncoderModel", T5_XXL),
            "tokenizer": ("T5TokenizerFast", {}),
            "transformer": of_diffusers("LTXVideoTransformer3DModel"),
            "scheduler": ("FlowMatchEulerDiscreteScheduler", FLOW),
        },
    ),
}
