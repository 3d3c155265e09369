import random

import pytest
import torch

from anygen.core.media import Audio
from anygen.evaluation.judges import networks
from anygen.evaluation.judges.judges import Judges, accuracy, truth, unlearned
from anygen.evaluation.judges.networks import FOLDER, KINDS, NOTHING, UNCLEAR, UNSEEN_SHIFT, Network
from mosit_data.world.render import render
from mosit_data.world.scene import PictureScene, SoundScene, Thing
from mosit_data.world.sprites import concept_names


@pytest.fixture(scope="module")
def all_judges() -> Judges:
    return Judges()


def pair(relation: str, *places: tuple[float, float]) -> PictureScene:
    things = [
        Thing(concept=concept, x=x, y=y, size=0.42)
        for concept, (x, y) in zip(("apple", "bus"), places)
    ]
    return PictureScene(things=tuple(things), relation=relation, style="flat", background="white")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("modality", "at_least"),
    [
        ("image", {"object": 0.85, "style": 0.9, "background": 0.9}),
        ("audio", {"sound": 0.9, "pattern": 0.9}),
        ("video", {"object": 0.9, "motion": 0.9}),
    ],
)
def test_judges_know_true_renders_that_they_never_learned(all_judges, modality, at_least):
    scores = accuracy(all_judges, modality, 60, seed=1)
    shares = {key: scores[key][0] / scores[key][1] for key in at_least}
    assert all(shares[key] >= share for key, share in at_least.items()), shares


@pytest.mark.parametrize(
    ("scene", "halves"),
    [
        (pair("to the left of", (0.27, 0.5), (0.73, 0.5)), {"left": "apple", "right": "bus"}),
        (pair("below", (0.5, 0.73), (0.5, 0.27)), {"bottom": "apple", "top": "bus"}),
    ],
)
def test_a_relation_is_judged_by_what_each_half_shows(all_judges, scene, halves):
    assert truth(scene) == {"style": "flat", "background": "white", **halves}
    [verdict] = all_judges.judge([render(scene)])
    assert {key: verdict[key] for key in halves} == halves


def test_effects_have_no_pattern_to_judge():
    assert truth(SoundScene(sound="seashore")) == {"sound": "seashore"}


def test_cells_at_the_edge_of_a_thing_teach_nothing():
    thing = Thing(concept="bus", x=0.5, y=0.5, size=0.6)
    labels = networks.cell_labels([thing])
    assert labels[3:5, 3:5].unique().tolist() == [concept_names().index("bus")]
    assert labels[0].unique().tolist() == [NOTHING]
    assert UNCLEAR in labels


def test_a_sound_at_another_rate_is_refused(all_judges):
    with pytest.raises(ValueError, match="16000 Hz, and one has 8000 Hz"):
        all_judges.judge([Audio(torch.zeros(1, 8000), 8000)])


@pytest.mark.parametrize("name", KINDS)
def test_the_shipped_weights_are_small(name):
    assert (FOLDER / f"{name}.safetensors").stat().st_size <= 1_000_000


def test_a_network_learns_the_few_renders_that_it_is_shown():
    rng = random.Random(0)
    kind = KINDS["motion"]
    inputs, labels = networks.examples(kind, rng, 16)
    torch.manual_seed(0)
    network = Network(kind.channels, kind.heads)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        loss = networks.head_loss(network(inputs)["motion"], labels["motion"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_blemishes_keep_the_shape_and_change_every_row():
    clean, _ = networks.examples(KINDS["picture"], random.Random(0), 10)
    torch.manual_seed(0)
    worse = networks.corrupt(clean, random.Random(0))
    assert worse.shape == clean.shape
    assert bool(((worse - clean).abs().amax((1, 2, 3)) > 0.01).all())


def test_a_transposition_is_kept_from_the_sound_judge_and_used_to_score_it():
    rng = random.Random(0)
    learned = [networks.draw_sound(rng) for _ in range(50)]
    assert all(scene.transpose != UNSEEN_SHIFT for scene in learned)
    assert unlearned(learned[0]).transpose == UNSEEN_SHIFT
