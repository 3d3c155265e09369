"""The spectrograms of `anygen.numerics.audio` against transformers' own."""

import numpy as np
import pytest
import torch
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from anygen.numerics.audio import log_mel, slaney_filters

FLOOR = 1e-4


def reference_filters():
    return mel_filter_bank(513, 64, 0, 8000, 16_000, norm=None, mel_scale="slaney")  # (513, 64)


@pytest.mark.parametrize(
    ("bands", "rate", "norm"), [(64, 16_000, None), (64, 16_000, "slaney"), (128, 44_100, "slaney")]
)
def test_the_filters_have_the_bits_of_transformers(bands, rate, norm):
    theirs = mel_filter_bank(513, bands, 0, rate / 2, rate, norm=norm, mel_scale="slaney")
    assert slaney_filters(bands, rate, norm).equal(torch.from_numpy(theirs.T).float())


def test_the_spectrogram_is_the_logarithm_of_mel_magnitudes_above_a_floor():
    samples = torch.randn(2, 5000, generator=torch.Generator().manual_seed(0)) * 0.1
    samples[:, 2500:] = 0
    ours = log_mel(samples, slaney_filters(), FLOOR, centered=True)
    for row, wave in zip(ours, samples, strict=True):
        theirs = spectrogram(
            wave.numpy().astype(np.float64),
            window_function(1024, "hann"),
            frame_length=1024,
            hop_length=256,
            power=1.0,
            pad_mode="constant",
            mel_filters=reference_filters(),
            mel_floor=FLOOR,
            log_mel="log",
        )
        np.testing.assert_allclose(row.numpy(), theirs, atol=1e-3)


def test_a_sound_shorter_than_the_window_has_a_frame():
    assert log_mel(torch.zeros(1, 10), slaney_filters(), FLOOR, centered=True).shape == (1, 64, 1)
