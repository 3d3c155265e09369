import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from anygen.core.media import Video
from anygen.io.media_files import read_media
from anygen.terminal.graphics import draw
from anygen.terminal.playback import PLAYERS, open_file, play


@pytest.fixture
def install(tmp_path, monkeypatch) -> Callable[..., Path]:
    """Nothing is on the PATH and no sounddevice here, but what a test installs: shell scripts."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setitem(sys.modules, "sounddevice", None)

    def install_program(name: str, script: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\ncd {tmp_path}\n{script}\n")
        path.chmod(0o755)
        return path

    return install_program


class PortAudioError(Exception):
    pass


class Device(SimpleNamespace):
    """Stands for the module sounddevice, which needs hardware; remembers what was done."""

    PortAudioError = PortAudioError

    def __init__(self, present: bool = True, interrupted: bool = False) -> None:
        super().__init__(present=present, interrupted=interrupted, done=[])

    def check_output_settings(self, channels: int, samplerate: int) -> None:
        if not self.present:
            raise PortAudioError("Error querying device -1")

    def play(self, samples, rate: int) -> None:
        self.done.append((samples.shape, rate))

    def wait(self) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.done.append("waited")

    def stop(self) -> None:
        self.done.append("stopped")


class Show:
    """A terminal and a clock that nobody waits for."""

    def __init__(self, at: Callable[[float], None] = lambda seconds: None) -> None:
        self.written: list[str] = []
        self.moments: list[float] = []
        self.at = at

    def start_clock(self) -> Callable[[float], None]:
        def wait_until(seconds: float) -> None:
            self.moments.append(seconds)
            self.at(seconds)

        return wait_until

    def play(self, media, graphics: str = "blocks", columns: int = 12) -> None:
        play(media, columns, graphics, self.written.append, self.start_clock)


def silent(video: Video) -> Video:
    return Video(video.frames, video.fps)


RECORD = 'for last; do :; done; /bin/cp "$last" heard.wav; printf "%s\\n" "$@" > arguments'


@pytest.mark.parametrize("name", PLAYERS)
def test_every_player_gets_its_arguments_and_the_sound(install, tmp_path, audio, name):
    install(name, RECORD)
    Show().play(audio)
    *arguments, path = (tmp_path / "arguments").read_text().splitlines()
    assert tuple(arguments) == PLAYERS[name]
    assert path.endswith(".wav")
    assert not Path(path).exists(), "nothing is left behind"
    heard = read_media(tmp_path / "heard.wav")
    assert heard.rate == 16000
    assert torch.allclose(heard.samples, audio.samples, atol=1e-4)


def test_the_first_player_of_the_table_plays(install, tmp_path, audio):
    for name in PLAYERS:
        install(name, f"echo {name} >> played")
    Show().play(audio)
    assert (tmp_path / "played").read_text().split() == [next(iter(PLAYERS))]


def test_without_a_player_it_is_said_what_to_install(install, audio):
    with pytest.raises(
        ValueError, match=r"nothing on this machine can play .* ffplay, mpv, .* sounddevice"
    ):
        Show().play(audio)


def test_a_player_that_fails_is_named(install, audio):
    install("aplay", "exit 1")
    with pytest.raises(ValueError, match="aplay failed to play the sound"):
        Show().play(audio)


def test_a_sound_device_comes_before_the_players(install, audio, monkeypatch):
    install("aplay", "exit 1")
    device = Device()
    monkeypatch.setitem(sys.modules, "sounddevice", device)
    Show().play(audio)
    assert device.done == [((8000, 2), 16000), "waited", "stopped"]


def test_without_a_device_a_player_plays(install, tmp_path, audio, monkeypatch):
    install("aplay", "echo aplay > played")
    monkeypatch.setitem(sys.modules, "sounddevice", Device(present=False))
    Show().play(audio)
    assert (tmp_path / "played").exists()


def test_a_sounddevice_without_portaudio_is_none(install, tmp_path, audio, monkeypatch):
    install("aplay", "echo aplay > played")
    monkeypatch.delitem(sys.modules, "sounddevice")
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(tmp_path)
    Show().play(audio)
    assert (tmp_path / "played").exists()


def test_ctrl_c_stops_a_sound_and_is_no_error(install, audio, monkeypatch):
    device = Device(interrupted=True)
    monkeypatch.setitem(sys.modules, "sounddevice", device)
    Show().play(audio)
    assert device.done[-1] == "stopped"


def test_ctrl_c_stops_a_player(install, audio, ctrl_c_interrupts):
    install("mpv", "kill -INT $PPID; exec tail -f /dev/null")
    Show().play(audio)


def test_a_picture_cannot_be_played(image):
    with pytest.raises(ValueError, match="a picture cannot be played"):
        Show().play(image)


# --- videos


def test_the_frames_of_a_video_follow_each_other_in_place(video):
    shown = Show()
    shown.play(silent(video))
    hide, *frames, restore = shown.written
    assert (hide, restore) == ("\x1b[?25l", "\x1b[0m\n\x1b[?25h")
    rows = 4  # of 12 columns, 48x32
    expected = [draw(frame, "blocks", 12) for frame in video.frames]
    assert frames == [expected[0], *("\r" + "\x1b[A" * (rows - 1) + text for text in expected[1:])]


def test_every_frame_comes_when_it_should_and_the_last_stays_as_long(video):
    shown = Show()
    shown.play(silent(video))
    assert shown.moments == [index / 8 for index in range(9)]


@pytest.mark.parametrize(
    ("graphics", "drawn"),
    [("kitty", "blocks"), ("sixel", "blocks"), ("256", "256"), ("ascii", "ascii")],
)
def test_a_video_is_drawn_in_characters(video, graphics, drawn):
    shown = Show()
    shown.play(silent(video), graphics)
    assert shown.written[1] == draw(video.frames[0], drawn, 12)


def test_a_video_is_not_higher_than_the_terminal(video, monkeypatch):
    monkeypatch.setenv("LINES", "3")
    tall = Video(torch.zeros(2, 3, 64, 32, dtype=torch.uint8), fps=8.0)
    shown = Show()
    shown.play(tall, columns=40)
    assert shown.written[1].count("\n") == 2


def test_a_video_is_shown_on_terminals_only(video):
    shown = Show()
    with pytest.raises(ValueError, match="videos play in a terminal only"):
        shown.play(video, "none")
    assert shown.written == []


def test_a_video_sounds_if_something_can_play_it(install, video, monkeypatch):
    device = Device()
    monkeypatch.setitem(sys.modules, "sounddevice", device)
    Show().play(video)
    assert device.done == [((8000, 2), 16000), "waited", "stopped"]


def test_a_video_is_shown_silently_if_nothing_can(install, video):
    shown = Show()
    shown.play(video)
    assert len(shown.written) == 10


def test_ctrl_c_stops_a_video_with_its_sound_and_gives_the_cursor_back(install, tmp_path, video):
    install("ffplay", "echo $$ > started; exec tail -f /dev/null")
    os.mkfifo(tmp_path / "started")
    players = []

    def interrupt(seconds: float) -> None:
        if seconds == 3 / video.fps:
            players.append(int((tmp_path / "started").read_text()))
            raise KeyboardInterrupt

    shown = Show(interrupt)
    shown.play(video)
    assert len(shown.written) == 1 + 3 + 1
    assert shown.written[-1].endswith("\x1b[?25h")
    with pytest.raises(ProcessLookupError):
        os.kill(players[0], 0)


def test_the_cursor_comes_back_after_an_error_too(video):
    def fail(seconds: float) -> None:
        raise OSError

    shown = Show(fail)
    with pytest.raises(OSError):  # noqa: PT011
        shown.play(silent(video))
    assert shown.written == ["\x1b[?25l", "\x1b[0m\n\x1b[?25h"]


# --- viewers

VIEWER = "open" if sys.platform == "darwin" else "xdg-open"


def test_a_file_is_opened_by_the_systems_viewer(install, tmp_path, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "opened")
    install(VIEWER, 'printf "%s" "$*" > opened')
    Path("-a cat.png").touch()
    open_file(Path("-a cat.png"))
    assert (tmp_path / "opened").read_text() == str(tmp_path / "-a cat.png")


def test_without_a_viewer_it_is_said(install, tmp_path, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    (tmp_path / "cat.png").touch()
    with pytest.raises(ValueError, match=f"cat.png: to open files, install {VIEWER}"):
        open_file(tmp_path / "cat.png")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the desktop is always there")
def test_without_a_desktop_it_is_said(install, tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    install(VIEWER, "exit 0")
    (tmp_path / "cat.png").touch()
    with pytest.raises(ValueError, match=r"there is no desktop to open .*cat\.png on"):
        open_file(tmp_path / "cat.png")


def test_a_file_that_is_gone_cannot_be_opened(tmp_path):
    with pytest.raises(ValueError, match=r"cat\.png: no such file"):
        open_file(tmp_path / "cat.png")
