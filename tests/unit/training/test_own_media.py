"""Dialogues about media that are not of the small world, and the pool that calibrates."""

import random

import pytest
import torch

from anygen.config.loader import load_run
from anygen.training.mixtures import (
    IMAGINED,
    UNFAMILIAR,
    class_shares,
    encode_dialogues,
    nearest_names,
    own_media,
)
from anygen.training.precomputed import DomainPool
from anygen.training.stages import MISSED, STAGES
from encoders.base import Domain
from mosit_data.world.language.own_media import UNSURE
from mosit_data.world.vocabulary import SOUNDS

DOUBTS = tuple(text.split("{x}")[0] for table in UNSURE.values() for text in table.values())


@pytest.fixture
def model(make_model):
    return make_model(*STAGES["encode"].needs)


def texts(model, kind):
    dialogues = own_media(model, kind, 6, random.Random(0), torch.Generator().manual_seed(0))
    return [str(dialogue.messages[1].parts[0]) for dialogue in dialogues]


def reject_everything(model):
    with torch.no_grad():
        for familiarity in model.encoder.familiarity.values():
            familiarity.threshold.fill_(1.0)  # above all scores, which are 0


@pytest.mark.parametrize("kind", ["unfamiliar_image", "unfamiliar_audio"])
def test_an_answer_is_unsure_exactly_where_the_domain_token_is(model, kind):
    assert not any(text.startswith(DOUBTS) for text in texts(model, kind))  # not calibrated yet
    reject_everything(model)
    assert all(text.startswith(DOUBTS) for text in texts(model, kind))


def test_an_imagined_photograph_or_video_of_one_class_is_called_by_its_name(model):
    encoder = model.encoder
    shares = class_shares(1000, 5, random.Random(1), unclear=0.0)
    for modality in IMAGINED.values():
        observed = encoder.imagine(modality, shares, torch.Generator().manual_seed(0))
        features = encoder.read(modality, observed)
        logits = encoder.class_logits(modality, observed)
        names = nearest_names(encoder, modality, observed, features)
        assert names == [encoder.class_names()[row] for row in logits.argmax(1).tolist()]


def test_a_sound_is_called_by_the_nearest_of_the_vocabulary(model):
    answers = " ".join(texts(model, "unfamiliar_audio"))
    assert any(name in answers or sound.chinese in answers for name, sound in SOUNDS.items())


def test_features_in_a_dialogue_are_those_that_the_encoder_gives_to_the_llm(model):
    for kind, modality in {**IMAGINED, **UNFAMILIAR}.items():
        generator = torch.Generator().manual_seed(0)
        [dialogue] = own_media(model, kind, 1, random.Random(0), generator)
        expected = (model.encoder.length(modality), model.encoder.widths[modality])
        assert dialogue.features[0].shape == expected


def test_shares_are_of_one_class_unless_they_are_unclear():
    clear, unclear = (class_shares(1000, 50, random.Random(0), share) for share in (0.0, 1.0))
    assert clear.sum(1).tolist() == [1.0] * 50
    assert (clear.amax(1) == 1).all()
    assert unclear.amax() <= 0.6
    assert set((unclear > 0).sum(1).tolist()) == {1, 2, 3}


def test_an_encoder_without_a_domain_token_still_learns_photographs_alone(make_model):
    settings = ["encoder.domain_token=false"]
    model = make_model(*STAGES["encode"].needs, settings=settings)
    dialogues = encode_dialogues(model, 40, random.Random(0), torch.Generator().manual_seed(0))
    answers = [str(dialogue.messages[-1].parts[0]) for dialogue in dialogues]
    assert not any(answer.startswith(DOUBTS) for answer in answers)


@pytest.fixture
def pool(model, write_run):
    run = load_run(write_run("calibrate", pool={"image": 4, "audio": 4, "video": 2}))
    return DomainPool(model, run)


def test_the_threshold_is_set_by_media_that_the_score_never_learns_from(pool):
    learning, unfamiliar, unseen = pool.draw("audio", 64, random.Random(0))
    rows = pool.get_buffer("audio").float()
    assert {tuple(row.tolist()) for row in learning} == {tuple(r.tolist()) for r in rows[::2]}
    assert {tuple(row.tolist()) for row in unseen} == {tuple(r.tolist()) for r in rows[1::2]}
    assert len(unfamiliar) == 64


def test_calibration_separates_what_is_familiar_and_misses_the_share_it_may(model):
    familiarity = model.encoder.familiarity["image"]
    generator = torch.Generator().manual_seed(0)
    width = model.encoder.widths["image"]
    direction = torch.randn(width, generator=generator)
    familiar, other = (
        side * direction + torch.randn(2000, width, generator=generator) for side in (0.3, -0.3)
    )
    optimizer = torch.optim.Adam(familiarity.parameters(), 1e-2)
    for step in range(1500):
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * (1 - step / 1500)
        optimizer.zero_grad()
        loss = familiarity.loss(familiar, other) + familiarity.threshold_loss(familiar, MISSED)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        missed = 1 - float(familiarity(familiar).float().mean())
        accepted = float(familiarity(other).float().mean())
    assert missed == pytest.approx(MISSED, abs=0.006)
    assert accepted < 0.25


def test_without_a_domain_token_calibration_is_refused(make_model, write_run):
    model = make_model("encoder", settings=["encoder.domain_token=false"])
    run = load_run(write_run("calibrate", pool={"image": 1, "audio": 1, "video": 1}))
    with pytest.raises(ValueError, match="stage calibrate needs one with domain_token: true"):
        DomainPool(model, run)


def test_domains_are_whole_numbers_from_familiar_to_unfamiliar(model):
    reject_everything(model)
    shares = torch.eye(1000)[:3]
    observed = model.encoder.imagine("image", shares, torch.Generator().manual_seed(0))
    found = model.encoder.domains("image", observed, observed)
    assert set(found.tolist()) <= {Domain.CLASSIFIED, Domain.UNFAMILIAR}
