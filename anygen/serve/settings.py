"""What a server allows, and whom."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from anygen.core.schema import Strict
from anygen.generation.options import AnswerOptions
from anygen.io.media_files import printable

KEYS = "ANYGEN_API_KEYS"  # an environment variable: keys with commas between them


class ServeSettings(Strict):
    """The limits of a server. Without keys it listens to this machine alone."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)  # 0: any that is free
    keys: tuple[str, ...] = ()
    allow_hosts: tuple[str, ...] = ()  # further names by which clients may call the server
    queue: NonNegativeInt = 64  # answers that may wait for a slot of the engine
    max_body: PositiveInt = 64 * 2**20  # bytes of a request
    max_media: NonNegativeInt = 32  # in a request
    media_hosts: tuple[str, ...] = ()  # from which media of requests may be downloaded
    store_bytes: PositiveInt = (
        512 * 2**20
    )  # of media, responses and files that are kept for clients
    store_seconds: PositiveFloat = 3600.0  # for which they are kept
    write_seconds: PositiveFloat = 30.0  # a client that reads nothing for so long is cut off
    drain: PositiveFloat = 30.0  # seconds that open requests get after SIGTERM
    options: AnswerOptions = AnswerOptions()  # unless a request sets others

    @property
    def is_local(self) -> bool:
        return is_loopback(self.host)

    def checked(self) -> ServeSettings:
        """Raises ValueError for an address that others can reach, if there are no keys."""
        if not self.is_local and not self.keys:
            raise ValueError(
                f"host: {self.host} can be reached from other machines, so give --keys FILE or "
                f"the variable {KEYS}; without keys the host is 127.0.0.1"
            )
        return self


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def read_keys(path: Path | None) -> tuple[str, ...]:
    """The keys in a file, one per line, or else in the environment. Raises ValueError."""
    if path is None:
        keys = [key.strip() for key in os.environ.get(KEYS, "").split(",")]
    else:
        keys = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    found = tuple(key for key in keys if key)
    if path is not None and not found:
        raise ValueError(f"{printable(path)}: holds no key; write one per line")
    if not all(key.isascii() for key in found):
        raise ValueError("a key may hold ASCII characters only, as it stands in a header")
    return found
