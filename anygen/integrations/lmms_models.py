"""anygen as a model of lmms-eval, which imports this module by the names in lmms.py.

A request of lmms-eval is an object with `args`: of a chat they end in a function from a row to its
messages, the options of the answer, the number of the row, its task and its split.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, groupby
from pathlib import Path
from typing import Any

from lmms_eval.api.instance import GenerationResult
from lmms_eval.api.model import lmms

from anygen.anygen import AnyGen
from anygen.core.media import Message, media_of, modality_of
from anygen.core.modality import TABLE
from anygen.evaluation.suites.base import raw_text
from anygen.generation.answer import Answer
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from anygen.integrations.chats import read_chat
from anygen.io.media_files import read_media, write_media

MAX_NEW_TOKENS = 128  # where a task does not say


class AnyGenModel(lmms):
    """What both kinds of requests share.

    `--model_args pretrained=mini,device=cpu,media=FOLDER`: with `media` answers may hold pictures,
    sounds and videos, which are written there, and an answer is JSON with its text and their paths.
    """

    def __init__(
        self,
        pretrained: str = "mini",
        batch_size: int | str = 8,
        device: str = "auto",
        media: str = "",
        **placement: Any,
    ) -> None:
        super().__init__()
        place = {"device": (device or "auto").partition(":")[0], **placement}
        self.model = AnyGen.from_pretrained(pretrained, **place)
        self.batch_size = int(batch_size)
        self.media = Path(media) if media else None
        self.numbers = count(1)  # of media

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """An answer for each request, in their order."""
        texts: list[str] = []
        for start in range(0, len(requests), self.batch_size):
            chunk = requests[start : start + self.batch_size]
            answers = self.model.reply_many([self.request_of(request.args) for request in chunk])
            texts += map(self.text_of, answers)
        return texts

    def request_of(self, arguments: tuple[Any, ...]) -> Request:
        raise NotImplementedError

    def row(self, task: str, split: str, number: int) -> Any:
        return self.task_dict[task][split][number]

    def options_of(self, settings: Mapping[str, Any]) -> AnswerOptions:
        """Those of lmms-eval that we have; the others, such as beams, have no effect."""
        temperature = settings.get("temperature") or 0
        until = settings.get("until") or ()
        options: dict[str, Any] = {
            "max_new_tokens": settings.get("max_new_tokens") or MAX_NEW_TOKENS,
            "temperature": temperature if settings.get("do_sample", temperature > 0) else 0,
            "repetition_penalty": settings.get("repetition_penalty") or 1,
            "stop": tuple(text for text in ([until] if isinstance(until, str) else until) if text),
        }
        if settings.get("top_p"):
            options["top_p"] = settings["top_p"]
        if self.media is None:
            options["modalities"] = ("text",)
        return AnswerOptions(**options)

    def text_of(self, answer: Answer) -> str:
        text = raw_text(answer)
        if self.media is None:
            return text
        self.media.mkdir(parents=True, exist_ok=True)
        paths: dict[str, list[str]] = {"images": [], "audios": [], "videos": []}
        for medium in media_of([answer.message]):
            kind = modality_of(medium)
            path = self.media / f"{next(self.numbers):06d}{TABLE[kind].suffix}"
            paths[f"{kind}s"].append(str(write_media(medium, path)))
        return json.dumps({"text": text, **{name: own for name, own in paths.items() if own}})

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:
        raise NotImplementedError("anygen answers no tasks of lmms-eval in several rounds")

    def loglikelihood(self, requests: Sequence[Any]) -> list[GenerationResult]:
        raise NotImplementedError("lmms-eval compares likelihoods with --force_simple only")


class AnyGenChat(AnyGenModel):
    """Requests with messages."""

    is_simple = False

    def request_of(self, arguments: tuple[Any, ...]) -> Request:
        *_, make, settings, number, task, split = arguments
        messages = read_chat(list(map(as_turn, make(self.row(task, split, number)))))
        return Request(messages, 0, self.options_of(settings))


class AnyGenSimple(AnyGenModel):
    """Requests with a prompt and media, which stand before it."""

    is_simple = True

    def request_of(self, arguments: tuple[Any, ...]) -> Request:
        context, settings, visuals, number, task, split = arguments
        message = self.message_of(context, visuals, self.row(task, split, number))
        return Request([message], 0, self.options_of(settings))

    def message_of(self, context: str, visuals: Any, row: Any) -> Message:
        media = (visuals(row) if callable(visuals) else visuals) or []
        blocks = [*map(as_block, media), {"type": "text", "text": context}]
        [message] = read_chat([{"role": "user", "content": blocks}])
        return message

    def loglikelihood(self, requests: Sequence[Any]) -> list[GenerationResult]:
        """The loss of each continuation, and whether the likeliest answer begins so.

        lmms-eval takes the least loss, which is a mean over tokens in its models. It makes a text
        of a bare pair, which its tasks cannot read, and leaves what a GenerationResult holds as it
        is. The prompt of several continuations is read once.
        """
        losses: list[GenerationResult] = []
        rows = list(self.rows_of(requests))
        for start in range(0, len(rows), self.batch_size):
            chunk = rows[start : start + self.batch_size]
            scored = self.model.score_many(chunk)
            greedy = [
                Request(prompt, 0, self.options_of({"max_new_tokens": max(s.tokens for s in own)}))
                for (prompt, _), own in zip(chunk, scored)
            ]
            for own, answer in zip(scored, self.model.reply_many(greedy)):
                text = raw_text(answer).strip()
                pairs = [(-score.mean, text.startswith(score.text)) for score in own]
                losses += map(GenerationResult, pairs)
        return losses

    def rows_of(self, requests: Sequence[Any]) -> Iterator[tuple[list[Message], list[str]]]:
        """Requests one after the other that differ in their continuation only, as one row."""
        for _, group in groupby(requests, lambda request: (request.args[0], *request.args[3:])):
            members = [request.args for request in group]
            context, _, visuals, number, task, split = members[0]
            row = self.row(task, split, number)
            targets = [target(row) if callable(target) else target for _, target, *_ in members]
            yield [self.message_of(context, visuals, row)], [text.strip() for text in targets]


def as_turn(message: Any) -> dict[str, Any]:
    """A turn with its media in the form that `read_chat` reads."""
    content = message["content"]
    blocks = content if isinstance(content, str) else list(map(from_chat, content))
    return {"role": message["role"], "content": blocks}


def from_chat(block: Mapping[str, Any]) -> dict[str, Any]:
    """A block of `type` and `url`, which may be a picture, a path, or a sound of datasets."""
    if block["type"] == "text":
        return {"type": "text", "text": block["text"]}
    source = block["url"]
    if isinstance(source, Mapping) and "array" in source:
        return {"type": "audio", "audio": source["array"], "sampling_rate": source["sampling_rate"]}
    return {"type": block["type"], "url": source}


def as_block(medium: Any) -> dict[str, Any]:
    """A medium of a simple request: a picture of Pillow, a sound of datasets, or a file."""
    if isinstance(medium, Mapping):
        return from_chat({"type": "audio", "url": medium})
    if isinstance(medium, str):
        file = read_media(medium)
        return {"type": modality_of(file), modality_of(file): file}
    return {"type": "image", "url": medium}
