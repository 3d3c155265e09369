"""The facts of a caption are read from its words alone."""

import random

import pytest
import torch

from anygen.config.loader import load_run
from anygen.core.modality import MEDIA
from anygen.training.linear_probe import LinearProbe
from decoders.base import pooled_condition
from decoders.parts.conditioning import Layout, LayoutSettings
from mosit_data.world.facts import fact_names, facts
from mosit_data.world.scene import PictureScene, SoundScene, Thing, caption, sample_scene


def scenes(modality, count=300):
    rng = random.Random(0)
    return [sample_scene(modality, rng) for _ in range(count)]


@pytest.mark.parametrize("modality", MEDIA)
def test_every_fact_is_one_of_the_names_of_its_list(modality):
    names = fact_names()
    for scene in scenes(modality):
        assert all(value in names[name] for name, value in facts(scene).items())


@pytest.mark.parametrize("modality", MEDIA)
def test_equal_captions_tell_equal_facts_and_other_captions_others(modality):
    told = {}
    for scene in scenes(modality):
        told.setdefault(caption(scene), facts(scene))
        assert told[caption(scene)] == facts(scene)
    assert len({tuple(sorted(row.items())) for row in told.values()}) == len(told)


def test_what_the_caption_leaves_out_is_no_fact():
    thing = Thing(concept="cat", x=0.5, y=0.5, size=0.3)
    scene = PictureScene(things=(thing,), style="flat", background="red", mentions=("style",))
    assert facts(scene) == {"thing": "cat", "style": "flat", "count": "one"}
    sound = SoundScene(sound="piano", pattern="rising", pitch="middle", tempo="slow")
    assert facts(sound) == {"sound": "piano"}


def test_a_text_encoder_learns_to_tell_captions_apart(make_model, write_run):
    model = make_model("decoders")
    run = load_run(write_run("caption", decoders=["image"]))
    reader, chosen = LinearProbe(model, run), scenes("image", 8)
    decoder = model.decoders["image"]
    learned = [*reader.parameters(), *decoder.text_encoder.parameters()]
    optimizer = torch.optim.Adam(learned, 1e-2)
    losses = []
    for _ in range(60):
        condition = decoder.encode_prompt([caption(scene) for scene in chosen])
        loss = reader.loss("image", condition, chosen).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 10


def test_the_gist_is_the_last_token_whatever_its_scale():
    condition = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(pooled_condition(condition).std(-1, correction=0), torch.ones(2))
    torch.testing.assert_close(
        pooled_condition(condition), pooled_condition(5 * condition), atol=1e-3, rtol=1e-3
    )
    condition[:, :2] = 0
    assert pooled_condition(condition).abs().min() > 0


def test_every_frame_has_a_layout_of_its_own():
    settings = LayoutSettings(channels=2, hidden=16, layers=2)
    layout = Layout(settings, width=8, grid=(4, 6), frames=3)
    made = layout(torch.randn(5, 7, 8))
    assert made.shape == (5, 3, 2, 4, 6)
    assert not torch.allclose(made[:, 0], made[:, 1])
