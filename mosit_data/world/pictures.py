"""Renders picture scenes."""

import numpy as np
import torch
from PIL import Image as Canvas

from anygen.core.media import Image
from mosit_data.world.scene import PictureScene, Thing
from mosit_data.world.sprites import sprite
from mosit_data.world.vocabulary import COLOURS

SIZE = 128  # pixels per side of pictures and videos


def render_picture(scene: PictureScene, size: int = SIZE) -> Image:
    """The picture of a scene, (3, size, size). The same scene gives the same pixels."""
    red, green, blue = (min(255, round(c * scene.shade)) for c in COLOURS[scene.background].rgb)
    canvas = Canvas.new("RGB", (size, size), (red, green, blue))
    for thing in scene.things:
        draw(canvas, thing, scene.style)
    return Image(torch.from_numpy(np.array(canvas)).permute(2, 0, 1).contiguous())


def draw(canvas: Canvas.Image, thing: Thing, style: str) -> None:
    side = max(1, round(thing.size * canvas.width))
    drawing = sprite(thing.concept, style, side, thing.colour)
    if thing.angle:
        drawing = drawing.rotate(thing.angle, Canvas.Resampling.BICUBIC, expand=True)
    left = round(thing.x * canvas.width - drawing.width / 2)
    top = round(thing.y * canvas.height - drawing.height / 2)
    canvas.paste(drawing, (left, top), drawing)
