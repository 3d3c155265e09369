"""Published weights: what is read when, what never learns, and what is said where it fails."""

import shutil

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file

from anygen.checkpoints.checkpoint import own_tensors
from anygen.core.media import MODALITY_OF
from anygen.testing.decoders import values
from decoders.base import RenderRequest, SampleOptions, never, no_progress
from support import pretrained_decoders as pipelines
from support.tiny_decoders import build, make_published

NAMES = ["sd15", "zeroscope", "audioldm", "animatediff"]


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def decoder(name, published):
    return make_published(name, published)


@pytest.fixture
def copy(published, tmp_path):
    """Stable Diffusion in a folder of its own, to be spoiled."""
    return shutil.copytree(published / "sd15", tmp_path / "copy")


def sample(decoder, **options):
    [condition] = decoder.encode_prompt([""])
    request = RenderRequest(condition, 7, SampleOptions(**options))
    return decoder.sample([request], no_progress, never)[0]


def text_encoder_of(decoder):
    return getattr(decoder, "image", decoder).text_encoder


def test_nothing_published_is_saved_or_learns(decoder):
    assert own_tensors(decoder) == {}
    assert not any(parameter.requires_grad for parameter in decoder.parameters())


def test_new_motion_on_published_pictures_is_all_that_is_saved_and_learns(published):
    image = make_published("sd15", published)
    decoder = build("animatediff", {"image": image}, frames=4, motion_heads=2)
    own, parameters = own_tensors(decoder), dict(decoder.named_parameters())
    assert own
    assert all(".motion_modules." in key for key in own)
    learns = {key for key, parameter in parameters.items() if parameter.requires_grad}
    assert learns == own.keys() & parameters.keys()


def test_the_text_encoder_is_there_only_after_a_caption(decoder):
    captions = text_encoder_of(decoder)
    sample(decoder, guidance=3.0)  # which needs the empty caption
    assert "model" not in vars(captions)
    before = decoder.state_dict().keys()
    decoder.encode_prompt(["a cat"])
    assert "model" in vars(captions)
    assert decoder.state_dict().keys() == before
    there = sum(parameter.nbytes for parameter in captions.model.parameters())
    assert captions.deferred_bytes == there > 0
    assert captions.shapes.device.type == "meta"


def test_reading_changes_no_random_numbers(decoder):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    decoder.encode_prompt(["a cat"])
    assert torch.rand(3).equal(expected)


def test_training_reaches_the_condition_and_draws_no_dropout(decoder):
    media = [sample(decoder)]
    decoder.train()
    conditions = decoder.encode_prompt(["a cat"]).requires_grad_()
    losses = [decoder.loss(media, conditions, [torch.Generator().manual_seed(0)]) for _ in range(2)]
    assert losses[0].equal(losses[1])
    losses[0].sum().backward()
    assert conditions.grad.abs().max() > 0


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float64])
def test_a_decoder_works_in_other_precisions(decoder, precision):
    medium = sample(decoder)
    half = sample(decoder.to(precision))
    assert MODALITY_OF[type(half)] == decoder.modality
    assert values(half).shape == values(medium).shape
    assert values(half).float().isfinite().all()
    decoder.loss([medium], decoder.encode_prompt(["a cat"]), [torch.Generator()])


def test_the_safe_parts_may_stay_as_they_are(decoder):
    for key, tensor in [*decoder.named_parameters(), *decoder.named_buffers()]:
        if not key.startswith(decoder.keep_in_fp32_modules):
            tensor.data = tensor.data.bfloat16()
    assert any(tensor.dtype == torch.float32 for tensor in decoder.parameters())
    medium = sample(decoder)
    decoder.loss([medium], decoder.encode_prompt(["a cat"]), [torch.Generator()])


def test_shapes_are_known_without_weights(name, published, tmp_path):
    folder = shutil.copytree(published, tmp_path / "copy")
    expected = make_published(name, published)
    for path in folder.rglob("*.safetensors"):
        path.unlink()
    with torch.device("meta"):
        outline = make_published(name, folder)
    assert outline.condition_spec == expected.condition_spec
    assert outline.frozen == expected.frozen
    wanted, found = expected.state_dict(), outline.state_dict()
    assert {key: tensor.shape for key, tensor in wanted.items()} == {
        key: tensor.shape for key, tensor in found.items()
    }
    assert all(tensor.is_meta for tensor in found.values())
    with pytest.raises(ValueError, match=r"no \w+ can be read from .*safetensors"):
        make_published(name, folder)


def test_a_folder_that_is_not_there_is_named(published):
    with pytest.raises(ValueError, match=r"there is no folder '/nowhere/sd'; give a folder or a"):
        build("stable_diffusion", {}, pretrained="/nowhere/sd")
    image = make_published("sd15", published)
    with pytest.raises(ValueError, match="there is no folder '/nowhere/motion'"):
        build("animatediff", {"image": image}, motion="/nowhere/motion")


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "tokenizer", "scheduler"])
def test_a_part_that_is_not_there_is_named(copy, part):
    shutil.rmtree(copy / part)
    with pytest.raises(ValueError, match=rf"no \w+ can be read from {part}/ of "):
        build("stable_diffusion", {}, pretrained=str(copy))


def test_weights_that_are_damaged_are_none(copy):
    path = copy / "unet" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="no UNet2DConditionModel can be read from unet/ of"):
        build("stable_diffusion", {}, pretrained=str(copy))


def test_pickles_are_not_read(copy):
    path = copy / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(path), path.with_suffix(".bin"))
    path.unlink()
    with pytest.raises(ValueError, match=r"no UNet2DConditionModel .*safetensors"):
        build("stable_diffusion", {}, pretrained=str(copy))


def test_weights_that_are_missing_are_named(copy):
    path = copy / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    del tensors["quant_conv.bias"]
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(
        ValueError, match=r"vae/ .*weights are missing or have another shape: quant_conv\.bias"
    ):
        build("stable_diffusion", {}, pretrained=str(copy))


def test_weights_of_other_shapes_are_refused(copy):
    wider = pipelines.unet(block_out_channels=(32, 32))
    path = copy / "unet" / "diffusion_pytorch_model.safetensors"
    save_file(wider.state_dict(), path, metadata={"format": "pt"})
    with pytest.raises(ValueError, match="no UNet2DConditionModel can be read from unet/ of"):
        build("stable_diffusion", {}, pretrained=str(copy))


def test_an_sdxl_is_refused_with_the_decoder_that_reads_it(copy):
    network = pipelines.unet(
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=64,
    )
    network.save_pretrained(copy / "unet")
    with pytest.raises(ValueError, match=r"another layout than .*; name the decoder diffusers_pip"):
        build("stable_diffusion", {}, pretrained=str(copy))


def test_motion_for_another_u_net_is_refused(published, tmp_path):
    folder = pipelines.motion(tmp_path / "wide", widths=(32, 32))
    with pytest.raises(ValueError, match=r"for a U-Net of widths \[32, 32\], .* has \[16, 32\]"):
        build("animatediff", {"image": make_published("sd15", published)}, motion=str(folder))


def test_sizes_are_either_given_or_published(published):
    with pytest.raises(ValueError, match=r"vae, unet, tokenizer, text_encoder, size: give the set"):
        build("stable_diffusion", {})
    with pytest.raises(ValueError, match=r"unet, layout: the parts of .* determine that"):
        make_published("sd15", published, unet={"a": 1}, layout={"channels": 2})
    with pytest.raises(ValueError, match=r"motion_heads: .* determines that"):
        make_published("animatediff", published, motion_heads=2)


def test_motion_without_a_middle_is_read_too(published, tmp_path):
    folder = pipelines.motion(tmp_path / "v3", middle=False)
    image = make_published("sd15", published)
    decoder = build("animatediff", {"image": image}, motion=str(folder), frames=2, steps=1)
    assert sample(decoder).frames.shape == (2, 3, 16, 16)
    assert not any(tensor.is_meta for tensor in decoder.state_dict().values())


def test_the_u_net_is_that_of_the_folder(published):
    theirs = UNet2DConditionModel.from_pretrained(published / "sd15", subfolder="unet")
    ours = make_published("sd15", published).unet.state_dict()
    assert all(tensor.equal(ours[key]) for key, tensor in theirs.state_dict().items())
