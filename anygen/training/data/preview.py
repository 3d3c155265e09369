"""A page of rows as training reads them: tokens, which of them are learned, spans and media."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from anygen.core.media import Media, modality_of
from anygen.core.modality import TABLE
from anygen.io.media_files import write_media
from anygen.llm.prompt import Features, Piece, Span, Tokens
from anygen.reports.page import Shown, show, write_page
from anygen.training.collate import prompt_of
from anygen.training.data.files import RowError
from anygen.training.data.order import permuted
from anygen.training.data.rows import RowReader
from anygen.training.data.sources import FileSource
from anygen.training.dialogues import Dialogue

LARGEST = 256  # pixels of the longer side of a picture on the page


@dataclass(frozen=True)
class ShownPiece:
    """Tokens of text one by one, or a span, or a medium with the number of its positions."""

    tokens: Sequence[str] = ()
    span: str = ""
    medium: Shown | None = None
    learned: bool = False


@dataclass(frozen=True)
class ShownRow:
    title: str
    facts: str
    pieces: Sequence[ShownPiece] = ()
    fault: str = ""  # instead of pieces, if training would refuse the row


def write_preview(source: FileSource, reader: RowReader, count: int, seed: int, out: Path) -> Path:
    """Writes a page with `count` random rows, in the order of the file; returns `out`."""
    count = min(count, len(source))
    rows = sorted(permuted(number, len(source), f"{seed}/preview") for number in range(count))
    values = {
        "rows": [shown_row(source, reader, row) for row in rows],
        "total": len(source),
        "system": reader.model.system.llm.base,
    }
    return write_page(out, "preview.html", values)


def shown_row(source: FileSource, reader: RowReader, row: int) -> ShownRow:
    place = source.place(row)
    title = f"{place.file.name}:{place.line}"
    try:
        dialogue = reader.read(source, row)
    except RowError as error:
        return ShownRow(f"{title} {error.row_id}", "", fault=error.reason)
    prompt = prompt_of(reader.model, dialogue, reader.tokenizer)
    learned = sum(len(piece.ids) for piece in prompt if isinstance(piece, Tokens) and piece.learned)
    spans = sum(isinstance(piece, Span) for piece in prompt)
    facts = f"{sum(map(reader.positions, prompt)):,} positions, {learned + spans:,} labels"
    name = source.read(row).id
    return ShownRow(f"{title} {name}", facts, list(shown_pieces(reader, dialogue, prompt)))


def shown_pieces(
    reader: RowReader, dialogue: Dialogue, prompt: Sequence[Piece]
) -> Iterator[ShownPiece]:
    for piece in prompt:
        length = reader.positions(piece)
        match piece:
            case Tokens(ids=ids, learned=learned):
                yield ShownPiece([reader.tokenizer.decode([i]) for i in ids], learned=learned)
            case Span(modality=modality, medium=medium):
                caption = dialogue.captions.get(medium, "")
                yield ShownPiece(span=f"{modality} span, {length} positions: {caption}")
            case Features(media=media):
                yield ShownPiece(medium=shown_medium(media, f"{length} positions"))


def shown_medium(medium: Media, label: str) -> Shown:
    """As it was read: of a long video the frames that were kept, of a sound its samples."""
    with TemporaryDirectory() as folder:
        suffix = TABLE[modality_of(medium)].suffix
        return show(write_media(medium, Path(folder) / f"medium{suffix}"), label, LARGEST)
