"""`anygen doctor --smoke`: one medium of every modality is generated, checked, written and read."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from anygen import AnyGen
from anygen.core.media import Audio, Image, Media, Message
from anygen.core.modality import TABLE, MediaModality
from anygen.doctor.findings import Finding, guarded
from anygen.generation.events import MediaDone
from anygen.io.media_files import read_media, write_media
from anygen.terminal.preview import describe

REQUESTS: dict[MediaModality, str] = {
    "image": "draw a cat on a blue background",
    "audio": "play a rising melody on a piano",
    "video": "make a video of a dog moving left",
}
DIMENSIONS: dict[MediaModality, int] = {"image": 3, "audio": 2, "video": 4}


def smoke_test(name: str) -> Iterator[Finding]:
    """Loads the model and generates what REQUESTS ask for, one finding each."""
    start = time.perf_counter()
    model = AnyGen.from_pretrained(name, device="auto")
    seconds = time.perf_counter() - start
    yield Finding("ok", "smoke", f"{name} loaded in {seconds:.1f} s; {model.model.placement}")
    with tempfile.TemporaryDirectory() as folder:
        for modality in model.model.system.decoders:
            check = partial(check_modality, model, modality, Path(folder))
            yield from guarded(f"smoke {modality}", check)


def check_modality(model: AnyGen, modality: MediaModality, folder: Path) -> Iterator[Finding]:
    start = time.perf_counter()
    media = generate_one(model, modality)
    seconds = time.perf_counter() - start
    fault = fault_of(media, modality) or fault_of_file(media, modality, folder)
    text = f"{describe(media)} in {seconds:.1f} s"
    if fault:
        yield Finding("problem", f"smoke {modality}", f"{text}, but {fault}")
    else:
        yield Finding("ok", f"smoke {modality}", f"{text}; written and read back")


def generate_one(model: AnyGen, modality: MediaModality) -> Media:
    """The first medium of an answer that is restricted to this modality."""
    request = REQUESTS[modality]
    for event in model.reply([Message("user", (request,))], seed=0, modalities=(modality,)):
        if isinstance(event, MediaDone):
            return event.media
    raise ValueError(f"{request!r} was answered without any {modality}")


def fault_of(media: Media, modality: MediaModality) -> str | None:
    """What is wrong with the values of a generated medium, if anything."""
    if isinstance(media, Image):
        values = media.pixels
    else:
        values = media.samples if isinstance(media, Audio) else media.frames
    if values.ndim != DIMENSIONS[modality] or values.numel() == 0:
        return f"its shape is {tuple(values.shape)}"
    if not values.isfinite().all():
        return "some of its values are not finite"
    return "all of its values are the same" if (values == values.flatten()[0]).all() else None


def fault_of_file(media: Media, modality: MediaModality, folder: Path) -> str | None:
    path = write_media(media, folder / f"{modality}{TABLE[modality].suffix}")
    written, found = describe(media), describe(read_media(path))
    return None if written == found else f"its file holds {found}"
