"""How far a run is: a bar in a terminal, and the time that is left."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

HOUR, MINUTE = 3600, 60

Advance = Callable[[int], None]  # takes the step that the run has reached


class PresentStderr(logging.Handler):
    """Writes to what is `sys.stderr` at the time, which puts lines above a bar."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)  # noqa: T201  # the lines are for a person


@contextmanager
def progress_bar(name: str, step: int, steps: int, shown: bool = True) -> Iterator[Advance]:
    """A bar with an estimate of the time left, if `shown` and stderr is a terminal."""
    console = Console(stderr=True)
    if not (shown and console.is_terminal):
        yield lambda step: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(name, total=steps, completed=step)
        yield lambda step: bar.update(task, completed=step)


def duration(seconds: float) -> str:
    """`2 h 5 min`, `7 min` or `40 s`."""
    if seconds >= HOUR:
        return f"{int(seconds // HOUR)} h {int(seconds % HOUR // MINUTE)} min"
    return f"{int(seconds // MINUTE)} min" if seconds >= MINUTE else f"{int(seconds)} s"
