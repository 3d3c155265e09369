"""An LLM with damaged weights, or with attention that we cannot replace, is refused."""

import json
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GptOssConfig, MambaConfig, Qwen3NextConfig

from anygen.config.loader import load_system
from anygen.config.placement import Placement
from anygen.llm.backbone import load_backbone
from anygen.llm.language_model import LanguageModel
from support.pretrained_llms import publish


@pytest.fixture
def folder(tmp_path):
    return publish("llama 3", tmp_path)


def build(folder, *settings):
    return LanguageModel(load_system("tiny/system", list(settings)).llm, folder, ("image",))


def weights(folder):
    return folder / "model.safetensors"


def lacks_a_weight(folder):
    tensors = load_file(weights(folder))
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, weights(folder), {"format": "pt"})


def is_cut_short(folder):
    weights(folder).write_bytes(weights(folder).read_bytes()[:-1000])


def has_another_width(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}))


class Harmful:
    def __reduce__(self):
        return print, ("code of a stranger",)


def is_a_pickle_with_code(folder):
    weights(folder).unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Harmful()))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: weights(folder).unlink(), "no LLM for llm.base .*model.safetensors"),
        (lacks_a_weight, "weights are missing or .* shape: model.layers.1.mlp.up_proj.weight"),
        (is_cut_short, "no LLM for llm.base can be read"),
        (has_another_width, "no LLM for llm.base .*size"),
        (is_a_pickle_with_code, "no LLM for llm.base can be read"),
        (
            lambda folder: (folder / "config.json").unlink(),
            "no (tokenizer|LLM) for llm.base can be read",
        ),
    ],
)
def test_damaged_weights_are_one_sentence_and_nothing_is_half_loaded(
    folder, damage, sentence, capsys
):
    damage(folder)
    with pytest.raises(ValueError, match=sentence) as error:
        build(folder)
    assert "\n" not in str(error.value)
    assert "stranger" not in capsys.readouterr().out


def test_a_folder_without_a_tokenizer_is_refused(folder):
    for path in folder.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(ValueError, match=r"no tokenizer for llm\.base can be read"):
        build(folder)


def test_a_folder_that_is_not_there_is_refused_with_the_field_that_names_it(tmp_path):
    nowhere = tmp_path / "nowhere"
    with pytest.raises(
        ValueError, match=f"for llm.base can be read: there is no folder '{nowhere}"
    ):
        build(nowhere)


def test_a_tokenizer_of_another_llm_is_refused(folder):
    model = AutoModelForCausalLM.from_pretrained(folder)
    model.resize_token_embeddings(300)
    model.save_pretrained(folder)
    with pytest.raises(ValueError, match="token 339, but the LLM has 300 tokens"):
        build(folder)


@pytest.mark.parametrize("stop", ["343", "9999"])
def test_a_stop_that_is_no_token_is_refused(folder, stop):
    with pytest.raises(
        ValueError, match=rf"token {stop} is to end answers \(llm.stop, .* has 343 tokens"
    ):
        build(folder, f"llm.stop=[{stop}]")


def test_lora_on_layers_that_are_not_there_is_refused(folder):
    with pytest.raises(ValueError, match=r"llm.lora.targets: this LLM has no W_pack; .* q_proj"):
        build(folder, "llm.lora.targets=[W_pack, o_proj]")


SMALL = {
    "vocab_size": 343,
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}
EXPERTS = {"num_local_experts": 2, "num_experts": 2, "num_experts_per_tok": 1}


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (GptOssConfig(**SMALL, **EXPERTS), "sinks"),
        (Qwen3NextConfig(**SMALL, **EXPERTS), "to replace its attention|linear_attention"),
        (
            MambaConfig(vocab_size=343, hidden_size=32, num_hidden_layers=1),
            "to replace its attention",
        ),
    ],
)
def test_attention_that_cannot_be_replaced_is_refused(folder, config, reason):
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    with pytest.raises(ValueError, match=reason):
        build(folder)


def test_hidden_spans_and_windows_do_not_go_together(tmp_path):
    publish("gemma 3", tmp_path)
    with pytest.raises(ValueError, match=r"llm.signals.droppable: .* window of 16 positions"):
        build(tmp_path, "llm.signals.droppable=true")


def test_on_the_meta_device_no_weights_are_read(folder):
    weights(folder).unlink()
    with torch.device("meta"):
        llm = build(folder)
    assert {p.device.type for p in llm.parameters()} == {"meta"}
    assert sum(p.numel() for p in llm.base.get_input_embeddings().parameters()) == 343 * 32


def test_it_is_held_in_the_precision_that_is_asked_for(folder):
    assert load_backbone(folder, Placement(dtype="bfloat16")).lm_head.weight.dtype == torch.bfloat16
