"""The state of one chat: the model, its settings, the conversation so far, and the screen."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from anygen.conversation.history import Conversation
from anygen.core.media import Media, Message, media_of
from anygen.generation.events import Done
from anygen.generation.options import AnswerOptions, Edit
from anygen.generation.request import Model, Request
from anygen.terminal.screen import Screen


@dataclass(frozen=True)
class ChatSettings:
    """What applies to every turn."""

    out: Path  # the folder that generated media are written to
    options: AnswerOptions = AnswerOptions()
    metadata: bool = True  # whether generated files record how they were made


@dataclass(frozen=True, eq=False)
class EditRequest:
    """A medium of the conversation or of the question, which the answer is to change."""

    medium: Media
    strength: float  # in (0, 1]: how far the result may differ from the medium


@dataclass
class Session:
    """`loading` resolves to the model; `open_model` loads another one by name."""

    loading: Future[Model]
    settings: ChatSettings
    screen: Screen
    open_model: Callable[[str], Model]
    conversation: Conversation = field(default_factory=Conversation)
    usage: Done | None = None  # token counts of the last answer
    prefill: str = ""  # text that the next prompt starts with
    over: bool = False

    @property
    def model(self) -> Model:
        """Waits until the model is loaded. Raises whatever loading it raised."""
        return self.loading.result()

    def take_prefill(self) -> str:
        prefill, self.prefill = self.prefill, ""
        return prefill

    def request(self, question: Message, seed: int, edit: EditRequest | None = None) -> Request:
        """The conversation so far, then the question. An edited medium is named by its number."""
        messages, options = [*self.conversation.messages(), question], self.settings.options
        if edit:
            number = media_of(messages).index(edit.medium) + 1
            numbered = Edit(ref=number, strength=edit.strength)
            options = options.model_copy(update={"edit": numbered})
        return Request(messages, seed, options)


def loaded(model: Model) -> Future[Model]:
    """A future that already holds the model."""
    loading: Future[Model] = Future()
    loading.set_result(model)
    return loading
