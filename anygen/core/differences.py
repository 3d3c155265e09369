"""What has changed between two sets of values, in words for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anygen.core.text import to_json


def differences(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What has changed, such as `seed was 0 and is 1`."""
    lines: list[str] = []
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name), now.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            lines += differences(old, new, f"{prefix}{name}.")
        elif old != new:
            lines.append(f"{prefix}{name} was {shown(old)} and is {shown(new)}")
    return lines


def shown(value: Any) -> str:
    return "not given" if value is None else value if isinstance(value, str) else to_json(value)
