"""Parquet, and other tables whose columns tell what their rows are: dialogues or captioned media.

messages: [{"role": "user", "content": "<image>How many?"}, ...], images: [{"bytes": ...}]
image: {"bytes": ...}, text: two red kites
"""

from __future__ import annotations

from typing import Any

from mosit_data.formats.conversations.openai import OpenaiRow
from mosit_data.formats.conversations.sharegpt import SharegptRow
from mosit_data.formats.instructions.alpaca import AlpacaRow
from mosit_data.formats.schema import Row
from mosit_data.formats.tables import captions


def parse(data: dict[str, Any]) -> Row:
    """The row as the layout that its columns fit. Raises ValueError."""
    turns = data.get("messages") or data.get("conversations")
    if turns:
        has_parts = isinstance(turns, list) and any(
            isinstance(turn, dict) and isinstance(turn.get("content"), list) for turn in turns
        )
        return (OpenaiRow if has_parts else SharegptRow).model_validate(data)
    if "instruction" in data and "output" in data:
        return AlpacaRow.model_validate(data)
    if "caption" in data or "text" in data:
        return captions.parse(data)
    columns = ", ".join(map(str, data)) or "none"
    raise ValueError(f"the columns are {columns}, neither messages nor a medium and its caption")
