"""What every encoder promises, on the tiny configuration that its file carries."""

import importlib
from itertools import pairwise

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from anygen import plugins
from anygen.checkpoint import named_by, own_tensors
from anygen.media import Audio, Image, Video, modality_of
from anygen.model import build_encoder
from encoders.parts.readers import kind_of

CAPTIONS = ["a red ball", "a piano melody", "a dog jumping up"]


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


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Where a config's files lie: a tokenizer of a few words."""
    path = tmp_path_factory.mktemp("config")
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    special = ["<pad>", "<eos>", "<unk>"]
    tokenizer.train_from_iterator(
        CAPTIONS, trainers.BpeTrainer(vocab_size=300, special_tokens=special, show_progress=False)
    )
    tokenizer.save(str(path / "captions.json"))
    return path


def make(name, folder, seed=0, **changes):
    options = {**importlib.import_module(f"encoders.{name}").TINY.model_dump(), **changes}
    torch.manual_seed(seed)
    return build_encoder(plugins.Plugin(name=name, **options), folder)


@pytest.fixture(params=plugins.names("encoders"))
def name(request):
    return request.param


@pytest.fixture
def encoder(name, folder):
    return make(name, folder)


@pytest.fixture
def known(encoder, media):
    """The media that the encoder knows."""
    return [medium for medium in media if modality_of(medium) in encoder.modalities]


@pytest.fixture
def learner(encoder):
    if not hasattr(encoder, "contrastive_loss"):
        pytest.skip("only an encoder with a contrastive loss learns by itself")
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
def test_the_state_dict_brings_an_encoder_back(name, encoder, folder, known):
    other = make(name, folder)
    for parameter in other.parameters():
        parameter.normal_()
    other.load_state_dict(encoder.state_dict(), strict=True)
    close(other.encode(known), encoder.encode(known))


def test_what_a_model_does_not_save_never_learns_and_is_the_same_in_every_process(
    name, encoder, folder
):
    others, again = named_by(encoder, "frozen"), make(name, folder, seed=1).state_dict()
    for key, parameter in encoder.named_parameters():
        assert parameter.requires_grad != key.startswith(others), key
    kept = {key: value for key, value in encoder.state_dict().items() if key.startswith(others)}
    assert kept
    assert not kept.keys() & own_tensors(encoder).keys()
    assert all(torch.equal(value, again[key]) for key, value in kept.items())


@torch.no_grad()
def test_training_changes_nothing_in_an_encoder_that_does_not_learn(frozen, known):
    close(frozen.train().encode(known), frozen.eval().encode(known))


def test_an_encoder_without_weights_says_what_its_features_will_be(name, encoder, folder):
    with torch.device("meta"):
        outline = make(name, folder)
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


@torch.no_grad()
def test_binds_loss_does_not_push_equal_captions_apart(folder, media):
    bind = make("bind", folder)
    embedded = bind.embed(["a red ball", "a red ball"])  # on their captions already
    assert float(bind.match_loss(embedded, ["a red ball"] * 2)) == pytest.approx(
        float(torch.tensor(2.0).log())  # the best there is: both are equally right
    )


def test_of_a_sound_beyond_its_ear_bind_hears_even_pieces(folder):
    bind = make("bind", folder, audio_seconds=1)
    samples = sound(torch.Generator().manual_seed(1), 1, 35_200)
    pieces = [samples[:, start : start + 3_200] for start in range(0, 35_200, 8_000)]
    heard = torch.cat(pieces, dim=1)
    close(*bind.encode([Audio(samples, 16_000), Audio(heard, 16_000)]))


def test_bind_names_the_tokenizer_that_is_not_there(folder):
    with pytest.raises(ValueError, match=r"bind needs the file .*words\.json, and there is none"):
        make("bind", folder, tokenizer="words.json")


def test_bind_imagines_photographs_of_classes(folder):
    bind = make("bind", folder)
    features, names = bind.vision.prototypes(), bind.class_names()
    assert features.shape == (len(names), bind.widths["image"])
    assert len(set(names)) == 1000
    again = [
        bind.prototype_tokens(torch.tensor([7, 207]), torch.Generator().manual_seed(0))
        for _ in range(2)
    ]
    assert again[0].shape == (
        2,
        2**2 + 2,
        bind.widths["image"],
    )  # a grid of 2 x 2, the whole, the opinion
    assert torch.equal(*again)


def test_bind_adds_to_a_picture_what_the_trunk_takes_it_for(folder, image):
    bind = make("bind", folder)
    [told], seen = bind.encode([image]), bind.features("image", [image])[0]
    assert torch.equal(told[:-1], seen)
    probabilities = (2 * bind.vision.trunk.classifier(seen[-1])).softmax(-1)
    torch.testing.assert_close(told[-1], probabilities @ bind.vision.prototypes())
