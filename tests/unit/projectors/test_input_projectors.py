import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from anygen.checkpoints.checkpoint import load_weights, save_weights
from anygen.config.projectors import (
    InputConcat,
    InputGroup,
    InputLinear,
    InputMlp,
    InputPerceiver,
    InputQFormer,
)
from anygen.llm.prompt import Features
from anygen.projectors.input import build_input_projector
from encoders.bind import Bind

WIDTH, LLM = 6, 24
LENGTHS = {"image": 9, "audio": 5, "video": 12}
FRAMES = {"video": 4}
SMALL = {"tokens": 3, "width": 16, "heads": 2}
SETTINGS = {
    "linear": (InputLinear, {}, LENGTHS),
    "mlp": (InputMlp, {"hidden": 10}, LENGTHS),
    "concat": (InputConcat, {"neighbours": 4}, {"image": 3, "audio": 2, "video": 3}),
    "group": (InputGroup, {**SMALL, "groups": 4, "layers": (2, 1, 1)}, dict.fromkeys(LENGTHS, 3)),
    "qformer": (InputQFormer, {**SMALL, "layers": 2}, dict.fromkeys(LENGTHS, 3)),
    "asked": (InputQFormer, {**SMALL, "layers": 2, "question": 4}, dict.fromkeys(LENGTHS, 3)),
    "perceiver": (InputPerceiver, {**SMALL, "layers": 2}, dict.fromkeys(LENGTHS, 3)),
}
POOLINGS = ("mean", "weighted", "transformer")


@pytest.fixture(params=SETTINGS)
def kind(request):
    return request.param


@pytest.fixture(params=["none", *POOLINGS])
def pooling(request):
    return request.param


def build(kind, pooling="none", widths=None, frames=FRAMES, **settings):
    torch.manual_seed(0)
    section, usual, _ = SETTINGS[kind]
    given = section(video_pooling=pooling, **{**usual, **settings})
    widths = widths or dict.fromkeys(LENGTHS, WIDTH)
    return build_input_projector(given, widths, LENGTHS, LLM, frames).eval()


def test_a_medium_takes_the_positions_that_are_told_beforehand(kind):
    projector = build(kind)
    lengths = {m: projector.length(m) for m in LENGTHS}
    assert lengths == SETTINGS[kind][-1]
    for modality, length in lengths.items():
        projected = projector.project(modality, torch.randn(LENGTHS[modality], WIDTH))
        assert projected.shape == (length, LLM)


def test_of_a_pooled_video_the_places_and_the_frames_are_projected(kind, pooling):
    projector, plain = build(kind, pooling), build(kind)
    seven = build_input_projector(  # 12 features in 4 frames are 3 places, and 4 frames
        SETTINGS[kind][0](**SETTINGS[kind][1]), {"video": WIDTH}, {"video": 7}, LLM
    )
    expected = plain.length("video") if pooling == "none" else seven.length("video")
    assert projector.length("video") == expected
    assert projector.project("video", torch.randn(12, WIDTH)).shape == (expected, LLM)
    assert projector.length("image") == plain.length("image")


def test_every_feature_counts_and_every_parameter_learns(kind, pooling):
    projector = build(kind, pooling)
    asked = [torch.randn(4, LLM)] if projector.question else []
    media = {m: torch.randn(k, WIDTH, requires_grad=True) for m, k in LENGTHS.items()}
    for modality, features in media.items():
        projected = projector.project(modality, features, *asked)
        (projected * torch.randn(LLM)).sum().backward()
        assert (features.grad.norm(dim=-1) > 0).all()
    for name, parameter in projector.named_parameters():
        if ".layer.1.intermediate." in name or ".layer.1.output." in name:
            continue  # what the question becomes in the last layer is looked at by nobody
        assert parameter.grad is not None, name
        of_keys = name.endswith(("key.bias", "k_proj.bias"))  # moves all scores of a query alike
        assert of_keys or parameter.grad.norm() > 0, name


@torch.no_grad()
def test_weights_bring_a_projector_back(kind, pooling, tmp_path):
    projector, other = build(kind, pooling), build(kind, pooling)
    for parameter in other.parameters():
        parameter.normal_()
    save_file(projector.state_dict(), tmp_path / "weights.safetensors")
    other.load_state_dict(load_file(tmp_path / "weights.safetensors"), strict=True)
    features = torch.randn(12, WIDTH)
    assert torch.equal(other.project("video", features), projector.project("video", features))


@torch.no_grad()
def test_modalities_share_a_projector_where_their_features_are_equally_wide(kind):
    projector = build(kind, widths={"image": 6, "audio": 4, "video": 6})
    assert [*projector] == ["image_video", "audio"]
    assert {name.split(".")[0] for name in projector.state_dict()} == {"image_video", "audio"}
    assert projector.project("audio", torch.randn(5, 4)).shape == (projector.length("audio"), LLM)
    assert projector.project("video", torch.randn(12, 6)).shape == (projector.length("video"), LLM)
    pooled = build(kind, "mean", widths={"image": 6, "audio": 4, "video": 6})
    assert pooled.project("video", torch.randn(12, 6)).shape == (pooled.length("video"), LLM)


def test_the_names_of_minis_weights_are_what_they_always_were():
    names = ["0.weight", "0.bias", "1.weight", "1.bias", "3.weight", "3.bias"]
    assert [*build("mlp").state_dict()] == names
    assert [*build("linear").state_dict()] == ["weight", "bias"]


@pytest.mark.parametrize("kind", ["group", "qformer", "perceiver"])
def test_the_number_of_tokens_is_a_setting(kind):
    projector = build(kind, tokens=5)
    assert projector.project("audio", torch.randn(5, WIDTH)).shape == (5, LLM)


@pytest.mark.parametrize("frames", [{}, {"video": 1}, {"video": 5}])
def test_pooling_of_what_is_told_in_no_frames_is_refused(frames):
    with pytest.raises(ValueError, match=r"video_pooling: mean .* 12 features .* write none"):
        build("linear", "mean", frames=frames)


@torch.no_grad()
def test_the_perceiver_knows_the_order_of_frames_and_the_qformer_does_not():
    video = torch.randn(4, 3, WIDTH)
    for kind, knows in (("perceiver", True), ("qformer", False)):
        forward, backward = (
            build(kind).project("video", frames.flatten(0, 1)) for frames in (video, video.flip(0))
        )
        assert torch.allclose(forward, backward, atol=1e-5) != knows


@torch.no_grad()
def test_weights_of_a_perceiver_from_before_encoders_stated_their_frames_load(tmp_path):
    """Its only vector was added to the features of every frame."""
    earlier, present = (build("perceiver", frames=frames) for frames in ({}, FRAMES))
    present.times.normal_()
    load_saved(earlier, present, tmp_path / "weights.safetensors")
    for modality, count in LENGTHS.items():
        features = torch.randn(count, WIDTH)
        expected = earlier.project(modality, features)
        torch.testing.assert_close(present.project(modality, features), expected)


def test_weights_of_a_perceiver_with_another_number_of_frames_are_refused(tmp_path):
    saved, other = (build("perceiver", frames={"video": count}) for count in (2, 4))
    with pytest.raises(
        ValueError, match=r"shape: projector.times is \(2, 1, 16\), .* \(4, 1, 16\)"
    ):
        load_saved(saved, other, tmp_path / "weights.safetensors")


def load_saved(saved, other, path):
    """Loads the weights of one projector into another, as parts of a model."""
    save_weights(nn.ModuleDict({"projector": saved}).state_dict(), path)
    load_weights(nn.ModuleDict({"projector": other}), [path], complete=True)


@torch.no_grad()
def test_a_projector_that_hears_the_question_hears_its_beginning_alone(make_model, image, audio):
    told = "{kind: qformer, tokens: 3, width: 16, heads: 2, layers: 2, question: 4}"
    parts = ("encoder", "llm", "input_projector")
    model = make_model(*parts, settings=[f"input_projector={told}"]).eval()
    none, cat, same, dog = (
        Features("image", image, asked) for asked in ("", "a cat", "a cat", "a dog and much more")
    )
    beginning = model.llm.tokenizer.decode(model.question_ids(dog))
    pieces = [none, cat, same, dog, Features("image", image, beginning), Features("image", image)]
    embeds = [model.embed_piece(piece) for piece in pieces]
    alike = [[torch.equal(one, other) for other in embeds] for one in embeds]
    groups = [0, 1, 1, 2, 2, 0]
    assert alike == [[one == other for other in groups] for one in groups]
    keys = [model.cache_keys(piece)[0] for piece in pieces]
    assert [[a == b for b in keys] for a in keys] == alike


@torch.no_grad()
def test_a_model_knows_from_its_encoder_how_many_frames_a_video_is_told_in(
    make_model, monkeypatch, video
):
    monkeypatch.setattr(Bind, "frames", {"video": 2})
    parts = ("encoder", "llm", "input_projector")
    settings = ["input_projector.video_pooling=mean", "encoder.domain_token=false"]
    model = make_model(*parts, settings=settings).eval()
    [features] = model.encoder.encode([video])
    projected = model.input_projector.projector(torch.cat([features.mean(0, True), features]))
    torch.testing.assert_close(model.embed_piece(Features("video", video))[1:], projected)
    assert model.input_projector.length("video") == 1 + 2


def test_what_is_asked_is_nothing_to_other_projectors(tiny_model, image):
    asked, plain = Features("image", image, "what is this?"), Features("image", image)
    assert tiny_model.cache_keys(asked) == tiny_model.cache_keys(plain)
    assert torch.equal(tiny_model.embed_piece(asked), tiny_model.embed_piece(plain))


def test_a_model_with_any_projector_reads_and_counts_media_alike(kind, make_model, image):
    section, settings, _ = SETTINGS[kind]
    told = json.dumps({"kind": section().kind, **settings})
    parts = ("encoder", "llm", "input_projector")
    model = make_model(*parts, settings=[f"input_projector={told}"]).eval()
    piece = Features("image", image)
    embeds = model.embed_piece(piece)
    assert len(model.cache_keys(piece)) == len(embeds) == 1 + model.input_projector.length("image")
    assert model.media_costs["image"] == 4 + len(embeds)
