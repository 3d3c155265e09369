"""What a request may ask of the pipelines of eleven families, and what is refused."""

from dataclasses import replace

import diffusers
import pytest

from anygen.testing.decoders import difference, same, values
from decoders.base import CancelledError
from decoders.parts.pipelines.families import FAMILIES
from support.diffusers_pipelines import TINIES
from support.pipeline_tasks import EDITING, condition, request_for, sample


@pytest.mark.parametrize("family", TINIES)
def test_every_step_is_counted_and_may_be_the_last(family, decoder):
    seen = []

    def on_step(*step):
        seen.append(step)

    [whole] = sample(decoder, [request_for(decoder, 1)], on_step)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    for wanted in (0, 1, 2):
        seen.clear()
        with pytest.raises(CancelledError):
            sample(decoder, [request_for(decoder, 1)], on_step, lambda n=wanted: len(seen) == n)
        assert len(seen) == wanted
    assert same(sample(decoder, [request_for(decoder, 1)])[0], whole)


@pytest.mark.parametrize("family", ["WanPipeline", "StableDiffusionXLPipeline"])
def test_guidance_leads_away_from_a_given_condition_as_from_its_text(family, decoder, monkeypatch):
    request = request_for(decoder, 1, negative="a blue ball")
    [by_text] = sample(decoder, [request])
    given = replace(request_for(decoder, 1), negative_condition=condition(decoder, seed=99))
    monkeypatch.setattr(decoder, "encode_prompt", None)  # nothing is encoded
    assert same(sample(decoder, [given])[0], by_text)


@pytest.mark.parametrize("family", EDITING)
def test_only_the_last_steps_change_a_start(family, decoder):
    seen = []
    [start] = sample(decoder, [request_for(decoder, 9)])
    made = {}
    for strength in (0.01, 0.5, 1.0):
        edit = request_for(decoder, 1, start, strength, steps=12)
        [made[strength]] = sample(decoder, [edit], lambda *step: seen.append(step))
    assert [step for step in seen if step[0] == 1] == [(1, 1), (1, 6), (1, 12)]
    assert same(made[1.0], sample(decoder, [request_for(decoder, 1, steps=12)])[0])
    assert len({medium_bytes(medium) for medium in made.values()}) == 3


def medium_bytes(medium):
    return values(medium).numpy().tobytes()


@pytest.mark.parametrize("family", EDITING)
def test_a_share_of_the_steps_is_not_rounded_to_another(family, decoder):
    """15 / 22 * 22 is a little less than 15, 14 / 25 * 25 a little more than 14."""
    [start] = sample(decoder, [request_for(decoder, 9)])
    for run, steps in ((15, 22), (14, 25)):
        seen = []
        edit = request_for(decoder, 1, start, (run + 0.5) / steps, steps=steps)
        sample(decoder, [edit], lambda *step, seen=seen: seen.append(step))
        assert seen[-1] == (run, run)


@pytest.mark.parametrize("family", [name for name in TINIES if name not in EDITING])
def test_a_start_is_refused_by_a_pipeline_that_takes_none(family, decoder):
    [start] = sample(decoder, [request_for(decoder, 9)])
    with pytest.raises(ValueError, match=f"init_media: {family} cannot edit a medium"):
        decoder.batch_key(request_for(decoder, 1, start))


@pytest.mark.parametrize("family", TINIES)
def test_all_but_condition_seed_and_start_decides_the_batch(family, decoder):
    own = decoder.batch_key(request_for(decoder, 1))
    assert own == decoder.batch_key(
        request_for(decoder, 2, steps=3, guidance=decoder.config.guidance)
    )
    assert own != decoder.batch_key(request_for(decoder, 1, guidance=2.0))
    assert own != decoder.batch_key(request_for(decoder, 1, steps=4))


REFUSED = {
    "image": [
        ({"frames": 9}, "frames: does not apply to an image"),
        ({"seconds": 1.0}, "seconds: does not apply to an image"),
    ],
    "audio": [
        ({"frames": 9}, "frames: does not apply to a sound"),
        ({"size": 32}, "size: does not apply to a sound"),
    ],
    "video": [
        ({"seconds": 1.0}, "seconds: does not apply to a video"),
        ({"frames": 10}, r"frames: 10 cannot .* of [48]; 9 or 1[37] can"),
    ],
}


@pytest.mark.parametrize("family", TINIES)
def test_what_a_family_cannot_do_is_refused_by_a_sentence(family, decoder):
    refused = [({"steps": 1000}, "steps: 1000 denoising steps are too many")]
    refused += REFUSED[decoder.modality]
    if decoder.modality != "audio":
        refused += [
            ({"size": 33}, "size: 33 pixels are not a multiple of .*; (34|36|40|48|64) are")
        ]
    if not FAMILIES[family].solvers:
        refused += [({"scheduler": "ddim"}, f"scheduler: {family} supports only its own")]
    if FAMILIES[family].embedded:
        refused += [({"negative": "a cat"}, "negative: the guidance of this decoder has none")]
    else:
        refused += [
            ({"guidance": 0.5}, "guidance: 0.5 is less than 1, no guidance; give 1 or more")
        ]
    if family == "StableAudioPipeline":
        refused += [({"seconds": 3.0}, "seconds: 3 s cannot be made; .* 2 s or less")]
    for options, sentence in refused:
        with pytest.raises(ValueError, match=sentence):
            sample(decoder, [request_for(decoder, 1, **options)])


@pytest.mark.parametrize("family", [name for name in TINIES if FAMILIES[name].solvers])
def test_noise_levels_are_walked_by_any_of_our_schedulers(family, decoder):
    names = ["dpm++", "ddim", "euler", "unipc"]
    made = [
        sample(decoder, [request_for(decoder, 1, scheduler=name, steps=5)])[0] for name in names
    ]
    assert len(set(map(medium_bytes, made))) == 4


@pytest.mark.parametrize("family", ["StableDiffusionXLPipeline", "StableAudioPipeline"])
def test_what_is_not_wanted_takes_the_place_of_zeros(family, decoder):
    plainly, negative, unguided = (
        sample(decoder, [request_for(decoder, 1, **options)])[0]
        for options in ({}, {"negative": "a cat"}, {"guidance": 1.0})
    )
    assert difference(plainly, negative) > 0
    assert difference(plainly, unguided) > 0


def test_the_table_knows_each_pipeline_by_its_class():
    assert set(FAMILIES) == set(TINIES)
    for name, family in FAMILIES.items():
        assert hasattr(diffusers, name)
        assert not family.editing or hasattr(diffusers, family.editing)
