"""Where a pipeline's weights come from, what is never read, and what is said of bad folders."""

import json
import shutil

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from torch import nn

from anygen.checkpoints.checkpoint import own_tensors, save_weights
from anygen.config.loader import CONFIGS
from anygen.config.plugins import Plugin
from anygen.model.decoder_cache import LazyDecoders
from anygen.testing.decoders import values
from decoders.base import RenderRequest, never, no_progress
from decoders.diffusers_pipeline import TINY, Config
from decoders.parts.pipelines.families import FAMILIES
from support.diffusers_pipelines import TINIES, publish
from support.pipeline_tasks import published_decoder
from support.tiny_decoders import make


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory):
    return publish("StableDiffusionXLPipeline", tmp_path_factory.mktemp("sdxl"))


@pytest.fixture
def copy(sdxl, tmp_path):
    """A folder to spoil."""
    return shutil.copytree(sdxl, tmp_path / "copy")


def load(folder, family="StableDiffusionXLPipeline"):
    return published_decoder(family, folder)


@pytest.mark.parametrize("family", TINIES)
def test_shapes_are_known_without_weights(family, tmp_path):
    folder = publish(family, tmp_path)
    decoder = load(folder, family)
    for weights in folder.glob("*/*.safetensors"):
        weights.unlink()
    with torch.device("meta"):
        outline = load(folder, family)
    assert {p.device.type for p in outline.parameters()} == {"meta"}
    shapes = {name: tensor.shape for name, tensor in decoder.state_dict().items()}
    assert shapes == {name: tensor.shape for name, tensor in outline.state_dict().items()}
    assert outline.condition_spec == decoder.condition_spec


def test_published_weights_are_not_ours_to_save_nor_to_change(sdxl):
    decoder = load(sdxl).train()
    assert own_tensors(nn.ModuleDict({"decoders": nn.ModuleDict({"image": decoder})})) == {}
    assert not any(p.requires_grad for p in decoder.parameters())
    assert not any(module.training for module in decoder.modules())


def test_random_weights_are_ours():
    decoder = make("diffusers_pipeline")
    assert own_tensors(decoder).keys() == decoder.state_dict().keys()
    assert decoder.train().unet.training


def shelf_of(weights, **options):
    described = {"image": Plugin(name="diffusers_pipeline", **options)}
    return LazyDecoders(described, CONFIGS / "tiny", [weights] if weights else [])


def picture_of(decoder):
    spec = decoder.condition_spec
    condition = torch.ones(spec.tokens * spec.width + spec.pooled) / 7
    return values(decoder.sample([RenderRequest(condition, 3)], no_progress, never)[0])


def test_a_shelf_stores_random_weights_and_finds_them_again(tmp_path):
    torch.manual_seed(0)
    shelf = shelf_of(None, **TINY.model_dump())
    save_weights(own_tensors(shelf), tmp_path / "w.safetensors")
    tensors = load_file(tmp_path / "w.safetensors")
    save_file({f"decoders.{n}": t for n, t in tensors.items()}, tmp_path / "all.safetensors")
    again = shelf_of(tmp_path / "all.safetensors", **TINY.model_dump())
    assert again.spec("image") == shelf.spec("image")
    assert not again.loaded
    assert torch.equal(picture_of(again["image"]), picture_of(shelf["image"]))


def test_a_shelf_stores_nothing_of_what_is_published(sdxl, tmp_path):
    settings = TINIES["StableDiffusionXLPipeline"].settings | {"steps": 2}
    save_file({"llm.x": torch.zeros(1)}, tmp_path / "all.safetensors")
    shelf = shelf_of(tmp_path / "all.safetensors", pretrained=str(sdxl), **settings)
    assert shelf.spec("image").pooled == 8
    alone = published_decoder("StableDiffusionXLPipeline", sdxl, steps=2)
    assert torch.equal(picture_of(shelf["image"]), picture_of(alone))


@pytest.mark.parametrize("name", ["/nowhere/at/all", "stable diffusion"])
def test_a_folder_that_is_not_there_is_named(name):
    with pytest.raises(ValueError, match=f"there is no folder '{name}'; give a folder or a"):
        load(name)


def test_a_folder_without_a_pipeline_says_what_is_missing(tmp_path):
    with pytest.raises(ValueError, match=r"no pipeline can be read from .*model_index\.json"):
        load(tmp_path)


def test_a_pipeline_of_another_class_is_answered_by_those_that_are_known(copy):
    path = copy / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"_class_name": "OtherPipeline"}))
    with pytest.raises(ValueError, match="this decoder does not support OtherPipeline") as error:
        load(copy)
    assert all(name in str(error.value) for name in FAMILIES)


def lose(path):
    path.unlink()


def truncate(path):
    path.write_bytes(path.read_bytes()[:1000])


def rename_to_pickle(path):
    path.rename(path.with_suffix(".bin"))


def lose_a_tensor(path):
    tensors = load_file(path)
    tensors.pop("conv_in.weight")
    save_file(tensors, path, {"format": "pt"})


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lose, "no file named"),
        (truncate, "unet/"),
        (rename_to_pickle, "no file named"),
        (lose_a_tensor, r"weights are missing or have another shape: conv_in\.weight"),
    ],
)
def test_a_spoiled_network_is_named_in_one_sentence(copy, spoil, reason):
    [path] = (copy / "unet").glob("*.safetensors")
    spoil(path)
    with pytest.raises(ValueError, match=reason) as error:
        load(copy)
    assert str(error.value).startswith("no UNet2DConditionModel can be read from unet/ of")
    assert "\n" not in str(error.value)


def test_a_model_without_text_encoders_says_so_when_a_caption_comes(sdxl):
    with pytest.raises(ValueError, match="has no text encoders, which captions, and"):
        load(sdxl).encode_prompt(["a cat"])


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"family": "FluxPipeline"},
        {"components": TINY.components},
        {"pretrained": "a/b", "family": "FluxPipeline"},
        {"pretrained": "a/b", "components": TINY.components},
    ],
)
def test_settings_say_one_thing(settings):
    with pytest.raises(ValidationError, match="give either pretrained, a folder or"):
        Config(**settings)


def test_guidance_below_none_is_no_setting():
    with pytest.raises(ValidationError, match="guidance"):
        Config(pretrained="a/b", guidance=0.5)
