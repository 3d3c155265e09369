"""Spectrograms, confusion matrices and curves. matplotlib is imported when the first is drawn.

Plots are black on nothing: a page turns them over where it is dark.
"""

import io
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
from torch.nn import functional

from anygen.core.media import Audio
from anygen.numerics.audio import CENTER, FFT, FLOOR, HOP, SPREAD, log_mel, slaney_filters, to_mono

CLASSES = 24  # a confusion matrix has no more, where that can be helped
SPAN = 30  # largest by smallest value of a curve that is drawn on a logarithmic axis
REST = "all others"
NOTHING = "(nothing)"  # what is judged where there is nothing to judge
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 8,
    "axes.formatter.limits": (-2, 4),  # powers of ten beyond these stand beside the axis
}

Pair = tuple[str, str]  # what was asked, what it was judged as


def spectrogram(sound: Audio) -> bytes:
    """PNG, one pixel per band (64, to 8 kHz, low ones at the bottom) and 16 ms."""
    from matplotlib.image import imsave

    samples_N = to_mono(sound)
    missing = max(-len(samples_N) % HOP, FFT - len(samples_N))
    filled_N = functional.pad(samples_N, (0, missing))
    [bands] = log_mel(filled_N[None], slaney_filters(), FLOOR, centered=False).numpy()
    buffer = io.BytesIO()
    low, high = math.log(FLOOR), CENTER + SPREAD
    imsave(buffer, bands, low, high, cmap="magma", origin="lower", format="png")
    return buffer.getvalue()


def confusion(pairs: Iterable[Pair]) -> tuple[list[str], np.ndarray]:
    """The classes, and how often each (row) was judged as each (column); sums to all pairs.

    Of many classes those that were never confused are one, `REST`.
    """
    counted = Counter(pairs)
    names = {name for pair in counted for name in pair}
    if len(names) > CLASSES:
        confused = {name for pair in counted for name in pair if pair[0] != pair[1]}
        names = confused | {REST}
    order = sorted(names, key=lambda name: (name in (REST, NOTHING), name))
    matrix = np.zeros((len(order), len(order)), dtype=int)
    for pair, count in counted.items():
        row, column = (order.index(name if name in names else REST) for name in pair)
        matrix[row, column] += count
    return order, matrix


def confusion_svg(pairs: Iterable[Pair]) -> str:
    """Blue what was judged as asked, red what was not; numbers are cases."""
    names, matrix = confusion(pairs)
    side = 1.4 + 0.26 * len(names)
    return svg(partial(draw_confusion, names=names, matrix=matrix), side, side)


def draw_confusion(figure: Any, names: list[str], matrix: np.ndarray) -> None:
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot(facecolor="none")
    shares = matrix / matrix.sum(1, keepdims=True).clip(min=1)
    right = np.eye(len(names), dtype=bool)
    for cells, colours in ((right, "Blues"), (~right, "Reds")):
        shown = np.ma.masked_where(~cells | (matrix == 0), shares)
        axes.imshow(shown, cmap=colours, vmin=-0.3, vmax=1.6)
    for row, column in np.argwhere(matrix):
        axes.text(column, row, matrix[row, column], ha="center", va="center")
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("judged as")
    axes.set_ylabel("asked for")
    axes.spines[:].set_alpha(0.3)


def curve_svg(steps: Sequence[int], values: Sequence[float]) -> str:
    """One quantity over the steps; logarithmic where it spans orders of magnitude."""
    return svg(partial(draw_curve, steps=steps, values=values), 3.4, 2.0)


def draw_curve(figure: Any, steps: Sequence[int], values: Sequence[float]) -> None:
    """With fixed margins and few ticks: training waits for it."""
    axes = figure.add_axes((0.13, 0.12, 0.84, 0.78), facecolor="none")
    axes.plot(steps, values, linewidth=1)
    if max(values) > SPAN * min(values) > 0:
        axes.set_yscale("log")
        axes.minorticks_off()
    axes.grid(alpha=0.2)
    axes.spines[["top", "right"]].set_visible(False)


def svg(draw: Callable[[Any], None], width: float, height: float) -> str:
    """What `draw` makes of an empty figure; width and height in inches."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure  # not pyplot: no display, nothing shared

    buffer = io.StringIO()
    with rc_context(SETTINGS):
        figure = Figure(figsize=(width, height), facecolor="none")
        draw(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
