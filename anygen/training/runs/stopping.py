"""A run that is asked to stop finishes its step and saves first."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn


@dataclass
class StopRequest:
    number: int = 0  # of the signal, 0 for none


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Within the context SIGTERM and Ctrl-C are noted; a second one of a kind acts at once.

    Signals that the process ignores stay ignored, as Ctrl-C is in what a shell runs in the
    background. Outside the main thread Python handles no signals, so none is noted there.
    """
    request, before = StopRequest(), dict[int, Any]()

    def note(number: int, _: Any) -> None:
        request.number = number
        signal.signal(number, before[number])

    if threading.current_thread() is threading.main_thread():
        for name in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(name) not in (signal.SIG_IGN, None):
                before[name] = signal.signal(name, note)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_process(number: int) -> NoReturn:
    """Ends as the signal would have: with an exit code that no script takes for success."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)
