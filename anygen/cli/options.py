"""Options that several commands share, and what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anygen.core.modality import parse_modalities

if TYPE_CHECKING:
    from anygen import AnyGen
    from anygen.config.placement import Placement
    from anygen.generation.options import AnswerOptions

ModelOption = Annotated[
    str, typer.Option("--model", "-m", help="A name, such as mini, or a model's folder.")
]
OutOption = Annotated[Path, typer.Option("--out", "-o", help="Where generated media go.")]
SeedOption = Annotated[int, typer.Option(help="The same seed gives the same answer.")]
ModalitiesOption = Annotated[
    str | None,
    typer.Option(help="What the answer may hold, as in image,audio. [default: the model chooses]"),
]
LengthOption = Annotated[
    int, typer.Option("--max-new-tokens", min=1, help="How long an answer may get.")
]
ThreadsOption = Annotated[
    int | None, typer.Option(min=1, help="CPU threads. [default: one per core]")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A setting of answers, as in steps=8 or exactly.image=2; again for another one.",
    ),
]
DeviceOption = Annotated[str, typer.Option(help="Where the model computes: cpu, cuda, cuda:1.")]
DtypeOption = Annotated[
    str | None,
    typer.Option(help="float32, bfloat16 or float16. [default: float32 on a CPU, else bfloat16]"),
]
QuantOption = Annotated[
    str | None, typer.Option(help="The LLM's layers in fewer bits: int8 or nf4.")
]
OffloadOption = Annotated[
    str, typer.Option(help="What waits in host memory: none, model (idle parts) or sequential.")
]
DeviceMapOption = Annotated[
    str | None, typer.Option(help="Spread the LLM over devices: auto, balanced or JSON.")
]
MetadataOption = Annotated[
    bool, typer.Option("--metadata/--no-metadata", help="Write into files how they were made.")
]
LayoutOption = Annotated[
    str,
    typer.Option(
        "--from", help="nextgpt_7b_tiva_v0, nextgpt_rewrite, dreamllm, pandagpt or llava."
    ),
]
PartsOption = Annotated[
    str | None, typer.Option(help="These parts alone, as in input_projector,llm. [default: all]")
]
ReportOption = Annotated[
    Path | None, typer.Option(help="Write down what became of every key, also of a refusal.")
]
OverridesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings to change.")
]


def read_options(modalities: str | None, length: int, named: list[str]) -> AnswerOptions:
    """What the options of a command say of its answers. Raises ValueError."""
    from anygen.generation.option_names import changed
    from anygen.generation.options import AnswerOptions

    chosen = parse_modalities(modalities) if modalities is not None else None
    options = AnswerOptions(modalities=chosen, max_new_tokens=length)
    for text in named:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--set wants NAME=VALUE, as in steps=8, not {text!r}")
        options = changed(options, name.strip(), value.strip())
    return options


def named_placement(
    device: str, dtype: str | None, quant: str | None, offload: str, device_map: str | None = None
) -> Placement:
    """Where and in which numbers a command wants its model. Raises ValueError."""
    from anygen.config.placement import Placement

    said = {"dtype": dtype, "quant": quant, "offload": offload, "device_map": device_map}
    return Placement.model_validate({"device": device, **said})


def read_placement(*said: str | None) -> Placement:
    """As `named_placement`, and the device and the libraries are there. Raises ValueError."""
    return named_placement(*said).validate_available()  # type: ignore[arg-type]


def use_threads(threads: int | None) -> None:
    """Of the present thread and all that begin later."""
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def load_model(name: str, place: Placement | None = None) -> AnyGen:
    from anygen import AnyGen

    return AnyGen.from_pretrained(name, **(dict(place) if place else {}))
