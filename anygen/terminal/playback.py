"""Plays sounds on the sound device and videos in the terminal; opens files in a viewer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

from anygen.core.media import Audio, Image, Media, Video
from anygen.io.media_files import printable, write_media
from anygen.terminal.graphics import draw

# Programs that play a WAV file without a window or output, then exit. The first one found is used.
PLAYERS: dict[str, tuple[str, ...]] = {
    "ffplay": ("-nodisp", "-autoexit", "-loglevel", "quiet"),
    "mpv": ("--no-video", "--no-terminal"),
    "afplay": (),  # macOS
    "pw-play": (),  # PipeWire
    "paplay": (),  # PulseAudio
    "aplay": ("--quiet",),  # ALSA
    "play": ("-q",),  # SoX
}
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
RESET = "\x1b[0m"
CHARACTERS = ("256", "ascii")  # graphics that draw videos too; the others fall back to blocks

# Plays a sound while it is entered; the function that it yields waits for the end of the sound.
Sound = AbstractContextManager[Callable[[], object]]
WaitUntil = Callable[[float], None]  # sleeps until so many seconds after the clock was started


def stopwatch() -> WaitUntil:
    start = time.monotonic()
    return lambda seconds: time.sleep(max(0.0, start + seconds - time.monotonic()))


def play(
    media: Media,
    columns: int,
    graphics: str,
    write: Callable[[str], None],
    start_clock: Callable[[], WaitUntil] = stopwatch,
) -> None:
    """Plays a sound or a video once, until it ends or Ctrl-C is pressed.

    A video is drawn with `write`, at most `columns` wide and in characters (half blocks, if
    `graphics` is a pixel backend of graphics.BACKENDS). Its sound is played if that is possible.
    Raises ValueError for a picture, or if the medium cannot be played here.
    """
    with suppress(KeyboardInterrupt):
        match media:
            case Image():
                raise ValueError("a picture cannot be played; a sound or a video can")
            case Audio():
                play_audio(media)
            case Video():
                play_video(media, columns, graphics, write, start_clock)


def play_audio(audio: Audio) -> None:
    sound = find_sound(audio)
    if sound is None:
        raise ValueError(
            f"nothing on this machine can play sounds; install one of {', '.join(PLAYERS)}, "
            "or the Python package sounddevice"
        )
    with sound as wait:
        wait()


def play_video(
    video: Video,
    columns: int,
    graphics: str,
    write: Callable[[str], None],
    start_clock: Callable[[], WaitUntil],
) -> None:
    if graphics == "none":
        raise ValueError("videos play in a terminal only; /open shows the file in a viewer")
    backend = graphics if graphics in CHARACTERS else "blocks"
    # A frame that is higher than the window would scroll off and could not be redrawn.
    columns = min(columns, 2 * shutil.get_terminal_size().lines)
    sound = find_sound(video.audio) if video.audio else None
    with hidden_cursor(write), sound or nullcontext(lambda: None) as wait:
        wait_until, return_to_top = start_clock(), ""
        for index, pixels in enumerate(video.frames):
            frame = draw(pixels, backend, columns)
            wait_until(index / video.fps)
            write(return_to_top + frame)
            return_to_top = "\r" + "\x1b[A" * frame.count("\n")
        wait_until(video.seconds)
        wait()


@contextmanager
def hidden_cursor(write: Callable[[str], None]) -> Iterator[None]:
    try:
        write(HIDE_CURSOR)
        yield
    finally:
        write(f"{RESET}\n{SHOW_CURSOR}")


def find_sound(audio: Audio) -> Sound | None:
    """The sound, to be played on the device or by the first of PLAYERS; None if neither exists."""
    device = find_device(audio)
    if device:
        return play_by_device(device, audio)
    player = next(filter(shutil.which, PLAYERS), None)
    return play_by_program(player, audio) if player else None


def find_device(audio: Audio) -> ModuleType | None:
    """The module sounddevice, if it is installed and a device supports this sound."""
    try:
        import sounddevice
    except (ImportError, OSError):  # OSError: the library PortAudio is missing
        return None
    try:
        sounddevice.check_output_settings(channels=len(audio.samples), samplerate=audio.rate)
    except sounddevice.PortAudioError:
        return None
    return sounddevice


@contextmanager
def play_by_device(sounddevice: ModuleType, audio: Audio) -> Iterator[Callable[[], object]]:
    sounddevice.play(audio.samples.T.numpy(), audio.rate)  # returns at once
    try:
        yield sounddevice.wait
    finally:
        sounddevice.stop()


@contextmanager
def play_by_program(name: str, audio: Audio) -> Iterator[Callable[[], object]]:
    def wait() -> None:
        if process.wait() != 0:
            raise ValueError(f"{name} failed to play the sound; is there a sound device?")

    with TemporaryDirectory() as folder:
        path = write_media(audio, Path(folder) / "sound.wav")
        process = start([name, *PLAYERS[name], str(path)])
        try:
            yield wait
        finally:
            process.terminate()
            process.wait()


def open_file(path: Path) -> None:
    """Opens a file in the system's viewer, which stays open. Raises ValueError if there is none."""
    if not path.is_file():
        raise ValueError(f"{printable(path)}: no such file")
    if sys.platform == "win32":
        os.startfile(path)
        return
    viewer = "open" if sys.platform == "darwin" else "xdg-open"
    if viewer == "xdg-open" and not (os.environ.keys() & {"DISPLAY", "WAYLAND_DISPLAY"}):
        raise ValueError(f"there is no desktop to open {printable(path)} on")
    if not shutil.which(viewer):
        raise ValueError(f"{printable(path)}: to open files, install {viewer}")
    start([viewer, str(path.absolute())])


def start(command: list[str]) -> subprocess.Popen[bytes]:
    """Starts a program that neither uses our terminal nor receives its Ctrl-C."""
    silent = subprocess.DEVNULL
    return subprocess.Popen(
        command, stdin=silent, stdout=silent, stderr=silent, start_new_session=True
    )
