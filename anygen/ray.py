"""For people with a Ray Data pipeline: `dataset.map_batches(RowWorker, batch_format="pyarrow")`.

A batch that Ray has to repeat is answered again, with the same bytes. For exactly one record per
row in a folder, use `anygen generate --engine ray`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from anygen.anygen import AnyGen
from anygen.batch.answering import BatchModel, BatchSettings, Destination, Rows, answer_rows
from anygen.batch.rows import BatchRow
from anygen.batch.shards.formats import import_pyarrow, parquet_schema, with_data
from anygen.batch.sources import table_row
from anygen.core.modality import Modality
from anygen.generation.options import AnswerOptions


class RowWorker:
    """Answers tables of rows, with the columns of a table of prompts, by tables of records.

    Each row needs an `id`. A row that cannot be answered is a record with an error; nothing raises.
    The columns of the result are those of a Parquet shard: `content` has the bytes of the media.
    `folder` is where the media of rows lie; other arguments are those of `AnyGen.from_pretrained`.
    """

    def __init__(  # what people set
        self,
        model: str | BatchModel = "mini",
        seed: int = 0,
        modality: Sequence[Modality] = (),
        options: AnswerOptions | None = None,
        folder: str | Path = ".",
        **placement: Any,
    ) -> None:
        self.model = AnyGen.from_pretrained(model, **placement) if isinstance(model, str) else model
        self.folder = Path(folder)
        self.settings = BatchSettings(
            Path(), seed, options or AnswerOptions(), tuple(modality), metadata=False
        )

    def __call__(self, table: Any) -> Any:
        """A pyarrow.Table of rows -> one of records, in the same order."""
        rows = [self.row(cells) for cells in table.to_pylist()]
        with TemporaryDirectory() as folder:
            to = Destination(Path(folder), Path(folder))
            records = answer_rows(self.model, Rows(rows, self.folder), to, self.settings)
            filled = [{**r, "content": with_data(r, Path(folder))} for r in records]
        return import_pyarrow().Table.from_pylist(filled, schema=parquet_schema())

    def row(self, cells: dict[str, Any]) -> BatchRow:
        row = table_row(cells, "row")
        if not row.has_own_id and not row.error:
            row = BatchRow("row", error="id: is missing; the seed of a row is derived from it")
        return row.with_modality(self.settings.modality)
