"""Downloads media from hosts that were allowed, and from nowhere else.

A request may come from a stranger, and an address in it may lead into the network of this machine:
by its name, by what the name resolves to, or by a redirect. So a host is named exactly, all
addresses of it must be public, the connection goes to an address that was checked, and each
redirect is checked as the first address was.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from anygen.core.version import __version__
from anygen.io.media_files import MediaError, printable

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 20.0  # of a medium, with its redirects
MAX_BYTES = 64 * 2**20
MAX_REDIRECTS = 3
CHUNK = 2**16
REDIRECTS = (301, 302, 303, 307, 308)
PORTS = {"https": 443, "http": 80}
HOST = re.compile(r"(http://)?([a-z0-9._-]+|\[[0-9a-f:.]+\])", re.IGNORECASE)
UNICAST = ipaddress.IPv6Network("2000::/3")  # all of IPv6 that is given to anyone
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address in its last 32 bits


class RefusedAddressError(MediaError):
    """An address that is not allowed; nothing was sent to it."""


@dataclass(frozen=True)
class Place:
    """Where a request goes."""

    scheme: str  # http or https
    host: str
    target: str  # path and query


def check_hosts(hosts: Collection[str]) -> None:
    """Raises ValueError for what is neither a host nor `http://HOST`."""
    for host in hosts:
        if not HOST.fullmatch(host):
            raise ValueError(
                f"{printable(host)}: is no host that media may come from; give a name such as "
                "images.example.org, or http://images.example.org to allow plain HTTP, too"
            )


def fetch(url: str, hosts: Collection[str], name: str) -> bytes:
    """What is at a URL of one of `hosts`, which allow HTTPS, or `http://HOST` plain HTTP, too.

    `name` is for messages, which repeat nothing of what a server has answered. Raises MediaError
    if it cannot be downloaded within 20 s, is larger than 64 MiB or compressed, and
    RefusedAddressError if a host, one of its addresses or a redirect is not allowed.
    """
    end = time.monotonic() + TOTAL_SECONDS
    for _ in range(1 + MAX_REDIRECTS):
        with requested(place_of(url, hosts, name), end, name) as reply:
            location = reply.getheader("Location") if reply.status in REDIRECTS else None
            if location is None:
                return body_of(reply, end, name)
        url = urljoin(url, location)
    raise RefusedAddressError(f"{name}: is redirected more than {MAX_REDIRECTS} times")


def place_of(url: str, hosts: Collection[str], name: str) -> Place:
    """Raises RefusedAddressError for all but a plain address of an allowed host."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except ValueError:  # also UnicodeError
        raise RefusedAddressError(f"{name}: is not a valid URL") from None
    if parts.scheme not in PORTS or not is_allowed(parts.scheme, host, hosts):
        raise RefusedAddressError(
            f"{name}: media are not downloaded from there; allowed are {described(hosts)}"
        )
    if "@" in parts.netloc or port not in (None, PORTS[parts.scheme]):
        raise RefusedAddressError(
            f"{name}: the URL of a medium has neither a user nor a port of its own"
        )
    return Place(parts.scheme, host, target_of(parts))


def is_allowed(scheme: str, host: str, hosts: Collection[str]) -> bool:
    allowed = {each.lower().replace("[", "").replace("]", "") for each in hosts}
    plain = f"http://{host}" in allowed
    return plain or (scheme == "https" and host in allowed)


def described(hosts: Collection[str]) -> str:
    return ", ".join(hosts) if hosts else "no hosts"


def target_of(parts: SplitResult) -> str:
    target = parts.path or "/"
    if parts.query:
        target += f"?{parts.query}"
    return quote(target, safe="%/:=&?~+!$,;'@()*[]")


@contextmanager
def requested(place: Place, end: float, name: str) -> Iterator[http.client.HTTPResponse]:
    """The reply to a GET, whose body has yet to be read. Raises MediaError.

    A server that sends little by little is cut off at `end`, too.
    """
    port = PORTS[place.scheme]
    failed = MediaError(f"{name}: could not be downloaded")
    try:
        addresses = resolve(place.host, port)
        if not addresses or not all(map(is_public, addresses)):
            raise RefusedAddressError(f"{name}: its host has an address that is not public")
        with (
            closing(connected(addresses, port)) as plain,
            closing(in_tls(plain, place) if place.scheme == "https" else plain) as connection,
            cut_off(connection, end),
            closing(http.client.HTTPConnection(place.host, port)) as client,
        ):
            if isinstance(connection, ssl.SSLSocket):
                connection.do_handshake()
            client.sock = connection
            client.request("GET", place.target, headers=headers_of(place))
            with client.getresponse() as reply:
                yield reply
    except (OSError, http.client.HTTPException, UnicodeError):
        raise failed from None


def headers_of(place: Place) -> dict[str, str]:
    host = f"[{place.host}]" if ":" in place.host else place.host
    agent = f"anygen/{__version__}"
    return {"Host": host, "User-Agent": agent, "Accept-Encoding": "identity"}


def resolve(host: str, port: int) -> list[str]:
    """All addresses of a host. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def is_public(address: str) -> bool:
    """Whether it is one of the public internet, also if it is an IPv4 address within another."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:  # such as fe80::1%eth0
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if found in NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is None:
            return found.is_global and found in UNICAST
        found = inner
    return found.is_global and not found.is_multicast


def connected(addresses: Sequence[str], port: int) -> socket.socket:
    """A connection to the first address that takes one. Raises OSError."""
    for address in addresses[:-1]:
        with suppress(OSError):
            return connect(address, port)
    return connect(addresses[-1], port)


def connect(address: str, port: int) -> socket.socket:
    """Raises OSError."""
    connection = socket.create_connection((address, port), CONNECT_SECONDS)
    connection.settimeout(TOTAL_SECONDS)
    return connection


def in_tls(connection: socket.socket, place: Place) -> ssl.SSLSocket:
    """Not yet shaken hands. The certificate must be one of the name, whatever the address."""
    return tls_context().wrap_socket(
        connection, server_hostname=place.host, do_handshake_on_connect=False
    )


def tls_context() -> ssl.SSLContext:
    return ssl.create_default_context()


@contextmanager
def cut_off(connection: socket.socket, end: float) -> Iterator[None]:
    """Ends all that is read from the connection at a time, however it comes."""

    def shut() -> None:
        with suppress(OSError):  # it has ended already
            socket.socket.shutdown(connection, socket.SHUT_RDWR)  # also below TLS

    timer = threading.Timer(max(0.0, end - time.monotonic()), shut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def body_of(reply: http.client.HTTPResponse, end: float, name: str) -> bytes:
    """The body of a reply that has succeeded. Raises MediaError."""
    if reply.status != http.client.OK:
        raise MediaError(f"{name}: could not be downloaded")
    if reply.getheader("Content-Encoding", "identity") != "identity":
        raise MediaError(f"{name}: was sent compressed, which media are not")
    body = bytearray()
    while data := reply.read(CHUNK):
        body += data
        if len(body) > MAX_BYTES:
            raise MediaError(f"{name}: has more than {MAX_BYTES} bytes")
    if time.monotonic() >= end:  # then it was cut off, perhaps in the middle
        raise MediaError(f"{name}: could not be downloaded within {TOTAL_SECONDS:g} s")
    if reply.length:  # http.client lacks what it was promised
        raise MediaError(f"{name}: could not be downloaded")
    return bytes(body)
