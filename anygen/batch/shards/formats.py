"""How a shard lies on the disk: records beside their media, a Parquet table, or a tar archive.

All are written byte by byte the same for the same records: no times, no names of machines.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anygen.batch.records import BatchRecord, file_stem, parse_record, record_line
from anygen.core.version import DISTRIBUTION
from anygen.io.media_files import printable

Write = Callable[[Sequence[BatchRecord], Path, Path], None]  # records, folder of media, path
HOLDS_MEDIA = ("parquet", "webdataset")


@dataclass(frozen=True)
class ShardFormat:
    suffix: str
    write: Write
    read: Callable[[Path], list[BatchRecord]]


def write_lines(records: Sequence[BatchRecord], media: Path, path: Path) -> None:
    path.write_bytes("".join(f"{record_line(record)}\n" for record in records).encode())


def read_lines(path: Path) -> list[BatchRecord]:
    return [r for r in map(parse_record, path.read_bytes().split(b"\n")) if r is not None]


# --- a table


def parquet_schema() -> Any:
    """The columns of a shard; `data` holds the bytes of a medium. Raises ValueError."""
    pa = import_pyarrow()
    text, whole = pa.string(), pa.int64()
    part = [("type", text), ("text", text), ("path", text), ("sha256", text), ("data", pa.binary())]
    columns = [
        *(("id", text), ("status", text), ("seed", whole), ("content", pa.list_(pa.struct(part)))),
        *(("finish", text), ("error", text), ("code", text), ("attempts", whole)),
        *(("prompt_hash", text), ("settings_hash", text)),
    ]
    return pa.schema(columns)


def import_pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise ValueError(
            f"--format parquet needs pyarrow: pip install '{DISTRIBUTION}[data]'"
        ) from None
    return pyarrow


def write_parquet(records: Sequence[BatchRecord], media: Path, path: Path) -> None:
    from pyarrow import Table
    from pyarrow.parquet import write_table

    rows = [{**record, "content": with_data(record, media)} for record in records]
    table = Table.from_pylist(rows, schema=parquet_schema())
    write_table(table, path, compression="zstd")


def with_data(record: BatchRecord, media: Path) -> list[dict[str, Any]]:
    return [
        {**part, "data": (media / part["path"]).read_bytes()} if "path" in part else dict(part)
        for part in record["content"]
    ]


def read_parquet(path: Path) -> list[BatchRecord]:
    from pyarrow import parquet

    rows = parquet.read_table(path).to_pylist()
    for row in rows:
        for part in row["content"]:
            part.pop("data")
        row["content"] = [
            {name: value for name, value in part.items() if value is not None}
            for part in row["content"]
        ]
    return [{k: v for k, v in row.items() if v is not None} for row in rows]  # type: ignore[misc]


# --- an archive


def write_tar(records: Sequence[BatchRecord], media: Path, path: Path) -> None:
    """A WebDataset archive: `cat.json` is the record, `cat.002_image.png` a medium of it."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for record in records:
            stem = file_stem(record["id"])
            add_member(archive, f"{stem}.json", record_line(record).encode())
            for part in record["content"]:
                if "path" in part:
                    rest = part["path"].removeprefix(f"{stem}_")
                    add_member(archive, f"{stem}.{rest}", (media / part["path"]).read_bytes())


def add_member(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o644
    archive.addfile(member, io.BytesIO(data))


def read_tar(path: Path) -> list[BatchRecord]:
    return [
        record
        for name, data in members(path)
        if name.endswith(".json") and (record := parse_record(data)) is not None
    ]


def members(path: Path) -> Iterator[tuple[str, bytes]]:
    """The files in an archive. Raises ValueError if it is damaged."""
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                stream = archive.extractfile(member)
                yield member.name, stream.read() if stream else b""
    except tarfile.TarError as error:
        raise ValueError(f"{printable(path)}: is damaged: {error}") from error


FORMATS = {
    "files": ShardFormat(".jsonl", write_lines, read_lines),
    "parquet": ShardFormat(".parquet", write_parquet, read_parquet),
    "webdataset": ShardFormat(".tar", write_tar, read_tar),
}
