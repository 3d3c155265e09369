"""A language model behind an endpoint that reads answers which no rule can, with a cache."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anygen.core.media import Message
from anygen.evaluation.endpoint import EndpointModel, is_endpoint, open_endpoint
from anygen.evaluation.suites.base import GREEDY, Suite, raw_text
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from anygen.io.json_lines import append_json_line, read_json_lines

FILE = "judge.jsonl"  # beside the results
TRIES = 3
TOKENS = 16  # of a reply that is a letter or a word


@dataclass
class AnswerReader:
    """Asks the model, and keeps what it answered in a file of the results."""

    model: EndpointModel
    path: Path
    cache: dict[str, str] = field(default_factory=dict)  # what was read, by the prompt

    def __post_init__(self) -> None:
        rows = read_json_lines(self.path)
        self.cache = {row["prompt"]: row["read"] for row in rows if row["model"] == self.name}

    @property
    def name(self) -> str:
        return str(self.model)

    def read(
        self,
        prompts: Sequence[str],
        accepts: Sequence[Callable[[str], str]],
        max_new_tokens: int = TOKENS,
    ) -> list[str]:
        """What `accepts` makes of the reply to each prompt; empty if three replies are nothing.

        Raises ConnectionError if the endpoint does not answer at all.
        """
        accept_of = dict(zip(prompts, accepts))
        missing = [prompt for prompt in accept_of if prompt not in self.cache]
        for number in range(TRIES):
            replies = self.model.reply_many(
                [request(prompt, number, max_new_tokens) for prompt in missing]
            )
            for prompt, reply in zip(missing, replies):
                if found := accept_of[prompt](raw_text(reply)):
                    self.keep_reply(prompt, found)
            missing = [prompt for prompt in missing if prompt not in self.cache]
        return [self.cache.get(prompt, "") for prompt in prompts]

    def keep_reply(self, prompt: str, found: str) -> None:
        self.cache[prompt] = found
        append_json_line(self.path, {"model": self.name, "prompt": prompt, "read": found})


def open_reader(suite: Suite, address: str, out: Path) -> AnswerReader | None:
    """The language model at an address, for a suite that lets one read answers.

    Raises ValueError for another suite, and for what is not the address of an endpoint.
    """
    if not address:
        return None
    if not suite.reads:
        raise ValueError(f"--judge: the suite {suite.name} reads all answers by its rules")
    if not is_endpoint(address):
        raise ValueError(f"--judge takes the address of an endpoint, URL#NAME, not {address!r}")
    return AnswerReader(open_endpoint(address), out / FILE)


def request(prompt: str, number: int, max_new_tokens: int) -> Request:
    """The likeliest reply first, then others."""
    settings = GREEDY if number == 0 else {"temperature": 1.0}
    options = AnswerOptions(modalities=("text",), max_new_tokens=max_new_tokens, **settings)
    return Request([Message("user", (prompt,))], number, options)
