import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from anygen.config.placement import Placement
from anygen.llm.plain_llama import read_llama


@pytest.fixture
def folder(tiny_llm, tmp_path):
    """A copy of a Llama, to be changed."""
    return shutil.copytree(tiny_llm, tmp_path / "llm")


def change_config(folder, **settings):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_plain_llama_holds_the_weights_that_transformers_reads(tiny_llm, dtype):
    place = Placement(dtype=dtype)
    ours = read_llama(tiny_llm, place)
    theirs = AutoModelForCausalLM.from_pretrained(tiny_llm, dtype=place.torch_dtype)
    expected = dict(theirs.named_parameters())
    found = dict(ours.named_parameters())
    assert found.keys() == expected.keys()
    assert all(found[name].equal(expected[name]) for name in expected)
    assert ours.get_output_embeddings().weight is ours.get_input_embeddings().weight
    stated = vars(ours.generation_config)
    assert stated == {name: getattr(theirs.generation_config, name) for name in stated}


def test_angles_of_positions_have_the_bits_of_transformers(tiny_llm):
    ours = read_llama(tiny_llm, Placement()).model.rotary_emb
    theirs = AutoModelForCausalLM.from_pretrained(tiny_llm).model.rotary_emb
    like, positions = torch.zeros(1), torch.arange(300)[None]
    for mine, expected in zip(ours(like, positions), theirs(like, positions), strict=True):
        assert mine.equal(expected)


@pytest.mark.parametrize(
    "settings",
    [
        {"model_type": "mistral"},
        {"attention_bias": True},
        {"rope_parameters": {"rope_theta": 1e4, "rope_type": "linear", "factor": 2.0}},
        {"quantization_config": {"quant_method": "gptq"}},
    ],
)
def test_any_other_llm_is_left_to_transformers(folder, settings):
    assert read_llama(folder, Placement()) is not None
    change_config(folder, **settings)
    assert read_llama(folder, Placement()) is None


@pytest.mark.parametrize("settings", [{"quant": "int8"}, {"offload": "sequential"}])
def test_an_llm_that_is_not_packed_as_a_whole_is_left_to_transformers(tiny_llm, settings):
    assert read_llama(tiny_llm, Placement(**settings)) is None


def test_a_weight_that_is_missing_or_misshapen_is_named(folder):
    path = folder / "model.safetensors"
    weights = load_file(path)
    del weights["model.layers.1.mlp.up_proj.weight"]
    weights["model.norm.weight"] = torch.ones(3)
    save_file(weights, path)
    problem = "missing or have another shape: model.layers.1.mlp.up_proj.weight, model.norm.weight"
    with pytest.raises(ValueError, match=f"no LLM for llm.base can be read .*: .*{problem}"):
        read_llama(folder, Placement())


def test_damaged_weights_are_refused_in_one_sentence(folder):
    (folder / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"no LLM for llm.base can be read .*is damaged"):
        read_llama(folder, Placement())
