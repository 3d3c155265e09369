"""Writes rows of a layout to a file, and reads them as records."""

import json
from pathlib import Path
from typing import Any

from anygen.core.records import TextContent
from mosit_data.formats.layouts import LAYOUTS
from mosit_data.formats.media_folder import MediaFolder
from mosit_data.formats.rows import Kept, Refusal


def media_folder(folder: Path) -> MediaFolder:
    return MediaFolder(folder, folder, folder / "inline")


def write_rows(path: Path, data: Any) -> Path:
    """A text as it is, bytes as they are, and else JSON: a list of lines for .jsonl."""
    if isinstance(data, bytes):
        path.write_bytes(data)
    elif isinstance(data, str):
        path.write_text(data, encoding="utf-8")
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in data), encoding="utf-8")
    else:
        path.write_text(json.dumps(data), encoding="utf-8")
    return path


def read_layout(name: str, path: Path, folder: Path | None = None) -> list[Kept | Refusal]:
    return list(
        LAYOUTS[name].read(path, media_folder(folder or (path if path.is_dir() else path.parent)))
    )


def shown(outcome: Kept | Refusal) -> list[Any] | str:
    """A record as `(role, part, ...)`, media as `(type, path, caption)`; or why there is none."""
    if isinstance(outcome, Refusal):
        return outcome.reason
    return [(message.role, *map(part, message.content)) for message in outcome.record.messages]


def part(content: Any) -> Any:
    if isinstance(content, TextContent):
        return content.text
    return content.type, content.path, content.caption


# --- what `shown` gives


def user(*parts: Any) -> Any:
    return ("user", *parts)


def assistant(*parts: Any) -> Any:
    return ("assistant", *parts)


def picture(path: str | None, caption: str | None = None) -> Any:
    return ("image", path, caption)


# --- rows of layouts

HOW_MANY = {"from": "human", "value": "<image>\nHow many kites are up?"}
TWO = {"from": "gpt", "value": "Two, both red."}
TALK = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}]
LLAVA = {"id": "k1", "image": "part/k1.jpg", "conversations": [HOW_MANY, TWO]}
KITES = [user(picture("part/k1.jpg"), "How many kites are up?"), assistant("Two, both red.")]
SWIFT = {
    "messages": [
        {"role": "user", "content": "<image>Find <ref-object>"},
        {"role": "assistant", "content": "<bbox>"},
    ],
    "images": ["a.jpg"],
    "objects": {"ref": ["a cup"], "bbox": [[1, 2, 30, 40]]},
}
