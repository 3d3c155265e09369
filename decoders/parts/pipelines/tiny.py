"""The smallest settings of a pipeline: Stable Diffusion XL with random weights."""

from typing import Any

TINY_CLIP = {
    "vocab_size": 1024,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 8,
    "projection_dim": 16,
}
TINY_TOKENIZER = {"pad_token": "<pad>", "eos_token": "<eos>", "model_max_length": 8}
TINY_SDXL: dict[str, Any] = {
    "family": "StableDiffusionXLPipeline",
    "components": {
        "vae": {
            "_class_name": "AutoencoderKL",
            "block_out_channels": [8, 16],
            "down_block_types": ["DownEncoderBlock2D"] * 2,
            "up_block_types": ["UpDecoderBlock2D"] * 2,
            "latent_channels": 4,
            "norm_num_groups": 4,
            "layers_per_block": 1,
        },
        "unet": {
            "_class_name": "UNet2DConditionModel",
            "sample_size": 8,
            "block_out_channels": [16, 32],
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
            "layers_per_block": 1,
            "norm_num_groups": 4,
            "attention_head_dim": [2, 4],
            "use_linear_projection": True,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 4,
            "projection_class_embeddings_input_dim": 40,  # 16 of the pooled vector
            "cross_attention_dim": 32,  # two text encoders of 16
        },
        "scheduler": {"_class_name": "DPMSolverMultistepScheduler"},
        "text_encoder": {**TINY_CLIP, "architectures": ["CLIPTextModel"]},
        "text_encoder_2": {**TINY_CLIP, "architectures": ["CLIPTextModelWithProjection"]},
        "tokenizer": TINY_TOKENIZER,
        "tokenizer_2": TINY_TOKENIZER,
    },
    "tokenizer": "captions.json",
    "tokens": 8,
    "steps": 2,
    "size": 16,
}
