"""The table of diffusers pipelines that a decoder can use: their inputs, outputs and defaults.

B rows, T tokens of a condition, W their width, P width of the pooled vector. A pipeline's parts
(networks, scheduler, tokenizers) have the names of its model_index.json.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from anygen.core.modality import MediaModality

PipelineParts = Mapping[str, Any]


class Text(NamedTuple):
    """Captions after a pipeline's text encoders."""

    tokens: Tensor  # (B, T, W)
    mask: Tensor | None = None  # (B, T): 0 for padding, which attention skips
    pooled: Tensor | None = None  # (B, P)


# (the pipeline, captions, T) -> Text of at most T tokens
Encode = Callable[[Any, Sequence[str], int], Text]


@dataclass(frozen=True)
class Family:
    """One row of the table."""

    modality: MediaModality
    widths: Callable[[PipelineParts], tuple[int, int]]  # W and P; P is 0 without a pooled vector
    tokens: int  # T of a condition, by default
    encode: Encode
    text: tuple[str, ...]  # the parts that only encoding captions needs
    steps: int
    guidance: float

    denoiser: str = "transformer"
    pooled: str = ""  # the argument of __call__ that takes the pooled vector
    pooled_shape: tuple[int, ...] = (-1,)  # of one row's, in that argument
    mask: str = ""  # the argument that takes a mask of the tokens
    guidance_name: str = "guidance_scale"
    embedded: bool = False  # guidance is an input of the denoiser, without a second branch
    zeros: bool = False  # without a negative prompt, guidance leads away from zeros
    fixed: Mapping[str, Any] = field(default_factory=dict)  # further arguments
    editing: str = ""  # the pipeline that edits a medium; "": there is none
    solvers: bool = False  # whether any of our schedulers fits its noise levels
    classes: Mapping[str, str] = field(default_factory=dict)  # instead of model_index.json's
    stand_ins: tuple[str, ...] = ()  # absent parts whose precision the pipeline reads

    size: tuple[int, int] = (0, 0)  # height and width in pixels
    multiple: Callable[[PipelineParts], int] = lambda parts: 1  # both are multiples of this
    frames: int = 0
    frame_step: int = 1  # the number of frames is a multiple of this, plus one
    fps: float = 0
    seconds: float = 0
    longest: Callable[[PipelineParts], float] = lambda parts: float("inf")  # seconds
    rate: Callable[[PipelineParts], int] = lambda parts: 0  # samples per second


def encode_sdxl(pipeline: Any, captions: Sequence[str], tokens: int) -> Text:
    embeds, _, pooled, _ = pipeline.encode_prompt(captions, do_classifier_free_guidance=False)
    return Text(embeds, pooled=pooled)


def encode_sd3(pipeline: Any, captions: Sequence[str], tokens: int) -> Text:
    """CLIP's tokens, then T5's."""
    embeds, _, pooled, _ = pipeline.encode_prompt(
        captions,
        None,
        None,
        do_classifier_free_guidance=False,
        max_sequence_length=tokens - pipeline.tokenizer_max_length,
    )
    return Text(embeds, pooled=pooled)


def encode_flux(pipeline: Any, captions: Sequence[str], tokens: int) -> Text:
    embeds, pooled, _ = pipeline.encode_prompt(captions, None, max_sequence_length=tokens)
    return Text(embeds, pooled=pooled)


def encode_masked(pipeline: Any, captions: Sequence[str], tokens: int) -> Text:
    embeds, mask, _, _ = pipeline.encode_prompt(
        captions, do_classifier_free_guidance=False, max_sequence_length=tokens
    )
    return Text(embeds, mask)


def encode_plain(pipeline: Any, captions: Sequence[str], tokens: int) -> Text:
    embeds, _ = pipeline.encode_prompt(
        captions, do_classifier_free_guidance=False, max_sequence_length=tokens
    )
    return Text(embeds)


def encode_qwen(pipeline: Any, captions: Sequence[str], tokens: int) -> Text:
    """The pipeline returns no mask if all captions have one length."""
    embeds, mask = pipeline.encode_prompt(captions, max_sequence_length=tokens)
    return Text(embeds, torch.ones(embeds.shape[:2]) if mask is None else mask)


def encode_audioldm2(pipeline: Any, captions: Sequence[str], tokens: int) -> Text:
    """The tokens are T5's; the flattened output of the language model is the pooled vector.

    Captions are encoded one by one, because padding would change the language model's output.
    """
    rows = [pipeline.encode_prompt([c], pipeline.device, 1, False) for c in captions]
    filled = [full_length(Text(embeds, mask), tokens) for embeds, mask, _ in rows]
    generated = torch.cat([generated.flatten(1) for _, _, generated in rows])
    return Text(torch.cat(filled), pooled=generated)


def encode_stable_audio(pipeline: Any, captions: Sequence[str], tokens: int) -> Text:
    """Only the text encoder: the pipeline itself projects the tokens."""
    encoded = pipeline.tokenizer(
        list(captions),
        padding="max_length",
        max_length=tokens,
        truncation=True,
        return_tensors="pt",
    ).to(pipeline.device)
    embeds = pipeline.text_encoder(encoded.input_ids, attention_mask=encoded.attention_mask)[0]
    return Text(embeds, encoded.attention_mask)


def full_length(text: Text, tokens: int) -> Tensor:
    """(B, tokens, W): masked padding becomes zeros, and missing tokens are zeros too.

    Raises ValueError if a text encoder without a mask has another length.
    """
    length = text.tokens.shape[1]
    if text.mask is None:
        if length != tokens:
            raise ValueError(f"tokens: the text encoder has {length}, not {tokens}; set {length}")
        return text.tokens
    masked = text.tokens * text.mask[..., None].to(text.tokens)
    return torch.nn.functional.pad(masked, (0, 0, 0, max(tokens - length, 0)))[:, :tokens]


def padding_mask(tokens_BTW: Tensor) -> Tensor:
    """(B, T): 0 for tokens of zeros, which are padding; see `full_length`."""
    return (tokens_BTW != 0).any(-1).long()


def widths_sdxl(parts: PipelineParts) -> tuple[int, int]:
    """The U-Net embeds the pooled vector together with the six numbers of the sizes."""
    config = parts["unet"].config
    six = 6 * config.addition_time_embed_dim
    return config.cross_attention_dim, config.projection_class_embeddings_input_dim - six


def widths_audioldm2(parts: PipelineParts) -> tuple[int, int]:
    """The U-Net's attention layers come in fours: itself, the GPT-2 output, itself, T5."""
    _, generated, _, tokens = parts["unet"].config.cross_attention_dim[0]
    return tokens, 8 * generated


def widths_transformer(tokens: str, pooled: str = "") -> Callable[[PipelineParts], tuple[int, int]]:
    """From these names in the transformer's config."""

    def widths(parts: PipelineParts) -> tuple[int, int]:
        config = parts["transformer"].config
        return config[tokens], config[pooled] if pooled else 0

    return widths


def wan_multiple(parts: PipelineParts) -> int:
    patch: int = parts["transformer"].config.patch_size[1]
    return patch * int(parts["vae"].config.scale_factor_spatial)


def stable_audio_longest(parts: PipelineParts) -> float:
    samples = parts["transformer"].config.sample_size * parts["vae"].hop_length
    return float(samples / parts["vae"].config.sampling_rate)


ONE_T5 = ("text_encoder", "tokenizer")
TWO = (*ONE_T5, "text_encoder_2", "tokenizer_2")
EXACT_SIZE = {"negative_prompt": None, "use_resolution_binning": False}

# Steps, guidance and sizes are the pipelines' own defaults.
FAMILIES: dict[str, Family] = {
    "StableDiffusionXLPipeline": Family(
        modality="image",
        widths=widths_sdxl,
        tokens=77,
        encode=encode_sdxl,
        text=TWO,
        steps=50,
        guidance=5.0,
        denoiser="unet",
        pooled="pooled_prompt_embeds",
        zeros=True,
        editing="StableDiffusionXLImg2ImgPipeline",
        solvers=True,
        size=(1024, 1024),
        multiple=lambda parts: 8,
    ),
    "StableDiffusion3Pipeline": Family(
        modality="image",
        widths=widths_transformer("joint_attention_dim", "pooled_projection_dim"),
        tokens=77 + 256,
        encode=encode_sd3,
        text=(*TWO, "text_encoder_3", "tokenizer_3"),
        steps=28,
        guidance=7.0,
        pooled="pooled_prompt_embeds",
        editing="StableDiffusion3Img2ImgPipeline",
        size=(1024, 1024),
        multiple=lambda parts: 16,
    ),
    "FluxPipeline": Family(
        modality="image",
        widths=widths_transformer("joint_attention_dim", "pooled_projection_dim"),
        tokens=512,
        encode=encode_flux,
        text=TWO,
        steps=28,
        guidance=3.5,
        pooled="pooled_prompt_embeds",
        embedded=True,
        editing="FluxImg2ImgPipeline",
        size=(1024, 1024),
        multiple=lambda parts: 16,
    ),
    "PixArtSigmaPipeline": Family(
        modality="image",
        widths=widths_transformer("caption_channels"),
        tokens=300,
        encode=encode_masked,
        text=ONE_T5,
        steps=20,
        guidance=4.5,
        mask="prompt_attention_mask",
        fixed=EXACT_SIZE,
        solvers=True,
        size=(1024, 1024),
        multiple=lambda parts: 16,
    ),
    "SanaPipeline": Family(
        modality="image",
        widths=widths_transformer("caption_channels"),
        tokens=300,
        encode=encode_masked,
        text=ONE_T5,
        steps=20,
        guidance=4.5,
        mask="prompt_attention_mask",
        fixed=EXACT_SIZE,
        size=(1024, 1024),
        multiple=lambda parts: 32,
    ),
    "QwenImagePipeline": Family(
        modality="image",
        widths=widths_transformer("joint_attention_dim"),
        tokens=256,
        encode=encode_qwen,
        text=ONE_T5,
        steps=50,
        guidance=4.0,
        mask="prompt_embeds_mask",
        guidance_name="true_cfg_scale",
        editing="QwenImageImg2ImgPipeline",
        size=(1024, 1024),
        multiple=lambda parts: 16,
    ),
    "AudioLDM2Pipeline": Family(
        modality="audio",
        widths=widths_audioldm2,
        tokens=64,
        encode=encode_audioldm2,
        text=(*TWO, "projection_model", "language_model", "feature_extractor"),
        steps=200,
        guidance=3.5,
        denoiser="unet",
        pooled="generated_prompt_embeds",
        pooled_shape=(8, -1),
        mask="attention_mask",
        solvers=True,
        classes={
            "language_model": "GPT2LMHeadModel"
        },  # repositories name the base class, GPT2Model
        stand_ins=("text_encoder_2", "language_model"),
        seconds=10.24,
        rate=lambda parts: parts["vocoder"].config.sampling_rate,
    ),
    "StableAudioPipeline": Family(
        modality="audio",
        widths=lambda parts: (parts["projection_model"].config.text_encoder_dim, 0),
        tokens=128,
        encode=encode_stable_audio,
        text=ONE_T5,
        steps=100,
        guidance=7.0,
        mask="attention_mask",
        zeros=True,
        # The published solver draws noise in every step, for which it needs the library torchsde;
        # this is the same solver without noise.
        classes={"scheduler": "EDMDPMSolverMultistepScheduler"},
        seconds=10.0,
        longest=stable_audio_longest,
        rate=lambda parts: parts["vae"].config.sampling_rate,
    ),
    "LTXPipeline": Family(
        modality="video",
        widths=widths_transformer("caption_channels"),
        tokens=128,
        encode=encode_masked,
        text=ONE_T5,
        steps=50,
        guidance=3.0,
        mask="prompt_attention_mask",
        size=(512, 704),
        multiple=lambda parts: 32,
        frames=161,
        frame_step=8,
        fps=25.0,
    ),
    "WanPipeline": Family(
        modality="video",
        widths=widths_transformer("text_dim"),
        tokens=512,
        encode=encode_plain,
        text=ONE_T5,
        steps=50,
        guidance=5.0,
        editing="WanVideoToVideoPipeline",
        size=(480, 832),
        multiple=wan_multiple,
        frames=81,
        frame_step=4,
        fps=16.0,
    ),
    "CogVideoXPipeline": Family(
        modality="video",
        widths=widths_transformer("text_embed_dim"),
        tokens=226,
        encode=encode_plain,
        text=ONE_T5,
        steps=50,
        guidance=6.0,
        editing="CogVideoXVideoToVideoPipeline",
        size=(480, 720),
        multiple=lambda parts: 16,
        frames=49,
        frame_step=4,
        fps=8.0,
    ),
}


def family_of(pipeline: str) -> Family:
    """Raises ValueError for a pipeline that is not in the table."""
    if pipeline not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise ValueError(f"this decoder does not support {pipeline}; it supports {known}")
    return FAMILIES[pipeline]
