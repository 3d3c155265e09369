"""A model whose decoders were published by others: trained, saved, opened, asked."""

import json

import pytest
import torch
import yaml
from safetensors import safe_open

from anygen import AnyGen
from anygen.checkpoints.checkpoint import own_tensors
from anygen.config.loader import load_system, to_yaml
from anygen.core.media import Message, media_of, modality_of
from anygen.model.multimodal import MultimodalModel
from anygen.training.packing import pack
from anygen.training.trainer import train
from support import pretrained_encoders


@pytest.fixture(scope="module")
def system(tiny_system, published):
    """The tiny system with published decoders, as a file."""
    decoders = {
        "image": {"name": "stable_diffusion", "pretrained": str(published / "sd15"), "steps": 2},
        "audio": {"name": "audioldm", "pretrained": str(published / "audioldm"), "steps": 2},
        "video": {
            "name": "animatediff",
            "motion": str(published / "motion"),
            "frames": 2,
            "steps": 2,
        },
    }
    path = tiny_system.with_name("published.yaml")
    path.write_text(to_yaml(load_system(str(tiny_system), [f"decoders={json.dumps(decoders)}"])))
    return path


@pytest.fixture(scope="module")
def saved(system, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    torch.manual_seed(0)
    MultimodalModel(load_system(str(system)), system.parent).save_pretrained(folder)
    return folder


def test_nothing_published_is_in_the_file(saved):
    with safe_open(saved / "model.safetensors", "pt") as file:
        names = list(file.keys())
    assert names
    assert not [name for name in names if name.startswith("decoders.")]


def test_the_shelf_knows_the_size_of_what_it_will_load(saved):
    shelf = AnyGen.from_pretrained(saved).model.decoders
    for modality in ("image", "audio"):
        decoder = shelf[modality]
        decoder.encode_prompt(["a cat"])
        tensors = [
            *decoder.parameters(),
            *decoder.buffers(),
            *decoder.text_encoder.model.parameters(),
        ]
        assert shelf.size([modality]) == sum(tensor.nbytes for tensor in tensors)
    video = shelf["video"]
    assert shelf.infos["video"].shares == {"image"}
    shared = {id(parameter) for parameter in shelf["image"].parameters()}
    own = [p for p in video.parameters() if id(p) not in shared]
    motion = sum(p.nbytes for p in own) + sum(
        b.nbytes for n, b in video.unet.named_buffers() if "motion_modules" in n
    )
    assert shelf.size(["video"]) == motion


@pytest.mark.parametrize("modality", ["image", "audio", "video"])
def test_it_answers_with_media(saved, modality):
    model = AnyGen.from_pretrained(saved)
    answer = model.generate(
        [Message("user", ("draw a cat",))], begin=modality, max_media=1, max_new_tokens=2
    )
    assert [modality_of(medium) for medium in media_of([answer])] == [modality]


@pytest.mark.parametrize("stage", ["decode", "instruct"])
def test_the_llm_stages_learn_through_it(system, write_run, stage, tmp_path):
    path = write_run(stage, system=str(system), denoised=1, batch_size=3)
    train(path, [])
    learned = tmp_path / "run" / "weights.safetensors"
    with safe_open(learned, "pt") as file:
        assert not [name for name in file.keys() if name.startswith("decoders.")]  # noqa: SIM118
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert any("denoise" in key for row in rows for key in row)


def test_the_runs_of_a_system_of_published_parts_are_packed(
    tiny_llm, published, write_run, tmp_path
):
    """Their encoder and their decoders have no weights of ours."""
    pretrained_encoders.publish("clip", tmp_path / "clip")
    encoder = {"name": "clip", "pretrained": str(tmp_path / "clip")}
    decoders = {"image": {"name": "stable_diffusion", "pretrained": str(published / "sd15")}}
    settings = {"llm": {"base": str(tiny_llm)}, "encoder": encoder, "decoders": decoders}
    (tmp_path / "system.yaml").write_text(yaml.safe_dump(settings))
    runs = []
    for stage in ("encode", "decode", "instruct"):
        out, init = str(tmp_path / stage), [*map(str, runs)]
        name = write_run(stage, system="system.yaml", steps=1, out=out, init=init)
        runs.append(train(name, []))
    pack(str(tmp_path / "system.yaml"), runs, tmp_path / "model")
    AnyGen.from_pretrained(tmp_path / "model")


def test_a_component_stage_has_nothing_to_train(system, write_run):
    path = write_run("vae", system=str(system), decoders=["image"])
    with pytest.raises(ValueError, match=r"nothing would learn: .* decoders\.image\.vae\."):
        train(path, [])


def test_own_tensors_are_those_of_the_llm_side(system):
    model = MultimodalModel(load_system(str(system)), system.parent)
    assert not [name for name in own_tensors(model) if name.startswith("decoders.")]
