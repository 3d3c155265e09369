import io

import numpy as np
import pytest
import torch
from PIL import Image

from anygen.core.media import Audio
from anygen.reports import plots


def test_a_confusion_matrix_counts_every_case():
    pairs = [("cat", "cat"), ("cat", "dog"), ("cat", "dog"), ("dog", plots.NOTHING)]
    names, matrix = plots.confusion(pairs)
    assert names == ["cat", "dog", plots.NOTHING]
    assert matrix.tolist() == [[1, 2, 0], [0, 0, 1], [0, 0, 0]]
    assert matrix.sum() == len(pairs)


def test_of_many_classes_those_that_were_never_confused_are_one():
    pairs = [(f"class {i}", f"class {i}") for i in range(60)] + [("class 3", "class 5")] * 2
    names, matrix = plots.confusion(pairs)
    assert names == ["class 3", "class 5", plots.REST]
    assert matrix.tolist() == [[1, 2, 0], [0, 1, 0], [0, 0, 58]]


@pytest.mark.parametrize("samples", [10, 16_000, 32_000])
def test_a_tone_is_a_line_in_its_spectrogram(samples):
    wave = torch.sin(2 * torch.pi * 3000 * torch.arange(samples) / 16_000)
    png = plots.spectrogram(Audio(0.5 * wave[None], 16_000))
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("L"))
    assert pixels.shape == (64, -(-max(samples, 1024) // 256))
    if samples > 1000:
        loudest = pixels[:, 2:-2].argmax(0)  # rows from the top
        assert set(loudest.tolist()) <= {17, 18, 19}


def test_a_plot_takes_names_as_they_are():
    svg = plots.confusion_svg([("$\\frac{<b>$", "<script>")])
    assert "&lt;script&gt;" in svg
    assert "<script" not in svg
    assert "<text" in svg


def test_a_curve_may_fall_below_zero_or_be_no_number():
    for values in ([0.1, 10.0], [-1.0, 2.0], [float("nan"), float("nan")]):
        assert "<svg" in plots.curves_svg({"loss": ([1, 2], values)})


def test_curves_that_share_a_plot_are_named_in_it():
    svg = plots.curves_svg({"text": ([1, 2], [0.5, 0.4]), "image_align": ([1], [0.1])})
    assert ">text<" in svg
    assert ">image_align<" in svg
