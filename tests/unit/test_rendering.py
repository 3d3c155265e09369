import threading

import pytest
import torch

from anygen.media import Image
from anygen.rendering import Progress, render
from decoders.base import CancelledError, SampleOptions, never


@pytest.fixture
def decoder(tiny_model):
    return tiny_model.decoders["image"]


@pytest.fixture
def conditions(decoder):
    return decoder.caption_condition(["a red cat", "a ball"])


def test_progress_comes_step_by_step_and_the_media_last(decoder, conditions):
    *progress, media = render(decoder, conditions, [1, 2], SampleOptions(steps=4), never)
    assert progress == [Progress(step, 4) for step in (1, 2, 3, 4)]
    assert [type(medium) for medium in media] == [Image, Image]


def test_media_are_those_of_the_decoder_alone(decoder, conditions):
    *_, media = render(decoder, conditions, [1, 2], SampleOptions(), never)
    with torch.inference_mode():
        alone = decoder.sample(conditions, [1, 2], SampleOptions(), lambda *_: None, never)
    assert all(a.pixels.equal(b.pixels) for a, b in zip(media, alone, strict=True))


def test_who_stops_listening_stops_the_decoder(decoder, conditions):
    calls, threads = [], threading.active_count()
    hook = decoder.unet.register_forward_pre_hook(lambda *_: calls.append(1))
    rendering = render(decoder, conditions, [1, 2], SampleOptions(steps=500), never)
    assert next(rendering) == Progress(1, 500)
    rendering.close()
    hook.remove()
    assert len(calls) < 500
    assert threading.active_count() == threads


def test_cancelling_ends_the_rendering(decoder, conditions):
    rendering = render(decoder, conditions, [1, 2], SampleOptions(steps=500), lambda: True)
    with pytest.raises(CancelledError):
        list(rendering)


def test_an_error_of_the_decoder_is_raised_where_its_media_are_awaited(decoder, conditions):
    with pytest.raises(RuntimeError):
        list(render(decoder, conditions[..., :3], [1, 2], SampleOptions(), never))
