"""Where published encoders come from, how they are joined, and what is refused in one sentence."""

import json
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file

from anygen.checkpoints.checkpoint import named_files, own_tensors
from anygen.config.plugins import Plugin
from anygen.config.system import System
from anygen.model.building import build_encoder
from support.pretrained_encoders import publish

WEIGHTS = "model.safetensors"


def encoder(name, **settings):
    return build_encoder(Plugin(name=name, **settings), None)


def clip(folder, **settings):
    return encoder("clip", pretrained=str(folder), **settings)


@pytest.fixture
def published(tmp_path):
    publish("clip", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("kind", "name", "widths", "lengths"),
    [
        ("clip", "clip", {"image": 24, "video": 24}, [16, 16]),
        ("siglip2", "clip", {"image": 24, "video": 24}, [20, 20]),
        ("clap", "clap", {"audio": 24}, [64]),
        ("vjepa2", "vjepa2", {"video": 24}, [8 * 4**2]),
    ],
)
def test_the_outline_of_a_model_is_known_without_its_weights(kind, name, widths, lengths, tmp_path):
    publish(kind, tmp_path)
    (tmp_path / WEIGHTS).unlink()
    with torch.device("meta"):
        outline = encoder(name, pretrained=str(tmp_path))
    assert outline.widths == widths
    assert [outline.length(modality) for modality in outline.modalities] == lengths
    assert {parameter.device.type for parameter in outline.parameters()} == {"meta"}
    with pytest.raises(ValueError, match=r"no \w+ can be read from .*model\.safetensors"):
        encoder(name, pretrained=str(tmp_path))


LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}


@pytest.mark.parametrize(
    ("name", "sizes", "modality", "shape", "millions"),
    [
        (  # openai/clip-vit-large-patch14, what DreamLLM and LLaVA see with: 304 M
            "clip",
            {"model_type": "clip_vision_model", **LARGE, "intermediate_size": 4096}
            | {"image_size": 224, "patch_size": 14},
            "image",
            (256, 1024),
            303,
        ),
        (  # google/siglip-so400m-patch14-384
            "clip",
            {"model_type": "siglip_vision_model", "hidden_size": 1152, "intermediate_size": 4304}
            | {"num_hidden_layers": 27, "num_attention_heads": 16}
            | {"image_size": 384, "patch_size": 14},
            "image",
            (729, 1152),
            428,
        ),
        (
            "clap",
            {"model_type": "clap_audio_model", "depths": [2, 2, 6, 2]},
            "audio",
            (64, 768),
            27,
        ),
        ("vjepa2", {"model_type": "vjepa2", **LARGE}, "video", (128, 1024), 303),
    ],
)
def test_the_full_size_models_have_the_published_shapes(name, sizes, modality, shape, millions):
    with torch.device("meta"):
        outline = encoder(name, sizes=sizes)
    assert (outline.length(modality), outline.widths[modality]) == shape
    assert size(outline) // 10**6 == millions  # of parameters, whole ones


def test_only_the_tower_that_is_needed_is_loaded(published, tmp_path_factory, capsys):
    whole = publish("clip", tmp_path_factory.mktemp("again"))
    assert capsys.readouterr()
    tower, joint = clip(published), clip(published, joint=True)
    assert size(tower) == size(whole.vision_model)
    assert size(joint) == size(whole)
    assert not any(capsys.readouterr())


def size(model):
    return sum(parameter.numel() for parameter in model.parameters())


def test_a_tower_alone_may_be_published(published, tmp_path_factory, image):
    alone = tmp_path_factory.mktemp("tower")
    clip(published).model.save_pretrained(alone)
    (alone / "preprocessor_config.json").write_bytes(
        (published / "preprocessor_config.json").read_bytes()
    )
    torch.testing.assert_close(clip(alone).encode([image]), clip(published).encode([image]))
    with pytest.raises(ValueError, match="joint: texts need a pretrained model with a text tower"):
        clip(alone, joint=True)


def test_old_processor_files_say_their_sizes_in_one_number(published, image):
    expected = clip(published).encode([image])
    path = published / "preprocessor_config.json"
    settings = json.loads(path.read_text()) | {"size": 32, "crop_size": 32}
    settings["feature_extractor_type"] = "CLIPFeatureExtractor"
    del settings["image_processor_type"]
    path.write_text(json.dumps(settings))
    torch.testing.assert_close(clip(published).encode([image]), expected)
    path.write_text(json.dumps(settings | {"image_mean": [0.1, 0.1, 0.1]}))
    assert not torch.allclose(clip(published).encode([image])[0], expected[0], atol=1e-2)


def test_what_is_not_there_is_named(published):
    with pytest.raises(ValueError, match=r"there is no folder '/no/such'; give a folder or a"):
        clip("/no/such")
    (published / "preprocessor_config.json").unlink()
    with pytest.raises(
        ValueError, match=r"no CLIPImageProcessorPil can be read from .*image processor"
    ):
        clip(published)
    (published / "config.json").unlink()
    with pytest.raises(ValueError, match=r"model_type` key in its config\.json"):
        clip(published)


def test_weights_that_are_cut_off_are_refused(published):
    path = published / WEIGHTS
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(
        ValueError, match=r"no CLIPVisionModel can be read .*(deserializing|header|incomplete)"
    ):
        clip(published)


class Malicious:
    def __reduce__(self):
        return print, ("this must not run",)


def test_a_pickle_with_code_in_it_is_refused(published, capsys):
    (published / WEIGHTS).unlink()
    (published / "pytorch_model.bin").write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(ValueError, match="no CLIPVisionModel can be read"):
        clip(published)
    assert "this must not run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors.pop("vision_model.pre_layrnorm.bias"),
        lambda tensors: tensors.update({"vision_model.pre_layrnorm.bias": torch.zeros(9)}),
    ],
    ids=["missing", "of another shape"],
)
def test_weights_that_do_not_fit_are_refused(change, published):
    tensors = load_file(published / WEIGHTS)
    change(tensors)
    save_file(tensors, published / WEIGHTS, {"format": "pt"})
    with pytest.raises(
        ValueError, match=r"weights are missing or have another shape: .*pre_layrnorm\.bias"
    ):
        clip(published)


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("clip", {"select_layer": -5}, "select_layer is -5; a model of 3 layers has .* -4 to 3"),
        ("clap", {}, "for models of the types clap, clap_audio_model, and this one is clip"),
        ("vjepa2", {}, "for models of the types vjepa2, and this one is clip"),
        ("clip", {"sizes": {"model_type": "clip"}}, "either a pretrained model, or sizes"),
    ],
)
def test_a_model_that_does_not_fit_the_settings_is_refused(name, settings, sentence, published):
    with pytest.raises(ValueError, match=sentence):
        encoder(name, pretrained=str(published), **settings)


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ({}, "either a pretrained model, or sizes with a model_type"),
        ({"model_type": "gpt2"}, "for models of the types clip, siglip, siglip2,.* is gpt2"),
        ({"model_type": "clip_vision_model", "hidden_siz": 3}, "has no setting hidden_siz"),
    ],
)
def test_sizes_of_a_random_model_are_checked(sizes, sentence):
    with pytest.raises(ValueError, match=sentence):
        encoder("clip", sizes=sizes)


def test_frames_that_make_no_pairs_are_refused(tmp_path):
    publish("vjepa2", tmp_path)
    with pytest.raises(ValueError, match="frames: 5 is not a multiple of 2"):
        encoder("vjepa2", pretrained=str(tmp_path), frames=5)


@pytest.fixture
def folders(tmp_path):
    for kind in ("clip", "clap", "vjepa2"):
        publish(kind, tmp_path / kind)
    return {kind: str(tmp_path / kind) for kind in ("clip", "clap", "vjepa2")}


@torch.no_grad()
def test_each_modality_has_its_own_encoder_in_the_items_order(folders, image, audio, video):
    parts = {
        "image": {"name": "clip", "pretrained": folders["clip"]},
        "audio": {"name": "clap", "pretrained": folders["clap"], "features": "pooled"},
        "video": {"name": "vjepa2", "pretrained": folders["vjepa2"], "frames": 4, "grid": 1},
    }
    joined = encoder("several", **parts)
    single = {modality: encoder(**settings) for modality, settings in parts.items()}
    items = [video, image, audio, image]
    alone = [
        single[m].encode([item])[0] for m, item in zip(["video", "image", "audio", "image"], items)
    ]
    torch.testing.assert_close(joined.encode(items), alone)
    assert [joined.length(m) for m in joined.modalities] == [16, 1, 2]
    assert own_tensors(joined) == {}


def test_equal_settings_share_one_encoder(folders):
    part = {"name": "clip", "pretrained": folders["clip"]}
    same = encoder("several", image=part, video=part)
    other = encoder("several", image=part, video={**part, "select_layer": -1})
    assert same.parts["image"] is same.parts["video"]
    assert 2 * size(same) == size(other)


@torch.no_grad()
def test_texts_are_embedded_beside_media_of_one_joint_space(folders, image, audio, video):
    sees = {"name": "clip", "pretrained": folders["clip"], "joint": True}
    hears = {"name": "clap", "pretrained": folders["clap"], "joint": True}
    one = encoder("several", image=sees, video=sees, audio={**hears, "joint": False})
    both = encoder("several", image=sees, audio=hears)
    assert one.embeds == ("text", "image", "video")
    assert both.embeds == ("text", "image", "audio")
    of_clip, of_clap = encoder(**sees), encoder(**hears)
    for items, found, expected in (
        ([image, "a dog", video], one, of_clip),
        (["a dog"], one, of_clip),
        ([image, "a dog"], both, of_clip),
        (["a dog", audio], both, of_clap),
    ):
        torch.testing.assert_close(found.embed(items), expected.embed(items))
    for items in ([image, audio, "a dog"], ["a dog"]):
        with pytest.raises(ValueError, match=r"no single encoder has a joint space of .*text"):
            both.embed(items)
    with pytest.raises(ValueError, match="no joint space"):
        one.embed([audio])


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({}, "at least 1 item"),
        ({"imge": {"name": "clip"}}, "encoder.imge"),
        ({"image": {"name": "klip"}}, "no encoders named 'klip'"),
        ({"image": {"name": "clip", "layer": 3}}, r"encoder\.image.*layer"),
        ({"audio": {"name": "clip"}}, "the encoder clip is for image and video, not for audio"),
    ],
)
def test_parts_that_cannot_be_joined_are_refused(parts, sentence, folders):
    given = {m: {"pretrained": folders["clip"], **part} for m, part in parts.items()}
    with pytest.raises(ValueError, match=f"(?s){sentence}"):
        encoder("several", **given)


def test_a_system_takes_along_the_files_of_a_joined_encoder():
    bind = {"name": "bind", "tokenizer": "words.json"}
    system = System(encoder=Plugin(name="several", image=bind), decoders={})
    assert named_files(system) == {"words.json"}
