"""Sounds that are not of the small world: other instruments, voices, noises and tones."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import soxr
import torch

from anygen.core.media import Audio
from mosit_data.world.scene import Split
from mosit_data.world.sounds import (
    FADE,
    OVERSAMPLING,
    PEAK,
    PLAYING,
    RATE,
    SAMPLES,
    START,
    Note,
    play_notes,
)

Make = Callable[[np.random.Generator], np.ndarray]  # (SAMPLES,), any scale

# General MIDI programs, from 0, that are no relatives of the sounds of the vocabulary.
PROGRAMS: Mapping[Split, tuple[int, ...]] = {
    "train": (
        *(4, 6, 11, 33, 36, 38, 42, 45, 48, 55, 57, 60, 62, 68, 70, 77, 79),
        *(80, 83, 85, 88, 91, 94, 96, 99, 102, 104, 107, 112, 115, 117, 119, 121),
    ),
    "heldout": (
        *(5, 7, 15, 32, 35, 39, 43, 44, 47, 50, 58, 61, 63, 69, 71, 76, 78),
        *(81, 84, 87, 90, 93, 95, 97, 100, 103, 106, 108, 111, 114, 116, 118, 120),
    ),
}
# The first three resonances of vowels in Hz, about as Peterson and Barney (1952) measured them.
VOWELS = (
    (270, 2290, 3010),
    (390, 1990, 2550),
    (530, 1840, 2480),
    (660, 1720, 2410),
    (730, 1090, 2440),
    (570, 840, 2410),
    (440, 1020, 2240),
    (300, 870, 2240),
    (640, 1190, 2390),
    (490, 1350, 1690),
)
BANDWIDTHS = (90, 110, 170)  # Hz, of these resonances


def sound(make: Make, rng: np.random.Generator) -> Audio:
    """A clip as long as those of the small world, faded out and scaled like them."""
    samples = make(rng)[:SAMPLES].astype(np.float32)
    fade = int(FADE * RATE)
    samples[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    samples *= PEAK / np.abs(samples).max()
    return Audio(torch.from_numpy(samples)[None], RATE)


def instrument(programs: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Random notes, some of them together, of one or two unfamiliar instruments."""
    count = int(rng.integers(1, 3))
    wide = np.sum([play_notes(int(p), tune(rng)) for p in rng.choice(programs, count)], axis=0)
    return np.asarray(soxr.resample(wide, RATE * OVERSAMPLING, RATE))


def tune(rng: np.random.Generator) -> list[Note]:
    """Notes of unequal lengths until the clip ends."""
    notes, now, key = [], START, int(rng.integers(40, 80))
    pace = rng.uniform(0.12, 0.9)
    while now < PLAYING:
        length = min(float(pace * rng.choice([0.5, 1, 1, 2])), PLAYING - now)
        key = int(np.clip(key + rng.integers(-7, 8), 36, 90))
        steps = rng.choice([0, 3, 4, 7, 12], int(rng.integers(1, 4)), replace=False)
        notes.append(Note(now, length, tuple(int(key + step) for step in steps)))
        now += length
    return notes


def noise(rng: np.random.Generator) -> np.ndarray:
    """Coloured noise in a band, swelling slowly: wind, a fan, a road."""
    power = rng.uniform(-0.5, 2.0)
    spectrum = np.fft.rfft(rng.standard_normal(SAMPLES))
    hertz = np.fft.rfftfreq(SAMPLES, 1 / RATE)
    low, high = np.sort(np.exp(rng.uniform(np.log(60), np.log(7_000), 2)))
    band = 1 / (1 + (low / np.maximum(hertz, 1)) ** 4) / (1 + (hertz / high) ** 4)
    shaped = np.fft.irfft(spectrum * band / np.maximum(hertz, 20) ** (power / 2), SAMPLES)
    return shaped * envelope(rng, int(rng.integers(2, 8)), 0.2)


def envelope(rng: np.random.Generator, knots: int, floor: float) -> np.ndarray:
    """(SAMPLES,): straight lines between random levels in [floor, 1]."""
    times = np.linspace(0, SAMPLES, knots)
    return np.interp(np.arange(SAMPLES), times, rng.uniform(floor, 1, knots))


def speech(rng: np.random.Generator) -> np.ndarray:
    """Syllables of a voiced source through the resonances of vowels, hissing sounds between."""
    pitch = rng.uniform(80, 260) * np.exp(0.15 * (envelope(rng, 12, -1)))
    phase = np.cumsum(pitch) / RATE
    source = np.diff(phase % 1, prepend=0.0) < 0  # a pulse per period
    pulses = source + 0.02 * rng.standard_normal(SAMPLES)
    return syllables(rng, pulses.astype(float))


def syllables(rng: np.random.Generator, source: np.ndarray) -> np.ndarray:
    """A source in syllables of random vowels, with hisses and pauses between them."""
    samples, now, size = np.zeros(SAMPLES), int(START * RATE), rng.uniform(0.85, 1.25)
    while now < SAMPLES:
        length = int(RATE * rng.uniform(0.08, 0.28))
        end = min(now + length, SAMPLES)
        vowel = size * np.array(VOWELS[rng.integers(len(VOWELS))])
        window = np.hanning(end - now) if end - now > 1 else np.ones(end - now)
        samples[now:end] += resonate(source[now:end], vowel) * window
        now = end + int(RATE * rng.choice([0.0, 0.03, 0.2], p=[0.5, 0.35, 0.15]))
        hiss = min(int(RATE * rng.uniform(0.03, 0.12)), SAMPLES - now)
        if hiss > 1 and rng.random() < 0.5:
            burst = np.diff(rng.standard_normal(hiss + 1)) * np.hanning(hiss)
            samples[now : now + hiss] += 0.2 * burst
            now += hiss
    return samples


def resonate(source: np.ndarray, vowel: np.ndarray) -> np.ndarray:
    """The source filtered by resonances (Hz), with unit deviation."""
    hertz = np.fft.rfftfreq(len(source), 1 / RATE)
    response = np.zeros(len(hertz))
    for centre, width, weight in zip(vowel, BANDWIDTHS, (1.0, 0.5, 0.25), strict=True):
        response += weight / (1 + ((hertz - centre) / width) ** 2)
    filtered = np.fft.irfft(np.fft.rfft(source) * response, len(source))
    return filtered / (filtered.std() + 1e-9)


def tones(rng: np.random.Generator) -> np.ndarray:
    """Inharmonic partials that come and go: hums, beeps, machines."""
    times = np.arange(SAMPLES) / RATE
    samples = np.zeros(SAMPLES)
    for _ in range(rng.integers(1, 10)):
        hertz = np.exp(rng.uniform(np.log(60), np.log(5_000)))
        level = envelope(rng, int(rng.integers(2, 25)), 0.0)
        samples += level * np.sin(2 * np.pi * hertz * times + rng.uniform(0, 6))
    return samples + 0.02 * rng.standard_normal(SAMPLES)


def clicks(rng: np.random.Generator) -> np.ndarray:
    """Short bursts at irregular moments: steps, knocks, typing."""
    samples = 0.003 * rng.standard_normal(SAMPLES)
    decay = np.exp(-np.arange(RATE // 5) / (RATE * rng.uniform(0.002, 0.04)))
    colour = rng.uniform(60, 4_000)
    times = np.arange(len(decay)) / RATE
    for start in rng.integers(0, SAMPLES - len(decay), rng.integers(2, 25)):
        knock = np.sin(2 * np.pi * colour * times) + rng.standard_normal(len(decay))
        samples[start : start + len(decay)] += rng.uniform(0.3, 1) * decay * knock
    return samples


def modulated_noise(rng: np.random.Generator) -> np.ndarray:
    """White noise whose loudness goes up and down regularly."""
    times = np.arange(SAMPLES) / RATE
    depth = 0.5 + 0.5 * np.sin(2 * np.pi * np.exp(rng.uniform(0, 4)) * times)
    return rng.standard_normal(SAMPLES) * depth ** rng.uniform(0.5, 3)


def sweep(rng: np.random.Generator) -> np.ndarray:
    """A tone that glides between two frequencies, some times over: sirens, alarms."""
    low, high = np.sort(np.exp(rng.uniform(np.log(100), np.log(6_000), 2)))
    rounds = rng.uniform(0.4, 6)
    share = 0.5 - 0.5 * np.cos(2 * np.pi * rounds * np.arange(SAMPLES) / SAMPLES)
    phase = np.cumsum(low * (high / low) ** share) / RATE
    wave = np.sin(2 * np.pi * phase)
    return np.sign(wave) * np.abs(wave) ** rng.uniform(0.3, 1)


def whisper(rng: np.random.Generator) -> np.ndarray:
    """Syllables without a voice."""
    return syllables(rng, rng.standard_normal(SAMPLES))


MAKERS: Mapping[Split, Mapping[str, Make]] = {
    "train": {
        "instrument": partial(instrument, PROGRAMS["train"]),
        "noise": noise,
        "speech": speech,
        "tones": tones,
        "clicks": clicks,
    },
    "heldout": {
        "instrument": partial(instrument, PROGRAMS["heldout"]),
        "modulated_noise": modulated_noise,
        "sweep": sweep,
        "whisper": whisper,
    },
}
FAMILIES: Mapping[Split, Mapping[str, Callable[[np.random.Generator], Audio]]] = {
    split: {name: partial(sound, make) for name, make in makers.items()}
    for split, makers in MAKERS.items()
}
