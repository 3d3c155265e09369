"""Blocks of a chat of transformers become media, exactly or not at all."""

import base64

import numpy as np
import PIL.Image
import pytest
import torch

from anygen.core.media import Audio, Image, Video
from anygen.integrations.chats import read_chat, read_content
from anygen.io.media_files import MediaError, write_media
from support.net import network, reply

TONE = torch.sin(torch.arange(400) / 10)


def sound(array, rate=16_000):
    return read_content({"type": "audio", "audio": array, "sampling_rate": rate})


@pytest.mark.parametrize(
    ("dtype", "silence", "largest"),
    [(np.int16, 0, 2**15), (np.int32, 0, 2**31), (np.uint8, 128, 2**7)],
)
def test_samples_that_are_integers_are_scaled_by_the_range_of_their_type(dtype, silence, largest):
    samples = np.array([0, -0.5, 0.25, 0.5]) * largest + silence
    assert sound(samples.astype(dtype)).samples.tolist() == [[0, -0.5, 0.25, 0.5]]


def test_channels_of_a_sound_stand_first_or_last():
    stereo = torch.stack([TONE, -TONE])
    for array in (stereo, stereo.T, stereo.double(), stereo.T.numpy()):
        assert torch.equal(sound(array).samples, stereo)
    assert torch.equal(sound(TONE.numpy()).samples, TONE[None])


def test_pixels_are_bytes_or_floats_from_0_to_1_with_channels_first_or_last(image, video):
    for medium, kind in ((image.pixels, "image"), (video.frames, "video")):
        for array in (medium, medium / 255, medium.movedim(-3, -1), medium.double() / 255):
            for source in (array, array.numpy()):
                found = read_content({"type": kind, kind: source, "fps": 8})
                assert torch.equal(found.pixels if kind == "image" else found.frames, medium)


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ({"type": "audio", "audio": TONE * torch.nan, "sampling_rate": 8000}, "not finite"),
        ({"type": "image", "image": torch.full((4, 4, 3), torch.inf)}, "not finite"),
        ({"type": "image", "image": np.full((4, 4, 3), 200.0)}, "values from 200 to 200; pixels"),
        ({"type": "image", "image": np.full((4, 4, 3), 300)}, "values from 300 to 300; pixels"),
        ({"type": "image", "image": np.zeros((4, 4, 4))}, "has no three channels"),
        ({"type": "image", "image": np.zeros((4, 4))}, r"a picture has \(H, W, 3\)"),
        ({"type": "video", "video": np.zeros((2, 4, 4, 3))}, "needs fps"),
        ({"type": "image", "image": Audio(TONE[None], 16_000)}, "'image' holds audio"),
        ({"type": "audio", "audio": PIL.Image.new("RGB", (4, 4))}, "'audio' holds image"),
    ],
)
def test_what_is_not_a_medium_of_its_type_is_refused(block, reason):
    with pytest.raises(ValueError, match=reason):
        read_content(block)


def test_a_file_must_hold_what_its_block_declares(tmp_path, audio):
    path = write_media(audio, tmp_path / "tone.wav")
    encoded = base64.b64encode(path.read_bytes()).decode()
    for source in ({"path": str(path)}, {"base64": encoded}):
        assert isinstance(read_content({"type": "audio", **source}), Audio)
        with pytest.raises(ValueError, match="a block of type 'image' holds audio"):
            read_content({"type": "image", **source})


def test_an_address_is_read_only_of_a_host_that_is_named(tmp_path, image, monkeypatch):
    path = write_media(image, tmp_path / "cat.png")
    block = {"type": "image", "url": "http://media.example.org/cat.png"}
    with network(monkeypatch) as net:
        net.replies = [reply(path.read_bytes())]
        found = read_content(block, media_hosts=["http://media.example.org"])
        assert torch.equal(found.pixels, image.pixels)
        for hosts in ((), ["media.example.org"]):
            with pytest.raises(MediaError, match="this image: media are not downloaded from there"):
                read_content(block, hosts)
    assert len(net.requests) == 1


def test_media_of_ours_are_taken_as_they_are(image, audio, video):
    for kind, medium in {"image": image, "audio": audio, "video": video}.items():
        assert read_content({"type": kind, kind: medium}) is medium
    assert isinstance(image, Image)
    assert isinstance(video, Video)


def test_a_role_is_one_of_three():
    [message] = read_chat([{"role": "assistant", "content": "hi"}])
    assert (message.role, message.parts) == ("assistant", ("hi",))
    with pytest.raises(ValueError, match="role: 'bot' is none of system, user, assistant"):
        read_chat([{"role": "bot", "content": "hi"}])
