"""The page of `anygen data preview` shows what training reads."""

import re
from html import unescape

import pytest
from typer.testing import CliRunner

from anygen.cli.main import app
from support.own_data import picture, talk, write_picture, write_records


@pytest.fixture
def page(tmp_path, tiny_system):
    write_picture(tmp_path / "a.png")
    rows = [
        talk("seen", [picture("a.png"), {"type": "text", "text": "<b>what?"}], "a cat"),
        talk("drawn", "draw", [picture(None, "a red ball")]),
        talk("bad", "say", ""),
    ]
    path = write_records(tmp_path / "mine.jsonl", *rows)
    out = tmp_path / "page.html"
    options = ["--system", str(tiny_system), "--out", str(out)]
    shown = CliRunner().invoke(app, ["data", "preview", str(path), *options])
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.strip() == str(out)
    return out.read_text()


def tokens(section, kind):
    return "".join(
        unescape(text) for text in re.findall(f'<span class="{kind}">(.*?)</span>', section)
    )


def test_labels_are_the_answer_and_the_end_of_its_turn(page):
    _, seen, drawn, bad = page.split("<section>")
    assert tokens(seen, "token learned") == "a cat<|im_end|>"
    assert "<|im_start|>user↵" in tokens(seen, "token")
    assert "<b>what?" in tokens(seen, "token")
    assert seen.count("<figure") == 1
    assert re.search(r'"token learned span">image span, \d+ positions: a red ball<', drawn)
    assert drawn.count("<figure") == 0
    assert "message 2: the assistant&#39;s content is empty" in bad


def test_a_row_is_named_by_its_line_and_its_id(page):
    assert "mine.jsonl:2 drawn" in page
    assert "3 of 3 rows" in page
