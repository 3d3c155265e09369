"""Options that several commands share, and the values they are turned into."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from anygen.core.modality import parse_modalities

if TYPE_CHECKING:
    from anygen import AnyGen
    from anygen.config.placement import Placement
    from anygen.generation.options import AnswerOptions

ModelOption = Annotated[
    str, typer.Option("--model", "-m", help="The name of a model, such as mini, or its folder.")
]
OutOption = Annotated[Path, typer.Option("--out", "-o", help="The folder for generated media.")]
SeedOption = Annotated[
    int, typer.Option(help="The random seed; the same seed gives the same answer.")
]
ModalitiesOption = Annotated[
    str | None,
    typer.Option(
        help="What an answer may contain, such as image,audio.",
        show_default="the model chooses",
    ),
]
LengthOption = Annotated[
    int, typer.Option("--max-new-tokens", min=1, help="The most text tokens in an answer.")
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(min=1, max=1024, help="The number of CPU threads.", show_default="one per core"),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Change a setting of answers, such as steps=8 or exactly.image=2; can be repeated.",
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        help="Where the model runs: cpu, cuda, cuda:1 or mps; "
        "auto takes CUDA if there is any, then MPS, then the CPU."
    ),
]
DtypeOption = Annotated[
    str | None,
    typer.Option(
        help="The precision of the weights: float32, bfloat16 or float16.",
        show_default="float32 on a CPU, bfloat16 elsewhere",
    ),
]
QuantOption = Annotated[
    str | None, typer.Option(help="Store the layers of the LLM in fewer bits: int8 or nf4.")
]
OffloadOption = Annotated[
    str,
    typer.Option(
        help="What is kept in host memory while it is idle: "
        "none, model (whole parts) or sequential (the layers of the LLM, too)."
    ),
]
DeviceMapOption = Annotated[
    str | None, typer.Option(help="Spread the LLM over several devices: auto, balanced or JSON.")
]
MetadataOption = Annotated[
    bool, typer.Option("--metadata/--no-metadata", help="Record in each file how it was made.")
]
MediaHostsOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="HOST",
        help="Media may be downloaded from this host over HTTPS, and over plain HTTP if it is "
        "http://HOST; can be repeated.",
        show_default="nothing is downloaded",
    ),
]
SystemArgument = Annotated[
    str, typer.Argument(help="The name of a system in configs/, or a YAML file.")
]
OverridesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings to change.")
]


def read_options(modalities: str | None, length: int, named: list[str]) -> AnswerOptions:
    """The options of answers that a command line asks for. Raises ValueError."""
    from anygen.generation.option_names import changed
    from anygen.generation.options import AnswerOptions

    chosen = parse_modalities(modalities) if modalities is not None else None
    options = AnswerOptions(modalities=chosen, max_new_tokens=length)
    for text in named:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--set needs NAME=VALUE, such as steps=8, not {text!r}")
        options = changed(options, name.strip(), value.strip())
    return options


def read_media_hosts(hosts: list[str] | None) -> tuple[str, ...]:
    """Hosts that media may be downloaded from. Raises ValueError for what is none."""
    from anygen.io.remote import check_hosts

    check_hosts(hosts or ())
    return tuple(hosts or ())


def named_placement(
    device: str, dtype: str | None, quant: str | None, offload: str, device_map: str | None = None
) -> Placement:
    """The placement that these options describe, for any machine. Raises ValueError."""
    from anygen.config.placement import Placement

    fields = {"dtype": dtype, "quant": quant, "offload": offload, "device_map": device_map}
    return Placement.model_validate({"device": device, **fields})


def read_placement(
    device: str, dtype: str | None, quant: str | None, offload: str, device_map: str | None
) -> Placement:
    """The placement that these options describe, on this machine. Raises ValueError."""
    return available(named_placement(device, dtype, quant, offload, device_map))


def available(placement: Placement) -> Placement:
    """The placement on this machine; an accelerator is printed once, to stderr.

    Raises ValueError if the device, or a library that is needed for it, is missing.
    """
    place = placement.validate_available()
    if place.device != "cpu":
        print(f"anygen: running on {place}", file=sys.stderr)
    return place


def read_engine(name: str, address: str | None) -> Literal["local", "ray"]:
    """Raises ValueError, also if Ray is missing."""
    from anygen.batch.shards.ray_pool import import_ray

    if name == "local" and address is None:
        return "local"
    if name != "ray":
        raise ValueError(
            f"--engine: {name!r} is none of local, ray"
            if name != "local"
            else "--ray-address is that of a cluster: give --engine ray, too"
        )
    import_ray(address)
    return "ray"


def use_threads(threads: int | None) -> None:
    """Sets the number of CPU threads for this thread and for those that it starts."""
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def load_model(name: str, place: Placement | None = None) -> AnyGen:
    from anygen import AnyGen

    return AnyGen.from_pretrained(name, **(dict(place) if place else {}))
