"""A writer behind an OpenAI-compatible endpoint, as OpenAI, vLLM, llama.cpp and Ollama serve it."""

from __future__ import annotations

import base64
import io
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError

from PIL import Image as Canvas

from anygen.core.media import Image
from anygen.core.text import to_json
from anygen.io.chat_endpoint import ChatEndpoint
from mosit_data.build.dialogues import RawDialogue, RefusalError
from mosit_data.build.writers import Request

LARGEST = 1024  # pixels of the longer side of a picture that the model is shown


@dataclass
class EndpointWriter:
    """Asks a language model, which also sees pictures if a step needs that."""

    url: str  # such as http://localhost:8000/v1
    model: str
    temperature: float = 0.8
    max_tokens: int = 2048
    timeout: float = 300.0  # seconds for an answer
    rate: float = 0.0  # requests per minute at most; 0: as fast as the endpoint answers
    wait: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic
    name: str = "endpoint"
    parallel: int = 8
    _endpoint: ChatEndpoint = field(init=False, repr=False)
    _takes_schema: bool = field(default=True, repr=False)
    _next: float = field(default=0.0, repr=False)  # when the next request may begin
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        self._endpoint = ChatEndpoint(self.url, self.timeout, self.wait, self.keep_rate)

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
        }

    def key(self, request: Request) -> str:
        medium = request.job.media[0].model_dump(mode="json") if request.step.sees else None
        return to_json([*self.settings.values(), request.seed, request.messages(), medium])

    def write(self, request: Request) -> str:
        """The model's text.

        Raises RefusalError if it is cut off, ValueError if the endpoint refuses or does not answer.
        """
        body: dict[str, Any] = {
            **self.settings,
            "messages": messages_of(request),
            "seed": request.seed,
        }
        schema = {"name": "dialogue", "schema": RawDialogue.model_json_schema()}
        if request.step.is_json and self._takes_schema:
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        try:
            return text_of(self.complete(body))
        except HTTPError as error:
            problem = f"HTTP {error.code} {error.reason}"
        except ConnectionError as error:
            raise ValueError(str(error)) from None
        raise ValueError(f"{self.url}: {problem}; what is written so far is kept")

    def complete(self, body: dict[str, Any]) -> Any:
        """The decoded answer; without a schema if the endpoint takes none."""
        try:
            return self._endpoint.complete(body)
        except HTTPError as error:
            if error.code != 400 or not body.pop("response_format", None):
                raise
            self._takes_schema = False
            return self._endpoint.complete(body)

    def keep_rate(self) -> None:
        """Waits until a request may begin: the threads share one line."""
        if not self.rate:
            return
        with self._lock:
            start = max(self.now(), self._next)
            self._next = start + 60 / self.rate
        if (seconds := start - self.now()) > 0:
            self.wait(seconds)


def messages_of(request: Request) -> list[dict[str, Any]]:
    """The prompt, with the picture that the model is shown in the user's message.

    Raises ValueError for other media, which the protocol has no place for.
    """
    messages: list[dict[str, Any]] = [*request.messages()]
    medium = request.medium()
    if medium is None:
        return messages
    if not isinstance(medium, Image):
        raise ValueError("an endpoint is shown pictures alone")
    picture = {"type": "image_url", "image_url": {"url": picture_uri(medium)}}
    content = [picture, {"type": "text", "text": messages[-1]["content"]}]
    return [*messages[:-1], {**messages[-1], "content": content}]


def picture_uri(picture: Image) -> str:
    """A PNG as a data URI, at most 1,024 pixels wide and high."""
    canvas = Canvas.fromarray(picture.pixels.permute(1, 2, 0).numpy())
    canvas.thumbnail((LARGEST, LARGEST))
    buffer = io.BytesIO()
    canvas.save(buffer, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def text_of(answer: Any) -> str:
    """The text in the endpoint's answer.

    Raises RefusalError if it is cut off, ValueError if it has another form.
    """
    match answer:
        case {"choices": [{"finish_reason": "length"}, *_]}:
            raise RefusalError("cut_off", "the answer is longer than the writer may write")
        case {"choices": [{"message": {"content": str(text)}}, *_]}:
            return text
    raise ValueError("the endpoint's answer holds no message")
