"""What every encoder promises, on the tiny configuration that its file carries."""

import importlib
from functools import partial

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from anygen.config import plugins
from anygen.core.media import Audio
from anygen.model.building import build_encoder
from anygen.testing.encoders import *  # noqa: F403
from anygen.testing.encoders import CAPTIONS, close, sound


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
def make_encoder(name, folder):
    return partial(make, name, folder)


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
    with pytest.raises(
        ValueError, match=r"bind needs the file .*words\.json, which does not exist"
    ):
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
    )  # a grid of 2 x 2, the whole, the class token
    assert torch.equal(*again)


def test_bind_adds_to_a_picture_what_the_trunk_takes_it_for(folder, image):
    bind = make("bind", folder)
    [told], seen = bind.encode([image]), bind.features("image", [image])[0]
    assert torch.equal(told[:-1], seen)
    probabilities = (2 * bind.vision.trunk.classifier(seen[-1])).softmax(-1)
    torch.testing.assert_close(told[-1], probabilities @ bind.vision.prototypes())
