"""Input from devices of this machine: the clipboard and the microphone."""

from __future__ import annotations

import torch

from anygen.core.media import Audio, Image
from anygen.io.formats.pictures import to_image

RATE = 16_000  # samples per second: enough for speech, and every device supports it


def clipboard_image() -> Image:
    """The picture in the clipboard. Raises ValueError if there is none, or no clipboard."""
    from PIL import Image as PILImage
    from PIL import ImageGrab

    try:
        found = ImageGrab.grabclipboard()
    except (NotImplementedError, OSError, ChildProcessError) as error:
        raise ValueError(f"the clipboard cannot be read: {error}") from error
    if isinstance(found, list):  # the paths of copied files
        raise ValueError("the clipboard holds files; /attach takes their paths")
    if not isinstance(found, PILImage.Image):
        raise ValueError("the clipboard holds no picture")
    return to_image(found)


def record(seconds: int) -> Audio:
    """Records `seconds` from the microphone, (1, N) at 16 kHz. Raises ValueError without one."""
    try:
        import sounddevice
    except ImportError:
        raise ValueError("recording needs sounddevice: pip install sounddevice") from None
    except OSError:
        raise ValueError("recording needs the library PortAudio (Debian: libportaudio2)") from None
    try:
        samples_N1 = sounddevice.rec(seconds * RATE, RATE, channels=1, dtype="float32")
        sounddevice.wait()
    except sounddevice.PortAudioError as error:
        raise ValueError(f"there is no microphone to record with ({error})") from error
    finally:
        sounddevice.stop()
    return Audio(torch.from_numpy(samples_N1.T.copy()), RATE)
