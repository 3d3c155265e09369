"""POST /v1/responses: the answer as ordered items of text, images, audio and video."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field, PositiveInt, ValidationError
from starlette.requests import Request as HTTPRequest

from anygen.core.media import Media, Message
from anygen.core.schema import Strict, Text, explain
from anygen.generation.events import Done
from anygen.generation.options import AnswerOptions
from anygen.serve.api.common import ServiceOf, failure, new_id
from anygen.serve.api.response_items import IMAGE, ITEMS, ItemWriter, WireEvent
from anygen.serve.content import Find, MessageReader, answerable, merged
from anygen.serve.encoded_media import EncodedMedia, encode_media
from anygen.serve.engine_thread import Job
from anygen.serve.errors import ApiError, to_json
from anygen.serve.parameters import (
    AnswerRequest,
    Ignored,
    Metadata,
    draw_seed,
    merged_options,
    only,
    side_of,
    with_sample,
)
from anygen.serve.service import Service
from anygen.serve.store import StoredResponse
from anygen.serve.wire import DONE, EventStream, frame, plain, while_there

router = APIRouter()
MODALITY_OF_ITEM = {kind: modality for modality, (kind, _) in ITEMS.items()}


class ImageTool(Strict):
    """How images are made; what else OpenAI's has is at its neutral value."""

    type: Literal["image_generation"]
    size: str | None = None
    output_format: Literal["png", "jpeg", "webp"] = "png"
    partial_images: Annotated[int, Field(ge=0, le=3)] = 0  # of each image of a stream, at most
    action: Annotated[Any, only("auto", "generate")] = None
    background: Annotated[Any, only("auto", "opaque")] = None
    quality: Annotated[Any, only("auto")] = None
    input_fidelity: Annotated[Any, only()] = None
    input_image_mask: Annotated[Any, only()] = None
    output_compression: Annotated[Any, only(100)] = None
    model: Ignored = None
    moderation: Ignored = None


UNREAD = {"model", "moderation"}  # of a tool; they may hold anything


class ResponsesRequest(AnswerRequest):
    input: Text | list[Any]
    instructions: Text | None = None
    max_output_tokens: PositiveInt | None = None
    metadata: Metadata | None = None
    truncation: Literal["auto", "disabled"] | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    store: bool | None = None  # null: false, as what is kept takes room from others
    previous_response_id: str | None = None

    text: Annotated[Any, only({}, {"format": {"type": "text"}})] = None
    include: Annotated[Any, only([])] = None
    background: Annotated[Any, only(False)] = None
    conversation: Annotated[Any, only()] = None
    prompt: Annotated[Any, only()] = None
    reasoning: Annotated[Any, only({})] = None
    max_tool_calls: Annotated[Any, only()] = None
    stream_options: Ignored = None


@router.post("/v1/responses")
async def create_response(body: ResponsesRequest, http: HTTPRequest, service: ServiceOf) -> Any:
    """Answers with a response, or with its events if `stream` is true."""
    service.check_model(body.model)
    tool = image_tool(body.tools)
    options = options_of(body, tool, service)
    seed = draw_seed(body.anygen.seed)
    previews = tool.partial_images if tool and body.stream else 0
    opening = service.open(messages_of, body, [seed], options, previews)
    place, [job] = await while_there(http, opening)
    forgotten = job.prepared.forgotten
    if body.truncation == "disabled" and forgotten:
        place.release()
        raise ApiError(
            400,
            f"input: the oldest {forgotten.messages} messages do not fit; shorten it, or set "
            "truncation to auto",
            "context_length_exceeded",
            "input",
        )
    answer = ResponseWriter(body, tool, seed, service, http)
    if body.stream:
        return EventStream(frames(answer.events(job)), place)
    return await plain(http, place, answer.whole(job))


# --- the request


def image_tool(tools: list[Any] | None) -> ImageTool | None:
    """Raises ApiError for tools of other types: this model calls none."""
    found = None
    for index, tool in enumerate(tools or []):
        field = f"tools.{index}"
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind != "image_generation":
            raise ApiError(
                400, f"{field}: the one tool is image_generation", "unsupported_tool", field
            )
        try:
            found = ImageTool.model_validate(tool)
        except ValidationError as error:
            problem = explain(error, ImageTool).splitlines()[0]
            name = f"{field}.{problem.partition(':')[0]}"
            raise ApiError(400, f"{field}.{problem}", "unsupported_value", name) from None
    return found


def options_of(body: ResponsesRequest, tool: ImageTool | None, service: Service) -> AnswerOptions:
    """Raises ApiError."""
    own = body.anygen.options
    side = side_of(tool.size, "tools.size") if tool else None
    own = with_sample(own, "image", size=side)
    exactly = None
    if body.tool_choice == {"type": "image_generation"}:
        exactly = {"image": 1}
    elif body.tool_choice not in (None, "auto"):
        raise ApiError(
            400,
            'tool_choice: give auto, or {"type": "image_generation"}',
            "unsupported_value",
            "tool_choice",
        )
    return merged_options(
        service.settings.options,
        own,
        max_new_tokens=body.max_output_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        exactly=exactly,
    )


def messages_of(body: ResponsesRequest, reader: MessageReader) -> tuple[Message, ...]:
    """The conversation, after that of an earlier response. Raises ValueError and ApiError."""
    messages = [Message("system", (body.instructions,))] if body.instructions else []
    if body.previous_response_id is not None:
        messages += earlier(body.previous_response_id, reader.find)
    if isinstance(body.input, str):
        messages.append(Message("user", (body.input,)))
    else:
        for index, item in enumerate(body.input):
            messages += read_item(item, f"input.{index}", reader)
    return answerable(merged(messages), "input")


def earlier(response_id: str, find: Find) -> Sequence[Message]:
    """The conversation up to a response that is still kept. Raises ApiError."""
    stored = find(response_id, StoredResponse)
    if stored is None:
        raise ApiError(
            400,
            f"previous_response_id: {response_id!r} is not kept, or no longer",
            "previous_response_not_found",
            "previous_response_id",
        )
    return stored.messages


def read_item(item: Any, where: str, reader: MessageReader) -> list[Message]:
    """A message, or a medium of an earlier answer; nothing of one that failed."""
    if not isinstance(item, Mapping):
        raise ValueError(f"{where}: should be an object")
    kind = item.get("type", "message")
    if kind == "message":
        return [reader.message(str(item.get("role")), item.get("content"), where)]
    if kind not in MODALITY_OF_ITEM:
        known = ", ".join(("message", *MODALITY_OF_ITEM))
        raise ApiError(400, f"{where}.type: is none of {known}", "unsupported_item", where)
    if item.get("status") == "failed":
        return []
    url = item.get("url")
    data = item.get("result" if kind == IMAGE else "data")
    if isinstance(data, str):
        url = f"data:;base64,{data}"
    elif not isinstance(url, str) and isinstance(item.get("media_id"), str):
        url = f"/v1/media/{item['media_id']}"
    if not isinstance(url, str):
        raise ValueError(f"{where}: has neither data nor a url")
    return [Message("assistant", (reader.medium(url, MODALITY_OF_ITEM[kind], where),))]


# --- the answer


class ResponseWriter:
    """A response as it grows, and its events."""

    def __init__(
        self,
        body: ResponsesRequest,
        tool: ImageTool | None,
        seed: int,
        service: Service,
        http: HTTPRequest,
    ) -> None:
        self.body, self.seed, self.service = body, seed, service
        self.id, self.created = new_id("resp"), int(time.time())
        self.error: dict[str, Any] | None = None
        self.tools = [tool.model_dump(exclude_unset=True, exclude=UNREAD)] if tool else []
        self.image_format = tool.output_format if tool else None
        link = (lambda encoded: service.link(http, encoded)) if is_linked(body) else None
        self.items = ItemWriter(self.encode, link, self.encode_preview)

    async def encode(self, medium: Media) -> EncodedMedia:
        return await self.service.encode(medium, image=self.image_format)

    async def encode_preview(self, medium: Media) -> EncodedMedia:
        return await asyncio.to_thread(encode_media, medium, self.image_format)

    async def events(self, job: Job) -> AsyncIterator[WireEvent]:
        """All events, each with its number."""
        numbers = itertools.count()
        async for event in self.unnumbered(job):
            yield {**event, "sequence_number": next(numbers)}

    async def unnumbered(self, job: Job) -> AsyncIterator[WireEvent]:
        yield {"type": "response.created", "response": self.response("in_progress")}
        yield {"type": "response.in_progress", "response": self.response("in_progress")}
        try:
            async for event in self.items.events(job.events()):
                yield event
        except Exception as error:
            self.error = failure(error).body
            fields = {name: self.error[name] for name in ("code", "message", "param")}
            yield {"type": "error", **fields}
        status = self.status()
        name = "incomplete" if status == "cancelled" else status
        yield {"type": f"response.{name}", "response": self.kept(status, job)}

    async def whole(self, job: Job) -> dict[str, Any]:
        """The response once it is finished. Raises ApiError if the answer could not be made."""
        try:
            async for _ in self.items.events(job.events()):
                pass
        except ValueError as error:
            raise failure(error) from error
        return self.kept(self.status(), job)

    def kept(self, status: str, job: Job) -> dict[str, Any]:
        """The finished response, which can be continued from now on if it may be kept."""
        response = self.response(status)
        if self.is_stored and status in ("completed", "incomplete"):
            question = job.prepared.request.messages[1 if self.body.instructions else 0 :]
            messages = (*question, self.items.builder.answer().message)
            self.service.store.put(self.id, StoredResponse(to_json(response), messages))
        return response

    @property
    def is_stored(self) -> bool:
        return bool(self.body.store)

    def status(self) -> str:
        if self.error:
            return "failed"
        reasons = {"length": "incomplete", "deadline": "incomplete", "cancelled": "cancelled"}
        return reasons.get(self.finish, "completed")

    @property
    def finish(self) -> str:
        return self.items.done.finish_reason if self.items.done else "cancelled"

    def response(self, status: str) -> dict[str, Any]:
        """Every field of the Responses API, null where this server has nothing to say."""
        body, is_over = self.body, status != "in_progress"
        own: dict[str, Any] = {"seed": self.seed, "finish": self.finish if is_over else None}
        if self.items.forgotten:
            own["forgotten"] = vars(self.items.forgotten)
        incomplete = {"reason": "max_output_tokens"} if status == "incomplete" else None
        return {
            **NOTHING,
            "id": self.id,
            "created_at": self.created,
            "completed_at": int(time.time()) if status == "completed" else None,
            "status": status,
            "incomplete_details": incomplete,
            "model": self.service.name,
            "instructions": body.instructions,
            "previous_response_id": body.previous_response_id,
            "store": self.is_stored,
            "output": list(self.items.items) if is_over else [],
            "error": self.error and {name: self.error[name] for name in ("code", "message")},
            "tools": self.tools,
            "tool_choice": body.tool_choice or "auto",
            "truncation": body.truncation or "auto",
            "temperature": body.temperature or 0.0,
            "top_p": 1.0 if body.top_p is None else body.top_p,
            "usage": usage_of(self.items.done) if self.items.done else None,
            "max_output_tokens": body.max_output_tokens,
            "metadata": body.metadata or {},
            "anygen": own,
        }


NOTHING: dict[str, Any] = {
    "object": "response",
    "parallel_tool_calls": False,
    "text": {"format": {"type": "text"}},
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "top_logprobs": 0,
    "reasoning": None,
    "user": None,
    "max_tool_calls": None,
    "background": False,
    "service_tier": "default",
    "safety_identifier": None,
    "prompt_cache_key": None,
}


def is_linked(body: ResponsesRequest) -> bool:
    return body.anygen.deliver == "url"


def usage_of(done: Done) -> dict[str, Any]:
    return {
        "input_tokens": done.prompt_tokens,
        "input_tokens_details": {"cached_tokens": done.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": done.new_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": done.prompt_tokens + done.new_tokens,
    }


async def frames(events: AsyncIterator[WireEvent]) -> AsyncIterator[bytes]:
    async for event in events:
        yield frame(event, event["type"])
    yield DONE
