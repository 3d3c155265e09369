"""The media of answers in the folder that a benchmark's own scorer reads.

Beside it lies a second folder of the same form with the media of plain captions: what the same
decoders make, with the same seeds, of the prompt by their own text encoder. A benchmark's scorer
can be run on both. Media are judged as these files hold them, so that answers can be judged again
after another program has scored them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anygen.anygen import AnyGen
from anygen.core.media import Media, Message, modality_of
from anygen.core.modality import MediaModality
from anygen.evaluation.suites.base import Answered, Bench, Case, Unit, media_in
from anygen.evaluation.suites.world.scoring import make_from
from anygen.generation.options import AnswerOptions
from anygen.generation.request import derive_seed
from anygen.io.atomic import replacing
from anygen.io.media_files import read_media, write_media

MODES = ("exactly", "free")  # one medium is forced, or the model decides whether it makes one
CONTROL = "control"
AT_ONCE = 8  # plain captions


@dataclass(frozen=True)
class Prompt:
    """The content of a unit: what is requested, how often, and what its suite scores it by."""

    text: str
    mode: str
    samples: int = 1
    data: Any = None
    true: Path | None = None  # the medium that the prompt describes


def no_files(unit: Unit) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class Layout:
    """Where a scorer expects media; paths are relative to the folder of that name."""

    name: str
    modality: MediaModality
    path: Callable[[Unit, int], str]  # of the n-th medium of a unit
    texts: Callable[[Unit], Mapping[str, str]] = no_files  # other files of a unit, by path

    def folder(self, out: Path, source: str) -> Path:
        return out / (self.name if source == "model" else f"{self.name}_{source}")


@dataclass(frozen=True, eq=False)
class Rendered:
    """The media of a unit by source, as in their files; None for one that was not made.

    Sources are `model` and, if its decoders render plain captions, `control`.
    """

    unit: Unit
    media: Mapping[str, Sequence[Media | None]]
    text: str  # of the answers

    @property
    def shown(self) -> dict[str, Media]:
        """For the report, by label."""
        return {
            f"{source} {number}" if len(media) > 1 else source: medium
            for source, media in self.media.items()
            for number, medium in enumerate(media, start=1)
            if medium is not None
        }


def request(unit: Unit, modality: MediaModality) -> list[Case]:
    """The prompt, as often as it has samples."""
    prompt: Prompt = unit.content
    options = AnswerOptions()
    if prompt.mode == "exactly":
        options = AnswerOptions(exactly={modality: 1}, max_media=1)
    case = Case([Message("user", (prompt.text,))], expected=(modality,), options=options)
    return [case] * prompt.samples


def collect(bench: Bench, answered: Sequence[Answered], layout: Layout) -> list[Rendered]:
    """Writes the media of new answers to their folders; reads those of all."""
    new = [one for one in answered if one.cases]
    if new:
        write_answers(bench, new, layout)
        write_controls(bench, new, layout)
    return [read_made(bench, one, layout) for one in answered]


def write_answers(bench: Bench, answered: Sequence[Answered], layout: Layout) -> None:
    folder = layout.folder(bench.out, "model")
    for one in answered:
        write_texts(folder, one.unit, layout)
        for number, answer in enumerate(one.answers):
            path = folder / layout.path(one.unit, number)
            media = [m for m in media_in(answer) if modality_of(m) == layout.modality]
            if media:
                write(media[0], path)
            else:
                path.unlink(missing_ok=True)  # of a run that was stopped before its line


def write_controls(bench: Bench, answered: Sequence[Answered], layout: Layout) -> None:
    """Of a model with decoders; other systems have no plain captions."""
    model = bench.model
    if not isinstance(model, AnyGen) or layout.modality not in model.model.decoders:
        return
    folder = layout.folder(bench.out, CONTROL)
    rows = [
        (one.unit, number, derive_seed(seed, 0))  # of the first medium
        for one in answered
        for number, seed in zip(range(one.unit.content.samples), one.seeds)
    ]
    for one in answered:
        write_texts(folder, one.unit, layout)
    decoder = model.model.decoders[layout.modality]
    for start in range(0, len(rows), AT_ONCE):
        units, numbers, seeds = zip(*rows[start : start + AT_ONCE])
        media = make_from(decoder, [unit.content.text for unit in units], seeds)
        for unit, number, medium in zip(units, numbers, media):
            write(medium, folder / layout.path(unit, number))


def write_texts(folder: Path, unit: Unit, layout: Layout) -> None:
    for name, text in layout.texts(unit).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def write(medium: Media, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_media(medium, path)


def read_made(bench: Bench, answered: Answered, layout: Layout) -> Rendered:
    unit = answered.unit
    media = {
        source: [
            read_media(path) if (path := folder / layout.path(unit, n)).is_file() else None
            for n in range(unit.content.samples)
        ]
        for source, folder in folders(bench, layout)
    }
    texts = [text for text in answered.texts if text]
    return Rendered(unit, media, " / ".join(dict.fromkeys(texts)))


def folders(bench: Bench, layout: Layout) -> Iterator[tuple[str, Path]]:
    """By source; that of the control only if there is one."""
    yield "model", layout.folder(bench.out, "model")
    control = layout.folder(bench.out, CONTROL)
    if control.is_dir():
        yield CONTROL, control
