"""A whole system whose encoder is joined from published ones, or takes not every modality."""

import json

import pytest
import torch
from safetensors.torch import load_file

from anygen import AnyGen
from anygen.checkpoints.checkpoint import WEIGHTS
from anygen.config.loader import load_system
from anygen.core.media import Message
from anygen.generation.events import MediaDone
from anygen.generation.request import Request
from anygen.generation.request_checks import prepare
from anygen.training.collate import assemble
from anygen.training.dialogues import Dialogue
from support.pretrained_encoders import publish


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    publish("clip", folder)
    return {"name": "clip", "pretrained": str(folder), "frames": 2}


@pytest.fixture(scope="module")
def joined(clip, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clap")
    publish("clap", folder)
    audio = {"name": "clap", "pretrained": str(folder), "features": "pooled"}
    return {"name": "several", "image": clip, "audio": audio, "video": clip}


@pytest.fixture
def make(make_model):
    """The tiny system around another encoder."""

    def make(encoder, *settings):
        return make_model(settings=[f"encoder={json.dumps(encoder)}", *settings]).eval()

    return make


def test_a_system_around_published_encoders_answers_and_comes_back(
    make, joined, image, audio, video, tmp_path
):
    model = make(joined)
    question = [Message("user", (image, "and", audio, "and", video, "?"))]
    events = list(AnyGen(model).reply(question, exactly={"image": 1, "audio": 1}, max_new_tokens=3))
    assert sum(isinstance(event, MediaDone) for event in events) == 2
    model.save_pretrained(tmp_path)
    assert not [name for name in load_file(tmp_path / WEIGHTS) if name.startswith("encoder.")]
    again = AnyGen.from_pretrained(tmp_path).model
    torch.testing.assert_close(
        again.encoder.encode([image, audio, video]), model.encoder.encode([image, audio, video])
    )


def test_what_the_encoder_does_not_take_is_refused(make, clip, audio):
    image = load_system("tiny/system", []).decoders["image"]
    model = make(clip, f"decoders={json.dumps({'image': image.model_dump()})}")
    sentence = "this model's encoder takes image and video, but no audio"
    with pytest.raises(ValueError, match=f"messages: {sentence}"):
        prepare(model, Request([Message("user", (audio,))]))
    with pytest.raises(ValueError, match=f"messages: {sentence}"):
        assemble(model, [Dialogue([Message("user", (audio,)), Message("assistant", ("yes",))])])
    with pytest.raises(ValueError, match=f"decoders: {sentence}"):
        make(clip)
