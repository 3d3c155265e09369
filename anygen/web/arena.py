"""Votes of the arena in the browser: `anygen arena vote --web`.

The session asks models and waits for votes in a thread of its own; the page shows its match.
"""

from __future__ import annotations

import asyncio
import queue
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from starlette.types import ASGIApp

from anygen.core.media import Part, modality_of
from anygen.core.schema import Strict
from anygen.evaluation.arena.battles import Battle, Vote
from anygen.evaluation.arena.matches import Match, battle_fields
from anygen.evaluation.arena.sessions import Session
from anygen.evaluation.arena.voters import StopVotingError
from anygen.serve.app import AppServer, address_of, bare_app, bind
from anygen.serve.encoded_media import encode_media
from anygen.serve.errors import ApiError
from anygen.serve.guard import Guard
from anygen.serve.metrics import Metrics
from anygen.serve.settings import ServeSettings
from anygen.web.page import Page

STATE, VOTES = "/arena/state", "/arena/votes"
JOIN_SECONDS = 5.0  # for a session that is to end; an answer that is being made may take longer


class Ballot(Strict):
    """A vote on the match with that number."""

    number: int
    vote: Vote | Literal["skip", "stop"]


@dataclass
class Booth:
    """What the thread of a session and the page share."""

    match: Match | None = None  # that is to be voted on
    number: int = 0  # of matches so far
    lines: tuple[str, ...] = ()  # what the session said at its end
    is_over: bool = False

    def __post_init__(self) -> None:
        self.ballots: queue.SimpleQueue[Ballot] = queue.SimpleQueue()
        self.lock = threading.Lock()

    # --- for the session

    def vote(self, match: Match) -> Battle | None:
        """Waits for the vote on a match; None if it is skipped. Raises StopVotingError."""
        with self.lock:
            self.match, self.number = match, self.number + 1
        ballot = self.ballots.get()
        if ballot.vote == "stop":
            raise StopVotingError
        if ballot.vote == "skip":
            return None
        return Battle(**battle_fields(match), vote=ballot.vote, voter="person")

    def run(self, session: Session, say: Callable[[str], None]) -> None:
        """The whole session."""
        lines = []
        try:
            for line in session.run(self.vote):
                say(line)
                lines.append(line)
        finally:
            self.lines, self.is_over = tuple(lines[-2:]), True

    # --- for the page

    def cast(self, ballot: Ballot) -> Match:
        """Hands over the vote on the present match, which it returns. Raises ApiError."""
        with self.lock:
            match = self.match
            if match is None or ballot.number != self.number:
                problem = f"number: {ballot.number} is not the match that is to be voted on"
                raise ApiError(400, problem, "invalid_value", "number")
            self.match = None
        self.ballots.put(ballot)
        return match

    def stop(self) -> None:
        """Ends the session where it waits for a vote, now or next."""
        self.ballots.put(Ballot(number=0, vote="stop"))

    def state(self) -> dict[str, Any]:
        """The match with its media, if there is one; otherwise what the page waits for."""
        with self.lock:
            match, number = self.match, self.number
        if match is None:
            return {"state": "over" if self.is_over else "answering", "lines": self.lines}
        return {
            "state": "vote",
            "number": number,
            "prompt": [part for each in match.prompt.messages for part in written(each.parts)],
            "answers": [written(answer.message.parts) for answer in match.answers],
        }


def written(parts: Sequence[Part]) -> list[dict[str, str]]:
    """Parts as the page reads them: texts, and media in base64."""
    return [{"type": "text", "text": p} if isinstance(p, str) else encoded(p) for p in parts]


def encoded(medium: Any) -> dict[str, str]:
    file = encode_media(medium)
    return {"type": modality_of(medium), "data": file.base64, "media_type": file.media_type}


class ArenaPage(Page):
    """The routes of a booth; `on_over` is called once the page knows that all is over."""

    index = "arena.html"

    def __init__(self, key: str, booth: Booth, on_over: Callable[[], None]) -> None:
        super().__init__(key)
        self.booth, self.on_over = booth, on_over
        self.router.add_api_route(STATE, self.read_state)
        self.router.add_api_route(VOTES, self.cast_vote, methods=["POST"])

    async def read_state(self) -> dict[str, Any]:
        state = await asyncio.to_thread(self.booth.state)
        if state["state"] == "over":
            self.on_over()
        return state

    async def cast_vote(self, ballot: Ballot) -> dict[str, Any]:
        """The names of the models, if one of the answers was judged."""
        match = self.booth.cast(ballot)
        return {"models": None if ballot.vote in ("skip", "stop") else match.models}


def arena_app(page: Page, settings: ServeSettings) -> ASGIApp:
    app = bare_app(openapi_url=None)
    app.include_router(page.router)
    return Guard(app, settings, Metrics(), page.paths)


def vote_in_browser(
    session: Session, port: int, open_page: Callable[[str], object], say: Callable[[str], None]
) -> None:
    """Runs a session whose votes come from a page on this machine, until it is over.

    `open_page` gets the address of the page, `say` what the session prints. Raises what the session
    raises.
    """
    key, booth, errors = secrets.token_urlsafe(32), Booth(), list[Exception]()
    settings = ServeSettings(port=port, keys=(key,))

    def end() -> None:
        server.should_exit = True

    def play() -> None:
        try:
            booth.run(session, say)
        except Exception as error:
            errors.append(error)
            end()

    with bind(settings) as found:
        page = ArenaPage(key, booth, end)
        url = page.address(address_of(found))
        server = AppServer(arena_app(page, settings), partial(open_page, url))
        thread = threading.Thread(target=play, name="arena", daemon=True)
        thread.start()
        try:
            server.run(sockets=[found])
        finally:
            booth.stop()
            thread.join(JOIN_SECONDS)
    for error in errors:
        raise error
