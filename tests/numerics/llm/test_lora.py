"""A base LLM for answering: LoRA folded in layer by layer, and no second copy of its weights."""

import copy
import sys
from itertools import chain
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import nn
from torch.profiler import ProfilerActivity, profile
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from anygen.config.placement import Placement
from anygen.config.system import LanguageModelSettings, Lora
from anygen.llm.backbone import type_to_load
from anygen.llm.kv_cache import KVCache
from anygen.llm.language_model import LanguageModel
from anygen.llm.lora import begin_dora, folded, insert_lora
from anygen.model.placing import settle
from support.precision import unpacked
from support.pretrained_llms import publish

TYPES = ("float32", "bfloat16")


@pytest.fixture(scope="module", params=TYPES)
def stored(request, tiny_llm, tmp_path_factory) -> Path:
    """A Llama of eight layers, stored in this type."""
    folder = tmp_path_factory.mktemp("stored")
    PreTrainedTokenizerFast.from_pretrained(tiny_llm).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=LlamaConfig.from_pretrained(tiny_llm).vocab_size,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=8,
        num_attention_heads=4,
    )
    LlamaForCausalLM(config).to(getattr(torch, request.param)).save_pretrained(folder)
    return folder


def load(folder: Path, dtype: str, as_stored: bool = True) -> LanguageModel:
    torch.manual_seed(0)
    llm = LanguageModel(
        LanguageModelSettings(), folder, ("image",), Placement(dtype=dtype), as_stored
    )
    torch.manual_seed(1)
    with torch.no_grad():
        for layer in llm.lora_layers():
            for matrices in (layer.lora_A, layer.lora_B):
                matrices["default"].weight.normal_(std=0.05)
    settle(llm, "cpu", llm.placement.torch_dtype, but=llm.frozen)
    return llm


@torch.no_grad()
def hidden_of(llm: LanguageModel) -> torch.Tensor:
    embeds = torch.randn(9, llm.width, generator=torch.Generator().manual_seed(2))
    [hidden] = llm.read([(KVCache(), embeds.to(llm.placement.torch_dtype), range(9))])
    return hidden


@pytest.mark.parametrize("dtype", TYPES)
def test_a_base_answers_alike_whatever_type_it_is_loaded_in(stored, dtype):
    first, second = (load(stored, dtype, as_stored) for as_stored in (True, False))
    for llm in (first, second):
        llm.prepare_answering(unpacked)
    assert hidden_of(first).equal(hidden_of(second))
    assert {p.dtype for p in first.base.parameters() if p.requires_grad is False} == {
        getattr(torch, dtype)
    }


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("dtype", TYPES)
def test_no_file_stays_mapped(stored, dtype):
    llm = load(stored, dtype)
    llm.prepare_answering(unpacked)
    assert str(stored) not in Path("/proc/self/maps").read_text()
    assert hidden_of(llm).isfinite().all()


def test_folding_takes_room_for_one_layer_more(stored):
    llm = load(stored, "float32")
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        llm.prepare_answering(unpacked)
    live = peak = 0
    events = profiler.profiler.kineto_results.events()
    for event in sorted(events, key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            live += event.nbytes()
            peak = max(peak, live)
    layers = chain(*(part.all for layer in llm.llama.layers for part in layer.linear))
    sizes = [module.weight.nbytes for module in layers]
    rest = sum(p.nbytes for p in llm.base.parameters())
    assert peak < sum(sizes) + rest + sum(sizes) / 8 + 3 * max(sizes)


def test_a_model_with_constants_of_its_own_is_loaded_in_the_precision_of_answers(stored, tmp_path):
    """Gemma's embeddings are scaled by a number that bfloat16 would round."""
    [name] = {p.dtype for p in LlamaForCausalLM.from_pretrained(stored, dtype="auto").parameters()}
    assert type_to_load(stored, torch.float32) == name
    folder = publish("gemma 3", tmp_path)
    AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).save_pretrained(folder)
    assert type_to_load(folder, torch.float32) == torch.float32


def test_dora_computes_what_peft_computes_and_is_folded_whole():
    torch.manual_seed(0)
    model = nn.Sequential()
    model.q_proj = nn.Linear(6, 8)
    model.requires_grad_(False)
    theirs, frozen = copy.deepcopy(model), copy.deepcopy(model.q_proj)
    insert_lora(
        LanguageModelSettings(lora=Lora(rank=2, alpha=6, targets=["q_proj"], dora=True)), model
    )
    peft = LoraConfig(r=2, lora_alpha=6, target_modules=["q_proj"], use_dora=True)
    inject_adapter_in_model(peft, theirs)
    x = torch.randn(3, 6)
    torch.testing.assert_close(model.q_proj(x), frozen(x))  # nothing changes at first
    with torch.no_grad():
        model.q_proj.lora_B["default"].weight.normal_()
        model.q_proj.lengths.mul_(1.5)
    theirs.load_state_dict(model.state_dict())  # the names are peft's
    outputs = model(x), theirs(x)
    torch.testing.assert_close(*outputs)
    for output in outputs:
        output.square().sum().backward()
    for mine, other in zip(model.parameters(), theirs.parameters(), strict=True):
        if mine.requires_grad:
            torch.testing.assert_close(mine.grad, other.grad)
    torch.testing.assert_close(folded(model.q_proj, torch.float32)(x), outputs[0])


def test_dora_that_goes_on_from_lora_changes_nothing_at_first():
    torch.manual_seed(0)
    models = []
    for dora in (False, True):
        model = nn.Sequential()
        model.q_proj = nn.Linear(6, 8)
        lora = Lora(rank=2, alpha=6, targets=["q_proj"], dora=dora)
        insert_lora(LanguageModelSettings(lora=lora), model)
        models.append(model)
    plain, model = models
    nn.init.normal_(plain.q_proj.lora_B["default"].weight)
    weights = plain.state_dict()
    model.load_state_dict(weights, strict=False)
    x, expected = torch.randn(3, 6), plain.q_proj(torch.eye(6)[:3])
    assert not torch.allclose(model.q_proj(torch.eye(6)[:3]), expected)
    begin_dora(model, weights)
    torch.testing.assert_close(model.q_proj(x), plain.q_proj(x))
    model.q_proj.lengths.data.mul_(2)
    begin_dora(model, model.state_dict())  # lengths that were learned stay
    torch.testing.assert_close(model.q_proj.lengths, 2 * model.q_proj.row_lengths())


def test_dora_is_refused_where_the_base_computes_for_itself():
    with pytest.raises(ValueError, match=r"lora\.dora: scales the base LLM's own outputs"):
        LanguageModelSettings(lora=Lora(dora=True), adapter="activated")


def test_lora_computes_what_peft_computes():
    torch.manual_seed(0)
    model = nn.Sequential()
    model.q_proj = nn.Linear(6, 8)
    settings = LanguageModelSettings(lora=Lora(rank=2, alpha=6, targets=["q_proj"]))
    theirs = copy.deepcopy(model)
    insert_lora(settings, model)
    inject_adapter_in_model(LoraConfig(r=2, lora_alpha=6, target_modules=["q_proj"]), theirs)
    assert not model.q_proj.lora_B["default"].weight.any()
    with torch.no_grad():
        model.q_proj.lora_B["default"].weight.normal_()
    theirs.load_state_dict(model.state_dict())  # the names are peft's
    x = torch.randn(3, 6)
    assert model.q_proj(x).equal(theirs.q_proj(x))
    assert model.q_proj.delta().equal(theirs.q_proj.get_delta_weight("default"))
