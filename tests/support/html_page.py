"""An HTML page as a test reads it."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "img", "link", "br", "input"}


class Page(HTMLParser):
    """Reads a page strictly: every tag is closed where it should be."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)

    def loaded(self) -> list[str]:
        """What the page would fetch."""
        found = [value for _, found in self.tags for name, value in found.items() if name == "src"]
        styles = [f["href"] for tag, f in self.tags if tag == "link"]
        return found + styles + re.findall(r"url\(|@import", self.text)


def assert_is_whole(page: Page) -> None:
    assert page.count("script") == 0
    assert page.loaded()
    assert all(value.startswith("data:") for value in page.loaded())
    pictures = [v for v in page.loaded() if v.startswith("data:image/svg+xml")]
    for picture in pictures:
        svg = base64.b64decode(picture.partition(",")[2]).decode()
        assert not re.findall(r'(?:href|src)="http', svg)
