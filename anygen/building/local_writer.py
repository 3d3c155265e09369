"""A writer on this machine: a model of ours, which also sees and hears, or any causal LLM."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from anygen.anygen import AnyGen
from anygen.checkpoints.checkpoint import CONFIG, find_model
from anygen.core.media import Media, Message
from anygen.core.text import to_json
from anygen.llm.backbone import load_backbone, load_tokenizer
from anygen.model.building import find_base
from mosit_data.build.dialogues import RefusalError
from mosit_data.build.writers import Request

TEMPERATURE = 0.8
MAX_NEW_TOKENS = 768
OURS = "anygen"  # the type of model in config.json

Answer = Callable[[list[dict[str, str]], Media | None, int], str]  # messages, medium, seed


class LocalWriter:
    """Answers one request after the other, each with its own seed."""

    name = "local"
    parallel = 1

    def __init__(self, model: str, max_new_tokens: int = MAX_NEW_TOKENS) -> None:
        """`model` is a shipped model, the folder of a model, or that of an LLM or its name.

        Raises ValueError, OSError.
        """
        self.model, self.max_new_tokens = model, max_new_tokens
        self.weights = ""  # those of a model of ours, which training changes
        if is_model(model):
            ours = AnyGen.from_pretrained(model)
            self.weights = ours.model_id.weights
            self.answer: Answer = model_answers(ours, max_new_tokens)
        else:
            self.answer = llm_answers(find_base(model, Path()), max_new_tokens)

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "weights": self.weights,
            "temperature": TEMPERATURE,
            "max_tokens": self.max_new_tokens,
        }

    def key(self, request: Request) -> str:
        medium = request.job.media[0].model_dump(mode="json") if request.step.sees else None
        return to_json([*self.settings.values(), request.seed, request.messages(), medium])

    def write(self, request: Request) -> str:
        """Raises RefusalError if the answer is cut off, ValueError for media it cannot read."""
        return self.answer(request.messages(), request.medium(), request.seed)


def is_model(name: str) -> bool:
    """Whether it is a model of ours: the config.json of an LLM names another type."""
    try:
        config = json.loads((find_model(name) / CONFIG).read_text(encoding="utf-8"))
    except ValueError:
        return False
    return bool(config.get("model_type", OURS) == OURS)


def model_answers(model: AnyGen, max_new_tokens: int) -> Answer:
    def answer(messages: list[dict[str, str]], medium: Media | None, seed: int) -> str:
        turns = [Message(m["role"], (m["content"],)) for m in messages]  # type: ignore[arg-type]
        if medium is not None:
            turns[-1] = Message("user", (medium, *turns[-1].parts))
        reply = model.generate(
            turns,
            seed=seed,
            modalities=("text",),
            max_new_tokens=max_new_tokens,
            temperature=TEMPERATURE,
        )
        return "".join(part for part in reply.parts if isinstance(part, str))

    return answer


def llm_answers(base: Path | str, max_new_tokens: int) -> Answer:
    tokenizer: Any = load_tokenizer(base, None)
    llm: Any = load_backbone(base)

    def answer(messages: list[dict[str, str]], medium: Media | None, seed: int) -> str:
        if medium is not None:
            raise ValueError(
                f"{base}: the writer of this preset is shown media, which an LLM cannot read; name "
                "a model of anygen, or an endpoint"
            )
        prompt = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_dict=True, return_tensors="pt"
        )
        with torch.inference_mode(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            ids = llm.generate(
                **prompt,
                do_sample=True,
                temperature=TEMPERATURE,
                max_new_tokens=max_new_tokens,
                pad_token_id=tokenizer.eos_token_id,
            )
        new = ids[0, prompt["input_ids"].shape[1] :]
        if len(new) == max_new_tokens and new[-1] != tokenizer.eos_token_id:
            raise RefusalError("cut_off", "the answer is longer than the writer may write")
        return str(tokenizer.decode(new, skip_special_tokens=True))

    return answer
