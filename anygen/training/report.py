"""The HTML page of a training run: its config, its curves, and its samples step by step."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from anygen.checkpoints.checkpoint import RUN_FILE
from anygen.core.schema import read_yaml
from anygen.io.json_lines import read_json_lines
from anygen.reports import plots
from anygen.reports.page import Shown, show, svg_uri, write_page
from anygen.training.runs.log import LOG, LogRow
from anygen.training.runs.progress import duration
from anygen.training.samples import TEXT

PAGE = "report.html"
STEPS = 6  # whose samples are shown
POINTS = 400  # of a curve
NO_CURVES = ("step", "seconds", "best_step", "samples")


def write(out: Path) -> Path:
    """Write report.html from the files in the folder of a run; returns its path."""
    rows = list(read_json_lines(out / LOG))
    config = (out / RUN_FILE).read_text(encoding="utf-8")
    values = {
        "folder": out.name,
        "config": config,
        "step": rows[-1]["step"] if rows else 0,
        "best": [0, *(row["best_step"] for row in rows if "best_step" in row)][-1],
        "remaining": remaining(rows, read_yaml(config)["steps"]),
        "plots": [
            {
                "name": name,
                "last": {curve: values[-1] for curve, (_, values) in group.items()},
                "image": svg_uri(plots.curves_svg(group)),
            }
            for name, group in grouped(curves(rows)).items()
        ],
        **shown_samples(out, [row for row in rows if "samples" in row]),
    }
    return write_page(out / PAGE, "training.html", values)


def remaining(rows: Sequence[LogRow], steps: int) -> str:
    """The time that the run still needs at the speed of the last logged steps, empty at its end."""
    timed = [row for row in rows if "seconds" in row][-2:]
    if not timed or timed[-1]["step"] >= steps:
        return ""
    before = timed[0]["step"] if len(timed) == 2 else 0
    done = timed[-1]["step"]
    return duration(timed[-1]["seconds"] / (done - before) * (steps - done))


def curves(rows: Sequence[LogRow]) -> Iterator[tuple[str, list[int], list[float]]]:
    """Name, steps and values of every quantity in the log; of a repeated step the last values."""
    by_step: dict[int, LogRow] = {}
    for row in rows:
        by_step[row["step"]] = by_step.get(row["step"], {}) | row
    names = dict.fromkeys(name for row in rows for name in row if name not in NO_CURVES)
    for name in names:
        steps = evenly_spaced([step for step in sorted(by_step) if name in by_step[step]], POINTS)
        yield name, steps, [by_step[step][name] for step in steps]


def grouped(
    found: Iterable[tuple[str, list[int], list[float]]],
) -> dict[str, dict[str, plots.Curve]]:
    """The curves of each plot: `a/b/text` and `a/b/image_align` share one, which is `a/b`."""
    groups: dict[str, dict[str, plots.Curve]] = {}
    for name, steps, values in found:
        group, _, curve = name.rpartition("/")
        groups.setdefault(group or name, {})[curve] = steps, values
    return groups


def evenly_spaced(items: list[int], count: int) -> list[int]:
    """At most `count` of the items, evenly spaced, the first and the last among them."""
    if len(items) <= count:
        return items
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def shown_samples(out: Path, rows: Sequence[LogRow]) -> dict[str, Any]:
    """`steps`, and `samples`: by the name of the file, the sample of each of these steps."""
    by_step: Mapping[int, list[str]] = {row["step"]: row["samples"] for row in rows}
    steps = evenly_spaced(sorted(by_step), STEPS)
    names = dict.fromkeys(Path(path).name for step in steps for path in by_step[step])
    samples = {name: [sample(out, by_step[step], name) for step in steps] for name in names}
    return {"steps": steps, "samples": samples}


def sample(out: Path, paths: Sequence[str], name: str) -> Shown | str | None:
    """The sample of this name among the files of a step, if there is one: a medium or a text."""
    found = [out / path for path in paths if Path(path).name == name and (out / path).is_file()]
    if found and found[0].suffix == TEXT:
        return found[0].read_text(encoding="utf-8")
    return show(found[0], name) if found else None
