"""What every encoder promises, as tests for a plugin of your own.

In a test file of yours:

    from anygen.testing.encoders import *  # the tests, and the fixtures that they need

    @pytest.fixture
    def make_encoder():
        def make(seed=0):  # with random weights; under torch.device("meta") it reads none
            torch.manual_seed(seed)
            return build(Config(...), folder)

        return make
"""

from itertools import pairwise

import pytest
import torch

from anygen.checkpoints.checkpoint import declared_prefixes, own_tensors
from anygen.core.media import Audio, Image, Video, modality_of
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
    """Two or three of every modality, of different sizes, rates and lengths, mixed."""
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
def known(encoder, media):
    """The media that the encoder knows."""
    return [medium for medium in media if modality_of(medium) in encoder.modalities]


@pytest.fixture
def learner(encoder):
    if not isinstance(encoder, JointEncoder):
        pytest.skip("only an encoder that stage joint trains")
    return encoder


@pytest.fixture
def frozen(encoder):
    if any(parameter.requires_grad for parameter in encoder.parameters()):
        pytest.skip("only what others published is read from their files as it is")
    return encoder


def close(left, right):
    torch.testing.assert_close(left, right, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_features_are_as_wide_and_as_many_as_promised_for_each_modality(encoder, known):
    features = encoder.encode(known)
    assert {modality_of(medium) for medium in known} == set(encoder.modalities)
    for medium, found in zip(known, features, strict=True):
        modality = modality_of(medium)
        assert found.shape == (encoder.length(modality), encoder.widths[modality])
        assert found.isfinite().all()


@torch.no_grad()
def test_a_medium_has_the_same_features_alone_again_and_in_any_company(encoder, known):
    together = encoder.encode(known)
    close(together, encoder.encode(known))
    close(together, encoder.encode(known[::-1])[::-1])
    close(together, [encoder.encode([medium])[0] for medium in known])


@torch.no_grad()
def test_different_media_have_different_features(encoder, known):
    kept = sorted(zip(map(modality_of, known), encoder.encode(known)), key=lambda pair: pair[0])
    for (modality, left), (other, right) in pairwise(kept):
        assert modality != other or not torch.allclose(left, right, atol=1e-4)


@torch.no_grad()
def test_what_a_joint_space_takes_embeds_with_unit_length_whatever_stands_beside_it(encoder, media):
    items = [item for item in (*media, *CAPTIONS, "") if kind_of(item) in encoder.embeds]
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
def test_the_state_dict_brings_an_encoder_back(encoder, make_encoder, known):
    other = make_encoder()
    for parameter in other.parameters():
        parameter.normal_()
    other.load_state_dict(encoder.state_dict(), strict=True)
    close(other.encode(known), encoder.encode(known))


def test_what_a_model_does_not_save_never_learns_and_is_the_same_in_every_process(
    encoder, make_encoder
):
    others, again = declared_prefixes(encoder, "frozen"), make_encoder(seed=1).state_dict()
    for key, parameter in encoder.named_parameters():
        assert parameter.requires_grad != key.startswith(others), key
    kept = {key: value for key, value in encoder.state_dict().items() if key.startswith(others)}
    assert not kept.keys() & own_tensors(encoder).keys()
    assert all(torch.equal(value, again[key]) for key, value in kept.items())


@torch.no_grad()
def test_training_changes_nothing_in_an_encoder_that_does_not_learn(frozen, known):
    close(frozen.train().encode(known), frozen.eval().encode(known))


def test_an_encoder_without_weights_says_what_its_features_will_be(encoder, make_encoder):
    with torch.device("meta"):
        outline = make_encoder()
    assert {parameter.device.type for parameter in outline.parameters()} == {"meta"}
    assert dict(outline.widths) == dict(encoder.widths)
    lengths = [[e.length(m) for m in e.modalities] for e in (outline, encoder)]
    assert lengths[0] == lengths[1]


@torch.no_grad()
def test_half_precision_is_near(frozen, known):
    exact = frozen.encode(known)
    for left, right in zip(frozen.to(torch.bfloat16).encode(known), exact, strict=True):
        assert left.dtype == torch.bfloat16
        assert (left.float() - right).norm() < 0.1 * right.norm()


def test_the_contrastive_loss_reaches_all_that_is_not_frozen(learner, media):
    learner.contrastive_loss(media[:3], CAPTIONS).backward()
    for key, parameter in learner.named_parameters():
        assert (parameter.grad is not None) != key.startswith(learner.frozen), key


def test_training_brings_media_to_their_captions(learner, media):
    learned = [p for p in learner.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(learned, 3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        learner.contrastive_loss(media[:3], CAPTIONS).backward()
        optimizer.step()
    with torch.no_grad():
        scores = learner.embed(media[:3]) @ learner.embed(CAPTIONS).T
    assert scores.argmax(1).tolist() == [0, 1, 2]
