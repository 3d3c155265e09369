"""What a training stage learns from, beside the model."""

import json
import random

import pytest
import torch

from anygen.config.loader import load_run
from anygen.training.precomputed import FeaturePool
from anygen.training.runs.step import Step
from encoders import imagebind
from encoders.parts.readers import mix
from mosit_data.world.vocabulary import SOUNDS


@pytest.fixture
def pool(make_model, write_run):
    pools = {"image": 2, "audio": 40, "video": 2}
    name = write_run("joint", pool=pools, batch_size=6, rows={"audio": 20})
    run = load_run(name)
    run.out.mkdir()
    return FeaturePool(make_model("encoder", "llm", "input_projector"), run)


def test_half_of_the_sounds_are_mixes_whose_captions_only_name_the_sound(pool):
    observed, captions = pool.draw("audio", Step(1, random.Random(0), []))
    assert len(observed) == len(captions) == 20
    names = {name for name in SOUNDS if any(name in caption for caption in captions[10:])}
    assert names <= set(pool.clips)
    assert all("playing" not in caption and "slow" not in caption for caption in captions[10:])


def test_an_encoder_that_stage_joint_cannot_train_is_refused(make_model, write_run):
    settings = json.dumps({"name": "imagebind", **imagebind.TINY.model_dump(mode="json")})
    model = make_model("encoder", settings=[f"encoder={settings}"])
    run = load_run(write_run("joint", pool={"image": 2, "audio": 2, "video": 2}))
    with pytest.raises(
        ValueError, match="stage joint cannot train imagebind; it trains encoders of our own"
    ):
        FeaturePool(model, run)


def test_pictures_and_videos_come_with_their_own_captions(pool):
    for modality in ("image", "video"):
        observed, captions = pool.draw(modality, Step(0, random.Random(0), []))
        assert len(observed) == 6
        assert set(captions) <= set(pool.pool.captions[modality])


def test_two_sounds_together_hold_both():
    low, high = torch.full((1, 4, 8), -2.0), torch.full((1, 4, 8), -2.0)
    low[..., 0], high[..., 7] = 1.0, 1.5
    both = mix(low, high)
    torch.testing.assert_close(both[..., 0], low[..., 0], atol=1e-3, rtol=0)
    torch.testing.assert_close(both[..., 7], high[..., 7], atol=1e-3, rtol=0)
    torch.testing.assert_close(mix(low, low), low + torch.tensor(2.0).log() / 3)
