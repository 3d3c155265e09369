"""The audio decoder's spectrogram against transformers' own, its vocoder against torch.istft."""

import numpy as np
import torch
from transformers.audio_utils import spectrogram, window_function

from anygen.numerics.audio import (
    BANDS,
    FFT,
    FLOOR,
    HOP,
    log_mel,
    mel_from_picture,
    mel_to_picture,
    slaney_filters,
)
from decoders.parts.vocoder import InverseSTFTVocoder, stft_distance


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_the_spectrogram_is_that_of_transformers():
    samples = noise(2, 20 * HOP) * 0.1
    samples[:, 2000:] = 0  # silence is at the floor
    filters = slaney_filters()
    ours = log_mel(samples, filters, FLOOR, centered=False)
    assert ours.shape == (2, BANDS, 20)
    margin = (FFT - HOP) // 2
    for row, wave in zip(ours, samples, strict=True):
        theirs = spectrogram(
            np.pad(wave.numpy().astype(np.float64), margin, mode="reflect"),
            window_function(FFT, "hann"),
            frame_length=FFT,
            hop_length=HOP,
            power=1.0,
            center=False,
            mel_filters=filters.numpy().T,
            mel_floor=FLOOR,
            log_mel="log",
        )
        np.testing.assert_allclose(row.numpy(), theirs, atol=1e-3)


def test_pictures_of_spectrograms_turn_back_into_them_and_fit_the_vae():
    spectra = torch.tensor([-4.6, 0.6, 5.8]).expand(1, BANDS, 3)
    picture = mel_to_picture(spectra)
    assert picture.shape == (1, 1, BANDS, 3)
    torch.testing.assert_close(picture[0, 0, 0], torch.tensor([-1.0, 0.0, 1.0]))
    torch.testing.assert_close(mel_from_picture(picture), spectra)


@torch.no_grad()
def test_the_vocoders_head_is_an_inverse_stft():
    vocoder = InverseSTFTVocoder(width=8, blocks=1)
    log_magnitude = noise(FFT // 2 + 1)
    phase = noise(FFT // 2 + 1) * 2
    vocoder.head.weight.zero_()  # whatever is heard, every frame has this spectrum
    vocoder.head.bias.copy_(torch.cat([log_magnitude, phase]))
    frames = 12
    ours = vocoder(noise(2, BANDS, frames))
    assert ours.shape == (2, frames * HOP)
    spectrum = torch.polar(log_magnitude.exp(), phase)[None, :, None].expand(2, -1, frames)
    theirs = torch.istft(spectrum, FFT, HOP, window=torch.hann_window(FFT))
    earlier = HOP // 2  # torch cuts half a window at the start, we keep a sample per hop
    ours = ours[:, earlier : earlier + theirs.shape[1]]
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_a_sound_is_at_no_distance_from_itself_and_further_from_silence_than_from_a_neighbour():
    sound = noise(2, 8 * HOP)
    near, silent = sound * 0.9, torch.zeros_like(sound)
    distances = [stft_distance(made, sound, 512) for made in (sound, near, silent)]
    torch.testing.assert_close(distances[0], torch.zeros(2))
    assert (distances[0] < distances[1]).all()
    assert (distances[1] < distances[2]).all()


def test_the_distance_of_a_louder_copy_is_known():
    sound = noise(1, 8 * HOP)
    expected = 1.0 + torch.log(torch.tensor(2.0))  # |2x - x| / |x|, and log 2 in every bin
    torch.testing.assert_close(stft_distance(2 * sound, sound, 512)[0], expected, atol=1e-3, rtol=0)
