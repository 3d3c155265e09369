"""Pictures in a terminal: which graphics it supports, and how each draws a picture."""

from __future__ import annotations

import base64
import io
import itertools
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import TextIO

import numpy as np
import torch
from PIL import Image as PILImage
from torch import Tensor
from torch.nn.functional import interpolate

from anygen.terminal.probe import TIMEOUT, column_pixels, find_pixel_graphics

CHUNK = 4096  # most base64 characters in one kitty command
PIXELS_PER_COLUMN = 16  # on a dense screen; more would not be visible, so they are not sent
SIXEL_COLORS = 256  # every terminal with sixels has as many registers
RAMP = " .:-=+*#%@"  # from dark to light, on a dark screen
LUMINANCE = torch.tensor([0.2126, 0.7152, 0.0722])  # of R, G and B: ITU-R BT.709
# Colours 16 to 255 of xterm: a 6x6x6 cube and a ramp of greys (256colres.pl in its source).
CUBE_LEVELS = (0, 95, 135, 175, 215, 255)
GREYS = range(8, 239, 10)
XTERM = torch.tensor(
    [*itertools.product(CUBE_LEVELS, repeat=3), *((grey, grey, grey) for grey in GREYS)]
).float()
XTERM_FIRST = 16
# What multiplexers, and editors with a terminal in a window, set for the programs in them. They
# pass on the variables of the terminal around them, and may answer in its name.
MULTIPLEXERS = frozenset(
    {
        *("TMUX", "STY", "ZELLIJ", "ZELLIJ_SESSION_NAME", "DVTM", "DVTM_WINDOW_ID"),
        *("NVIM", "VIM_TERMINAL", "INSIDE_EMACS"),
    }
)
MULTIPLEXER_TERMINALS = ("tmux", "screen", "zellij", "dvtm", "mtm", "eterm")  # of TERM
BAND = 6  # rows of pixels in a sixel
SIXEL_RUN = re.compile(r"(.)\1{3,}")  # from four on, as "!4x" is shorter than "xxxx"

Draw = Callable[[Tensor, int], str]
# Colours (H, W, 3) uint8 -> for each, what follows 38; (foreground) or 48; (background) in SGR.
Paint = Callable[[Tensor], list[list[str]]]


def draw(pixels: Tensor, backend: str, columns: int) -> str:
    """A picture (3, H, W) uint8 as text without a final newline; `backend` is one of BACKENDS.

    It fits into a square `columns` wide. Pixel graphics scale small pictures up to fill it;
    characters draw a small picture at its own size.
    """
    return BACKENDS[backend](pixels, columns)


def choose_graphics(
    forced: str | None,
    stream_in: TextIO,
    stream_out: TextIO,
    environ: Mapping[str, str],
    timeout: float | None = TIMEOUT,
) -> str:
    """The `forced` one of BACKENDS, or with None or `auto` the best one for these streams.

    May query the terminal, which has `timeout` seconds to answer. Raises ValueError for an unknown
    name.
    """
    if forced not in (None, "auto"):
        if forced not in BACKENDS:
            raise ValueError(f"no graphics {forced!r}; choose auto, {', '.join(BACKENDS)}")
        return forced
    if not stream_out.isatty() or environ.get("TERM") == "dumb":
        return "none"
    if environ.get("NO_COLOR"):  # https://no-color.org
        return "ascii"
    if in_multiplexer(environ):  # which shows characters only, in at least 256 colours
        return character_graphics(environ, at_least="256")
    found = "iterm" if is_iterm(environ) else None
    if stream_in.isatty():
        found = find_pixel_graphics(stream_in, stream_out, found, timeout)
    return found or character_graphics(environ, at_least="ascii")


def in_multiplexer(environ: Mapping[str, str]) -> bool:
    """Whether a program that draws terminals of its own stands before the real one."""
    terminal = environ.get("TERM", "")
    return not MULTIPLEXERS.isdisjoint(environ) or terminal.startswith(MULTIPLEXER_TERMINALS)


def is_iterm(environ: Mapping[str, str]) -> bool:
    """iTerm2, also through ssh (which forwards LC_*), or WezTerm, which shares its protocol."""
    program = environ.get("TERM_PROGRAM")
    return environ.get("LC_TERMINAL") == "iTerm2" or program in ("iTerm.app", "WezTerm")


def character_graphics(environ: Mapping[str, str], at_least: str) -> str:
    if environ.get("COLORTERM") in ("truecolor", "24bit"):
        return "blocks"
    return "256" if "256color" in environ.get("TERM", "") else at_least


def scaled_size(pixels: Tensor, side: int) -> tuple[int, int]:
    """Width and height of the picture when its longer side is `side`."""
    _, height, width = pixels.shape
    scale = side / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))


# --- pixels


def kitty(pixels: Tensor, columns: int) -> str:
    """A PNG inside the commands, which works through ssh; q=2 asks for no reply.

    https://sw.kovidgoyal.net/kitty/graphics-protocol/: the height follows from the columns (c=).
    """
    width, _ = scaled_size(pixels, columns)
    data = base64.b64encode(encode_png(pixels, columns * PIXELS_PER_COLUMN)).decode()
    commands = []
    for start in range(0, len(data), CHUNK):
        keys = f"a=T,f=100,t=d,q=2,c={width}," if start == 0 else ""
        more = int(start + CHUNK < len(data))
        commands.append(f"\x1b_G{keys}m={more};{data[start : start + CHUNK]}\x1b\\")
    return "".join(commands)


def iterm(pixels: Tensor, columns: int) -> str:
    """A PNG; a width without a unit counts columns: https://iterm2.com/documentation-images.html"""
    width, _ = scaled_size(pixels, columns)
    png = encode_png(pixels, columns * PIXELS_PER_COLUMN)
    keys = f"inline=1;size={len(png)};width={width};preserveAspectRatio=1"
    return f"\x1b]1337;File={keys}:{base64.b64encode(png).decode()}\a"


def encode_png(pixels: Tensor, side: int) -> bytes:
    """A PNG of at most `side` pixels per side; the terminal scales it to its final size."""
    picture = to_pil(pixels)
    picture.thumbnail((side, side))
    stream = io.BytesIO()
    picture.save(stream, format="PNG")
    return stream.getvalue()


def to_pil(pixels: Tensor) -> PILImage.Image:
    return PILImage.fromarray(pixels.permute(1, 2, 0).numpy())


def sixel(pixels: Tensor, columns: int) -> str:
    """Bands of six rows of pixels; each band lists its colours one after the other.

    https://vt100.net/docs/vt3xx-gp/chapter14.html. Sixels are sized in pixels, so the
    terminal on standard output is asked for the width of a column.
    """
    size = scaled_size(pixels, columns * column_pixels())
    picture = to_pil(pixels).resize(size, PILImage.Resampling.LANCZOS).quantize(SIXEL_COLORS)
    indices_HW = np.asarray(picture)
    bands = (indices_HW[top : top + BAND] for top in range(0, len(indices_HW), BAND))
    data = "-".join("$".join(draw_band(band)) for band in bands)
    width, height = size
    return f'\x1bP0;1;0q"1;1;{width};{height}{define_colors(picture)}{data}\x1b\\'


def define_colors(picture: PILImage.Image) -> str:
    """The palette, in percent of red, green and blue."""
    values = [round(value * 100 / 255) for value in picture.getpalette() or ()]
    return "".join(
        f"#{index};2;{values[3 * index]};{values[3 * index + 1]};{values[3 * index + 2]}"
        for index in np.unique(np.asarray(picture)).tolist()
    )


def draw_band(indices_HW: np.ndarray) -> list[str]:
    """For each colour its sixels from the left; the lowest bit of a sixel is its top pixel."""
    columns = np.arange(indices_HW.shape[1])
    sixels_CW = np.zeros((SIXEL_COLORS, len(columns)), np.uint8)
    for row, indices_W in enumerate(indices_HW):
        sixels_CW[indices_W, columns] |= 1 << row
    drawn = []
    for color in np.unique(indices_HW).tolist():
        row = (sixels_CW[color] + ord("?")).tobytes().decode().rstrip("?")
        drawn.append(f"#{color}{SIXEL_RUN.sub(lambda run: f'!{len(run[0])}{run[1]}', row)}")
    return drawn


# --- characters


def half_blocks(pixels: Tensor, columns: int, paint: Paint) -> str:
    """Lines of ▀: the foreground is the upper of two pixels, the background the lower."""
    width, rows = fit_characters(pixels, columns)
    painted = paint(shrink(pixels, width, 2 * rows))
    return "\n".join(
        "".join(f"\x1b[38;{top}m\x1b[48;{bottom}m▀" for top, bottom in zip(upper, lower))
        + "\x1b[0m"
        for upper, lower in zip(painted[::2], painted[1::2])
    )


def fit_characters(pixels: Tensor, columns: int) -> tuple[int, int]:
    """Columns and rows of a picture; a character is twice as high as wide."""
    width, height = scaled_size(pixels, min(columns, max(pixels.shape[1:])))
    return width, max(1, round(height / 2))


def shrink(pixels: Tensor, width: int, height: int) -> Tensor:
    """(3, H, W) uint8 -> (height, width, 3) uint8: each pixel is the mean of those it covers."""
    small = interpolate(pixels[None].float(), (height, width), mode="area")[0]
    return small.round().byte().permute(1, 2, 0)


def paint_true(colors_HWC: Tensor) -> list[list[str]]:
    return [[f"2;{r};{g};{b}" for r, g, b in row] for row in colors_HWC.tolist()]


def paint_256(colors_HWC: Tensor) -> list[list[str]]:
    """The nearest of xterm's colours 16 to 255; the first 16 depend on the user's theme."""
    exact = "donot_use_mm_for_euclid_dist"
    nearest = torch.cdist(colors_HWC.float(), XTERM, compute_mode=exact).argmin(-1)
    return [[f"5;{XTERM_FIRST + index}" for index in row] for row in nearest.tolist()]


def ascii_art(pixels: Tensor, columns: int) -> str:
    """Lines of characters of RAMP; lighter pixels get denser ones."""
    colors_HWC = shrink(pixels, *fit_characters(pixels, columns))
    levels = colors_HWC.float() @ LUMINANCE / 255 * (len(RAMP) - 1)
    return "\n".join("".join(RAMP[level] for level in row) for row in levels.round().int().tolist())


def describe_size(pixels: Tensor, columns: int) -> str:
    """`[image 64x64]`, for output that is not a terminal."""
    _, height, width = pixels.shape
    return f"[image {width}x{height}]"


BACKENDS: dict[str, Draw] = {
    "kitty": kitty,
    "iterm": iterm,
    "sixel": sixel,
    "blocks": partial(half_blocks, paint=paint_true),
    "256": partial(half_blocks, paint=paint_256),
    "ascii": ascii_art,
    "none": describe_size,
}
