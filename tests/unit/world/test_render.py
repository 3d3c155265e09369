"""Many scenes are rendered by many processes, and are what one process makes of them."""

import random

import pytest
import torch

from mosit_data.world import render as module
from mosit_data.world.render import render, render_all
from mosit_data.world.scene import sample_scene


@pytest.mark.slow
def test_processes_render_the_same_media_in_the_same_order(monkeypatch):
    monkeypatch.setattr(module, "MANY", 5)
    monkeypatch.setattr(module, "CHUNK", 2)
    rng = random.Random(0)
    scenes = [sample_scene("image", rng) for _ in range(5)]
    before = torch.get_rng_state()
    media = list(render_all(scenes))
    assert len(media) == 5
    for scene, medium in zip(scenes, media, strict=True):
        assert torch.equal(medium.pixels, render(scene).pixels)
    assert torch.equal(torch.get_rng_state(), before)


def test_no_scene_renders_nothing():
    assert list(render_all([])) == []
