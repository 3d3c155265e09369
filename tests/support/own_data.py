"""Files of records as a user writes them: pictures, captions and dialogues about them."""

import json
from pathlib import Path

import torch

from anygen.core.media import Audio, Image
from anygen.io.media_files import write_media


def write_records(path: Path, *rows) -> Path:
    """One line per row: a dict, or bytes that are written as they are."""
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def talk(name: str, question="hi", answer="hello") -> dict:
    """A record of one question and its answer; either is a text or a list of parts."""
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"id": name, "messages": turns}


def picture(path: str | None, caption: str | None = None) -> dict:
    part = {"type": "image", "path": path, "caption": caption}
    return {key: value for key, value in part.items() if value is not None}


def write_picture(path: Path, seed: int = 0) -> Path:
    generator = torch.Generator().manual_seed(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = torch.randint(0, 256, (3, 16, 16), dtype=torch.uint8, generator=generator)
    return write_media(Image(pixels), path)


def write_sound(path: Path) -> Path:
    return write_media(Audio(torch.linspace(-0.5, 0.5, 4096)[None], 16_000), path)


def write_dialogues(folder: Path, count: int = 6) -> Path:
    """Dialogues with pictures in, pictures out, captions alone and text alone, in turns."""
    rows = []
    for index in range(count):
        name, path = f"row-{index}", f"media/{index}.png"
        write_picture(folder / path, index)
        kinds = [
            talk(name, [picture(path), {"type": "text", "text": "what?"}], f"a cat {index}"),
            talk(name, f"draw {index}", [picture(path, f"a red ball {index}")]),
            talk(name, f"draw {index}", [picture(None, f"a blue ball {index}")]),
            talk(name, f"say {index}", f"well {index}"),
        ]
        rows.append(kinds[index % len(kinds)])
    return write_records(folder / "mine.jsonl", *rows)


def captioned_pictures(folder: Path, count: int) -> list[dict]:
    """Writes mine.jsonl, a request for each of `count` pictures of one colour; returns its rows."""
    rows, generator = [], torch.Generator().manual_seed(0)
    (folder / "media").mkdir(parents=True)
    for index in range(count):
        colour = torch.randint(0, 256, (3, 1, 1), dtype=torch.uint8, generator=generator)
        write_media(Image(colour.expand(3, 16, 16)), folder / f"media/{index}.png")
        made = picture(f"media/{index}.png", f"a ball {index}")
        rows.append(talk(f"row-{index}", f"draw {index}", [made]))
    write_records(folder / "mine.jsonl", *rows)
    return rows
