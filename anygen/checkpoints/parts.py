"""The parts that a model consists of, by the names of their parameters."""

from collections.abc import Iterable, Sequence

from anygen.config.stages import stage_of

LORA = ".lora_"


def part_of(name: str) -> str:
    """`decoders.image.unet.conv_in.weight` belongs to `decoders.image.unet`."""
    if LORA in name:
        return "llm.lora"
    words = name.split(".")
    return ".".join(words[: 3 if words[0] == "decoders" else 2])


def parts_of(names: Iterable[str]) -> list[str]:
    """The parts that tensors belong to, with their number, and the names of lone ones."""
    parts: dict[str, list[str]] = {}
    for name in names:
        parts.setdefault(part_of(name), []).append(name)
    return [f"{part} ({len(own)} tensors)" if own[1:] else own[0] for part, own in parts.items()]


def untrained(names: Sequence[str]) -> str:
    """A sentence that says which parts of a model have no weights, and what provides these."""
    parts = dict.fromkeys(map(part_of, names))
    stages = dict.fromkeys(stage for name in names if (stage := stage_of(name)))
    runs = f"runs of stage {', '.join(stages)}" if stages else "runs"
    return (
        f"nothing has trained {', '.join(parts)}; name {runs} that did, or a model that has these "
        "parts, in `init` of the run or in `anygen pack`"
    )
