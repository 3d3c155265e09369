"""Tiny random text encoders of the published classes, for diffusers_pipelines.py."""

import diffusers
import transformers
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from anygen.config.loader import CONFIGS

VOCABULARY = 300
CLIP = {
    "vocab_size": VOCABULARY,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 8,
}
T5 = {
    "vocab_size": VOCABULARY,
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 32,
    "num_layers": 1,
    "num_heads": 2,
}
LETTERS = "▁abcdefghijklmnopqrstuvwxyz"


def tokenizer(length=8):
    """Captions and their end."""
    plain = Tokenizer.from_file(str(CONFIGS / "tiny" / "captions.json"))
    end = ("<eos>", plain.token_to_id("<eos>"))
    plain.post_processor = TemplateProcessing(single="$A <eos>", special_tokens=[end])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="<pad>", eos_token="<eos>", model_max_length=length
    )


def clip(width, projection=None):
    config = transformers.CLIPTextConfig(
        **CLIP, hidden_size=width, projection_dim=projection or width
    )
    if projection is None:
        return transformers.CLIPTextModel(config)
    return transformers.CLIPTextModelWithProjection(config)


def t5():
    return transformers.T5EncoderModel(transformers.T5Config(**T5))


def umt5():
    return transformers.UMT5EncoderModel(transformers.UMT5Config(**T5))


def gemma():
    config = transformers.Gemma2Config(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
    )
    return transformers.Gemma2Model(config)


def qwen_vl():
    text = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "rope_parameters": {
            "rope_type": "default",
            "mrope_section": [2, 3, 3],
            "rope_theta": 1e4,
        },
        "bos_token_id": 1,
        "eos_token_id": 1,
        "initializer_range": 0.5,  # with less all texts are nearly the same
    }
    vision = {
        "depth": 1,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_heads": 2,
        "out_hidden_size": 32,
    }
    config = transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision)
    return transformers.Qwen2_5_VLForConditionalGeneration(config)


def clap():
    text = {
        "vocab_size": VOCABULARY,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "projection_dim": 16,
        "max_position_embeddings": 32,
        "pad_token_id": 1,
    }
    audio = {
        "hidden_size": 16,
        "patch_embeds_hidden_size": 4,
        "depths": [1],
        "num_attention_heads": [1],
        "num_hidden_layers": 1,
        "projection_dim": 16,
        "spec_size": 32,
        "num_mel_bins": 8,
        "window_size": 4,
        "patch_size": 4,
        "patch_stride": [4, 4],
    }
    config = transformers.ClapConfig(text_config=text, audio_config=audio, projection_dim=16)
    return transformers.ClapModel(config)


def gpt2():
    config = transformers.GPT2Config(
        vocab_size=8,
        n_embd=16,
        n_layer=1,
        n_head=2,
        n_positions=64,
        max_new_tokens=8,
        bos_token_id=1,
        eos_token_id=1,
    )
    return transformers.GPT2LMHeadModel(config)


def roberta_tokenizer():
    words = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *LETTERS, "Ġ"]
    return transformers.RobertaTokenizer(
        vocab={word: index for index, word in enumerate(words)}, merges=[], model_max_length=16
    )


def t5_tokenizer():
    words = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((letter, -1.0) for letter in LETTERS)]
    return transformers.T5Tokenizer(vocab=words, extra_ids=0, model_max_length=16)


TEXTS = {
    "StableDiffusionXLPipeline": lambda: {
        "text_encoder": clip(24),
        "tokenizer": tokenizer(),
        "text_encoder_2": clip(8, 8),
        "tokenizer_2": tokenizer(),
    },
    "StableDiffusion3Pipeline": lambda: {
        "text_encoder": clip(8, 8),
        "tokenizer": tokenizer(),
        "text_encoder_2": clip(16, 16),
        "tokenizer_2": tokenizer(),
        "text_encoder_3": t5(),
        "tokenizer_3": tokenizer(),
    },
    "FluxPipeline": lambda: {
        "text_encoder": clip(24),
        "tokenizer": tokenizer(),
        "text_encoder_2": t5(),
        "tokenizer_2": tokenizer(),
    },
    "PixArtSigmaPipeline": lambda: {"text_encoder": t5(), "tokenizer": tokenizer()},
    "SanaPipeline": lambda: {"text_encoder": gemma(), "tokenizer": tokenizer()},
    "QwenImagePipeline": lambda: {"text_encoder": qwen_vl(), "tokenizer": tokenizer()},
    "AudioLDM2Pipeline": lambda: {
        "text_encoder": clap(),
        "tokenizer": roberta_tokenizer(),
        "text_encoder_2": t5(),
        "tokenizer_2": t5_tokenizer(),
        "language_model": gpt2(),
        "projection_model": diffusers.AudioLDM2ProjectionModel(16, 32, 16),
    },
    "StableAudioPipeline": lambda: {"text_encoder": t5(), "tokenizer": tokenizer()},
    "LTXPipeline": lambda: {"text_encoder": t5(), "tokenizer": tokenizer()},
    "WanPipeline": lambda: {"text_encoder": umt5(), "tokenizer": tokenizer()},
    "CogVideoXPipeline": lambda: {"text_encoder": t5(), "tokenizer": tokenizer()},
}
