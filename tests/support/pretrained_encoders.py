"""Random models in the layout in which Hugging Face's hub has them: whole, with both towers."""

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModel,
    Blip2Config,
    BlipImageProcessorPil,
    ClapConfig,
    ClapFeatureExtractor,
    CLIPConfig,
    CLIPImageProcessorPil,
    PreTrainedTokenizerFast,
    Siglip2Config,
    Siglip2ImageProcessorPil,
    SiglipConfig,
    SiglipImageProcessorPil,
    VJEPA2Config,
)

LAYERS = {
    "hidden_size": 24,
    "intermediate_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
}
PICTURE = {**LAYERS, "patch_size": 8, "image_size": 32}
PATCHES = {**LAYERS, "patch_size": 8, "num_patches": 16}
WORDS = {
    **LAYERS,
    "max_position_embeddings": 24,
    "vocab_size": 300,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 1,
}
SOUND = {
    "spec_size": 64,
    "num_mel_bins": 16,
    "patch_size": 4,
    "patch_stride": [4, 4],
    "patch_embeds_hidden_size": 12,
    "depths": [1, 1],
    "num_attention_heads": [2, 2],
    "window_size": 4,
    "hidden_size": 24,
}
MOTION = {
    "crop_size": 56,
    "patch_size": 14,
    "hidden_size": 24,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "pred_hidden_size": 24,
    "pred_num_attention_heads": 2,
    "pred_num_hidden_layers": 1,
}
STANDARD = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.3]}
SIGLIP_WORDS = {**WORDS, "projection_size": 24}


def clip():
    config = CLIPConfig(vision_config=PICTURE, text_config=WORDS, projection_dim=8)
    return config, CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=32, **STANDARD)


def siglip():
    config = SiglipConfig(vision_config=PICTURE, text_config=SIGLIP_WORDS)
    return config, SiglipImageProcessorPil(size={"height": 32, "width": 32}, **STANDARD)


def siglip2():
    config = Siglip2Config(vision_config=PATCHES, text_config=SIGLIP_WORDS)
    return config, Siglip2ImageProcessorPil(patch_size=8, max_num_patches=20, **STANDARD)


def blip2():
    config = Blip2Config(
        vision_config={**PICTURE, "model_type": "blip_2_vision_model"},
        qformer_config={**LAYERS, "encoder_hidden_size": 24, "vocab_size": 300},
        text_config={"model_type": "opt", "vocab_size": 300, "hidden_size": 24, "ffn_dim": 32}
        | {"num_hidden_layers": 1, "num_attention_heads": 2, "word_embed_proj_dim": 24},
    )
    return config, BlipImageProcessorPil(size={"height": 32, "width": 32}, **STANDARD)


def clap(fusion=False):
    words = {**WORDS, "max_position_embeddings": 26}
    sound = {**SOUND, "enable_fusion": fusion}
    config = ClapConfig(audio_config=sound, text_config=words, projection_dim=8)
    truncation = "fusion" if fusion else "rand_trunc"
    return config, ClapFeatureExtractor(feature_size=16, max_length_s=2, truncation=truncation)


def fused_clap():
    return clap(fusion=True)


def vjepa2():
    return VJEPA2Config(**MOTION), None


KINDS = {kind.__name__: kind for kind in (clip, siglip, siglip2, blip2, clap, fused_clap, vjepa2)}


def publish(kind, folder):
    """Write a model of that kind, with its processor and a tokenizer. Returns the model."""
    config, processor = KINDS[kind]()
    torch.manual_seed(0)
    model = AutoModel.from_config(config).eval()
    with torch.no_grad():  # so long that small mistakes show
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    model.save_pretrained(folder)
    if processor is not None:
        processor.save_pretrained(folder)
        tokenizer().save_pretrained(folder)
    return model


def tokenizer():
    """Bytes, and the end of every text."""
    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<pad>", "<eos>", "<unk>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(["a red ball, a piano melody"], trainer)
    backend.post_processor = processors.TemplateProcessing(
        single="$A <eos>", special_tokens=[("<eos>", 1)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="<eos>")
