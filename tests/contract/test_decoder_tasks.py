"""What a request may ask of a decoder on our diffusion loop; other rows never change its medium.

tests/pipelines covers the decoders that call a diffusers pipeline.
"""

from dataclasses import replace
from importlib import import_module

import pytest
import torch

from anygen.config import plugins
from anygen.core.media import Audio, Image, Video
from anygen.testing.decoders import CAPTIONS, SEEDS, requests_of, same, sample, values
from decoders.base import RenderRequest, SampleOptions, never, no_progress
from support.tiny_decoders import with_settings

LOOPED = [
    name
    for name in plugins.names("decoders")
    if hasattr(import_module(f"decoders.{name}"), "sample_latents")
]


@pytest.fixture(params=LOOPED)
def name(request):
    return request.param


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("guidances", [[1.0], [0.0, 2.5, 7.0]], ids=["unguided", "guided"])
@torch.inference_mode()
def test_a_row_does_not_depend_on_its_company(decoder, guidances, threads, count):
    """To the last bit, in batches of any size and order."""
    threads(count)
    requests = requests_that_differ(decoder, guidances)
    batches = [[1, 0], [3, 0, 7, 1, 5]] if count == 1 else [[1, 0]]  # slow on a busy machine
    rows = {row for batch in batches for row in batch}
    alone = {row: decoder.sample([requests[row]], no_progress, never)[0] for row in rows}
    for batch in batches:
        made = decoder.sample([requests[row] for row in batch], no_progress, never)
        assert all(map(same, made, [alone[row] for row in batch]))


@pytest.mark.parametrize("guidances", [[1.0], [0.0, 2.5, 7.0]], ids=["unguided", "guided"])
@torch.inference_mode()
def test_no_module_sees_other_shapes_in_a_batch_than_alone(decoder, guidances):
    """So on any CPU: kernels are chosen by shapes."""
    requests = requests_that_differ(decoder, guidances)
    alone, together = (shapes_seen(decoder, some) for some in (requests[:1], requests[:5]))
    assert alone == together
    assert sum(map(len, alone.values())) > 20


def shapes_seen(decoder, requests):
    """The shapes and strides that each module is given while these are sampled."""
    seen = {}

    def see(name):
        def hook(_, args):
            given = {(x.shape, x.stride()) for x in args if isinstance(x, torch.Tensor)}
            seen.setdefault(name, set()).update(given)

        return hook

    modules = dict(decoder.named_modules())
    hooks = [module.register_forward_pre_hook(see(name)) for name, module in modules.items()]
    decoder.sample(requests, no_progress, never)
    for handle in hooks:
        handle.remove()
    return seen


def requests_that_differ(decoder, guidances):
    [start] = sample(decoder, ["a dog"], [3])
    return [
        *mixed(decoder, guidances, 5, init_media=None),
        *mixed(decoder, guidances, 3, init_media=start, strength=1.0),
    ]


def mixed(decoder, guidances, count, **settings):
    """Tasks of one batch that differ in all that a batch may differ in."""
    return [
        request
        for index in range(count)
        for request in requests_of(
            decoder,
            [CAPTIONS[index % 3]],
            [index],
            guidance=guidances[index % len(guidances)],
            negative=["a cat", None][index % 2] if guidances != [1.0] else None,
            **settings,
        )
    ]


@pytest.mark.parametrize(
    ("name", "scheduler"),
    [*((name, "dpm++") for name in LOOPED), *(("audioldm", s) for s in ("ddim", "euler", "unipc"))],
)
@torch.inference_mode()
def test_a_row_that_begins_with_a_medium_does_not_depend_on_its_company(decoder, scheduler):
    starts = sample(decoder, CAPTIONS, SEEDS)
    settings = {"steps": 6, "scheduler": scheduler, "strength": 0.5}
    requests = [
        *requests_of(decoder, ["a cat"], [1], init_media=starts[0], **settings),
        *requests_of(decoder, ["a dog"], [2], init_media=starts[1], **settings),
        *requests_of(decoder, ["a ball"], [3], init_media=starts[2], **settings),
    ]
    together = decoder.sample(requests, no_progress, never)
    alone = [decoder.sample([request], no_progress, never)[0] for request in requests]
    assert all(map(same, together, alone))
    assert len({medium.tobytes() for medium in map(as_numpy, together)}) == 3


def as_numpy(medium):
    return values(medium).numpy()


def test_what_decides_the_shapes_and_the_steps_decides_the_batch(decoder):
    start = sample(decoder, ["a cat"], [7])[0]

    def key(**settings):
        return decoder.batch_key(requests_of(decoder, ["a cat"], [7], **settings)[0])

    own = key()
    assert own == key(steps=decoder.config.steps, scheduler="dpm++", negative="a dog")
    assert own == key(guidance=2.0) == key(guidance=7.0) == key(init_media=start, strength=1.0)
    others = [key(steps=9), key(scheduler="unipc"), key(guidance=1.0)]
    others += [key(steps=9, init_media=start, strength=s) for s in (0.3, 0.6)]
    assert len({own, *others}) == 6


NOT_FOLLOWED = {
    "stable_diffusion": [
        ({"frames": 4}, "frames: does not apply to an image"),
        ({"seconds": 1.5}, "seconds: does not apply to an image"),
        ({"size": 32}, "size: 32 pixels cannot be made: .* for 16 pixels only"),
    ],
    "audioldm": [
        ({"frames": 4}, "frames: does not apply to a sound"),
        ({"size": 16}, "size: does not apply to a sound"),
        ({"seconds": 1.5}, "seconds: 1.5 s cannot be made: .* for 0.256 s only"),
    ],
    "animatediff": [
        ({"seconds": 1.5}, "seconds: does not apply to a video"),
        ({"size": 32}, "size: 32 pixels cannot be made: .* for 16 pixels only"),
        ({"frames": 3}, "frames: 3 cannot be made: .* exactly 4 frames"),
        ({"frames": 5}, "frames: 5 cannot be made: .* exactly 4 frames"),
    ],
    "zeroscope": [
        ({"seconds": 1.5}, "seconds: does not apply to a video"),
        ({"size": 18}, "size: 18 pixels are not a multiple of 4; 20 are"),
    ],
}
ITS_OWN = {
    "image": {"size": 16},
    "audio": {"seconds": 0.256},
    "video": {"size": 16, "frames": 4},
}


def test_what_a_decoder_cannot_do_is_refused_before_any_computing(name, decoder):
    seen = []
    for options, sentence in [
        *NOT_FOLLOWED[name],
        ({"negative": "a cat", "guidance": 1.0}, "negative: only guidance leads away from it"),
    ]:
        with pytest.raises(ValueError, match=sentence):
            decoder.check(SampleOptions(**options))
        with pytest.raises(ValueError, match=sentence):
            sample(decoder, ["a cat"], [7], on_step=lambda *step: seen.append(step), **options)
    assert not seen


def test_what_a_decoder_does_anyway_may_be_asked_for(decoder):
    asked = sample(decoder, ["a cat"], [7], scheduler="dpm++", **ITS_OWN[decoder.modality])
    assert same(asked[0], sample(decoder, ["a cat"], [7])[0])


@pytest.mark.parametrize("strength", [0, -1, 1.01, float("nan")])
def test_a_strength_that_is_no_share_of_the_steps_is_refused(strength):
    with pytest.raises(ValueError, match=r"strength: .* more than 0 and at most 1"):
        RenderRequest(torch.zeros(1, 1), 0, strength=strength)


def test_what_is_not_wanted_changes_the_medium(decoder):
    asked = requests_of(decoder, ["a cat"], [7], negative="three red balls")
    asked += requests_of(decoder, ["a cat"], [7], negative="")
    without_balls, plain = decoder.sample(asked, no_progress, never)
    assert not same(without_balls, plain)
    assert same(plain, sample(decoder, ["a cat"], [7])[0])


def test_progress_of_several_rows_counts_the_steps_of_all(decoder):
    seen = []
    sample(decoder, ["a cat"] * 3, SEEDS, steps=2, on_step=lambda *step: seen.append(step))
    assert seen == [(step, 6) for step in range(1, 7)]


def test_a_picture_can_be_shown_on_the_way_and_ends_as_without(name, decoder):
    [plain] = requests_of(decoder, ["a cat"], [7], steps=6)
    seen, steps = [], []

    def on_preview(medium):
        seen.append((steps[-1], medium))

    shown = replace(plain, previews=2, on_preview=on_preview)
    [medium] = decoder.sample([shown], lambda step, _: steps.append(step), never)
    [expected] = decoder.sample([plain], no_progress, never)
    assert same(medium, expected)
    assert [step for step, _ in seen] == ([2, 4] if name == "stable_diffusion" else [])
    for _, preview in seen:
        assert preview.pixels.shape == medium.pixels.shape
        assert not same(preview, medium)


def test_what_is_wrong_with_one_row_is_found_before_any_is_sampled(decoder):
    seen, good = [], requests_of(decoder, ["a cat"], [7])
    for wrong in (SampleOptions(steps=1000), SampleOptions(negative="a dog", guidance=1.0)):
        bad = RenderRequest(good[0].condition, 8, wrong)
        with pytest.raises(ValueError, match=r"steps: |negative: "):
            decoder.sample([*good, bad], lambda *step: seen.append(step), never)
    assert not seen


def test_the_scheduler_changes_the_medium(decoder):
    made = [
        sample(decoder, ["a cat"], [7], steps=5, scheduler=name)[0]
        for name in ("dpm++", "ddim", "euler", "unipc")
    ]
    assert len({as_numpy(medium).tobytes() for medium in made}) == 4


def test_a_little_of_the_noise_leaves_the_start_as_it_is(decoder):
    """As it is for the autoencoder, at least."""
    start = sample(decoder, ["a cat"], [7])[0]
    [again] = through_the_autoencoder(decoder, start)
    distances = []
    for strength in (0.01, 0.5, 0.9):
        [made] = sample(decoder, ["a dog"], [8], init_media=start, strength=strength, steps=40)
        distances.append((values(made) - values(again)).float().abs().mean())
    assert distances == sorted(distances)
    assert distances[0] < 0.3 * distances[2]


@torch.no_grad()
def through_the_autoencoder(decoder, medium):
    return decoder.from_latents(decoder.to_latents([medium]))


def test_all_of_the_noise_hides_the_start(decoder):
    start = sample(decoder, ["a cat"], [7])[0]
    hidden = sample(decoder, ["a dog"], [8], init_media=start, strength=1.0)[0]
    assert same(hidden, sample(decoder, ["a dog"], [8])[0])


def test_the_caption_and_the_seed_still_change_what_a_start_becomes(decoder):
    start = sample(decoder, ["a cat"], [7])[0]
    captions, seeds = ["a dog", "a dog", "three red balls", "a dog"], [8, 8, 8, 9]
    first, again, *others = sample(decoder, captions, seeds, init_media=start, steps=5)
    assert same(first, again)
    assert not any(same(first, other) for other in others)


def test_progress_counts_the_steps_that_are_run_on_a_start(decoder):
    start, seen = sample(decoder, ["a cat"], [7])[0], []
    on_step = lambda *step: seen.append(step)  # noqa: E731
    sample(decoder, ["a cat"], [7], init_media=start, strength=0.3, steps=10, on_step=on_step)
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("size", [8, 12, 24])
def test_without_a_layout_pictures_have_any_size_that_latents_cover(size):
    decoder = with_settings("stable_diffusion", layout=None)
    start = Image(torch.zeros(3, 30, 40, dtype=torch.uint8))
    [drawn] = sample(decoder, ["a cat"], [7], size=size)
    [changed] = sample(decoder, ["a cat"], [7], size=size, init_media=start, steps=4)
    assert drawn.pixels.shape == changed.pixels.shape == (3, size, size)
    with pytest.raises(ValueError, match=r"size: 18 pixels are not a multiple of 4; 20 are"):
        decoder.check(SampleOptions(size=18))


@pytest.mark.parametrize(("size", "frames"), [(16, 3), (8, 4), (12, 1)])
def test_without_a_layout_videos_have_any_size_and_up_to_as_many_frames_as_were_learned(
    size, frames
):
    decoder = with_settings("animatediff", layout=None)
    start = Video(torch.zeros(9, 3, 30, 40, dtype=torch.uint8), 25.0)
    [shot] = sample(decoder, ["a cat"], [7], size=size, frames=frames)
    [changed] = sample(decoder, ["a cat"], [7], size=size, frames=frames, init_media=start, steps=4)
    assert shot.frames.shape == changed.frames.shape == (frames, 3, size, size)
    with pytest.raises(ValueError, match=r"frames: 5 cannot be made: .* up to 4 frames"):
        decoder.check(SampleOptions(frames=5))


@pytest.mark.parametrize("seconds", [0.00001, 0.1, 0.256, 0.5])
def test_without_a_layout_sounds_have_any_length(seconds):
    decoder = with_settings("audioldm", layout=None)
    start = Audio(torch.zeros(2, 3000), 8000)
    [played] = sample(decoder, ["a piano"], [7], seconds=seconds)
    [changed] = sample(decoder, ["a piano"], [7], seconds=seconds, init_media=start, steps=4)
    assert played.samples.shape == changed.samples.shape == (1, max(round(seconds * 16_000), 1))
