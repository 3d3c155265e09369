"""The audio encoder's spectrogram against transformers' own."""

import numpy as np
import torch
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from encoders.parts import mel


def reference_filters():
    return mel_filter_bank(513, 64, 0, 8000, 16_000, norm=None, mel_scale="slaney")  # (513, 64)


def test_the_filters_are_slaneys():
    np.testing.assert_allclose(mel.slaney_filters().numpy().T, reference_filters(), atol=1e-6)


def test_the_spectrogram_is_the_logarithm_of_mel_magnitudes_above_a_floor():
    samples = torch.randn(2, 5000, generator=torch.Generator().manual_seed(0)) * 0.1
    samples[:, 2500:] = 0
    ours = mel.log_mel(samples, mel.slaney_filters())
    for row, wave in zip(ours, samples, strict=True):
        theirs = spectrogram(
            wave.numpy().astype(np.float64),
            window_function(1024, "hann"),
            frame_length=1024,
            hop_length=256,
            power=1.0,
            pad_mode="constant",
            mel_filters=reference_filters(),
            mel_floor=mel.FLOOR,
            log_mel="log",
        )
        np.testing.assert_allclose(row.numpy(), theirs, atol=1e-3)


def test_a_sound_shorter_than_the_window_has_a_frame():
    assert mel.log_mel(torch.zeros(1, 10), mel.slaney_filters()).shape == (1, 64, 1)
