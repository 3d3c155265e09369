"""A context is the same bits however it came to be, and those of the base model's own attention."""

import random

import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from anygen.config.system import LanguageModelSettings
from anygen.llm.kv_cache import BLOCK, MAX_IDLE, KVCache, KVCachePool
from anygen.llm.language_model import LanguageModel
from anygen.numerics.fp16_linear import has_fbgemm, packed
from support.precision import unpacked

LENGTHS = (1, 2, 3, 5, 11, 12, 13, 127, 128, 129, 300)
LONGEST = 300


SHAPES = {
    "smollm2": {
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
    },
    "odd": {  # no vector of a CPU divides these widths, and all heads share their keys
        "hidden_size": 84,
        "intermediate_size": 150,
        "num_attention_heads": 3,
        "num_key_value_heads": 1,
    },
}


# By FBGEMM, by whatever this CPU has, and without layers of our own; and the number of threads.
WAYS = [
    ("smollm2", "float16", 1),
    ("smollm2", "float16", 2),
    ("smollm2", "float32", 2),
    ("odd", "float16", 1),
    ("odd", "float32", 2),
    ("odd", "modules of transformers", 1),
]


@pytest.fixture(scope="module")
def folders(tiny_llm, tmp_path_factory):
    """Kernels choose by widths, so some are SmolLM2's."""
    folders = {name: tmp_path_factory.mktemp(name) for name in SHAPES}
    tokenizer = AutoTokenizer.from_pretrained(tiny_llm)
    for name, folder in folders.items():
        tokenizer.save_pretrained(folder)
        config = LlamaConfig(
            vocab_size=len(tokenizer),
            num_hidden_layers=2,
            tie_word_embeddings=True,
            **SHAPES[name],
        )
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(folder)
    return folders


@pytest.fixture(scope="module")
def make_llm(folders):
    """LoRA is not zero, so that it matters."""

    def make(shape):
        torch.manual_seed(0)
        settings = LanguageModelSettings()
        llm = LanguageModel(settings, folders[shape], ("image",)).eval().requires_grad_(False)
        for name, parameter in llm.named_parameters():
            if ".lora_B." in name:
                parameter.normal_(std=0.1)
        return llm

    return make


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: "-".join(map(str, way)))
def way(request):
    return request.param


@pytest.fixture(scope="module")
def llm(make_llm, way):
    """Ready for answering."""
    shape, kind, _ = way
    if kind == "float16" and not has_fbgemm():
        pytest.skip("needs FBGEMM on x86")
    llm = make_llm(shape)
    if kind == "modules of transformers":
        llm.config.hidden_act = "an activation that our layers do not know"
    llm.prepare_answering(packed if kind == "float16" else unpacked)
    return llm


@pytest.fixture(scope="module")
def threads(way):
    before = torch.get_num_threads()
    torch.set_num_threads(way[2])
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def embeds(llm):
    """What several conversations say: (conversations, T, D)."""
    return (
        torch.randn(4, LONGEST, llm.width, generator=torch.Generator().manual_seed(1))
        * llm.signal_rows.std()
    )


def read_whole(llm, embeds):
    """Hidden states of conversations, each read at once and alone."""
    with torch.no_grad():
        return [llm.read([row(KVCache(), e)])[0] for e in embeds]


@pytest.fixture(scope="module")
def whole(llm, embeds, threads):
    return read_whole(llm, embeds)


def row(context, embeds, end=None):
    """The next positions of a conversation, up to `end`."""
    keys = range(context.length, len(embeds) if end is None else end)
    return context, embeds[context.length : keys.stop], list(keys)


def cuts(rng, length):
    """Ends of pieces, the last of which is `length`."""
    return [*sorted(rng.sample(range(1, length), k=rng.randint(0, 9))), length]


@pytest.mark.parametrize("length", [1, 2, 5, 11, 129, 300])
@torch.no_grad()
def test_the_beginning_does_not_hear_of_what_comes_after(llm, embeds, whole, length):
    [hidden] = llm.read([row(KVCache(), embeds[0], length)])
    assert hidden.equal(whole[0][:length])


@pytest.mark.parametrize("seed", range(3))
@torch.no_grad()
def test_any_pieces_give_the_same_bits(llm, embeds, whole, seed):
    rng, context, hidden = random.Random(seed), KVCache(), []
    for end in cuts(rng, LONGEST):
        hidden += llm.read([row(context, embeds[0], end)])
    assert torch.cat(hidden).equal(whole[0])
    assert context.last.equal(whole[0][-1])


@torch.no_grad()
def test_token_by_token_gives_the_same_bits(llm, embeds, whole):
    context = KVCache()
    for position in range(BLOCK + 5):
        [hidden] = llm.read([row(context, embeds[0], position + 1)])
        assert hidden[0].equal(whole[0][position])


@pytest.mark.parametrize("seed", range(2))
@torch.no_grad()
def test_any_company_gives_the_same_bits(llm, embeds, whole, seed):
    """Some only begin where others are nearly done, and pieces have all lengths."""
    rng = random.Random(seed)
    contexts = [KVCache() for _ in embeds]
    for _ in range(8):
        unfinished = [i for i, context in enumerate(contexts) if context.length < LONGEST]
        if not unfinished:
            break
        chosen = rng.sample(unfinished, k=rng.randint(1, len(unfinished)))
        ends = [min(LONGEST, contexts[i].length + rng.choice(LENGTHS)) for i in chosen]
        starts = [contexts[i].length for i in chosen]
        made = llm.read([row(contexts[i], embeds[i], end) for i, end in zip(chosen, ends)])
        for i, start, end, hidden in zip(chosen, starts, ends, made, strict=True):
            assert hidden.equal(whole[i][start:end])


@pytest.mark.parametrize("seed", range(2))
@torch.no_grad()
def test_crops_copies_and_another_end_leave_no_trace(llm, embeds, whole, seed):
    """What was read, forgotten and read anew, in the middle of another conversation's words."""
    rng = random.Random(seed)
    contexts = [KVCache()]
    for _ in range(12):
        context = rng.choice(contexts)
        kept = rng.randint(0, context.length)
        if rng.random() < 0.5:
            context = context.copy(kept)
            contexts.append(context)
        context.crop(kept)
        wrong = torch.cat([embeds[0][:kept], embeds[1]])
        llm.read([row(context, wrong, min(kept + rng.choice(LENGTHS), LONGEST + 20))])
        context.crop(kept)
        end = rng.randint(kept, LONGEST)
        if end > kept:
            [hidden] = llm.read([row(context, embeds[0], end)])
            assert hidden.equal(whole[0][kept:end])


@torch.no_grad()
def test_what_was_forgotten_cannot_spoil_what_is_read_next(llm, embeds, whole):
    context = KVCache()
    llm.read([row(context, embeds[0], 10)])
    llm.read([(context, torch.full((5, llm.width), torch.nan), list(range(5)))])
    assert context.last.isnan().all()
    spoiled = context.copy(context.length)
    for left in (context, spoiled, spoiled.copy(10)):
        left.crop(10)
        [hidden] = llm.read([row(left, embeds[0], 12)])
        assert hidden.equal(whole[0][10:12])


def test_the_number_of_threads_changes_nothing_where_fbgemm_multiplies(llm, embeds, whole):
    if llm.llama is None or not llm.llama.is_row_wise:
        pytest.skip("only FBGEMM's products are known to be the same with any number of threads")
    before = torch.get_num_threads()
    torch.set_num_threads(3 - before)
    others = read_whole(llm, embeds)
    torch.set_num_threads(before)
    assert all(map(torch.equal, others, whole))


@torch.no_grad()
def test_the_logits_of_an_answer_do_not_depend_on_those_of_others(llm, whole):
    states = whole[0][:9]
    alone = torch.cat([llm.answer_logits(row) for row in states.split(1)])
    for rows in ([0, 1], [8, 3, 1], range(1, 6), range(9)):
        assert llm.answer_logits(states[list(rows)]).equal(alone[list(rows)])


@pytest.mark.parametrize("length", [1, 2, 64, 127, 128, 129, 255, 256, 257, 300])
@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_it_is_the_attention_of_transformers(make_llm, shape, length):
    """Against the base model's own forward pass, with its own mask and its own positions."""
    llm = make_llm(shape)
    embeds = torch.randn(length, llm.width, generator=torch.Generator().manual_seed(length))
    embeds *= llm.signal_rows.std()
    [hidden] = llm.read([row(KVCache(), embeds)])
    llm.base.set_attn_implementation("eager")
    expected = llm.base.model(inputs_embeds=embeds[None], use_cache=False).last_hidden_state[0]
    assert (hidden - expected).norm() <= 1e-5 * expected.norm()
    assert (hidden - expected).abs().max() <= 1e-5 * expected.abs().max()


@torch.no_grad()
def test_reading_changes_nothing_for_training(make_llm):
    llm = make_llm("odd")
    embeds = torch.randn(1, 20, llm.width)
    before = llm.hidden(embeds)
    llm.read([row(KVCache(), embeds[0])])
    assert llm.hidden(embeds).equal(before)


@torch.no_grad()
def test_the_cache_grows_in_whole_blocks_and_seldom(llm, embeds):
    context, sizes = KVCache(), []
    for end in range(3, LONGEST, 3):
        llm.read([row(context, embeds[0], end)])
        sizes.append(context.stored[0][0].shape[1])
    assert all(size % BLOCK == 0 for size in sizes)
    assert all(size >= end for end, size in zip(range(3, LONGEST, 3), sizes, strict=True))
    assert len(set(sizes)) <= 3
    assert {k.shape for pair in context.stored for k in pair} == {context.stored[0][0].shape}
    assert context.copy(129).stored[0][0].shape[1] == 2 * BLOCK


# --- who has which context


def having_read(*positions):
    context = KVCache()
    context.positions = list(positions)
    return context


def test_what_is_shared_is_counted_from_the_first_position_on():
    context = having_read(1, 2, ("cat", 0), 3)
    assert context.common_prefix([1, 2, ("cat", 0), 3, 4]) == 4
    assert context.common_prefix([1, 2, ("cat", 0)]) == 3
    assert context.common_prefix([1, 2, ("dog", 0), 3]) == 2
    assert context.common_prefix([2, 1]) == context.common_prefix([]) == 0


def test_a_conversation_that_goes_on_gets_its_own_context():
    contexts, context = KVCachePool(1000), having_read(*range(10))
    contexts.release(having_read(*range(100, 110)))
    contexts.release(context)
    assert contexts.acquire([*range(10), 77]) is context
    assert context not in contexts.idle


def test_nobody_else_has_it_meanwhile():
    contexts = KVCachePool(1000)
    contexts.release(having_read(*range(10)))
    first, second = (contexts.acquire(range(12)) for _ in range(2))
    assert first is not second
    first.crop(0)
    assert second.positions == [*range(10)]  # a copy of what both have in common


def test_a_conversation_that_only_begins_alike_leaves_the_other_its_own():
    contexts, other = KVCachePool(1000), having_read(*range(10))
    contexts.release(other)
    mine = contexts.acquire([0, 1, 2, 77, 78])
    assert mine is not other
    assert mine.positions == [0, 1, 2]
    assert other.length == 10
    assert contexts.acquire(range(11)) is other


def test_nothing_in_common_is_a_context_that_has_read_nothing():
    contexts, other = KVCachePool(1000), having_read(*range(10))
    contexts.release(other)
    assert contexts.acquire([77]).length == 0
    assert contexts.idle == [other]


def test_one_in_use_is_copied_as_far_as_it_has_read():
    contexts = KVCachePool(1000)
    contexts.release(having_read(*range(10)))
    first = contexts.acquire(range(12))
    second = contexts.acquire(range(11))
    assert first is not second
    assert (first.length, second.length) == (10, 10)
    for cache in (first, second):
        contexts.release(cache)
    assert (contexts.idle, contexts.in_use) == ([first, second], [])


def test_one_in_use_that_has_read_nothing_is_not_shared():
    contexts = KVCachePool(1000)
    first, second = contexts.acquire([1, 2]), contexts.acquire([1, 2])
    assert first is not second


def test_the_one_that_has_read_most_is_borrowed():
    contexts = KVCachePool(1000)
    for count in (4, 9, 6):
        contexts.release(having_read(*range(count)))
    assert contexts.acquire(range(20)).length == 9


def test_those_used_last_are_kept_and_empty_ones_are_not():
    contexts = KVCachePool(BLOCK * MAX_IDLE)
    contexts.release(KVCache())
    assert contexts.idle == []
    for number in range(MAX_IDLE + 3):
        contexts.release(having_read(number))
    assert [c.positions for c in contexts.idle] == [[n] for n in range(3, MAX_IDLE + 3)]


def test_long_ones_are_not_kept_for_ever():
    """Each takes whole blocks, as its tensors do."""
    contexts = KVCachePool(2 * BLOCK)
    for number in range(4):
        contexts.release(having_read(*range(10 * number, 10 * number + 10)))
    assert [c.positions[0] for c in contexts.idle] == [10, 20, 30]
    contexts.release(having_read(*range(100, 100 + 3 * BLOCK)))
    assert [c.positions[0] for c in contexts.idle] == [20, 30, 100]
    contexts.release(having_read(0))
    assert [c.positions[0] for c in contexts.idle] == [0]
