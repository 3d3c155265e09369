"""The page about data lists every layout, with a row that is read as it stands there."""

import json
import re

import pytest

from anygen.cli.data import LAYOUTS
from mosit_data.formats.rows import Kept
from support.layouts import read_layout, write_rows
from support.paths import ROOT

PAGE = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
SECTION = PAGE.split("\n## Layouts\n")[1].split("\n## ")[0]
TABLE = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*?) ?\|$", SECTION, re.MULTILINE))
ROWS = {name: json.loads(cell.strip("`")) for name, cell in TABLE.items() if cell}


def test_every_layout_has_a_line():
    assert sorted(TABLE) == sorted(LAYOUTS)


@pytest.mark.parametrize("layout", ROWS)
def test_a_documented_row_is_read(folder, layout):
    [outcome] = read_layout(layout, write_rows(folder / "rows.jsonl", [ROWS[layout]]))
    assert isinstance(outcome, Kept), outcome
