"""Tests of the contract of encoders, for your own plugin.

In your test file:

    from anygen.testing.encoders import *  # the tests, and the fixtures that they need

    @pytest.fixture
    def make_encoder():
        def make(seed=0):  # random weights; on the meta device it reads none
            torch.manual_seed(seed)
            return build(Config(...), folder)

        return make
"""

from itertools import pairwise

import pytest
import torch

from anygen.checkpoints.checkpoint import declared_prefixes, own_tensors
from anygen.core.media import Audio, Image, Video, modality_of
from anygen.memory.meta_tracker import MetaTracker
from encoders.base import JointEncoder, kind_of

CAPTIONS = ["a red ball", "a piano melody", "a dog jumping up"]


@pytest.fixture
def encoder(make_encoder):
    return make_encoder()


def picture(generator, *shape):
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def sound(generator, channels, samples):
    return torch.rand(channels, samples, generator=generator) - 0.5


@pytest.fixture(scope="session")
def media():
    """Two or three of every modality, with different sizes, rates and lengths, in mixed order."""
    g = torch.Generator().manual_seed(0)
    return [
        Image(picture(g, 3, 64, 64)),
        Audio(sound(g, 1, 8_000), 16_000),
        Video(picture(g, 5, 3, 24, 32), 8.0),
        Image(picture(g, 3, 300, 200)),
        Audio(sound(g, 2, 22_050), 44_100),
        Video(picture(g, 1, 3, 64, 64), 1.0),
        Audio(sound(g, 1, 12_000), 16_000),
    ]


@pytest.fixture
def readable(encoder, media):
    """The media of the encoder's modalities."""
    return [medium for medium in media if modality_of(medium) in encoder.modalities]


@pytest.fixture
def learner(encoder):
    if not isinstance(encoder, JointEncoder):
        pytest.skip("only for encoders that stage joint trains")
    return encoder


@pytest.fixture
def frozen(encoder):
    if any(parameter.requires_grad for parameter in encoder.parameters()):
        pytest.skip("only for encoders with nothing to train")
    return encoder


def close(left, right):
    torch.testing.assert_close(left, right, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_features_of_each_modality_have_the_announced_number_and_width(encoder, readable):
    features = encoder.encode(readable)
    assert {modality_of(medium) for medium in readable} == set(encoder.modalities)
    for medium, found in zip(readable, features, strict=True):
        modality = modality_of(medium)
        assert found.shape == (encoder.length(modality), encoder.widths[modality])
        assert found.isfinite().all()


@torch.no_grad()
def test_the_features_of_a_medium_do_not_depend_on_its_batch(encoder, readable):
    batched = encoder.encode(readable)
    close(batched, encoder.encode(readable))
    close(batched, encoder.encode(readable[::-1])[::-1])
    close(batched, [encoder.encode([medium])[0] for medium in readable])


@torch.no_grad()
def test_different_media_have_different_features(encoder, readable):
    pairs = sorted(
        zip(map(modality_of, readable), encoder.encode(readable)), key=lambda pair: pair[0]
    )
    for (modality, left), (other, right) in pairwise(pairs):
        assert modality != other or not torch.allclose(left, right, atol=1e-4)


@torch.no_grad()
def test_embeddings_have_unit_length_and_do_not_depend_on_the_batch(encoder, media):
    items = [item for item in (*media, *CAPTIONS, "") if kind_of(item) in encoder.embeds]
    if not items and not hasattr(encoder, "embed"):
        return
    if not items:
        with pytest.raises(ValueError, match="joint space"):
            encoder.embed(CAPTIONS)
        return
    embedded = encoder.embed(items)
    assert embedded.ndim == 2
    close(embedded.norm(dim=1), torch.ones(len(items)))
    close(embedded, torch.cat([encoder.embed([item]) for item in items]))
    assert all(not torch.allclose(a, b, atol=1e-4) for a, b in pairwise(embedded))


@torch.no_grad()
def test_an_encoder_is_restored_from_its_state_dict(encoder, make_encoder, readable):
    other = make_encoder()
    for parameter in other.parameters():
        parameter.normal_()
    other.load_state_dict(encoder.state_dict(), strict=True)
    close(other.encode(readable), encoder.encode(readable))


def test_weights_that_checkpoints_leave_out_are_frozen_and_equal_in_every_process(
    encoder, make_encoder
):
    frozen, again = declared_prefixes(encoder, "frozen"), make_encoder(seed=1).state_dict()
    for key, parameter in encoder.named_parameters():
        assert parameter.requires_grad != key.startswith(frozen), key
    kept = {key: value for key, value in encoder.state_dict().items() if key.startswith(frozen)}
    assert not kept.keys() & own_tensors(encoder).keys()
    assert all(torch.equal(value, again[key]) for key, value in kept.items())


@torch.no_grad()
def test_training_mode_does_not_change_a_frozen_encoder(frozen, readable):
    close(frozen.train().encode(readable), frozen.eval().encode(readable))


def test_the_shapes_of_features_are_known_without_weights(encoder, make_encoder):
    with torch.device("meta"):
        outline = make_encoder()
    assert {parameter.device.type for parameter in outline.parameters()} <= {"meta"}
    assert dict(outline.widths) == dict(encoder.widths)
    lengths = [[e.length(m) for m in e.modalities] for e in (outline, encoder)]
    assert lengths[0] == lengths[1]


@torch.no_grad()
def test_media_are_moved_to_the_device_of_the_weights(make_encoder, readable):
    """`anygen plan` runs it on the meta device, where tensors have shapes and no values."""
    with torch.device("meta"):
        encoder = make_encoder().to("meta")
    homes = {parameter.device.type for parameter in encoder.parameters()}
    for medium in readable:
        with MetaTracker():
            [features] = encoder.encode([medium])
        assert not homes or {features.device.type} == homes


@torch.no_grad()
def test_half_precision_stays_close_to_single_precision(frozen, readable):
    exact = frozen.encode(readable)
    for left, right in zip(frozen.to(torch.bfloat16).encode(readable), exact, strict=True):
        assert left.dtype == torch.bfloat16 or not any(frozen.parameters())
        assert (left.float() - right).norm() < 0.1 * right.norm()


def test_the_loss_of_matching_captions_reaches_every_weight_that_is_not_frozen(learner, media):
    learner.match_loss(learner.embed(media[:3]), CAPTIONS).backward()
    for key, parameter in learner.named_parameters():
        apart = key.startswith((*learner.frozen, *learner.calibrated))
        assert (parameter.grad is not None) != apart, key


def test_training_moves_media_towards_their_captions(learner, media):
    learned = [p for p in learner.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(learned, 3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        learner.match_loss(learner.embed(media[:3]), CAPTIONS).backward()
        optimizer.step()
    with torch.no_grad():
        scores = learner.embed(media[:3]) @ learner.embed(CAPTIONS).T
    assert scores.argmax(1).tolist() == [0, 1, 2]
