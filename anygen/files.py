"""Files that are whole: a write that is killed leaves what was there before."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name in the same folder that becomes `path` when all is on the disk.

    What a killed write has left under it is overwritten by the next one.
    """
    temporary = path.absolute().with_name(f".{path.stem[:100]}.partial{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(data: Mapping[str, Any], path: Path) -> None:
    with replacing(path) as temporary:
        text = json.dumps(data, indent=2, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")
