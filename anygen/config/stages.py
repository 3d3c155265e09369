"""The stages of training: their names, and the parameters that each of them learns."""

from typing import Literal

StageName = Literal[
    "vae",
    "vae_decoder",
    "vocoder",
    "caption",
    "denoise",
    "joint",
    "calibrate",
    "represent",
    "encode",
    "decode",
    "instruct",
    "project",
    "route",
]

# Prefixes of parameter names; {decoder} stands for each of the run's decoders. Of two stages that
# learn a parameter, the first is the one that makes it from random weights.
LEARNED: dict[StageName, tuple[str, ...]] = {
    "vae": ("decoders.{decoder}.vae.",),
    "vae_decoder": ("decoders.{decoder}.vae.kl.decoder.", "decoders.{decoder}.vae.enlarger."),
    "vocoder": ("decoders.{decoder}.vocoder.",),
    "caption": ("decoders.{decoder}.text_encoder.",),
    "denoise": (
        "decoders.{decoder}.unet.",
        "decoders.{decoder}.summary.",
        "decoders.{decoder}.layout.",
    ),
    "encode": ("input_projector.", "llm.signal_rows"),
    "calibrate": ("encoder.familiarity.",),
    "joint": ("encoder.", "input_projector."),
    "represent": ("input_projector.query_tokens", "input_projector.qformer."),
    "decode": ("output_projectors.", "llm.signal_rows", "llm.trigger_"),
    "instruct": (
        "input_projector.",
        "output_projectors.",
        "llm.base.",
        "llm.media_layers.",
        "llm.signal_rows",
        "llm.trigger_",
    ),
    "project": ("output_projectors.{decoder}.",),
    "route": ("llm.router.",),
}

# What `freeze` of a run names: prefixes of the parameters that then stay as they are.
FREEZABLE: dict[str, tuple[str, ...]] = {
    "input_projector": ("input_projector.",),
    "output_projectors": ("output_projectors.",),
    "signals": ("llm.signal_rows", "llm.trigger_"),
    "llm": ("llm.base.", "llm.media_layers."),
}
Freezable = Literal["input_projector", "output_projectors", "signals", "llm"]


def stage_of(parameter: str) -> StageName | None:
    """The stage that makes a parameter, such as `decoders.image.unet.conv_in.weight`.

    None for one that no stage learns.
    """
    words = parameter.split(".")
    decoder = words[1] if words[0] in ("decoders", "output_projectors") else ""
    for stage, prefixes in LEARNED.items():
        if parameter.startswith(tuple(prefix.format(decoder=decoder) for prefix in prefixes)):
            return stage
    return None
