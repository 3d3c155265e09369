"""Plays sound scenes on a General MIDI soundfont."""

import importlib
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soxr
import torch

from anygen.core.media import Audio
from anygen.io import assets
from mosit_data.world.scene import SoundScene
from mosit_data.world.vocabulary import SOUNDS

RATE = 16_000  # samples per second
SAMPLES = 49_152  # 3.072 s
PEAK = 0.7
OVERSAMPLING = 3  # the synthesiser has no low-pass filter of its own
START = 0.05  # seconds of silence before the first note
PLAYING = 2.8  # seconds from the first note to the end of the last one
FLUSH = 0.2  # seconds in which the voices of the previous clip end
FADE = 0.1  # seconds at the end

BASE_KEY = {"low": 43, "middle": 60, "high": 77}  # MIDI keys: 60 is middle C
EFFECT_KEY = 60
EFFECT_STRIKES = {"bird": 9, "telephone": 11}  # their samples are short
ASCENT = {"slow": (0, 4, 7, 12, 16), "fast": (0, 2, 4, 5, 7, 9, 11, 12, 14, 16)}  # semitones
CHORD = (0, 4, 7, 12)
STRIKES = {"slow": 1, "fast": 4}  # of a chord
REPEATED = 7  # semitones above the base: the middle of an ascent
KICK, SNARE, HAT = 36, 38, 42
BAR = ((KICK, HAT), (HAT,), (SNARE, HAT), (HAT,), (KICK, HAT), (KICK, HAT), (SNARE, HAT), (HAT,))
EIGHTH = {"slow": 0.36, "fast": 0.18}  # seconds, of the drum beat


class Note(NamedTuple):
    start: float  # seconds
    length: float  # seconds
    keys: tuple[int, ...]


def render_sound(scene: SoundScene) -> Audio:
    """The clip of a scene: mono, 16 kHz, 3.072 s. The same scene gives the same samples."""
    wide = play(scene, notes(scene))  # (N * OVERSAMPLING,)
    samples = soxr.resample(wide, RATE * OVERSAMPLING, RATE)[:SAMPLES]
    fade = int(FADE * RATE)
    samples[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    samples *= PEAK / np.abs(samples).max()
    return Audio(torch.from_numpy(samples)[None], RATE)


def notes(scene: SoundScene) -> list[Note]:
    """The notes of a melody, a beat or an effect."""
    if scene.pitch and scene.tempo:
        return melody(scene, BASE_KEY[scene.pitch] + scene.transpose, scene.tempo)
    return beat(scene.tempo) if scene.tempo else effect(scene)


def melody(scene: SoundScene, base: int, tempo: str) -> list[Note]:
    ascent = [(base + semitones,) for semitones in ASCENT[tempo]]
    if scene.pattern == "chord":
        chord = tuple(base + semitones for semitones in CHORD)
        return evenly([chord] * STRIKES[tempo], legato=0.95)
    if scene.pattern == "repeated":
        return evenly([(base + REPEATED,)] * len(ascent), legato=0.6)
    return evenly(ascent if scene.pattern == "rising" else ascent[::-1], legato=0.95)


def effect(scene: SoundScene) -> list[Note]:
    """One long note, or a short one repeated."""
    key = EFFECT_KEY + scene.transpose
    return evenly([(key,)] * EFFECT_STRIKES.get(scene.sound, 1), legato=1.0)


def evenly(chords: Sequence[tuple[int, ...]], legato: float) -> list[Note]:
    """Chords in equal times; each sounds for the share `legato` of its time."""
    step = PLAYING / len(chords)
    return [Note(START + i * step, legato * step, keys) for i, keys in enumerate(chords)]


def beat(tempo: str) -> list[Note]:
    """Bars of eighths until the clip ends."""
    step = EIGHTH[tempo]
    count = int((SAMPLES / RATE - START) / step)
    return [Note(START + i * step, step, BAR[i % len(BAR)]) for i in range(count)]


def play(scene: SoundScene, score: list[Note]) -> np.ndarray:
    """Mono samples at RATE * OVERSAMPLING, (N,) float32, not normalised."""
    sound = SOUNDS[scene.sound]
    return play_notes(sound.program, score, scene.velocity, "beat" in sound.patterns)


def play_notes(
    program: int, score: list[Note], velocity: int = 100, drums: bool = False
) -> np.ndarray:
    """A General MIDI program's samples at RATE * OVERSAMPLING, (N,) float32, not normalised."""
    synth, font = synthesiser()
    synth.sounds_off()
    synth.generate(int(FLUSH * synth.samplerate))
    synth.program_select(0, font, 0, program, drums)
    now, pieces = 0, []
    for moment, loudness, key in events(score, velocity, synth.samplerate):
        pieces.append(generate(synth, moment - now))
        synth.noteon(0, key, loudness) if loudness else synth.noteoff(0, key)
        now = moment
    pieces.append(generate(synth, SAMPLES * OVERSAMPLING - now))
    return np.concatenate(pieces)


def events(score: list[Note], velocity: int, rate: int) -> list[tuple[int, int, int]]:
    """(sample, velocity, key) in order of time; velocity 0 ends a note, before new ones start."""
    starts = [(round(n.start * rate), velocity, key) for n in score for key in n.keys]
    ends = [(round((n.start + n.length) * rate), 0, key) for n in score for key in n.keys]
    return sorted(starts + ends)


def generate(synth: Any, count: int) -> np.ndarray:
    """The next samples in mono, (count,) float32."""
    stereo = np.frombuffer(synth.generate(count), dtype=np.float32).reshape(-1, 2)
    return stereo.mean(axis=1)


@cache
def synthesiser() -> tuple[Any, int]:
    """The synthesiser of this process, and the number of its soundfont."""
    tinysoundfont, path = soundfont()
    synth = tinysoundfont.Synth(samplerate=RATE * OVERSAMPLING)
    return synth, synth.sfload(str(path))


def soundfont() -> tuple[Any, Path]:
    """The module tinysoundfont and the file TimGM6mb.sf2; both are downloaded once."""
    folder = str(assets.tinysoundfont_folder())
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module("tinysoundfont"), assets.soundfont()
