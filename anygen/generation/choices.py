"""Given answers of a conversation: their tokens, and how likely the LLM is to give each of them.

T positions, V size of the vocabulary, M number of modalities with a trigger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from anygen.core.media import Message
from anygen.generation.truncation import shortest
from anygen.llm.language_model import LanguageModel
from anygen.llm.prompt import Tokens, build_prompt


@dataclass(frozen=True)
class ChoiceScore:
    """A given answer, and how likely the LLM is to begin with it."""

    text: str
    log_likelihood: float  # the sum over its tokens, in nats; what ends an answer is none of them
    tokens: int

    @property
    def mean(self) -> float:
        """Per token, for choices of different lengths."""
        return self.log_likelihood / self.tokens


def ids_of_choices(
    llm: LanguageModel, messages: Sequence[Message], choices: Sequence[str]
) -> list[tuple[int, ...]]:
    """The tokens of each choice as the answer to `messages`, as training reads answers.

    A chat template decides whether an answer begins with a space. The words of the conversation
    make no difference, so that they are not tokenized again for each choice.
    """
    spans = not llm.signals.droppable
    question = [wordless(message) for message in shortest(messages)]
    found = []
    for text in choices:
        answered = [*question, Message("assistant", (text,))]
        pieces = build_prompt(answered, llm.tokenizer, reply=False, spans=spans)
        own = [p for p in pieces if isinstance(p, Tokens) and p.message == len(question)]
        found.append(tuple(token for piece in own for token in piece.ids))
    return found


def wordless(message: Message) -> Message:
    parts = ("?" if isinstance(part, str) and part else part for part in message.parts)
    return Message(message.role, tuple(parts))


def log_probabilities(logits: Tensor, vocabulary: int) -> Tensor:
    """Of the tokens of the vocabulary, (T, V) in float64, from logits (T, V + M)."""
    return logits[:, :vocabulary].double().cpu().log_softmax(-1)


def log_likelihood(predicted_TV: Tensor, ids: Sequence[int]) -> float:
    """Of T tokens, from the log-probabilities before each of them: their sum, in nats."""
    return float(predicted_TV.gather(1, torch.tensor(ids)[:, None]).sum())


def continuing(choices: Sequence[Sequence[int]], begun: Sequence[int]) -> tuple[set[int], bool]:
    """The tokens that may come after `begun`, and whether it is one of the choices already."""
    fitting = [ids for ids in choices if tuple(ids[: len(begun)]) == tuple(begun)]
    following = {ids[len(begun)] for ids in fitting if len(ids) > len(begun)}
    return following, any(len(ids) == len(begun) for ids in fitting)
