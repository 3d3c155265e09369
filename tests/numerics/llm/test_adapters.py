"""Layers for media alone: nothing changes at first, and text is never read otherwise."""

import pytest
import torch
from transformers import Phi3Config, Phi3ForCausalLM

from anygen import AnyGen
from anygen.checkpoints.checkpoint import load_weights, own_tensors, save_weights
from anygen.config.loader import load_system
from anygen.config.stages import LEARNED
from anygen.core.media import Message
from anygen.llm.kv_cache import KVCache
from anygen.llm.language_model import LanguageModel
from anygen.training.collate import assemble
from anygen.training.dialogues import Dialogue
from anygen.training.losses import hidden_states, text_loss
from anygen.training.runs.dialogue_losses import hidden_of
from support.answers import ONE_STEP, forget, told, user
from support.precision import unpacked
from support.pretrained_llms import FAMILIES, publish

KINDS = ("adapter", "visual_expert")
LENGTH = 150
MEDIA = (slice(5, 9), slice(40, 60), slice(131, 140))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {name: publish(name, tmp_path_factory.mktemp("family")) for name in FAMILIES}


@pytest.fixture(params=("vicuna", "qwen 3", "mistral", "gemma 3"))
def make(request, folders):
    def make(kind):
        torch.manual_seed(0)
        settings = [*FAMILIES[request.param].settings, f"llm.media_layers={kind}"]
        llm = LanguageModel(
            load_system("tiny/system", settings).llm, folders[request.param], ("image",)
        )
        return llm.eval()

    return make


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def embeds_of(llm):
    scale = llm.signal_rows.std().item()
    return torch.randn(1, LENGTH, llm.width, generator=torch.Generator().manual_seed(1)) * scale


def places():
    media = torch.zeros(1, LENGTH, dtype=torch.bool)
    for place in MEDIA:
        media[:, place] = True
    return media


def trained(llm):
    """After two steps, for what stands behind a gate of zero learns from the second on."""
    parameters = list(llm.media_layers.parameters())
    optimizer = torch.optim.Adam(parameters, lr=0.05)
    for _ in range(2):
        optimizer.zero_grad()
        llm.hidden(embeds_of(llm), media=places())[:, :-3, :8].mean().backward()
        optimizer.step()
    return llm


def close(left, right):
    assert (left - right).abs().max() <= 1e-4 * right.abs().max()


@torch.no_grad()
def test_at_first_all_is_read_as_without_them(make, kind):
    embeds = embeds_of(make("none"))
    expected = make("none").hidden(embeds)
    made = make(kind).hidden(embeds, media=places())
    assert (made - expected).abs().max() <= 2e-6 * expected.abs().max()


def test_every_one_of_them_learns_and_the_base_does_not(make, kind):
    llm = make(kind)
    trained(llm)
    for name, parameter in llm.media_layers.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any() or ".k_proj.bias" in name, name
    frozen = [p for name, p in llm.base.named_parameters() if ".lora_" not in name]
    assert all(p.grad is None and not p.requires_grad for p in frozen)


def test_once_trained_only_media_and_what_follows_them_change(make, kind):
    plain, llm = make("none"), trained(make(kind))
    embeds = embeds_of(plain)
    with torch.no_grad():
        expected, made = plain.hidden(embeds), llm.hidden(embeds, media=places())
        assert llm.hidden(embeds).equal(expected)
    first = MEDIA[0].start
    close(made[:, :first], expected[:, :first])
    assert (made - expected)[:, MEDIA[0]].abs().amax(-1).min() > 1e-2
    assert (made - expected)[:, MEDIA[0].stop].abs().max() > 1e-4


def keys_at(start, stop):
    media = places()[0]
    return [("cat", index) if media[index] else index for index in range(start, stop)]


@torch.no_grad()
def read(llm, context, embeds, end):
    part = slice(context.length, end)
    [hidden] = llm.read([(context, embeds[0, part], keys_at(context.length, end))])
    return hidden


@pytest.mark.parametrize("answering", [False, True])
def test_pieces_batches_and_crops_read_as_a_whole(make, kind, answering):
    llm = trained(make(kind))
    embeds = embeds_of(llm)
    with torch.no_grad():
        expected = llm.hidden(embeds, media=places())[0]
    if answering:
        llm.prepare_answering(unpacked)
        assert llm.llama is None
    context, hidden = KVCache(), []
    for end in (1, 4, 7, 8, 30, 45, 46, 132, LENGTH):
        hidden.append(read(llm, context, embeds, end))
    close(torch.cat(hidden), expected)
    if answering:
        assert torch.cat(hidden).equal(read(llm, KVCache(), embeds, LENGTH))
    context.crop(50)
    other = KVCache()
    rows = [
        (context, embeds[0, 50:90], keys_at(50, 90)),
        (other, embeds[0, :20], keys_at(0, 20)),
    ]
    with torch.no_grad():
        first, second = llm.read(rows)
    close(first, expected[50:90])
    close(second, expected[:20])


def test_checkpointing_changes_no_gradient(make, kind):
    gradients = []
    for checkpointing in (False, True):
        llm = trained(make(kind)).train()
        llm.prepare_training(checkpointing=checkpointing)
        llm.zero_grad()
        embeds = embeds_of(llm).expand(2, -1, -1)
        lengths, media = torch.tensor([LENGTH, 70]), places().expand(2, -1)
        hidden_states(llm, embeds, lengths, 4, media=media)[:, :70, :8].mean().backward()
        gradients.append({n: p.grad for n, p in llm.named_parameters() if p.grad is not None})
    plain, again = gradients
    assert any(".lora_B." in name for name in plain)
    assert plain.keys() == again.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(again[name], gradient, atol=1e-6, rtol=1e-3)


@torch.no_grad()
def test_rows_that_are_trained_together_know_their_own_media(make, kind):
    llm = make(kind)
    with torch.enable_grad():
        trained(llm)
    embeds = embeds_of(llm).expand(3, -1, -1)
    media = torch.stack([places()[0], places()[0].roll(9), torch.zeros(LENGTH, dtype=torch.bool)])
    lengths, shared = torch.tensor([LENGTH, 70, 30]), 4
    hidden = hidden_states(llm, embeds, lengths, shared, media=media)
    for row, length in enumerate(lengths):
        alone = llm.hidden(embeds[:1, :length], media=media[row : row + 1, :length])
        close(hidden[row, :length], alone[0])


# --- in the whole system


@pytest.fixture
def build(make_model, kind):
    return lambda: make_model(settings=[f"llm.media_layers={kind}"])


def test_the_training_stages_tell_where_media_stand(build, image, video):
    model = build()
    messages = [user("look ", image, "here", video), Message("assistant", ("a cat",))]
    batch = assemble(model, [Dialogue(messages), Dialogue([user("hi"), messages[1]])])
    count = sum(1 + model.encoder.length(m) for m in ("image", "video"))
    assert batch.media.sum(1).tolist() == [count, 0]
    assert batch.media.shape == batch.labels.shape
    assert not (batch.labels[batch.media] >= 0).any()
    text_loss(model.llm, hidden_of(model, batch), batch.labels).backward()
    learned = [n for n, p in model.named_parameters() if "media_layers" in n and p.grad is not None]
    assert learned
    assert all(name.startswith(LEARNED["instruct"]) for name in learned)


def test_they_are_saved_and_loaded_and_what_was_saved_answers_alike(build, kind, image, tmp_path):
    model = build()
    with torch.no_grad():
        for parameter in model.llm.media_layers.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    model.save_pretrained(tmp_path / "saved")
    loaded = AnyGen.from_pretrained(tmp_path / "saved")
    names = [name for name in own_tensors(loaded.model) if "media_layers" in name]
    assert names == [name for name in own_tensors(model) if "media_layers" in name]
    loaded.save_pretrained(tmp_path / "again")
    again = AnyGen.from_pretrained(tmp_path / "again")
    asked = [user(image, "look"), Message("assistant", ("ok",)), user("draw")]
    answers = [
        told(forget(m).reply(asked, max_new_tokens=8, begin="image", media=ONE_STEP))
        for m in (loaded, again)
    ]
    assert answers[0] == answers[1]
    zeros = {n: t * 0 for n, t in own_tensors(again.model, ["llm.media_layers"]).items()}
    save_weights(zeros, tmp_path / "zero")
    load_weights(again.model, [tmp_path / "zero"])
    changed = told(forget(again).reply(asked, max_new_tokens=8, begin="image", media=ONE_STEP))
    assert changed != answers[0]


def test_layers_of_other_names_have_no_visual_expert(tmp_path):
    publish("llama 3", tmp_path)
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    ids = {"pad_token_id": 0, "eos_token_id": 1}
    Phi3ForCausalLM(Phi3Config(vocab_size=343, **sizes, **heads, **ids)).save_pretrained(tmp_path)
    settings = ["llm.media_layers=visual_expert", "llm.lora.targets=[qkv_proj]"]
    with pytest.raises(ValueError, match=r"llm.media_layers: .* write none or adapter"):
        LanguageModel(load_system("tiny/system", settings).llm, tmp_path, ())
