"""Makes the pictures of README from the shipped weights: `python docs/gallery.py`.

Nothing is chosen by hand: the requests below are asked once, with seed 0.
"""

import io
from pathlib import Path

import torch
from PIL import Image as Picture

from anygen import AnyGen, Audio, Image, Message, Video, write_media
from anygen.reports.plots import spectrogram

FOLDER = Path(__file__).parent / "gallery"
PICTURES = (
    "a cat on a blue background",
    "a 3d pizza on a red background",
    "a cartoon robot on a white background",
    "a flat sailboat on a blue background",
    "a 3d guitar on a yellow background",
    "a strawberry on a green background",
    "an owl on a purple background",
    "a cartoon cactus on an orange background",
    "a dog to the left of a tree on a white background",
    "a moon above a house on a black background",
    "a bus on a pink background",
    "a panda on a green background",
)
SOUNDS = {"violin": "play a rising melody on a violin", "piano": "play a chord on a piano"}
MOVING = "a red rocket moving up on a blue background"
SIDE, ACROSS, GAP = 128, 6, 4  # pixels


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    anygen = AnyGen.from_pretrained("mini")
    pictures = [answer(anygen, f"draw {caption}", "image") for caption in PICTURES]
    grid_of(pictures).save(FOLDER / "pictures.png", optimize=True)
    save_moving(answer(anygen, f"film {MOVING}", "video"), FOLDER / "video.webp")
    for name, request in SOUNDS.items():
        sound = answer(anygen, request, "audio")
        write_media(sound, FOLDER / f"{name}.flac")
        drawn = Picture.open(io.BytesIO(spectrogram(sound)))
        drawn.resize((2 * drawn.width, 2 * drawn.height)).save(FOLDER / f"{name}.png")


def answer(anygen: AnyGen, request: str, modality: str) -> Image | Audio | Video:
    options = {"begin": modality, "max_media": 1, "max_new_tokens": 1}
    [medium, *_] = anygen.generate([Message("user", (request,))], seed=0, **options).parts
    assert not isinstance(medium, str)
    return medium


def grid_of(images: list[Image]) -> Picture.Image:
    rows = -(-len(images) // ACROSS)
    size = [count * (SIDE + GAP) - GAP for count in (ACROSS, rows)]
    grid = Picture.new("RGB", size, "white")
    for index, image in enumerate(images):
        down, across = divmod(index, ACROSS)
        grid.paste(enlarged(image.pixels), (across * (SIDE + GAP), down * (SIDE + GAP)))
    return grid


def save_moving(video: Video, path: Path) -> None:
    first, *others = [enlarged(frame) for frame in video.frames]
    first.save(path, save_all=True, append_images=others, duration=round(1000 / video.fps), loop=0)


def enlarged(pixels: torch.Tensor) -> Picture.Image:
    picture = Picture.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
    return picture.resize((SIDE, SIDE), Picture.Resampling.BICUBIC)


if __name__ == "__main__":
    main()
