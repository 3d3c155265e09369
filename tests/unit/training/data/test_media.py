"""The media of the user's records, as stages of encoders and decoders learn from them."""

import json
import random

import pytest
import torch

from anygen.config.loader import load_run
from anygen.core.media import media_of
from anygen.training.collate import assemble
from anygen.training.data.feature_cache import FeatureCache
from anygen.training.data.media import MediaMixture, OwnPool, some_media
from anygen.training.data.mixture import DialogueMixture
from anygen.training.mixtures import draw_media
from anygen.training.precomputed import FeaturePool, LatentPool
from anygen.training.runs.step import Step
from support.own_data import (
    captioned_pictures,
    picture,
    talk,
    write_picture,
    write_records,
    write_sound,
)

DATA = [{"path": "mine.jsonl"}]


@pytest.fixture
def media(write_run):
    """The media that a run of these settings would learn from."""

    def make(stage="vae", **settings):
        settings = {"decoders": ["image"], "data": DATA, "pool": {"image": 100}} | settings
        return MediaMixture(load_run(write_run(stage, **settings)))

    return make


def colours(rows):
    """What tells the test pictures apart."""
    return [int(medium.media.pixels.sum()) for medium in rows.own]


def test_each_medium_is_read_once_in_an_epoch_and_in_another_order_in_the_next(tmp_path, media):
    captioned_pictures(tmp_path, 12)
    own = media(batch_size=3)
    read = [colour for step in range(8) for colour in colours(own.rows(step, 0, 1))]
    assert len({*read[:12]}) == 12
    assert {*read[:12]} == {*read[12:]}
    assert read[:12] != read[12:]
    assert colours(media(batch_size=3).rows(2, 0, 1)) == read[6:9]


def test_two_processes_read_the_rows_of_one_with_twice_the_batch(tmp_path, media):
    captioned_pictures(tmp_path, 12)
    one, two = media(batch_size=4), media(batch_size=2)
    for step in range(3):
        parts = [colours(two.rows(step, part, 2)) for part in range(2)]
        assert parts[0] + parts[1] == colours(one.rows(step, 0, 1))


def test_decoders_that_learn_by_turns_each_see_all_of_their_media(tmp_path, media):
    rows = captioned_pictures(tmp_path, 4)
    write_sound(tmp_path / "bell.wav")
    sound = {"type": "audio", "path": "bell.wav"}
    write_records(tmp_path / "mine.jsonl", *rows, talk("s", [sound], "a bell"))
    own = media(decoders=["image", "audio", "image"], batch_size=1)
    steps = [own.rows(step, 0, 1).own[0].media for step in range(6)]
    assert len({int(steps[step].pixels.sum()) for step in (0, 2, 3, 5)}) == 4
    assert all(steps[step].samples.shape == steps[1].samples.shape for step in (1, 4))


def test_pairs_need_a_caption_and_no_stage_takes_a_caption_alone(tmp_path, media):
    write_picture(tmp_path / "a.png")
    write_records(
        tmp_path / "mine.jsonl",
        talk("seen", [picture("a.png")], "a cat"),
        talk("made", "draw", [picture("a.png", "a cat")]),
        talk("caption", "draw", [picture(None, "a dog")]),
    )
    assert len(media("vae").mixtures["image"].sources[0]) == 2
    assert len(media("denoise").mixtures["image"].sources[0]) == 1


def test_records_without_a_medium_to_learn_from_are_refused(tmp_path, media):
    write_records(tmp_path / "mine.jsonl", talk("a", "draw", [picture(None, "a dog")]))
    with pytest.raises(
        ValueError, match="denoise learns from image files with captions, and the rec"
    ):
        media("denoise")
    with pytest.raises(ValueError, match="vae learns from image files, and the records"):
        media("vae")


def test_a_modality_without_own_media_is_left_to_the_small_world(tmp_path, media):
    captioned_pictures(tmp_path, 4)
    data = [*DATA, {"world": True, "share": 0.5}]
    own = media(decoders=["image", "audio"], data=data, batch_size=8)
    pictures, sounds = own.rows(0, 0, 1), own.rows(1, 0, 1)
    assert 0 < len(pictures.own) < 8
    assert (len(sounds.own), sounds.world) == (0, 8)


def spoil(folder):
    """Of twelve rows one is no JSON, one names no file, one holds a sound under a wrong type."""
    rows = captioned_pictures(folder, 12)
    write_sound(folder / "bell.wav")
    rows[2] = b"{"
    rows[5] = talk("row-5", "draw", [picture("gone.png", "gone")])
    rows[7] = talk("row-7", "draw", [picture("bell.wav", "a bell")])
    write_records(folder / "mine.jsonl", *rows)


def test_a_medium_that_cannot_be_read_stops_the_run_with_its_place(tmp_path, media):
    spoil(tmp_path)
    with pytest.raises(ValueError, match=r"mine\.jsonl:3: is not JSON.*; bad_rows: skip passes"):
        media()


def test_media_that_are_skipped_are_listed_and_move_no_other(tmp_path, media):
    spoil(tmp_path)
    own = media(bad_rows="skip", batch_size=11)
    first = colours(own.rows(0, 0, 1))
    lines = (tmp_path / "run" / "refused.jsonl").read_text().splitlines()
    refused = {row["line"]: row["reason"] for row in map(json.loads, lines)}
    assert sorted(refused) == [3, 6, 8]
    assert refused[6].startswith("medium 1: ")
    assert refused[6].endswith("gone.png: no such file")
    assert refused[8] == "medium 1: has the type image, and is audio"
    write_picture(tmp_path / "gone.png", 5)
    mended = colours(media(bad_rows="skip", batch_size=11).rows(0, 0, 1))
    assert sum(one != other for one, other in zip(first, mended)) == 1


def test_a_step_mixes_own_media_with_scenes_by_share(tmp_path, media, write_run):
    captioned_pictures(tmp_path, 4)
    data = [*DATA, {"world": True, "share": 0.25}]
    rows = media(data=data, batch_size=1000).rows(0, 0, 1)
    assert (len(rows.own), rows.world) == (750, 250)
    own = media(data=data, batch_size=8)
    assert len(draw_media("image", own.run, random.Random(0), own.rows(0, 0, 1))) == 8


def test_samples_of_a_run_show_media_of_the_user(tmp_path, write_run):
    captioned_pictures(tmp_path, 3)
    run = load_run(write_run("vae", decoders=["image"], data=DATA))
    assert {m.caption for m in some_media(run, "image", 8)} == {f"a ball {i}" for i in range(3)}


@pytest.fixture
def run_of_pairs(tmp_path, write_run):
    """Stage denoise on twelve pictures and as many scenes, of which each step has six rows."""
    captioned_pictures(tmp_path, 12)
    data = [*DATA, {"world": True, "share": 0.5}]
    name = write_run("denoise", decoders=["image"], data=data, pool={"image": 24}, batch_size=6)
    run = load_run(name)
    run.out.mkdir()
    return run


def test_a_pool_holds_own_media_beside_scenes_and_deals_them_in_epochs(run_of_pairs, make_model):
    model = make_model("decoders")
    pool = LatentPool(model, run_of_pairs)
    captions = pool.pool.captions["image"]
    assert len(pool.pool.scenes["image"]) == 12
    assert {*captions[12:]} == {f"a ball {i}" for i in range(12)}
    drawn = []
    for step in range(8):
        own, scenes = pool.pool.own_rows("image", Step(step, random.Random(0), []))
        assert len(own) + scenes == 6
        drawn += own
    assert {*drawn[:12]} == {*range(12, 24)}
    latents, conditions = pool.draw("image", Step(0, random.Random(0), []))
    first = pool.pool.own_rows("image", Step(0, random.Random(0), []))[0][0]
    expected = model.decoders["image"].encode_prompt([captions[first]])
    torch.testing.assert_close(conditions[:1], expected, atol=2e-3, rtol=0)
    assert len(latents) == 6


def test_a_source_smaller_than_its_part_of_the_pool_is_held_once(tmp_path, write_run, make_model):
    captioned_pictures(tmp_path, 3)
    run = load_run(write_run("denoise", decoders=["image"], data=DATA, pool={"image": 50}))
    cache = FeatureCache(run.out, "media", make_model("decoders"))
    assert OwnPool(run, cache).sizes == {"image": {0: 3}}


def test_what_was_encoded_is_not_encoded_again(run_of_pairs, make_model, tmp_path):
    """Neither when the run goes on, nor under another name; but by other weights."""
    model = make_model("decoders")
    calls = []
    decoder = model.decoders["image"]
    to_latents = decoder.to_latents
    decoder.to_latents = lambda media: calls.append(len(media)) or to_latents(media)
    first = LatentPool(model, run_of_pairs).pool.get_buffer("image")
    assert sum(calls) == 24
    (tmp_path / "media/0.png").rename(tmp_path / "media/other.png")
    path = tmp_path / "mine.jsonl"
    path.write_text(path.read_text().replace("media/0.png", "media/other.png"))
    again = LatentPool(model, run_of_pairs).pool.get_buffer("image")
    assert sum(calls) == 24
    assert first.equal(again)
    with torch.no_grad():
        next(decoder.vae.parameters()).add_(1.0)
    LatentPool(model, run_of_pairs)
    assert sum(calls) == 36


def test_an_encoder_learns_from_own_pictures_with_their_captions(tmp_path, write_run, make_model):
    captioned_pictures(tmp_path, 5)
    run = load_run(write_run("joint", data=DATA, pool={"image": 9}, batch_size=5))
    pool = FeaturePool(make_model("encoder", "llm", "input_projector"), run)
    observed, captions = pool.draw("image", Step(0, random.Random(0), []))
    assert len(observed) == 5
    assert {*captions} == {f"a ball {i}" for i in range(5)}


def test_features_of_a_dialogues_media_are_computed_once_and_are_the_same(
    tmp_path, write_run, make_model
):
    """Another epoch, a run that goes on and a copy of a picture find what is kept."""
    rows = captioned_pictures(tmp_path, 3)
    (tmp_path / "copy.png").write_bytes((tmp_path / "media/0.png").read_bytes())
    write_records(tmp_path / "mine.jsonl", *rows, talk("d", [picture("copy.png")], "a ball"))
    model = make_model("encoder", "llm", "input_projector")
    run = load_run(write_run("encode", data=DATA, batch_size=4))
    calls, encode = [], model.encoder.encode
    model.encoder.encode = lambda media: calls.append(len(media)) or encode(media)

    def embeds(mixture, step):
        dialogues = mixture.rows(step).own
        mixture.kept.fill(dialogues)
        return assemble(model, dialogues).embeds

    mixture = DialogueMixture(run, model)
    unkept = DialogueMixture(run, model).rows(0).own
    first = embeds(mixture, 0)
    assert calls == [3]
    assert embeds(mixture, 5).shape == first.shape
    mixture.kept.cache.flush()
    again = DialogueMixture(run, model)
    assert embeds(again, 0).equal(first)
    assert calls == [3]
    read = again.rows(1).own
    assert all(medium.pixels.shape == (3, 1, 1) for d in read for medium in media_of(d.messages))
    torch.testing.assert_close(assemble(model, unkept).embeds, first)


def test_pixels_are_read_where_the_denoising_loss_needs_them(tmp_path, write_run, tiny_model):
    captioned_pictures(tmp_path, 3)
    run = load_run(write_run("decode", data=DATA, batch_size=3, denoised=1))
    mixture = DialogueMixture(run, tiny_model)
    mixture.kept.fill(mixture.rows(0).own)
    read = [medium for d in mixture.rows(1).own for medium in media_of(d.messages)]
    assert [medium.pixels.shape for medium in read] == [(3, 16, 16)] * 3
