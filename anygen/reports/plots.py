"""Spectrograms, confusion matrices and curves. matplotlib is imported on first use.

Plots are black on transparent: a page in dark mode inverts them.
"""

import io
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from torch.nn import functional

from anygen.core.media import Audio
from anygen.numerics.audio import CENTER, FFT, FLOOR, HOP, SPREAD, log_mel, slaney_filters, to_mono

CLASSES = 24  # of a confusion matrix, unless more of them were confused
SPAN = 30  # ratio of the largest to the smallest value above which an axis is logarithmic
REST = "all others"
NOTHING = "(nothing)"  # the verdict if there is nothing to judge
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 8,
    "axes.formatter.limits": (-2, 4),  # powers of ten outside of these get an offset text
}

Curve = tuple[Sequence[int], Sequence[float]]  # steps and values
Pair = tuple[str, str]  # the true and the judged class


def spectrogram(sound: Audio) -> bytes:
    """A PNG with one pixel per 16 ms and band (64 up to 8 kHz, low ones at the bottom)."""
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
    """The classes, and how often each (row) was judged as each (column).

    If there are more than CLASSES, those that were never confused are joined as `REST`.
    """
    counts = Counter(pairs)
    names = {name for pair in counts for name in pair}
    if len(names) > CLASSES:
        confused = {name for pair in counts for name in pair if pair[0] != pair[1]}
        names = confused | {REST}
    order = sorted(names, key=lambda name: (name in (REST, NOTHING), name))
    matrix = np.zeros((len(order), len(order)), dtype=int)
    for pair, count in counts.items():
        row, column = (order.index(name if name in names else REST) for name in pair)
        matrix[row, column] += count
    return order, matrix


def confusion_svg(pairs: Iterable[Pair]) -> str:
    """Right verdicts are blue, wrong ones red; the numbers are cases."""
    names, matrix = confusion(pairs)
    side = 1.4 + 0.26 * len(names)
    return svg(partial(draw_confusion, names=names, matrix=matrix), side, side)


def draw_confusion(figure: Any, names: list[str], matrix: np.ndarray) -> None:
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot(facecolor="none")
    shares = matrix / matrix.sum(1, keepdims=True).clip(min=1)
    right = np.eye(len(names), dtype=bool)
    for cells, colours in ((right, "Blues"), (~right, "Reds")):
        visible = np.ma.masked_where(~cells | (matrix == 0), shares)
        axes.imshow(visible, cmap=colours, vmin=-0.3, vmax=1.6)
    for row, column in np.argwhere(matrix):
        axes.text(column, row, matrix[row, column], ha="center", va="center")
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("judged as")
    axes.set_ylabel("asked for")
    axes.spines[:].set_alpha(0.3)


def curves_svg(curves: Mapping[str, Curve]) -> str:
    """Quantities over the steps; the axis is logarithmic if it spans orders of magnitude."""
    return svg(partial(draw_curves, curves=curves), 3.4, 2.0)


def draw_curves(figure: Any, curves: Mapping[str, Curve]) -> None:
    """Fixed margins and few ticks make this fast: training waits for it."""
    axes = figure.add_axes((0.13, 0.12, 0.84, 0.78), facecolor="none")
    for name, (steps, values) in curves.items():
        axes.plot(steps, values, linewidth=1, label=name)
    if len(curves) > 1:
        axes.legend(fontsize=6, frameon=False, loc="upper right")
    values = [value for _, values in curves.values() for value in values]
    if max(values) > SPAN * min(values) > 0:
        axes.set_yscale("log")
        axes.minorticks_off()
    axes.grid(alpha=0.2)
    axes.spines[["top", "right"]].set_visible(False)


def svg(draw: Callable[[Any], None], width: float, height: float) -> str:
    """The figure that `draw` draws, as SVG; width and height in inches."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure  # not pyplot: no display, nothing shared

    buffer = io.StringIO()
    with rc_context(STYLE):
        figure = Figure(figsize=(width, height), facecolor="none")
        draw(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
