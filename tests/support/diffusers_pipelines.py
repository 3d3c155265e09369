"""Diffusers pipelines of the published classes, with tiny random networks, in the published layout.

They stand in for checkpoints that no test can download: the same classes, the same files.
"""

from dataclasses import dataclass, field
from inspect import signature

import diffusers
import torch
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
KL = {
    "block_out_channels": [8, 16],
    "down_block_types": ["DownEncoderBlock2D"] * 2,
    "up_block_types": ["UpDecoderBlock2D"] * 2,
    "latent_channels": 4,
    "norm_num_groups": 4,
    "layers_per_block": 1,
    "sample_size": 32,
}
VIDEO_LATENTS = {"latents_mean": [0.1, -0.2, 0.3, 0.0], "latents_std": [1.5, 2.0, 1.0, 0.5]}


def sdxl():
    return {
        "vae": diffusers.AutoencoderKL(**KL),
        "unet": diffusers.UNet2DConditionModel(
            sample_size=16,
            in_channels=4,
            out_channels=4,
            block_out_channels=[16, 32],
            down_block_types=["DownBlock2D", "CrossAttnDownBlock2D"],
            up_block_types=["CrossAttnUpBlock2D", "UpBlock2D"],
            layers_per_block=1,
            norm_num_groups=4,
            attention_head_dim=[2, 4],
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=4,
            transformer_layers_per_block=[1, 1],
            projection_class_embeddings_input_dim=6 * 4 + 8,
            cross_attention_dim=32,
        ),
        "scheduler": diffusers.EulerDiscreteScheduler(**BETAS, timestep_spacing="leading"),
    }


def sd3():
    return {
        "vae": diffusers.AutoencoderKL(**KL, shift_factor=0.06, use_quant_conv=False),
        "transformer": diffusers.SD3Transformer2DModel(
            sample_size=32,
            patch_size=2,
            in_channels=4,
            num_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=32,
            caption_projection_dim=16,
            pooled_projection_dim=24,
            out_channels=4,
        ),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
    }


def flux():
    return {
        "vae": diffusers.AutoencoderKL(**KL, shift_factor=0.1, use_quant_conv=False),
        "transformer": diffusers.FluxTransformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=24,
            axes_dims_rope=[4, 4, 8],
            guidance_embeds=True,
        ),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
    }


def pixart():
    return {
        "vae": diffusers.AutoencoderKL(**KL),
        "transformer": diffusers.PixArtTransformer2DModel(
            sample_size=16,
            num_layers=2,
            patch_size=2,
            attention_head_dim=8,
            num_attention_heads=2,
            caption_channels=32,
            in_channels=4,
            out_channels=8,
            cross_attention_dim=16,
            norm_elementwise_affine=False,
            use_additional_conditions=False,
        ),
        "scheduler": diffusers.DPMSolverMultistepScheduler(),
    }


def sana():
    return {
        "vae": diffusers.AutoencoderDC(
            in_channels=3,
            latent_channels=4,
            attention_head_dim=2,
            encoder_block_types=("ResBlock", "EfficientViTBlock"),
            decoder_block_types=("ResBlock", "EfficientViTBlock"),
            encoder_block_out_channels=(8, 8),
            decoder_block_out_channels=(8, 8),
            encoder_qkv_multiscales=((), (5,)),
            decoder_qkv_multiscales=((), (5,)),
            encoder_layers_per_block=(1, 1),
            decoder_layers_per_block=[1, 1],
            downsample_block_type="conv",
            upsample_block_type="interpolate",
            decoder_norm_types="rms_norm",
            decoder_act_fns="silu",
            scaling_factor=0.41407,
        ),
        "transformer": diffusers.SanaTransformer2DModel(
            patch_size=1,
            in_channels=4,
            out_channels=4,
            num_layers=1,
            num_attention_heads=2,
            attention_head_dim=8,
            num_cross_attention_heads=2,
            cross_attention_head_dim=8,
            cross_attention_dim=16,
            caption_channels=32,
            sample_size=32,
        ),
        "scheduler": diffusers.DPMSolverMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
    }


def qwen():
    return {
        "vae": diffusers.AutoencoderKLQwenImage(
            base_dim=8,
            z_dim=4,
            dim_mult=[1, 2],
            num_res_blocks=1,
            temperal_downsample=[False],
            **VIDEO_LATENTS,
        ),
        "transformer": diffusers.QwenImageTransformer2DModel(
            patch_size=2,
            in_channels=16,
            out_channels=4,
            num_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            guidance_embeds=False,
            axes_dims_rope=(4, 6, 6),
        ),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
    }


def audioldm2():
    return {
        "vae": diffusers.AutoencoderKL(**{**KL, "in_channels": 1, "out_channels": 1}),
        "unet": diffusers.AudioLDM2UNet2DConditionModel(
            block_out_channels=[8, 16],
            layers_per_block=1,
            norm_num_groups=8,
            sample_size=16,
            in_channels=4,
            out_channels=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=4,
            cross_attention_dim=([None, 16, None, 32],) * 2,
        ),
        "scheduler": diffusers.DDIMScheduler(**BETAS, clip_sample=False, set_alpha_to_one=False),
        "vocoder": SpeechT5HifiGan(
            SpeechT5HifiGanConfig(
                model_in_dim=8,
                sampling_rate=16000,
                upsample_initial_channel=16,
                upsample_rates=[2, 2],
                upsample_kernel_sizes=[4, 4],
                resblock_kernel_sizes=[3],
                resblock_dilation_sizes=[[1]],
                normalize_before=False,
                initializer_range=0.12,  # with less it is silent, and a test could not fail
            )
        ),
    }


def stable_audio():
    return {
        "vae": diffusers.AutoencoderOobleck(
            encoder_hidden_size=6,
            downsampling_ratios=[1, 2],
            decoder_channels=3,
            decoder_input_channels=3,
            audio_channels=2,
            channel_multiples=[2, 4],
            sampling_rate=4,
        ),
        "projection_model": diffusers.StableAudioProjectionModel(
            text_encoder_dim=32, conditioning_dim=32, min_value=0, max_value=32
        ),
        "transformer": diffusers.StableAudioDiTModel(
            sample_size=4,
            in_channels=3,
            num_layers=2,
            attention_head_dim=4,
            num_key_value_attention_heads=2,
            out_channels=3,
            cross_attention_dim=32,
            cross_attention_input_dim=32,
            time_proj_dim=8,
            global_states_input_dim=64,
            num_attention_heads=4,
        ),
        "scheduler": diffusers.EDMDPMSolverMultistepScheduler(
            sigma_min=0.3,
            sigma_max=500,
            sigma_data=1.0,
            sigma_schedule="exponential",
            prediction_type="v_prediction",
        ),
    }


def ltx():
    return {
        "vae": diffusers.AutoencoderKLLTXVideo(
            latent_channels=4,
            patch_size=1,
            patch_size_t=1,
            block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8),
            layers_per_block=(1, 1, 1, 1, 1),
            decoder_layers_per_block=(1, 1, 1, 1, 1),
            spatio_temporal_scaling=(True, True, False, False),
            decoder_spatio_temporal_scaling=(True, True, False, False),
            decoder_inject_noise=(False, False, False, False, False),
            upsample_residual=(False, False, False, False),
            upsample_factor=(1, 1, 1, 1),
            timestep_conditioning=False,
            encoder_causal=True,
            decoder_causal=False,
        ),
        "transformer": diffusers.LTXVideoTransformer3DModel(
            in_channels=4,
            out_channels=4,
            patch_size=1,
            patch_size_t=1,
            num_attention_heads=2,
            attention_head_dim=8,
            cross_attention_dim=16,
            num_layers=1,
            caption_channels=32,
        ),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
    }


def wan():
    return {
        "vae": diffusers.AutoencoderKLWan(
            base_dim=4,
            z_dim=4,
            dim_mult=[1, 1, 1, 1],
            num_res_blocks=1,
            temperal_downsample=[False, True, True],
            **VIDEO_LATENTS,
        ),
        "transformer": diffusers.WanTransformer3DModel(
            patch_size=(1, 2, 2),
            num_attention_heads=2,
            attention_head_dim=16,
            in_channels=4,
            out_channels=4,
            text_dim=32,
            freq_dim=32,
            ffn_dim=32,
            num_layers=2,
            cross_attn_norm=True,
            qk_norm="rms_norm_across_heads",
            rope_max_seq_len=32,
        ),
        "scheduler": diffusers.UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
        "transformer_2": None,
    }


def cogvideox():
    return {
        "vae": diffusers.AutoencoderKLCogVideoX(
            in_channels=3,
            out_channels=3,
            down_block_types=("CogVideoXDownBlock3D",) * 4,
            up_block_types=("CogVideoXUpBlock3D",) * 4,
            block_out_channels=(8, 8, 8, 8),
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=2,
            temporal_compression_ratio=4,
        ),
        "transformer": diffusers.CogVideoXTransformer3DModel(
            num_attention_heads=4,
            attention_head_dim=16,
            in_channels=4,
            out_channels=4,
            time_embed_dim=2,
            text_embed_dim=32,
            num_layers=1,
            sample_width=2,
            sample_height=2,
            sample_frames=9,
            patch_size=2,
            temporal_compression_ratio=4,
            max_text_seq_length=16,
            use_rotary_positional_embeddings=True,
        ),
        "scheduler": diffusers.CogVideoXDDIMScheduler(),
    }


@dataclass(frozen=True)
class Tiny:
    parts: object  # a function that makes the networks and the scheduler
    settings: dict = field(default_factory=dict)  # of the decoder


SMALL_IMAGE = {"tokens": 8, "size": 32}
SMALL_VIDEO = {"tokens": 8, "size": 32, "frames": 9}
TINIES = {
    "StableDiffusionXLPipeline": Tiny(sdxl, SMALL_IMAGE),
    "StableDiffusion3Pipeline": Tiny(sd3, {"tokens": 16, "size": 32}),
    "FluxPipeline": Tiny(flux, SMALL_IMAGE),
    "PixArtSigmaPipeline": Tiny(pixart, SMALL_IMAGE),
    "SanaPipeline": Tiny(sana, SMALL_IMAGE),
    "QwenImagePipeline": Tiny(qwen, SMALL_IMAGE),
    "AudioLDM2Pipeline": Tiny(audioldm2, {"tokens": 8, "seconds": 0.04}),
    "StableAudioPipeline": Tiny(stable_audio, {"tokens": 8, "seconds": 2.0}),
    "LTXPipeline": Tiny(ltx, SMALL_VIDEO),
    "WanPipeline": Tiny(wan, SMALL_VIDEO),
    "CogVideoXPipeline": Tiny(cogvideox, SMALL_VIDEO | {"tokens": 16}),
}


class Absent:
    """What AudioLDM 2 asks a text encoder that is not there."""

    dtype = torch.float32

    class config:  # noqa: N801
        model_type = "t5"


def plain(family, editing="", **text):
    """The pipeline itself, the same every time; without text encoders unless they are given."""
    torch.manual_seed(0)
    of = getattr(diffusers, editing or family)
    names = {n: p for n, p in signature(of.__init__).parameters.items() if n != "self"}
    needed = [n for n, p in names.items() if p.default is p.empty]
    parts = {**dict.fromkeys(needed), **TINIES[family].parts(), **text}
    for part in parts.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
    pipeline = of(**{n: part for n, part in parts.items() if n in names})
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def publish(family, folder, **text):
    """Writes that pipeline to a folder in the published layout."""
    plain(family, **text).save_pretrained(folder)
    return folder
