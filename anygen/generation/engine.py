"""Many turns at once: one forward pass reads for all of them, media are rendered together.

Turns (turn.py) wish; the engine fulfils. Nothing that a turn becomes depends on the others, so
answers are the same alone, in a batch and in any order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import torch

from anygen.core.media import Media
from anygen.generation.constraints import Choice
from anygen.generation.events import Event, MediaDone, MediaFailed, MediaProgress
from anygen.generation.render_pool import Failed, Progress, RenderingPool
from anygen.generation.sequence import Await, Operations, Pick, Read, Render, Speaker
from decoders.base import CancelledError, Task

if TYPE_CHECKING:
    from anygen.model.multimodal import AnyGen

SEATS = 8  # turns at a time; the next begins where one ends
PATIENCE = 8  # passes; media mostly come early in an answer, so those of others come soon or late


@dataclass(eq=False)
class Seat:
    """A turn, what it wishes for, and the media that it asked for."""

    index: int
    speaker: Speaker
    turn: Operations
    wish: Read | Pick | Await | None = None
    asked: dict[int, Render] = field(default_factory=dict)  # by part
    unsent: list[int] = field(default_factory=list)  # parts that the pool does not know of yet
    made: dict[int, Media | None] = field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        """Whether it can go on without the pool."""
        return not isinstance(self.wish, Await) or self.wish.part not in self.rendering

    @property
    def rendering(self) -> set[int]:
        return self.asked.keys() - self.made.keys()


class Engine:
    """Answers requests. It lives as long as they do."""

    def __init__(self, model: AnyGen, sit_down: Callable[[int], Seat], count: int) -> None:
        self.model, self.sit_down = model, sit_down
        self.waiting = deque(range(count))
        self.seats: list[Seat] = []
        self.pool = RenderingPool(model.decoders)
        self.quiet = 0  # passes since a turn asked for a medium

    def run(self) -> Iterator[tuple[int, Event]]:
        """What happens, with the index of the request that it happens to."""
        try:
            while self.waiting or self.seats:
                while self.waiting and len(self.seats) < SEATS:
                    seat = self.sit_down(self.waiting.popleft())
                    self.seats.append(seat)
                    yield from self.go_on(seat, None)
                yield from self.fulfil_picks()
                yield from self.fulfil_reads()
                self.send_to_pool()
                yield from self.take_from_pool()
                yield from self.wake()
        finally:
            for seat in self.seats:
                self.leave(seat)
            self.pool.close()

    def go_on(self, seat: Seat, sent: Any) -> Iterator[tuple[int, Event]]:
        """Lets a turn go on until it wishes for what is done for all at once, or is over."""
        seat.wish = None
        while seat.wish is None:
            try:
                said = seat.turn.send(sent)
            except StopIteration:
                self.seats.remove(seat)
                self.leave(seat)
                return
            sent = None
            if isinstance(said, Render):
                seat.asked[said.part] = said
                seat.unsent.append(said.part)
                self.quiet = 0
            elif isinstance(said, Read | Pick | Await):
                seat.wish = said
            else:
                yield seat.index, said

    def fulfil_picks(self) -> Iterator[tuple[int, Event]]:
        picking = [(seat, seat.wish) for seat in self.seats if isinstance(seat.wish, Pick)]
        if not picking:
            return
        last = torch.stack([wish.context.last for _, wish in picking])
        for (seat, wish), logits in zip(picking, self.model.llm.logits(last), strict=True):
            yield from self.go_on(seat, self.likeliest(logits, wish.choice))

    def likeliest(self, logits: torch.Tensor, choice: Choice) -> int:
        """Of logits (V + modalities), as a token id; special tokens are no text."""
        llm, signals = self.model.llm, self.model.llm.signals
        ends = logits[llm.ends]
        logits[llm.silent if choice.text else slice(signals.vocabulary)] = -torch.inf
        logits[llm.ends] = ends if choice.end else -torch.inf
        for index, modality in enumerate(signals.modalities):
            if modality not in choice.media:
                logits[signals.vocabulary + index] = -torch.inf
        best = int(logits.argmax())
        if best in llm.stops.ids and choice.instead:
            return signals.trigger(choice.instead)
        if best < signals.vocabulary:
            return best
        return signals.trigger(signals.modalities[best - signals.vocabulary])

    def fulfil_reads(self) -> Iterator[tuple[int, Event]]:
        reading = [(seat, seat.wish) for seat in self.seats if isinstance(seat.wish, Read)]
        if not reading:
            return
        rows = [(wish.context, wish.embeds, wish.keys) for _, wish in reading]
        for (seat, _), hidden in zip(reading, self.model.llm.read(rows), strict=True):
            yield from self.go_on(seat, hidden)

    def send_to_pool(self) -> None:
        """Media are sent off together: when no other turn goes on, or none asked for a while."""
        self.quiet += 1
        others = any(seat.is_ready and not seat.unsent for seat in self.seats)
        if others and self.quiet < PATIENCE:
            return
        for modality in self.model.decoders:
            tasks: dict[Hashable, Task] = {
                (seat, part): seat.asked[part].task
                for seat in self.seats
                for part in seat.unsent
                if seat.asked[part].modality == modality
            }
            if tasks:
                self.pool.submit(modality, tasks)
        for seat in self.seats:
            seat.unsent.clear()

    def take_from_pool(self) -> Iterator[tuple[int, Event]]:
        """What was made meanwhile; waits for it where no turn can go on without."""
        if not any(seat.rendering for seat in self.seats):
            return
        idle = not any(seat.is_ready for seat in self.seats)
        for ticket, result in self.pool.results(wait=idle):
            seat, part = cast(tuple[Seat, int], ticket)
            modality = seat.asked[part].modality
            if isinstance(result, Progress):
                yield seat.index, MediaProgress(part, modality, result.step, result.total)
            elif isinstance(result, Failed):
                seat.made[part] = None
                yield seat.index, MediaFailed(part, modality, str(result.error))
            else:
                seat.made[part] = result
                yield seat.index, MediaDone(part, result, seat.asked[part].task.seed)

    def wake(self) -> Iterator[tuple[int, Event]]:
        """Turns whose medium is there go on; those that were cancelled learn of it."""
        for seat in [s for s in self.seats if isinstance(s.wish, Await)]:
            assert isinstance(seat.wish, Await)
            if seat.is_ready:
                yield from self.go_on(seat, seat.made.get(seat.wish.part))
                continue
            try:
                seat.speaker.stop_if_cancelled()
            except CancelledError as error:
                self.abandon(seat)
                yield from self.go_on_after(seat, error)

    def go_on_after(self, seat: Seat, error: CancelledError) -> Iterator[tuple[int, Event]]:
        """A turn that was cancelled says its last."""
        said = seat.turn.throw(error)  # text that was held back, or that it is done
        yield seat.index, cast(Event, said)
        yield from self.go_on(seat, None)

    def abandon(self, seat: Seat) -> None:
        for part in seat.rendering:
            self.pool.cancel((seat, part))
            seat.made[part] = None

    def leave(self, seat: Seat) -> None:
        self.abandon(seat)
        seat.turn.close()
        self.model.contexts.give_back(seat.speaker.context)
