"""Replicas of the server behind the proxy of Ray Serve.

Each replica is the whole application with an engine of its own. The proxy sends requests that have
one X-Session-Id to one replica. What another replica keeps is asked for there, so that ids are
those of all replicas.
"""

from __future__ import annotations

import io
import logging
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp

from anygen.anygen import AnyGen
from anygen.batch.shards import ray_pool
from anygen.batch.shards.ray_pool import connect, import_ray, reason_of
from anygen.core.version import DISTRIBUTION
from anygen.serve.app import IDLE_SECONDS, LAST_SECONDS, address_of, bind, build_app
from anygen.serve.errors import ApiError
from anygen.serve.service import Service
from anygen.serve.settings import ServeSettings

NAME = "anygen"  # of the application on the cluster, and of its deployment
ROUTER = "ray.serve.experimental.consistent_hash_router.ConsistentHashRouter"
# A replica refuses what is too much for it in the form of the API, and Ray Serve in its own.
MAX_REQUESTS = 1_000_000
CHECK_SECONDS = 0.5  # between two looks at how far replicas are
ASK_SECONDS = 10.0  # that the other replicas have for an answer
LOG = {"enable_access_log": False, "log_level": "WARNING"}


def import_serve(address: str | None) -> Any:
    """Ray Serve, for the cluster at an address. Raises ValueError if it is not installed."""
    import_ray(address)
    try:
        from ray import serve
    except ImportError as error:
        name = error.name or "Ray Serve"
        need = f"--engine ray needs {name}: pip install '{DISTRIBUTION}[ray,serve]'"
        raise ValueError(need) from None
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    return serve


@dataclass(frozen=True)
class Cluster:
    """Where replicas run, how many, and on what each."""

    address: str | None = None  # None: this machine, for as long as the server runs
    workers: int = 1
    cpus: int = 1
    gpus: float = 0.0


class Replica:
    """The application on one worker, and what it is asked by the others and the command."""

    def __init__(
        self, load: Callable[[], AnyGen], settings: ServeSettings, cluster: Cluster
    ) -> None:
        import torch

        if cluster.address is None:
            stay_on_this_machine()
        torch.set_num_threads(cluster.cpus)
        model = load()
        settings.options.over(model.model_id.sampling)  # a mistake in all requests at once
        self.id = uuid.uuid4().hex
        self.service = Service(model, settings, self.ask)

    async def __serve_build_asgi_app__(self) -> ASGIApp:
        return build_app(self.service, gives_ids=False)

    async def ask(self, method: str, *arguments: Any) -> list[Any]:
        """What a method of `Tasks` finds on each of the other replicas. One that has ended has lost
        what it kept. Raises ApiError if one does not answer.
        """
        from ray.exceptions import RayActorError
        from ray.serve import get_deployment_handle

        handle = get_deployment_handle(NAME, NAME)
        request = handle.broadcast("answer", self.id, method, *arguments)
        try:
            answers = await request.results_async(timeout_s=ASK_SECONDS, return_exceptions=True)
        except TimeoutError:
            raise ApiError(
                503, "a replica does not answer", "replica_timeout", headers={"Retry-After": "5"}
            ) from None
        found = []
        for answer in answers:
            if isinstance(answer, Exception) and not isinstance(answer, RayActorError):
                raise answer
            if isinstance(answer, list):
                found += answer
        return found

    async def answer(self, asker: str, method: str, *arguments: Any) -> list[Any]:
        """The result of a method, unless this replica itself asks."""
        return [] if asker == self.id else [getattr(self.service.tasks, method)(*arguments)]

    async def drain(self) -> None:
        """No more requests; open ones end within the settings' seconds."""
        self.service.drain()

    async def load(self) -> int:
        """Answers that are being made or wait."""
        return self.service.load


def stay_on_this_machine() -> None:
    """Binds the port for gRPC that Ray Serve gives each replica to the loopback address.

    It would be open to other machines, ask for no key, and unpickle what arrives. Nothing here uses
    it, and Ray has no setting for it.
    """
    from ray.serve._private import replica

    add = replica.add_port_to_grpc_server
    replica.add_port_to_grpc_server = lambda server, _: add(server, "127.0.0.1:0")


@contextmanager
def serving(load: Callable[[], AnyGen], settings: ServeSettings, cluster: Cluster) -> Iterator[str]:
    """Replicas that answer at the address that this yields. At the end, open requests are answered,
    and what was started is ended: a cluster of this machine, too, but none that was joined.

    Raises ValueError if the cluster does not answer, has no room, serves something else, or if the
    model cannot be served.
    """
    serve, ray = import_serve(cluster.address), import_ray(cluster.address)
    host, port, address = choose_address(settings, cluster)
    is_ours = cluster.address is not None or not ray.is_initialized()
    if is_ours:
        one = (cluster.cpus, cluster.gpus)
        connect(ray, cluster.address, cluster.workers, cluster.workers, *one)
        # As Ctrl-C; the handler that Ray has set ends the process at once.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        check_free(serve)
        http = {"host": host, "port": port, "keep_alive_timeout_s": IDLE_SECONDS}
        try:
            serve.start(proxy_location="HeadOnly", http_options=http, logging_config=LOG)
            handle = deploy(serve, load, settings, cluster)
            yield address
            drain(handle, settings.drain)
        finally:
            with redirect_stdout(io.StringIO()):  # Ray prints that what it ends has ended
                serve.shutdown()
    finally:
        if is_ours:
            ray.shutdown()


def choose_address(settings: ServeSettings, cluster: Cluster) -> tuple[str, int, str]:
    """Host, port and URL of the proxy. Raises ValueError if it cannot be had on this machine.

    On a cluster it is the head's, of which this machine knows nothing.
    """
    if cluster.address is None:
        with bind(settings) as found:
            return settings.host, found.getsockname()[1], address_of(found)
    if "://" in cluster.address:  # Ray's client, which is for commands that compute something
        raise ValueError(
            f"--ray-address {cluster.address}: a server is started on a machine of the cluster; "
            "give auto or host:port there"
        )
    if settings.port == 0:
        raise ValueError("--port 0: the proxy of a cluster needs a port; give one such as 8000")
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return settings.host, settings.port, f"http://{host}:{settings.port}"


def check_free(serve: Any) -> None:
    """Raises ValueError if the cluster serves already: addresses belong to all that it serves."""
    status = serve.status()
    if status.applications or status.proxies:
        names = ", ".join(status.applications) or "nothing yet"
        raise ValueError(
            f"--ray-address: Ray Serve runs on this cluster already, with {names}; end it by "
            "`serve shutdown`, or take another cluster"
        )


def deploy(
    serve: Any, load: Callable[[], AnyGen], settings: ServeSettings, cluster: Cluster
) -> Any:
    """A handle of the replicas, once all of them are ready. Raises ValueError if they never are."""
    deployment = serve.deployment(
        serve.ingress()(Replica),
        name=NAME,
        num_replicas=cluster.workers,
        ray_actor_options={"num_cpus": cluster.cpus, "num_gpus": cluster.gpus},
        max_ongoing_requests=MAX_REQUESTS,
        graceful_shutdown_timeout_s=LAST_SECONDS,
        request_router_config={"request_router_class": ROUTER},
        max_constructor_retry_count=1,
        logging_config=LOG,
    )
    application = deployment.bind(load, settings, cluster)
    target = serve.RunTarget(application, name=NAME, logging_config=LOG)
    [handle] = serve.run_many([target], wait_for_applications_running=False)
    deadline = time.monotonic() + ray_pool.PLACE_SECONDS
    while True:
        status = serve.status().applications[NAME]
        if status.status == "RUNNING":
            return handle
        [message] = [each.message for each in status.deployments.values()] or [status.message]
        if status.status in ("DEPLOY_FAILED", "UNHEALTHY"):
            raise ValueError(f"a replica cannot start: {reason_of(Exception(message))}")
        if time.monotonic() > deadline and "to be scheduled" in message:
            size = f"{cluster.cpus} CPU" + (f" and {cluster.gpus:g} GPU" if cluster.gpus else "")
            raise ValueError(
                f"--workers {cluster.workers}: the cluster has no room for so many with {size} "
                f"each after {ray_pool.PLACE_SECONDS:g} seconds; give a smaller number"
            )
        time.sleep(CHECK_SECONDS)


def drain(handle: Any, seconds: float) -> None:
    """Lets open requests be answered; after so many seconds they end with what they have."""
    deadline = time.monotonic() + seconds + LAST_SECONDS
    handle.broadcast("drain").results(timeout_s=ASK_SECONDS)
    while time.monotonic() < deadline:
        if not sum(handle.broadcast("load").results(timeout_s=ASK_SECONDS)):
            return
        time.sleep(CHECK_SECONDS)
