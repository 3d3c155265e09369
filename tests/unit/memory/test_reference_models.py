"""The table of published models against the numbers of parameters that are known of them."""

import importlib
import json
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, Blip2VisionModel

from anygen.config.loader import load_system
from anygen.memory import reference_models

LLMS = {
    "smollm2-135m": 134_515_008,
    "lmsys/vicuna-7b-v1.5": 6_738_415_616,
    "meta-llama/Llama-3.1-8B-Instruct": 8_030_261_248,
    "mistralai/Mistral-7B-Instruct-v0.3": 7_248_023_552,
    "Qwen/Qwen3-8B": 8_190_735_360,
    "facebook/opt-2.7b": 2_651_596_800,
}
ENCODERS = {
    "openai/clip-vit-large-patch14": 427_616_513,
    "openai/clip-vit-large-patch14-336": 427_944_193,
    "laion/clap-htsat-unfused": 153_492_890,
}
STABLE_DIFFUSION = {"vae": 83_653_863, "unet": 859_520_964, "text_encoder": 123_060_480}
PIPELINES = {
    "stable-diffusion-v1-5/stable-diffusion-v1-5": STABLE_DIFFUSION,
    "stabilityai/stable-diffusion-2-1": {"unet": 865_910_724, "text_encoder": 340_387_840},
    "stabilityai/stable-diffusion-xl-base-1.0": {
        "unet": 2_567_463_684,
        "text_encoder_2": 694_659_840,
    },
    "cerspense/zeroscope_v2_576w": {"unet": 1_411_233_860, "text_encoder": 340_387_840},
    "cvssp/audioldm-l-full": {"unet": 739_139_080, "vae": 55_376_873, "vocoder": 55_264_897},
    "Wan-AI/Wan2.1-T2V-1.3B-Diffusers": {
        "transformer": 1_418_996_800,
        "text_encoder": 5_680_910_336,
        "vae": 126_892_531,
    },
    "Lightricks/LTX-Video": {"transformer": 1_923_385_472, "text_encoder": 4_762_310_656},
    "stabilityai/stable-audio-open-1.0": {"transformer": 1_056_939_136, "vae": 156_112_514},
}
TABLE_1 = {  # NExT-GPT, arXiv 2309.05519, table 1, in millions; the image decoder's has a checker
    "cvssp/audioldm-l-full": 975,
    "cerspense/zeroscope_v2_576w": 1835,
}


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def part(name, library, of, folder):
    """A part of a pipeline without values, from its configuration alone."""
    found = getattr(importlib.import_module(library), of)
    with torch.device("meta"):
        if library == "diffusers":
            return found.from_config(found.load_config(str(folder), subfolder=name))
        return found(found.config_class.from_pretrained(str(folder), subfolder=name))


def parts(name, folder):
    index = reference_models.reference_files()[name]["model_index.json"]
    reference_models.write(name, folder)
    return {
        part_name: count(part(part_name, *classes, folder))
        for part_name, classes in index.items()
        if part_name not in ("_class_name", "scheduler") and "tokenizer" not in part_name
    }


@pytest.mark.parametrize("name", LLMS)
def test_an_llm_has_as_many_parameters_as_is_known(name, tmp_path):
    config = AutoConfig.from_pretrained(reference_models.write(name, tmp_path))
    with torch.device("meta"):
        assert count(AutoModelForCausalLM.from_config(config)) == LLMS[name]


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_has_as_many_parameters_as_is_known(name, tmp_path):
    config = AutoConfig.from_pretrained(reference_models.write(name, tmp_path))
    with torch.device("meta"):
        assert count(AutoModel.from_config(config)) == ENCODERS[name]


def test_the_vision_tower_of_siglip_is_the_one_that_is_called_so400m(tmp_path):
    name = "google/siglip-so400m-patch14-384"
    config = AutoConfig.from_pretrained(reference_models.write(name, tmp_path)).vision_config
    with torch.device("meta"):
        assert count(AutoModel.from_config(config)) == 428_225_600


def test_the_vision_tower_of_blip_2_is_eva_vit_g_without_its_last_layer(tmp_path):
    name = "Salesforce/blip2-itm-vit-g"
    config = AutoConfig.from_pretrained(reference_models.write(name, tmp_path)).vision_config
    with torch.device("meta"):
        assert count(Blip2VisionModel(config)) == 985_952_256


@pytest.mark.parametrize("name", PIPELINES)
def test_a_decoder_has_as_many_parameters_as_is_known(name, tmp_path):
    found = parts(name, tmp_path)
    assert {n: found[n] for n in PIPELINES[name]} == PIPELINES[name]
    if name in TABLE_1:
        assert round(sum(found.values()) / 1e6) == TABLE_1[name]


def test_whatever_is_not_known_is_left_as_it_is(tiny_system):
    system = load_system(str(tiny_system))
    with reference_models.stand_ins(system) as same:
        assert same == system
    with reference_models.stand_ins(
        load_system(str(tiny_system), ["llm.base=smollm2-135m"])
    ) as other:
        assert (Path(other.llm.base) / "config.json").is_file()
        assert other.decoders == system.decoders


def test_every_reference_names_the_page_that_publishes_it():
    for path in reference_models.REFERENCE.glob("*.json"):
        for name, model in json.loads(path.read_text()).items():
            repository = model["source"].removeprefix("https://huggingface.co/")
            assert repository == name or name in ("smollm2-135m", "vicuna-7b-v0")
            assert repository.count("/") == 1
