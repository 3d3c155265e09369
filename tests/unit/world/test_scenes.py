"""The small world: what its scenes say is what one sees and hears."""

import itertools
import json
import random

import numpy as np
import pytest
import torch
from PIL import Image as Canvas

from anygen.core.media import Audio
from anygen.core.modality import MEDIA
from mosit_data.world import sprites
from mosit_data.world.language.chinese.descriptions import in_chinese
from mosit_data.world.pictures import render_picture
from mosit_data.world.render import render
from mosit_data.world.scene import (
    PictureScene,
    Scene,
    SoundScene,
    Thing,
    VideoScene,
    caption,
    combinations,
    is_held_out,
    parse_scene,
    sample_scene,
)
from mosit_data.world.sprites import artwork, concept_names
from mosit_data.world.videos import render_video
from mosit_data.world.vocabulary import COLOURS, MOTIONS, SOUNDS, STYLES

RNG = random.Random(3)


def scenes(modality: str, split: str = "train", count: int = 300) -> list[Scene]:
    rng = random.Random(7)
    return [sample_scene(modality, rng, split) for _ in range(count)]


def picture(*things: Thing, **fields: object) -> PictureScene:
    return PictureScene(things=things, **{"style": "flat", "background": "white", **fields})


def video(motion: str, size: float = 0.4) -> VideoScene:
    thing = Thing(concept="heart", x=0.5, y=0.5, size=size)
    return VideoScene(thing=thing, motion=motion, style="flat", background="white")


def ink(pixels: torch.Tensor) -> torch.Tensor:
    """Where something is drawn on a white background, (..., H, W)."""
    return (pixels.int() - 246).abs().amax(dim=-3) > 40


def uncoloured(thing: Thing) -> Thing:
    """As it usually is, so that nothing is white on white."""
    return thing.model_copy(update={"colour": None})


def middle(mask: torch.Tensor) -> tuple[float, float]:
    """x and y of the centroid, in pixels."""
    rows, columns = mask.nonzero().float().mean(0).tolist()
    return columns, rows


def test_every_concept_has_its_own_artwork_in_every_style() -> None:
    drawn = {
        render_picture(picture(Thing(concept=name, x=0.5, y=0.5, size=0.8), style=style))
        .pixels.numpy()
        .tobytes()
        for name in concept_names()
        for style in STYLES
    }
    assert len(drawn) == 64 * 3


def test_the_full_vocabulary_asks_to_be_built_first(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sprites, "FULL_NAMES", tmp_path / "full.json")
    concept_names.cache_clear()
    with pytest.raises(ValueError, match="build_sprites"):
        concept_names(full=True)


# --- scenes, captions and the split ---


@pytest.mark.parametrize("modality", MEDIA)
def test_a_scene_survives_json(modality) -> None:
    for scene in scenes(modality, count=50):
        assert parse_scene(json.loads(json.dumps(scene.model_dump()))) == scene


@pytest.mark.parametrize("modality", MEDIA)
def test_the_same_generator_gives_the_same_scenes(modality) -> None:
    assert scenes(modality, count=20) == scenes(modality, count=20)


@pytest.mark.parametrize("modality", MEDIA)
def test_training_scenes_contain_nothing_held_out(modality) -> None:
    assert not any(is_held_out(c) for scene in scenes(modality) for c in combinations(scene))


@pytest.mark.parametrize("modality", MEDIA)
def test_held_out_scenes_are_about_something_held_out(modality) -> None:
    assert all(is_held_out(combinations(scene)[0]) for scene in scenes(modality, "heldout"))


def test_what_is_held_out_never_changes() -> None:
    assert is_held_out(("sound", "violin", "chord"))
    assert not is_held_out(("sound", "violin", "rising"))


def test_every_sound_and_pattern_is_still_in_training() -> None:
    for name, sound in SOUNDS.items():
        trained = [p for p in sound.patterns if not is_held_out(("sound", name, p))]
        assert len(trained) >= len(sound.patterns) - 2


def test_every_concept_motion_and_colour_is_still_in_training() -> None:
    concepts = concept_names()
    for motion in MOTIONS:
        assert sum(not is_held_out(("motion", c, motion)) for c in concepts) > 48
    for concept in concepts:
        looks = [("picture", concept, style, colour) for style in STYLES for colour in COLOURS]
        assert sum(not is_held_out(look) for look in looks) > 20


def test_the_caption_says_what_is_mentioned_and_nothing_else() -> None:
    cat = Thing(concept="cat", x=0.5, y=0.5, size=0.3)
    apple = Thing(concept="apple", x=0.8, y=0.5, size=0.3)
    orange = {"background": "orange"}
    assert caption(picture(cat, **orange)) == "a cat"
    assert caption(picture(cat, **orange, mentions=("background",))) == (
        "a cat on an orange background"
    )
    assert caption(picture(cat, mentions=("size", "style"))) == "a small flat cat"
    assert caption(picture(apple, apple, mentions=("style",))) == "two flat apples"
    assert caption(picture(cat, apple, relation="to the left of")) == (
        "a cat to the left of an apple"
    )
    upside_down = cat.model_copy(update={"angle": 180.0})
    assert caption(picture(upside_down)) == "an upside-down cat"


def test_the_caption_of_a_sound_names_instrument_and_pattern() -> None:
    said = ("pattern", "pitch", "tempo")
    trumpet = SoundScene(sound="trumpet", pattern="repeated", pitch="low", tempo="slow")
    assert caption(trumpet) == "a trumpet"
    assert caption(trumpet.model_copy(update={"mentions": said})) == (
        "a low slow trumpet playing repeated notes"
    )
    assert caption(SoundScene(sound="applause")) == "the sound of applause"


# --- pictures ---


@pytest.mark.parametrize("modality", MEDIA)
def test_a_scene_is_rendered_the_same_every_time(modality) -> None:
    for scene in scenes(modality, count=3):
        first, second = render(scene), render(scene)
        assert all(torch.equal(a, b) for a, b in zip(tensors(first), tensors(second), strict=True))


def tensors(media: object) -> list[torch.Tensor]:
    return [value for value in vars(media).values() if isinstance(value, torch.Tensor)]


def test_left_of_means_a_smaller_x_and_above_a_smaller_y() -> None:
    for scene in scenes("image", count=2000):
        if scene.relation:
            first, second = (
                middle(ink(render_picture(picture(uncoloured(thing)), 64).pixels))
                for thing in scene.things
            )
            axis = 0 if "of" in scene.relation else 1
            is_first_smaller = scene.relation in ("to the left of", "above")
            assert (first[axis] < second[axis]) == is_first_smaller


def test_a_picture_has_the_size_that_is_asked_for_and_its_background() -> None:
    pixels = render_picture(
        picture(Thing(concept="sun", x=0.5, y=0.5, size=0.5), background="blue"), size=128
    ).pixels
    assert pixels.shape == (3, 128, 128)
    assert tuple(pixels[:, 0, 0].tolist()) == COLOURS["blue"].rgb


def test_a_thing_is_as_large_as_the_scene_says() -> None:
    mask = ink(render_picture(picture(Thing(concept="heart", x=0.5, y=0.5, size=0.5))).pixels)
    rows, columns = mask.nonzero().T
    height, width = (int(v.max() - v.min()) + 1 for v in (rows, columns))
    assert 61 <= max(height, width) <= 64


HUES = {"red": (330, 20), "yellow": (38, 70), "green": (68, 170), "blue": (175, 255)}
HUES |= {"purple": (250, 325)}  # what people call these colours, in degrees


@pytest.mark.parametrize("colour", HUES)
def test_a_thing_has_the_colour_that_its_caption_names(colour) -> None:
    low, high = HUES[colour]
    for concept, style in itertools.product(concept_names(), STYLES):
        thing = Thing(concept=concept, x=0.5, y=0.5, size=0.7, colour=colour)
        scene = picture(thing, style=style)
        pixels = render_picture(scene, 64).pixels
        hsv = Canvas.fromarray(pixels.permute(1, 2, 0).numpy()).convert("HSV")
        hue, vivid, value = torch.from_numpy(np.array(hsv)).int()[ink(pixels)].T
        hue = hue * 360 / 255
        within = (low <= hue) & (hue < high) if low < high else (low <= hue) | (hue < high)
        share = (within & (vivid > 75) & (value > 64)).float().mean()
        assert share >= 0.3, (concept, style)
        assert caption(scene).endswith(f"a {colour} {concept}")


def test_a_thing_keeps_its_outline_and_its_tyres_in_another_colour() -> None:
    usual = np.array(artwork("car", "flat", None)).astype(int)
    blue = np.array(artwork("car", "flat", "blue")).astype(int)
    tyres = (usual[..., 3] == 255) & (usual[..., :3].max(-1) < 50)
    assert tyres.sum() > 100
    assert np.abs(usual - blue)[tyres].max() == 0
    assert np.array_equal(usual[..., 3], blue[..., 3])


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_as_many_things_are_drawn_as_the_caption_counts_and_none_touch(count) -> None:
    drawn = (s for s in iter(lambda: sample_scene("image", RNG), None) if not s.relation)
    scene = next(s for s in drawn if len(s.things) == count)
    assert caption(scene).split()[0] in {1: ("a", "an"), 2: "two", 3: "three", 4: "four"}[count]
    for first, second in itertools.combinations(scene.things, 2):
        apart = max(abs(first.x - second.x), abs(first.y - second.y))
        assert apart > (first.size + second.size) / 2


def test_no_thing_has_the_colour_of_its_background() -> None:
    for scene in scenes("image", count=500):
        assert scene.background not in {thing.colour for thing in scene.things}


def test_scenes_of_before_things_had_colours_are_still_read() -> None:
    thing = {"concept": "dog", "x": 0.5, "y": 0.5, "size": 0.5, "angle": 0.0}
    data = {"type": "image", "things": [thing], "style": "flat", "background": "red"}
    assert caption(parse_scene(data)) == "a dog"


@pytest.mark.parametrize(
    ("concept", "words"),
    [
        ("sheep", "two flat red sheep"),
        ("fish", "two flat red fish"),
        ("cactus", "two flat red cacti"),
        ("butterfly", "two flat red butterflies"),
        ("ice cream", "two flat red ice creams"),
        ("bus", "two flat red buses"),
    ],
)
def test_a_counted_thing_with_adjectives_has_the_plural_of_its_name(concept, words) -> None:
    thing = Thing(concept=concept, x=0.25, y=0.5, size=0.3, colour="red")
    assert caption(picture(thing, thing, mentions=("style",))) == words


def test_colours_and_counts_in_chinese() -> None:
    car = Thing(concept="car", x=0.25, y=0.25, size=0.4, colour="blue")
    assert in_chinese(picture(car, car, car, car)) == "四辆蓝色的汽车"


# --- videos ---


@pytest.mark.parametrize(
    ("motion", "axis", "sign"),
    [("moving left", 0, -1), ("moving right", 0, 1), ("moving up", 1, -1), ("moving down", 1, 1)],
)
def test_a_moving_thing_moves_the_way_it_is_said(motion, axis, sign) -> None:
    places = [middle(ink(frame))[axis] for frame in render_video(video(motion)).frames]
    steps = [sign * (b - a) for a, b in itertools.pairwise(places)]
    assert min(steps) > 0
    assert sum(steps) > 30


def test_growing_grows_and_shrinking_shrinks() -> None:
    growing = ink(render_video(video("growing", 0.9)).frames).sum((1, 2))
    shrinking = ink(render_video(video("shrinking", 0.9)).frames).sum((1, 2))
    assert (growing.diff() >= 0).all()
    assert growing[-1] > 5 * growing[0]
    assert torch.equal(shrinking, growing.flip(0))


def test_bouncing_goes_up_and_down_twice() -> None:
    heights = torch.tensor([middle(ink(f))[1] for f in render_video(video("bouncing")).frames])
    turns = heights.diff().sign().diff().ne(0).sum()
    assert heights[0] > heights.min() + 20
    assert turns >= 3


def test_spinning_turns_once_in_its_place() -> None:
    frames = ink(render_video(video("spinning", 0.6)).frames)
    places = torch.tensor([middle(frame) for frame in frames])
    assert torch.equal(frames[0], frames[-1])
    assert not torch.equal(frames[0], frames[8])
    assert (places - places[0]).abs().max() < 12


@pytest.mark.parametrize("motion", MOTIONS)
def test_a_moving_thing_stays_in_the_picture(motion) -> None:
    clip = render_video(video(motion, 0.6 if motion == "spinning" else 0.4))
    assert clip.frames.shape == (16, 3, 128, 128)
    assert clip.fps == 8
    assert ink(clip.frames).flatten(1).any(1).all()


# --- sounds ---


def pitches(audio: Audio, count: int = 8) -> list[float]:
    """The strongest frequency below 2 kHz in each of `count` equal pieces, in Hz."""
    pieces = audio.samples[0][:44_800].reshape(count, -1)
    spectrum = torch.fft.rfft(pieces * torch.hann_window(pieces.shape[1]), n=16_000).abs()
    return spectrum[:, 50:2000].argmax(1).add(50).tolist()


def harp(pattern: str, pitch: str = "middle") -> SoundScene:
    return SoundScene(sound="harp", pattern=pattern, pitch=pitch, tempo="slow")


def test_a_clip_is_three_seconds_of_mono_at_16_khz() -> None:
    for scene in scenes("audio", count=12):
        audio = render(scene)
        assert audio.samples.shape == (1, 49_152)
        assert audio.rate == 16_000
        assert audio.samples.abs().max() == pytest.approx(0.7, abs=0.01)


def test_a_rising_melody_rises_a_falling_one_falls_and_repeated_notes_stay() -> None:
    rising, falling, repeated = (
        pitches(render(harp(p)), 5) for p in ("rising", "falling", "repeated")
    )
    assert rising[0] < rising[2] < rising[4]
    assert falling[0] > falling[2] > falling[4]
    assert max(repeated) - min(repeated) < 10


def test_high_is_higher_than_middle_and_middle_than_low() -> None:
    low, middle_, high = (
        pitches(render(harp("repeated", p)))[2] for p in ("low", "middle", "high")
    )
    assert low < middle_ < high


def test_a_clip_does_not_depend_on_the_clip_before() -> None:
    bell = SoundScene(sound="bell", pattern="chord", pitch="low", tempo="slow")
    alone = render(harp("rising")).samples
    render(bell)
    assert torch.equal(render(harp("rising")).samples, alone)


def test_every_sound_can_be_heard() -> None:
    for name, sound in SOUNDS.items():
        melodic = len(sound.patterns) > 1
        scene = SoundScene(
            sound=name,
            pattern=sound.patterns[0] if sound.patterns else None,
            pitch="middle" if melodic else None,
            tempo="fast" if sound.patterns else None,
        )
        loudness = render(scene).samples[0, :44_800].reshape(7, -1).pow(2).mean(1).sqrt()
        assert (loudness[0] if name == "gunshot" else loudness.min()) > 0.001, name
