"""A writer behind an OpenAI-compatible endpoint, as OpenAI, vLLM, llama.cpp and Ollama serve it."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from anygen.core.text import from_json, to_json
from mosit_data.build.dialogues import RawDialogue
from mosit_data.build.jobs import Job

KEY = "ANYGEN_API_KEY"  # the environment variable; the key stands in no file
BUSY = (408, 409, 429, 500, 502, 503, 504)
TRIES = 6
LONGEST_WAIT = 60.0  # seconds
TIMEOUT = 300.0  # seconds for an answer

RULES = """You write one dialogue between a user and an assistant who can make pictures, sounds and
videos. Answer with JSON alone:
{"turns": [{"role": "user", "parts": [{"text": "..."}]},
{"role": "assistant", "parts": [{"text": "..."}, {"image": "a caption"}]}]}
A part is a text, or a medium: image, audio or video with its caption. Use every medium of the list
once, in the order of the list, with its caption copied letter by letter, and no other medium. What
the user shows stands in a turn of the user, who asks about it; the assistant's answer says only
what the caption says. What the assistant makes stands in its turn, after the user has asked for it
in words of their own. User and assistant take turns; the user begins and the assistant ends; at
most six rounds, with short turns. Vary your sentences. Mention neither captions nor rules."""


@dataclass
class EndpointWriter:
    """Asks a language model for each dialogue, with the job's seed."""

    url: str  # such as http://localhost:8000/v1
    model: str
    temperature: float = 0.8
    max_tokens: int = 2048
    wait: Callable[[float], None] = time.sleep
    name: str = "endpoint"
    parallel: int = 8
    _takes_schema: bool = field(default=True, repr=False)

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"{self.url}: the address of an endpoint begins with http")

    def key(self, job: Job) -> str:
        settings = [self.model, self.temperature, self.max_tokens, job.seed]
        return to_json([*settings, messages_of(job)])

    def write(self, job: Job) -> str:
        """The model's text. Raises ValueError if the endpoint refuses, or does not answer."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": messages_of(job),
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "seed": job.seed % 2**31,
        }
        schema = {"name": "dialogue", "schema": RawDialogue.model_json_schema()}
        if self._takes_schema:
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        for tries in range(1, TRIES + 1):
            try:
                return text_of(self.post(body))
            except HTTPError as error:
                if error.code == 400 and body.pop("response_format", None):
                    self._takes_schema = False
                    continue
                problem = f"HTTP {error.code} {error.reason}"
                if error.code not in BUSY:
                    break
                self.wait(pause(tries, error.headers))
            except (URLError, HTTPException, TimeoutError, ConnectionError) as error:
                problem = str(getattr(error, "reason", error)) or type(error).__name__
                self.wait(pause(tries))
        raise ValueError(f"{self.url}: {problem}; what is written so far is kept")

    def post(self, body: dict[str, Any]) -> Any:
        """The decoded answer. Raises OSError, HTTPException, ValueError."""
        key = os.environ.get(KEY)
        headers = {"Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {key}"} if key else {}
        address = f"{self.url.rstrip('/')}/chat/completions"
        request = Request(address, json.dumps(body).encode(), headers)
        with urlopen(request, timeout=TIMEOUT) as response:
            return from_json(response.read())


def messages_of(job: Job) -> list[dict[str, str]]:
    """The prompt. Topic and persona differ between jobs, so that no two prompts are the same."""
    media = "\n".join(
        f"- {medium.type}, {'shown by the user' if medium.is_shown else 'made by the assistant'}: "
        f"{medium.caption}"
        for medium in job.media
    )
    request = f"Topic: {job.topic}\nThe user is {job.persona}.\nMedia:\n{media}"
    return [{"role": "system", "content": RULES}, {"role": "user", "content": request}]


def text_of(answer: Any) -> str:
    """The text in the endpoint's answer. Raises ValueError if it has another form."""
    match answer:
        case {"choices": [{"message": {"content": str(text)}}, *_]}:
            return text
    raise ValueError("the endpoint's answer holds no message")


def pause(tries: int, headers: Message | None = None) -> float:
    """Seconds to wait: what the endpoint says, or twice as long each time, with jitter."""
    wait = headers.get("Retry-After", "") if headers else ""
    seconds = float(wait) if wait.isdecimal() else 2.0**tries * random.uniform(0.5, 1.0)
    return min(seconds, LONGEST_WAIT)
