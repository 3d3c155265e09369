"""How far a batch is: rows, failures by reason, rows per second and the time that is left."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from anygen.batch.records import BatchRecord


class Progress:
    """Counts rows by their last record; `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.pending = 0
        self.codes: dict[str, str] = {}  # of rows; "" for an answer
        self.first = clock()

    def begin(self, pending: int) -> None:
        self.pending = pending
        self.first = self.clock()

    def add(self, record: BatchRecord) -> None:
        is_error = record["status"] == "error"
        self.codes[record["id"]] = record.get("code", "failed") if is_error else ""

    @property
    def answered(self) -> int:
        return sum(not code for code in self.codes.values())

    @property
    def failures(self) -> Counter[str]:
        return Counter(code for code in self.codes.values() if code)

    def counts(self) -> str:
        """`3 answered, 2 failed (invalid 2)`."""
        failures = self.failures
        reasons = ", ".join(f"{code} {count}" for code, count in sorted(failures.items()))
        failed = f"{failures.total()} failed" + (f" ({reasons})" if reasons else "")
        return f"{self.answered} answered, {failed}"

    def seconds(self) -> float:
        """Since the beginning, the loading of the model included."""
        return max(self.clock() - self.first, 1e-9)

    def __str__(self) -> str:
        left = self.pending - len(self.codes)
        rate = len(self.codes) / self.seconds()
        time_left = f", {duration(left / rate)} left" if rate and left > 0 else ""
        done = f"{len(self.codes)} of {self.pending} rows"
        return f"{done}: {self.counts()}; {rate:.2g} rows/s{time_left}"


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
