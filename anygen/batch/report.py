"""report.html: what a batch has made, what has failed and why, and how long it took."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from anygen.batch.answering import BatchSettings
from anygen.batch.progress import Progress, duration
from anygen.batch.records import BatchRecord
from anygen.batch.shards.finish import read_state
from anygen.core.media import Media
from anygen.io.media_files import MediaError, read_media
from anygen.reports.page import Card, Shown, show_files, write_page
from anygen.reports.sheets import COLUMNS, sheet

REPORT, SHEET = "report.html", "contact_sheet.webp"
MAX_CARDS = 100  # of each kind: a page must open in a browser
MAX_TILES = 600  # of a sheet


def write_report(ids: Sequence[str], settings: BatchSettings, progress: Progress) -> Path:
    """Writes the page of these rows; if they are variants, also a sheet with all of their media."""
    state = read_state(settings)
    records = [state[row_id] for row_id in ids if row_id in state]
    answered = [record for record in records if record["status"] == "ok"]
    failed = [record for record in records if record["status"] == "error"]
    values = {
        "folder": settings.out.absolute().name,
        "counts": f"{len(answered)} of {len(ids)} rows answered, {len(failed)} failed",
        "time": time_of(progress),
        "failures": [failure_card(record) for record in failed[:MAX_CARDS]],
        "cards": [answer_card(record, settings.out) for record in answered[:MAX_CARDS]],
        "left_out": max(0, len(answered) - MAX_CARDS),
        "sheet": write_sheet(records, settings) if settings.grid.size > 1 else "",
    }
    return write_page(settings.out / REPORT, "batch.html", values)


def time_of(progress: Progress) -> str:
    rows = len(progress.codes)
    if not rows:
        return "nothing was left to answer"
    seconds = progress.seconds()
    return f"the last run: {rows} rows in {duration(seconds)}, {rows / seconds:.2g} rows/s"


def failure_card(record: BatchRecord) -> Card:
    facts = {"reason": record.get("error", ""), "tries": str(record.get("attempts", 1))}
    return Card(record["id"], False, record.get("code", "failed"), [], facts)


def answer_card(record: BatchRecord, out: Path) -> Card:
    files = [part["path"] for part in record["content"] if "path" in part]
    text = " ".join(part["text"] for part in record["content"] if "text" in part)
    facts = {"text": text, "seed": str(record["seed"]), "cut short": record.get("finish", "")}
    return Card(record["id"], None, "", shown(out, files), facts)


def shown(out: Path, files: Sequence[str]) -> list[Shown]:
    """The media of a row, as far as they can be read."""
    try:
        return show_files(out, {name: name for name in files})
    except MediaError:
        return []


def write_sheet(records: Sequence[BatchRecord], settings: BatchSettings) -> str:
    """A picture with the first medium of each row, a line per row of the grid; also as a file."""
    media = [first_medium(record, settings.out) for record in records[:MAX_TILES]]
    if not any(media):
        return ""
    columns = min(settings.grid.columns, max(COLUMNS.values()))
    uri = sheet(media, columns)
    (settings.out / SHEET).write_bytes(base64.b64decode(uri.partition(",")[2]))
    return uri


def first_medium(record: BatchRecord, out: Path) -> Media | None:
    for part in record["content"]:
        if "path" in part and (out / part["path"]).is_file():
            try:
                return read_media(out / part["path"])
            except MediaError:
                return None
    return None
