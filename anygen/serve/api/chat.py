"""POST /v1/chat/completions: the same answers, in the form that most clients know."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field, NonNegativeInt, PositiveInt
from starlette.requests import Request as HTTPRequest

from anygen.core.media import Media
from anygen.core.modality import Modality
from anygen.core.schema import Strict, Text
from anygen.generation.events import Done
from anygen.generation.options import AnswerOptions
from anygen.serve.api.chat_deltas import GAP, Delta, DeltaWriter, add_up
from anygen.serve.api.chat_history import read_messages
from anygen.serve.api.common import ServiceOf, failure, new_id
from anygen.serve.encoded_media import EncodedMedia
from anygen.serve.engine_thread import Answering
from anygen.serve.parameters import (
    AnswerRequest,
    Ignored,
    derived_seeds,
    draw_seed,
    merged_options,
    only,
)
from anygen.serve.service import Service
from anygen.serve.wire import DONE, EventStream, frame, interleaved, plain, while_there

router = APIRouter()
MAX_LIST = 100  # values of a parameter, each of which may be wrong
FINISH = {"length": "length", "deadline": "length", "cancelled": "length"}  # else it is stop


class StreamOptions(Strict):
    include_usage: bool = False
    include_obfuscation: Ignored = None


class AudioFormat(Strict):
    format: Literal["wav", "flac", "opus"] = "wav"
    voice: Ignored = None  # OpenAI's client wants one; the sounds of this model are no speech


class ChatRequest(AnswerRequest):
    messages: list[Any]
    seed: NonNegativeInt | None = None
    max_tokens: PositiveInt | None = None
    max_completion_tokens: PositiveInt | None = None
    stop: Text | Annotated[list[Text], Field(max_length=MAX_LIST)] | None = None
    stream_options: StreamOptions | None = None
    modalities: Annotated[list[Modality], Field(max_length=MAX_LIST)] | None = None
    audio: AudioFormat | None = None

    n: Annotated[int, Field(ge=1, le=10)] | None = None  # answers, with seeds of their own
    frequency_penalty: Annotated[Any, only(0)] = None
    presence_penalty: Annotated[Any, only(0)] = None
    logit_bias: Annotated[Any, only({})] = None
    logprobs: Annotated[Any, only(False)] = None
    response_format: Annotated[Any, only({"type": "text"})] = None
    tools: Annotated[Any, only([])] = None
    tool_choice: Annotated[Any, only("none", "auto")] = None
    functions: Annotated[Any, only([])] = None
    function_call: Annotated[Any, only("none", "auto")] = None
    prediction: Annotated[Any, only()] = None
    web_search_options: Annotated[Any, only()] = None
    reasoning_effort: Annotated[Any, only("none")] = None
    verbosity: Annotated[Any, only("medium")] = None
    store: Annotated[Any, only(False)] = None
    metadata: Ignored = None
    moderation: Ignored = None


@router.post("/v1/chat/completions")
async def create_completion(body: ChatRequest, http: HTTPRequest, service: ServiceOf) -> Any:
    """Answers with a completion, or with its chunks if `stream` is true."""
    service.check_model(body.model)
    options = options_of(body, service)
    seed = draw_seed(body.seed if body.seed is not None else body.anygen.seed)
    seeds = derived_seeds(seed, body.n or 1)
    opening = service.open(read_messages, body.messages, seeds, options)
    place, jobs = await while_there(http, opening)
    completion = ChatWriter(body, seeds, service, http)
    if body.stream:
        return EventStream(completion.frames(jobs), place)
    return await plain(http, place, completion.whole(jobs))


def options_of(body: ChatRequest, service: Service) -> AnswerOptions:
    """Raises ApiError."""
    stop = (body.stop,) if isinstance(body.stop, str) else body.stop
    limits = (body.max_completion_tokens, body.max_tokens)
    return merged_options(
        service.settings.options,
        body.anygen.options,
        max_new_tokens=next((limit for limit in limits if limit is not None), None),
        temperature=body.temperature,
        top_p=body.top_p,
        stop=stop,
        modalities=body.modalities,
    )


class ChatWriter:
    """A completion as it grows, and its chunks."""

    def __init__(
        self, body: ChatRequest, seeds: Sequence[int], service: Service, http: HTTPRequest
    ) -> None:
        self.body, self.service = body, service
        self.created = int(time.time())
        self.id = new_id("chatcmpl").replace("_", "-")
        self.audio_format = body.audio.format if body.audio else None
        linked = body.anygen.deliver == "url"
        link = (lambda encoded: service.link(http, encoded)) if linked else None
        expires_at = self.created + int(service.settings.store_seconds)
        self.choices = [
            Choice(index, seed, DeltaWriter(self.encode, link, expires_at))
            for index, seed in enumerate(seeds)
        ]

    async def encode(self, medium: Media) -> EncodedMedia:
        return await self.service.encode(medium, audio=self.audio_format)

    async def frames(self, jobs: Sequence[Answering]) -> AsyncIterator[bytes]:
        """A chunk has a part of one choice; those of several choices come as they are made."""
        chunks = [choice.chunks(job) for choice, job in zip(self.choices, jobs, strict=True)]
        try:
            async for chunk in interleaved(chunks):
                yield frame({**self.head("chat.completion.chunk"), **chunk})
        except Exception as error:
            yield frame(failure(error).envelope)
            yield DONE
            return
        if self.body.stream_options and self.body.stream_options.include_usage:
            yield frame({**self.head("chat.completion.chunk"), "choices": [], **self.usage()})
        yield DONE

    async def whole(self, jobs: Sequence[Answering]) -> dict[str, Any]:
        """The completion once it is finished. Raises ApiError if it could not be made."""
        answers = zip(self.choices, jobs, strict=True)
        try:
            choices = await asyncio.gather(*(choice.whole(job) for choice, job in answers))
        except ValueError as error:
            raise failure(error) from error
        own = choices[0]["anygen"]
        head = self.head("chat.completion")
        return {**head, "choices": choices, **self.usage(), "anygen": own}

    def head(self, kind: str) -> dict[str, Any]:
        name = self.service.name
        return {"id": self.id, "object": kind, "created": self.created, "model": name}

    def usage(self) -> dict[str, Any]:
        """The prompt counts once, and the tokens of all choices."""
        first = self.choices[0].done
        new = sum(choice.done.new_tokens for choice in self.choices)
        return {
            "usage": {
                "prompt_tokens": first.prompt_tokens,
                "completion_tokens": new,
                "total_tokens": first.prompt_tokens + new,
                "prompt_tokens_details": {"cached_tokens": first.cached_tokens},
            }
        }


@dataclass
class Choice:
    """One answer of a completion."""

    index: int
    seed: int
    writer: DeltaWriter

    async def chunks(self, job: Answering) -> AsyncIterator[dict[str, Any]]:
        """What chunks hold beside their head."""
        yield self.chunk({"role": "assistant", "content": ""})
        async for delta, own in self.writer.deltas(job.events()):
            yield self.chunk(delta, anygen=own) if own else self.chunk(delta)
        yield self.chunk({}, self.finish_reason, anygen=self.own())

    def chunk(self, delta: Delta, finish: str | None = None, **own: Any) -> dict[str, Any]:
        choice = {"index": self.index, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {"choices": [choice], **own}

    async def whole(self, job: Answering) -> dict[str, Any]:
        """Raises ApiError and ValueError."""
        message: Delta = {"role": "assistant", "content": "", "refusal": None}
        async for delta, _ in self.writer.deltas(job.events()):
            add_up(message, delta)
        self.drop_announcement(message)
        return {
            "index": self.index,
            "message": message,
            "logprobs": None,
            "finish_reason": self.finish_reason,
            "anygen": self.own(),
        }

    def drop_announcement(self, message: Delta) -> None:
        """A text that announces a withheld medium ends before that."""
        if self.done.finish_reason != "withheld":
            return
        texts = [part for part in self.writer.builder.parts if isinstance(part, str)]
        message["content"] = GAP.join(texts)
        message["parts"][-1]["end"] = len(message["content"])

    @property
    def done(self) -> Done:
        return self.writer.done or Done("cancelled", 0, 0, 0)

    @property
    def finish_reason(self) -> str:
        return FINISH.get(self.done.finish_reason, "stop")

    def own(self) -> dict[str, Any]:
        own: dict[str, Any] = {"seed": self.seed, "finish": self.done.finish_reason}
        if self.writer.forgotten:
            own["forgotten"] = vars(self.writer.forgotten)
        return own
