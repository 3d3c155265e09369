"""Training data that are made on the way: mixes of clips of one sound."""

import random

import torch

from anygen.core.media import Audio
from anygen.core.records import captions_of
from anygen.training.mixtures import clip, prompt_for_expert, reordered, sound_mix, world_record
from anygen.training.stages import STAGES
from mosit_data.world.scene import in_split
from mosit_data.world.vocabulary import SOUNDS


def test_a_reordered_sound_keeps_all_its_frames():
    frames = torch.arange(40)
    orders = [reordered(frames, random.Random(seed)) for seed in range(20)]
    assert all(torch.equal(order.sort().values, frames) for order in orders)
    assert len({tuple(order.tolist()) for order in orders}) > 10


def test_pieces_of_a_reordered_sound_stay_whole():
    orders = [reordered(torch.arange(40), random.Random(seed)) for seed in range(20)]
    seams = [int((order.diff() != 1).sum()) for order in orders]
    assert 0 < max(seams) <= 4


def test_clips_of_a_sound_are_of_the_training_split():
    rng = random.Random(0)
    clips = [clip(rng, "accordion") for _ in range(30)]
    assert {scene.sound for scene in clips} == {"accordion"}
    assert all(in_split(scene, "train") for scene in clips)


def test_a_sound_mix_is_as_long_as_a_clip_and_only_named():
    rng = random.Random(0)
    for _ in range(10):
        asked, answered = sound_mix(rng).messages
        [sound, question] = asked.parts
        assert isinstance(sound, Audio)
        assert isinstance(question, str)
        assert sound.samples.shape == (1, 49152)
        assert 0.1 < sound.samples.abs().max() <= 1
        [answer] = answered.parts
        assert any(name in str(answer).lower() for name in SOUNDS)
        assert "playing" not in str(answer)


def test_the_router_meets_requests_though_its_stage_builds_no_decoders(make_model):
    model = make_model(*STAGES["route"].needs)
    assert not model.decoders
    dialogues = [world_record(model, random.Random(seed)) for seed in range(40)]
    requests = [seed for seed, dialogue in enumerate(dialogues) if captions_of(dialogue)]
    assert len(requests) > 20
    for seed in requests:
        assert prompt_for_expert(model, random.Random(seed)).messages[-1].role == "user"
