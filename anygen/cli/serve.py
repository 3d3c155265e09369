"""`anygen serve`, the model behind OpenAI's API, and `anygen web`, a page for it."""

from __future__ import annotations

import importlib
import secrets
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Annotated

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
    read_engine,
    read_media_hosts,
    read_options,
    read_placement,
    use_threads,
)
from anygen.core.version import DISTRIBUTION

if TYPE_CHECKING:  # what is slow to import, or needs the extra `serve`
    from anygen import AnyGen
    from anygen.config.placement import Placement
    from anygen.serve.replicas import Cluster
    from anygen.serve.service import Service
    from anygen.serve.settings import ServeSettings

MANY = "Many replicas"
PortOption = Annotated[int, typer.Option(min=0, max=65_535, help="0 takes any that is free.")]
NoOpenOption = Annotated[
    bool, typer.Option("--no-open", help="Print the address, and open no browser.")
]


def serve(  # noqa: PLR0913  # the options of a command
    model: ModelOption = "mini",
    host: Annotated[
        str, typer.Option(help="The address to listen at; other machines need --keys.")
    ] = "127.0.0.1",
    port: PortOption = 8000,
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
    engine: Annotated[
        str,
        typer.Option(
            rich_help_panel=MANY,
            help="local: this process answers; ray: replicas on a Ray cluster.",
        ),
    ] = "local",
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            rich_help_panel=MANY,
            help="How many replicas answer; each loads the model.",
            show_default="1",
        ),
    ] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=MANY,
            help="The cluster that this machine belongs to: auto or host:port.",
            show_default="one on this machine, while the server runs",
        ),
    ] = None,
    worker_gpus: Annotated[
        float | None,
        typer.Option(
            min=0, rich_help_panel=MANY, help="GPUs of each replica, such as 0.5.", show_default="0"
        ),
    ] = None,
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
    check_installed()
    from anygen.serve.app import Server
    from anygen.serve.settings import ServeSettings, read_keys

    if read_engine(engine, ray_address) == "local" and (workers or worker_gpus) is not None:
        raise ValueError("--workers and --worker-gpus are for replicas: give --engine ray, too")
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
    if engine == "ray":
        from anygen.serve.replicas import Cluster

        cluster = Cluster(ray_address, workers or 1, threads or 1, worker_gpus or 0.0)
        serve_replicas(partial(load_model, model, place), chosen, cluster)
        return
    with opened(model, chosen, place) as (service, socket, address):
        print(f"anygen: serving {model} at {address}/v1", file=sys.stderr)
        Server(service).run(sockets=[socket])


def serve_replicas(load: Callable[[], AnyGen], chosen: ServeSettings, cluster: Cluster) -> None:
    """Serves until SIGTERM or Ctrl-C. Raises ValueError if it cannot."""
    from anygen.serve.replicas import serving

    with serving(load, chosen, cluster) as address, suppress(KeyboardInterrupt):
        print(f"anygen: serving at {address}/v1", file=sys.stderr)
        threading.Event().wait()


def web(  # noqa: PLR0913  # the options of a command
    model: ModelOption = "mini",
    port: PortOption = 0,
    no_open: NoOpenOption = False,
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
    """Talk to a model in the browser: a page of this machine, for this machine alone.

    Ctrl-C ends it. Conversations stay in the browser.
    """
    check_installed()
    from anygen.serve.app import Server
    from anygen.serve.settings import ServeSettings
    from anygen.web.page import Page

    use_threads(threads)
    options = read_options(modalities, max_new_tokens, settings or [])
    key = secrets.token_urlsafe(32)
    chosen = ServeSettings(port=port, keys=(key,), options=options)
    place = read_placement(device, dtype, quant, offload, device_map)
    page = Page(key)
    with opened(model, chosen, place) as (service, socket, address):
        on_ready = partial(opener(model, no_open), page.address(address))
        Server(service, page, on_ready).run(sockets=[socket])


def opener(what: str, no_open: bool) -> Callable[[str], None]:
    """Prints the address of a page that can be read now, and opens it."""

    def open_page(url: str) -> None:
        print(f"anygen: {what} at {url}", file=sys.stderr)
        if not no_open:
            webbrowser.open(url)

    return open_page


def check_installed() -> None:
    """Raises ValueError if the extra `serve` is not installed."""
    try:
        importlib.import_module("anygen.serve.app")
    except ModuleNotFoundError as error:
        need = f"this command needs {error.name}: pip install '{DISTRIBUTION}[serve]'"
        raise ValueError(need) from None


@contextmanager
def opened(
    model: str, chosen: ServeSettings, place: Placement
) -> Iterator[tuple[Service, socket, str]]:
    """A loaded model, the socket that it will be served at, and its address."""
    from anygen.serve.app import address_of, bind
    from anygen.serve.service import Service

    with bind(chosen) as found:
        loaded = load_model(model, place)
        chosen.options.over(loaded.model_id.sampling)  # a mistake in all requests at once
        yield Service(loaded, chosen), found, address_of(found)
