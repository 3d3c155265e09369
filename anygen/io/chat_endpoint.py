"""Language models behind HTTP, as OpenAI, vLLM, llama.cpp, Ollama and `anygen serve` offer them."""

import json
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from anygen.core.text import from_json

KEY = "ANYGEN_API_KEY"  # the environment variable; the key stands in no file
BUSY = (408, 409, 429, 500, 502, 503, 504)
TRIES = 6
LONGEST_WAIT = 60.0  # seconds
SCHEMES = ("http://", "https://")


@dataclass
class ChatEndpoint:
    """The API below an address such as http://localhost:8000/v1."""

    url: str
    timeout: float = 300.0  # seconds for an answer
    wait: Callable[[float], None] = time.sleep
    before: Callable[[], None] = lambda: None  # runs before each request

    def __post_init__(self) -> None:
        if not self.url.startswith(SCHEMES):
            raise ValueError(f"{self.url}: the address of an endpoint begins with http")

    def complete(self, body: dict[str, Any]) -> Any:
        """The decoded answer to a chat; waits while the endpoint is busy or out of reach.

        Raises HTTPError if it refuses the request, ConnectionError if it does not answer at all.
        """
        problem = ""
        for tries in range(1, TRIES + 1):
            try:
                return self.send("chat/completions", body)
            except HTTPError as error:
                if error.code not in BUSY:
                    raise
                problem = f"HTTP {error.code} {error.reason}"
                self.wait(pause(tries, error.headers))
            except (URLError, HTTPException, TimeoutError, ConnectionError) as error:
                problem = str(getattr(error, "reason", error)) or type(error).__name__
                self.wait(pause(tries))
        raise ConnectionError(f"{self.url}: {problem}; what is written so far is kept")

    def send(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """The decoded answer to one request. Raises OSError, HTTPException, ValueError."""
        self.before()
        key = os.environ.get(KEY)
        headers = {"Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {key}"} if key else {}
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url.rstrip('/')}/{path}", data, headers)
        with urlopen(request, timeout=self.timeout) as response:
            return from_json(response.read())


def pause(tries: int, headers: Message | None = None) -> float:
    """Seconds to wait: what the endpoint says, or twice as long each time, with jitter."""
    wait = headers.get("Retry-After", "") if headers else ""
    seconds = float(wait) if wait.isdecimal() else 2.0**tries * random.uniform(0.5, 1.0)
    return min(seconds, LONGEST_WAIT)
