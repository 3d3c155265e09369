"""The parts that a model consists of, by the names of their parameters."""

LORA = ".lora_"


def part_of(name: str) -> str:
    """`decoders.image.unet.conv_in.weight` belongs to `decoders.image.unet`."""
    if LORA in name:
        return "llm.lora"
    words = name.split(".")
    return ".".join(words[: 3 if words[0] == "decoders" else 2])
