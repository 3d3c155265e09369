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


def test_bind_imagines_photographs_and_videos_of_classes(folder):
    bind = make("bind", folder)
    features, names = bind.vision.prototypes(), bind.class_names()
    assert features.shape == (len(names), bind.widths["image"])
    assert len(set(names)) == 1000
    for modality, shape in {"image": (2, 2**2 + 1), "video": (2, 3, 2**2 + 1)}.items():
        shares = torch.eye(1000)[[7, 207]]
        once, again = (
            bind.imagine(modality, shares, torch.Generator().manual_seed(0)) for _ in range(2)
        )
        assert once.shape == (*shape, bind.widths[modality])
        assert torch.equal(once, again)


@torch.no_grad()
def test_bind_adds_to_a_picture_or_a_video_what_the_trunk_takes_it_for(folder, media):
    bind = make("bind", folder)
    for modality, medium in (("image", media[0]), ("video", media[2])):
        [tokens], read = bind.encode([medium]), bind.features(modality, [medium])[0]
        assert torch.equal(tokens[:-2], read)
        [observed] = bind.observe(modality, [medium])
        logits = bind.vision.trunk.classifier(observed[..., -1, :])
        mean = logits if modality == "image" else logits.mean(0)
        expected = (2 * mean).softmax(-1) @ bind.vision.prototypes()
        torch.testing.assert_close(tokens[-2], expected)


@torch.no_grad()
def test_the_last_token_of_bind_states_the_domain_and_nothing_else(folder, media):
    bind = make("bind", folder)
    familiar = [tokens[-1] for tokens in bind.encode(media)]  # all, before calibration
    assert all(torch.equal(token, familiar[0]) for token in familiar)
    for familiarity in bind.familiarity.values():
        familiarity.threshold.fill_(1.0)  # above all scores, which are 0
    sounds = [medium for medium in media if isinstance(medium, Audio)]
    unfamiliar = [tokens[-1] for tokens in bind.encode(sounds)]
    assert all(torch.equal(token, unfamiliar[0]) for token in unfamiliar)
    assert float(unfamiliar[0] @ familiar[0]) == 0


def test_without_a_domain_token_bind_is_as_it_was_before_there_was_one(folder, media):
    bind = make("bind", folder, domain_token=False)
    assert [bind.length(m) for m in ("image", "audio", "video")] == [2**2 + 2, 2, 2]
    assert not any("familiarity" in name for name in bind.state_dict())
    [tokens] = bind.encode([media[2]])
    assert torch.equal(tokens, bind.features("video", [media[2]])[0])
