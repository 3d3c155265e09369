"""Which units of a suite are measured."""

from collections.abc import Sequence
from itertools import islice

from anygen.evaluation.suites.base import Source, Suite, Unit
from anygen.evaluation.suites.reading import in_form


def read_units(suite: Suite, source: Source) -> Sequence[Unit]:
    """Raises ValueError for data whose values have other types than those of the layout, too."""
    if source.data is None:
        return suite.read(source)
    with in_form(source.data, f"the layout of the suite {suite.name}"):
        return suite.read(source)


def checked(units: Sequence[Unit]) -> Sequence[Unit]:
    """Raises ValueError if there are none, or if two have the same id."""
    if not units:
        raise ValueError("the data hold no questions")
    ids: set[str] = set()
    for unit in units:
        if unit.id in ids:
            raise ValueError(f"the data have two entries with the id {unit.id!r}")
        ids.add(unit.id)
    return units


def chosen_units(units: Sequence[Unit], rows: Sequence[str], limit: int | None) -> list[Unit]:
    """The units that these rows of the table rest on, at most `limit` of each task.

    Raises ValueError for an unknown row.
    """
    known = list(dict.fromkeys(row for unit in units for row in unit.rows))
    for row in rows:
        if row not in known:
            raise ValueError(f"no row named {row!r}; there are {', '.join(known)}")
    chosen = [unit for unit in units if not rows or set(rows) & set(unit.rows)]
    return [unit for own in by_task(chosen).values() for unit in islice(own, limit)]


def by_task(units: Sequence[Unit]) -> dict[str, list[Unit]]:
    tasks: dict[str, list[Unit]] = {}
    for unit in units:
        tasks.setdefault(unit.task, []).append(unit)
    return tasks
