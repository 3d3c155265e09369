"""Boxes in pictures: drawn, or what is inside."""

from collections.abc import Sequence

import torch
from torch import Tensor

from anygen.core.media import Image

Colour = tuple[int, int, int]
COLOURS: Sequence[Colour] = ((255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 215, 0))
WIDTH = 3  # pixels of a line
Box = tuple[int, int, int, int]  # left, top, right, bottom


def with_boxes(image: Image, boxes: Sequence[Box], colours: Sequence[Colour] = COLOURS) -> Image:
    """The picture with a coloured frame along each box, as far as it is inside."""
    pixels_CHW = image.pixels.clone()
    for number, (left, top, right, bottom) in enumerate(boxes):
        colour_C = torch.tensor(colours[number % len(colours)], dtype=torch.uint8)
        for x, y in ((left, None), (right, None), (None, top), (None, bottom)):
            columns = line(x) if x is not None else span(left, right)
            rows = line(y) if y is not None else span(top, bottom)
            pixels_CHW[:, rows, columns] = colour_C[:, None, None]
    return Image(pixels_CHW)


def line(middle: int) -> slice:
    return slice(max(0, middle - WIDTH // 2), max(0, middle + WIDTH // 2 + 1))


def span(start: int, end: int) -> slice:
    return slice(max(0, start), max(0, end + 1))


def cut(image: Image, box: Box) -> Image:
    """The part of a picture inside a box, or the whole if nothing of it is."""
    left, top, right, bottom = box
    part_CHW: Tensor = image.pixels[:, max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    return Image(part_CHW.contiguous()) if part_CHW.numel() else image
