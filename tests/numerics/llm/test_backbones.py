"""LLMs of every family are read in pieces, for many at once, as transformers reads them whole."""

import random

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    SiglipVisionConfig,
)

from anygen.config.loader import load_system
from anygen.llm.backbone import longest_context
from anygen.llm.kv_cache import BLOCK, KVCache
from anygen.llm.language_model import LanguageModel
from anygen.training.losses import hidden_states, text_loss
from support.precision import unpacked
from support.pretrained_llms import FAMILIES, SIZES, WINDOW, publish

LENGTH = BLOCK + 20  # more than a block, and many windows
WINDOWED = [name for name, family in FAMILIES.items() if "sliding_window" in family.sizes]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {name: publish(name, tmp_path_factory.mktemp("family")) for name in FAMILIES}


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture
def folder(folders, family):
    return folders[family]


@pytest.fixture
def make(folder, family):
    def make(*settings):
        torch.manual_seed(0)
        system = load_system("tiny/system", [*FAMILIES[family].settings, *settings])
        return LanguageModel(system.llm, folder, ("image", "audio")).eval()

    return make


@pytest.fixture
def published(folder):
    return AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()


def tokens(seed, length=LENGTH):
    return torch.randint(3, 300, (length,), generator=torch.Generator().manual_seed(seed))


def close(left, right, tolerance=1e-4):
    assert (left - right).abs().max() <= tolerance * right.abs().max()


def read(llm, context, ids, end):
    """Goes on with `ids` up to `end`; their logits of text."""
    keys = ids[context.length : end]
    [hidden] = llm.read([(context, llm.embed(keys), keys.tolist())])
    return llm.answer_logits(hidden)[:, : llm.signals.vocabulary]


@torch.no_grad()
def test_pieces_give_the_logits_of_the_whole(make, published):
    llm, ids, context = make(), tokens(0), KVCache()
    logits = [read(llm, context, ids, end) for end in (3, 4, WINDOW + 3, 90, LENGTH)]
    close(torch.cat(logits), published(input_ids=ids[None]).logits[0])


@torch.no_grad()
def test_so_do_several_at_once_and_what_is_read_again_after_a_crop(make, published):
    llm, rng = make(), random.Random(0)
    rows = [tokens(seed) for seed in range(3)]
    whole = published(input_ids=torch.stack(rows)).logits
    contexts = [KVCache() for _ in rows]
    for _ in range(4):
        for context in contexts:
            context.crop(rng.randint(0, context.length))
        ends = [rng.randint(context.length + 1, LENGTH) for context in contexts]
        starts = [context.length for context in contexts]
        parts = [ids[a:b] for ids, a, b in zip(rows, starts, ends, strict=True)]
        read = llm.read([(c, llm.embed(p), p.tolist()) for c, p in zip(contexts, parts)])
        for index, hidden in enumerate(read):
            logits = llm.logits(hidden)[:, : llm.signals.vocabulary]
            close(logits, whole[index, starts[index] : ends[index]])


@torch.no_grad()
def test_a_common_beginning_longer_than_a_window_is_read_once(make, published):
    llm, rows = make(), torch.stack([tokens(seed, 60) for seed in range(3)])
    rows[:, :40] = rows[0, :40]
    lengths = torch.tensor([60, 45, 52])
    hidden = hidden_states(llm, torch.stack([llm.embed(ids) for ids in rows]), lengths, shared=40)
    whole = published(input_ids=rows).logits
    for row, length in enumerate(lengths):
        logits = llm.logits(hidden[row, :length])[:, : llm.signals.vocabulary]
        close(logits, whole[row, :length])


@torch.no_grad()
def test_ready_for_answering_it_reads_the_same_bits_in_any_pieces(make, published):
    llm, ids = make(), tokens(0)
    llm.prepare_answering(unpacked)
    assert (llm.llama is not None) == (llm.config.model_type == "llama")
    whole = read(llm, KVCache(), ids, LENGTH)
    close(whole, published(input_ids=ids[None]).logits[0])
    context = KVCache()
    pieces = [read(llm, context, ids, end) for end in (1, 2, 5, 30, 31, 44, LENGTH)]
    assert torch.cat(pieces).equal(whole)


@pytest.mark.parametrize("family", WINDOWED, indirect=True)
@torch.no_grad()
def test_a_window_changes_what_is_read_beyond_it(make, published):
    """So the tests above would fail if windows were ignored."""
    llm, ids = make(), tokens(0)
    published.config.get_text_config(decoder=True).sliding_window = LENGTH
    for layer in published.get_decoder().layers:
        layer.self_attn.sliding_window = LENGTH
    logits, expected = read(llm, KVCache(), ids, LENGTH), published(input_ids=ids[None]).logits[0]
    close(logits[:WINDOW], expected[:WINDOW])
    assert (logits - expected).abs().max() > 0.01 * expected.abs().max()


@torch.no_grad()
def test_a_token_is_embedded_as_the_llm_embeds_it(make, published):
    """Gemma's rows are scaled, and so those of signal tokens begin at that scale."""
    llm, ids = make(), tokens(0)
    embedded = published.get_input_embeddings()(ids)
    assert torch.equal(llm.embed(ids), embedded)
    assert 0.8 < llm.signal_rows.std() / embedded.std() < 1.2


def test_rows_and_triggers_learn_and_the_llm_with_its_head_stays(make, published, family):
    llm = make()
    head, table = llm.base.get_output_embeddings(), llm.base.get_input_embeddings()
    assert (head.weight is table.weight) == FAMILIES[family].sizes["tie_word_embeddings"]
    before = {name: weight.clone() for name, weight in llm.base.state_dict().items()}
    span = torch.tensor(llm.signals.span("audio"))
    embeds = torch.cat([llm.embed(tokens(1, 9)), llm.embed(span)])[None]
    trigger = llm.label_of(llm.signals.trigger("audio"))
    labels = torch.tensor([[*tokens(1, 9).tolist(), trigger, *[-100] * (len(span) - 1)]])
    optimizer = torch.optim.SGD([p for p in llm.parameters() if p.requires_grad], lr=0.1)
    text_loss(llm, llm.hidden(embeds), labels).backward()
    assert llm.trigger_rows.grad[1].any()
    assert llm.trigger_bias.grad.any()
    optimizer.step()
    changed = [n for n, weight in llm.base.state_dict().items() if not weight.equal(before[n])]
    assert changed
    assert all(".lora_B." in name for name in changed)
    with torch.no_grad():
        llm.use_lora(False)
        text = llm.logits(llm.hidden(llm.embed(tokens(2, 20))[None]))
        close(text[..., : llm.signals.vocabulary], published(input_ids=tokens(2, 20)[None]).logits)


@torch.no_grad()
def test_scores_and_logits_that_are_capped_stay_capped(tmp_path):
    publish("gemma 3", tmp_path)
    torch.manual_seed(0)
    settings = {"attn_logit_softcapping": 0.5, "final_logit_softcapping": 1.0}
    sizes = FAMILIES["gemma 3"].sizes
    config = Gemma2Config(vocab_size=343, **{**SIZES, **sizes, **settings})
    Gemma2ForCausalLM(config).save_pretrained(tmp_path)
    llm = LanguageModel(load_system("tiny/system").llm, tmp_path, ())
    published = AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager").eval()
    expected = published(input_ids=tokens(0)[None]).logits[0]
    assert expected.abs().max() < 1
    close(read(llm, KVCache(), tokens(0), LENGTH), expected)
    published.config.final_logit_softcapping = None
    assert published(input_ids=tokens(0)[None]).logits.abs().max() > 1


@torch.no_grad()
def test_an_llm_with_eyes_of_its_own_is_read_as_text(tmp_path):
    """Gemma 3 of 4 billion weights and more: LoRA is in the LLM alone."""
    family = FAMILIES["gemma 3"]
    publish("gemma 3", tmp_path)
    text = family.config(vocab_size=343, **{**SIZES, **family.sizes}, pad_token_id=None)
    heads = {"num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28}
    eyes = SiglipVisionConfig(hidden_size=16, intermediate_size=16, patch_size=14, **heads)
    torch.manual_seed(0)
    config = Gemma3Config(text_config=text, vision_config=eyes, mm_tokens_per_image=4)
    Gemma3ForConditionalGeneration(config).save_pretrained(tmp_path)
    llm = LanguageModel(load_system("tiny/system").llm, tmp_path, ())
    published = AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager").eval()
    context, ids = KVCache(), tokens(0)
    logits = [read(llm, context, ids, end) for end in (7, 40, LENGTH)]
    close(torch.cat(logits), published(input_ids=ids[None]).logits[0])
    lora = [name for name, _ in llm.named_parameters() if ".lora_" in name]
    assert lora
    assert all("language_model" in name for name in lora)


@pytest.mark.parametrize("family", ["llama 3"], indirect=True)
def test_no_more_is_read_than_the_angles_of_the_positions_hold_for(make):
    config = make().config
    assert longest_context(config) == 512
    config.rope_parameters |= {"rope_type": "longrope", "original_max_position_embeddings": 64}
    assert longest_context(config) == 64
