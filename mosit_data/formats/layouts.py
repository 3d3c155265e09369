"""The table of layouts, by the name that `anygen data convert` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from anygen.core.records import Record
from anygen.core.schema import did_you_mean
from mosit_data.formats.conversations import llamafactory, llava, nextgpt, openai, swift
from mosit_data.formats.conversations.lamm import LammRow
from mosit_data.formats.conversations.sharegpt import SharegptRow
from mosit_data.formats.conversations.spider import SpiderRow
from mosit_data.formats.documents.mmc4 import Mmc4Row
from mosit_data.formats.documents.obelics import ObelicsRow
from mosit_data.formats.instructions import mimicit, minigpt4
from mosit_data.formats.instructions.alpaca import AlpacaRow
from mosit_data.formats.instructions.m3it import M3itRow
from mosit_data.formats.instructions.multiinstruct import MultiinstructRow
from mosit_data.formats.rows import LINES, SUFFIXES
from mosit_data.formats.schema import Reader, reader
from mosit_data.formats.tables import captions, columns, records, webdataset

Writer = Callable[[Record], dict[str, Any]]  # raises ValueError for what the layout cannot hold


@dataclass(frozen=True)
class Layout:
    """A way to lay out data in files; some are only read."""

    read: Reader
    write: Writer | None = None
    # Of the files of a folder that are read; without any, the folder is read as a whole.
    suffixes: tuple[str, ...] = SUFFIXES


LAYOUTS: Mapping[str, Layout] = {
    "alpaca": Layout(reader(AlpacaRow.model_validate)),
    "captions": Layout(captions.read, suffixes=()),
    "lamm": Layout(reader(LammRow.model_validate)),
    "llamafactory": Layout(llamafactory.read, llamafactory.write, suffixes=()),
    "llava": Layout(reader(llava.LlavaRow.model_validate), llava.write),
    "m3it": Layout(reader(M3itRow.model_validate)),
    "mimicit": Layout(mimicit.read, suffixes=()),
    "minigpt4": Layout(minigpt4.read, suffixes=(".json",)),
    "mmc4": Layout(reader(Mmc4Row.model_validate)),
    "multiinstruct": Layout(reader(MultiinstructRow.model_validate)),
    "nextgpt": Layout(nextgpt.read, suffixes=(*SUFFIXES, ".txt")),
    "obelics": Layout(reader(ObelicsRow.model_validate)),
    "openai": Layout(reader(openai.OpenaiRow.model_validate), openai.write),
    "parquet": Layout(reader(columns.parse)),
    "records": Layout(records.read, records.write, suffixes=LINES),
    "sharegpt": Layout(reader(SharegptRow.model_validate)),
    "spider": Layout(reader(SpiderRow.model_validate)),
    "swift": Layout(reader(swift.SwiftRow.model_validate), swift.write),
    "webdataset": Layout(webdataset.read, suffixes=(".tar", ".tgz", ".gz")),
}
WRITERS: Mapping[str, Writer] = {
    name: layout.write for name, layout in LAYOUTS.items() if layout.write
}


def find(name: str, layouts: Mapping[str, Any]) -> Any:
    """The entry of that name. Raises ValueError, with the name that was meant if one is close."""
    if name in layouts:
        return layouts[name]
    guess = did_you_mean(name.lower(), layouts) or f"; there are {', '.join(layouts)}"
    raise ValueError(f"no layout {name!r}{guess}")
