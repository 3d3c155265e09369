"""Language models behind HTTP, as OpenAI, vLLM, llama.cpp, Ollama and `anygen serve` offer them."""

import json
import logging
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPException
from socket import gaierror
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from anygen.core.text import from_json

KEY = "ANYGEN_API_KEY"  # the environment variable; the key stands in no file
BUSY = (408, 409, 429, 500, 502, 503, 504)
TRIES = 6
LONGEST_WAIT = 60.0  # seconds
SCHEMES = ("http://", "https://")
NOBODY_THERE = (ConnectionRefusedError, gaierror)  # no server, or no such host

log = logging.getLogger(__name__)


@dataclass
class ChatEndpoint:
    """The API below an address such as http://localhost:8000/v1."""

    url: str
    timeout: float = 300.0  # seconds for an answer
    wait: Callable[[float], None] = time.sleep
    before: Callable[[], None] = lambda: None  # runs before each request
    _has_answered: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.url.startswith(SCHEMES):
            raise ValueError(f"{self.url}: the address of an endpoint begins with http")

    def complete(self, body: dict[str, Any]) -> Any:
        """The decoded answer to a chat; waits while the endpoint is busy or out of reach.

        An address at which nobody has answered yet is wrong rather than busy: there is no second
        try. Raises HTTPError if the endpoint refuses the request, ConnectionError if it does not
        answer at all.
        """
        for tries in range(1, TRIES + 1):
            headers = None
            try:
                return self.send("chat/completions", body)
            except HTTPError as error:
                if error.code not in BUSY:
                    raise
                problem, headers = f"HTTP {error.code} {error.reason}", error.headers
            except (URLError, HTTPException, TimeoutError, ConnectionError) as error:
                cause = getattr(error, "reason", error)
                problem = str(cause) or type(error).__name__
                if isinstance(cause, NOBODY_THERE) and not self._has_answered:
                    raise ConnectionError(f"{self.url}: nobody answers there: {problem}") from None
            if tries < TRIES:
                seconds = pause(tries, headers)
                log.warning("%s: %s; asking again in %.0f s", self.url, problem, seconds)
                self.wait(seconds)
        raise ConnectionError(f"{self.url}: {problem}; what is written so far is kept")

    def send(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """The decoded answer to one request. Raises OSError, HTTPException, ValueError."""
        self.before()
        key = os.environ.get(KEY)
        headers = {"Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {key}"} if key else {}
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url.rstrip('/')}/{path}", data, headers)
        try:
            with urlopen(request, timeout=self.timeout) as response:
                self._has_answered = True
                return from_json(response.read())
        except HTTPError:
            self._has_answered = True
            raise


def pause(tries: int, headers: Message | None = None) -> float:
    """Seconds to wait: what the endpoint says, or twice as long each time, with jitter."""
    wait = headers.get("Retry-After", "") if headers else ""
    seconds = float(wait) if wait.isdecimal() else 2.0**tries * random.uniform(0.5, 1.0)
    return min(seconds, LONGEST_WAIT)
