"""`anygen serve`: the model behind OpenAI's API."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from anygen.cli.options import (
    DeviceMapOption,
    DeviceOption,
    DtypeOption,
    LengthOption,
    MediaHostsOption,
    ModalitiesOption,
    ModelOption,
    OffloadOption,
    QuantOption,
    SetOption,
    ThreadsOption,
    load_model,
    read_media_hosts,
    read_options,
    read_placement,
    use_threads,
)
from anygen.core.version import DISTRIBUTION


def serve(  # noqa: PLR0913  # the options of a command
    model: ModelOption = "mini",
    host: Annotated[
        str, typer.Option(help="The address to listen at; other machines need --keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes any that is free.")] = 8000,
    keys: Annotated[
        Path | None,
        typer.Option(
            help="A file of keys, one per line, of which clients must give one.",
            show_default="the variable ANYGEN_API_KEYS",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="A further name that clients call this server by; can be repeated."),
    ] = None,
    allow_media_host: MediaHostsOption = None,
    queue: Annotated[
        int, typer.Option(min=0, help="How many answers may wait before requests are refused.")
    ] = 64,
    drain: Annotated[
        float, typer.Option(min=0.1, help="Seconds that open requests get when the server ends.")
    ] = 30.0,
    modalities: ModalitiesOption = None,
    max_new_tokens: LengthOption = 256,
    settings: SetOption = None,
    threads: ThreadsOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = None,
    quant: QuantOption = None,
    offload: OffloadOption = "none",
    device_map: DeviceMapOption = None,
) -> None:
    """Serve a model over HTTP, with OpenAI's API and media in the order of the answer.

    An answer has the bytes that `anygen generate` writes for the same request and seed. Ctrl-C or
    SIGTERM ends the server, once open requests are answered.
    """
    try:
        from anygen.serve.app import Server, address_of, bind
    except ModuleNotFoundError as error:
        need = f"serve needs {error.name}: pip install '{DISTRIBUTION}[serve]'"
        raise ValueError(need) from None
    from anygen.serve.service import Service
    from anygen.serve.settings import ServeSettings, read_keys

    use_threads(threads)
    options = read_options(modalities, max_new_tokens, settings or [])
    chosen = ServeSettings(
        host=host,
        port=port,
        keys=read_keys(keys),
        allow_hosts=tuple(allow_host or ()),
        media_hosts=read_media_hosts(allow_media_host),
        queue=queue,
        drain=drain,
        options=options,
    ).checked()
    place = read_placement(device, dtype, quant, offload, device_map)
    with bind(chosen) as found:
        opened = load_model(model, place)
        options.over(opened.model_id.sampling)  # a mistake in all requests at once
        print(f"anygen: serving {model} at {address_of(found)}/v1", file=sys.stderr)
        Server(Service(opened, chosen)).run(sockets=[found])
