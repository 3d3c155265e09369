"""Many media in one picture: pictures, contact strips of videos and spectrograms of sounds."""

import io
from collections.abc import Sequence

import torch
from PIL import Image as Canvas

from anygen.core.media import Audio, Image, Media, Video
from anygen.reports.page import data_uri
from anygen.reports.plots import spectrogram

COLUMNS = {"image": 8, "audio": 3, "video": 1}  # of a sheet
FRAMES = 8  # of a contact strip, evenly spaced in time
FRAME = 96  # pixels of its frames' height
GAP = 2  # pixels between tiles
GROUND = (128, 128, 128)  # also in the place of a medium that is missing
QUALITY = 95  # of WebP: fine detail is what such a page is looked at for


def sheet(media: Sequence[Media | None], columns: int) -> str:
    """The data URI of a picture with a tile for each medium, row by row; None leaves it empty."""
    tiles = [None if medium is None else tile(medium) for medium in media]
    width = max((one.width for one in tiles if one), default=FRAME)
    height = max((one.height for one in tiles if one), default=FRAME)
    rows = -(-len(tiles) // columns)
    size = (columns * (width + GAP) - GAP, max(1, rows * (height + GAP) - GAP))
    canvas = Canvas.new("RGB", size, GROUND)
    for index, one in enumerate(tiles):
        if one:
            row, column = divmod(index, columns)
            canvas.paste(one, (column * (width + GAP), row * (height + GAP)))
    buffer = io.BytesIO()
    canvas.save(buffer, "WEBP", quality=QUALITY)
    return data_uri(buffer.getvalue(), "image/webp")


def tile(medium: Media) -> Canvas.Image:
    """A picture in its own size, FRAMES of a video side by side, or the spectrogram of a sound."""
    match medium:
        case Image():
            return Canvas.fromarray(medium.pixels.permute(1, 2, 0).numpy())
        case Audio():
            return Canvas.open(io.BytesIO(spectrogram(medium))).convert("RGB")
        case Video():
            return contact_strip(medium)


def contact_strip(video: Video) -> Canvas.Image:
    places = torch.linspace(0, len(video.frames) - 1, FRAMES).round().long()
    frames = [Canvas.fromarray(frame.permute(1, 2, 0).numpy()) for frame in video.frames[places]]
    width = max(1, round(frames[0].width * FRAME / frames[0].height))
    strip = Canvas.new("RGB", (FRAMES * width, FRAME))
    for index, frame in enumerate(frames):
        strip.paste(frame.resize((width, FRAME)), (index * width, 0))
    return strip
