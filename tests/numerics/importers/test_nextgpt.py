"""NExT-GPT: our model asks decoders for the same as theirs did, and one wrong key is told."""

import pytest
import torch

from anygen import AnyGen
from anygen.importers.conversion import import_checkpoint
from support.foreign.importing import conditions_of, converted, hidden_of, user, write_base
from support.foreign.nextgpt import (
    COUNTS,
    legacy_spans,
    legacy_system,
)

MODALITIES = tuple(COUNTS)


def close(left, right):
    torch.testing.assert_close(left, right, atol=1e-4, rtol=1e-4)


@pytest.fixture
def theirs(nextgpt):
    return nextgpt


@pytest.fixture
def model(nextgpt_model):
    return nextgpt_model


@pytest.fixture
def changed(nextgpt_copy):
    """The folder of the checkpoint after `change` has edited its keys."""

    def edit(change=lambda keys: None):
        path = nextgpt_copy / "pytorch_model.pt"
        keys = torch.load(path)
        change(keys)
        torch.save(keys, path)
        return nextgpt_copy

    return edit


def wanted(theirs, model, image):
    """Hidden states after a span, and the condition, by their computation."""
    spans, brackets = legacy_spans(theirs.vocabulary), theirs.vocabulary
    [features] = model.model.encoder.encode([image])
    return {
        m: theirs.condition(m, features, spans[m], [brackets], [brackets + 1]) for m in MODALITIES
    }


def test_the_published_checkpoint_asks_for_the_same_media(theirs, model, image):
    ours = conditions_of(model, [user(image, "draw it")], *MODALITIES)
    for modality, condition in zip(MODALITIES, ours, strict=True):
        hidden, expected = wanted(theirs, model, image)[modality]
        close(condition, expected)
        # and what it would say next, text or the first token of a medium
        before = hidden_of(model, [user(image, "draw it")])
        logits = theirs.head(hidden[: len(before)])
        spans = legacy_spans(theirs.vocabulary)
        triggers = [spans[m][0] for m in model.model.llm.signals.modalities]
        said = torch.cat([logits[:, : theirs.vocabulary], logits[:, triggers]], 1)
        close(model.model.llm.logits(before), said)


def test_an_imported_model_is_saved_with_its_llm(model, image, tmp_path):
    model.save_pretrained(tmp_path / "again")
    again = AnyGen.from_pretrained(tmp_path / "again")
    assert (tmp_path / "again" / "base" / "model.safetensors").is_file()
    [ours, other] = (conditions_of(m, [user(image, "draw it")], "image")[0] for m in (model, again))
    torch.testing.assert_close(ours, other, atol=0.1, rtol=0.1)  # saved in half precision


def swap_q_and_k(keys):
    for name in [name for name in keys if ".q_proj." in name]:
        other = name.replace(".q_proj.", ".k_proj.")
        keys[name], keys[other] = keys[other], keys[name]


def swap_brackets(keys):
    rows = keys["llama_model.base_model.model.model.embed_tokens.weight"].data
    first = len(rows) - 38
    rows[[first, first + 1]] = rows[[first + 1, first]]


def scale_what_the_vocabulary_learned(keys):
    keys["llama_model.base_model.model.model.embed_tokens.weight"].data[:-38] *= 2


def lose_lora(keys):
    for name in keys:
        if ".lora_B." in name:
            keys[name].data.zero_()


def swap_norms(keys):
    names = [f"gen_text_hidden_fcs.0.tfm.{half}.norm.weight" for half in ("encoder", "decoder")]
    keys[names[0]].data[:] = 2.0
    keys[names[1]].data[:] = 0.5


@pytest.mark.parametrize(
    "change",
    [swap_q_and_k, swap_brackets, scale_what_the_vocabulary_learned, lose_lora, swap_norms],
)
def test_one_wrong_key_would_be_seen(theirs, changed, base, image, change, tmp_path):
    system = legacy_system(tmp_path / "system.yaml", base)
    model = converted(changed(change), "nextgpt_7b_tiva_v0", system, tmp_path / "out")
    [condition] = conditions_of(model, [user(image, "draw it")], "image")
    assert (condition - wanted(theirs, model, image)["image"][1]).abs().max() > 1e-3


@pytest.fixture
def refused(changed, base, tmp_path):
    """The sentence that an import fails with."""

    def run(change=lambda keys: None, **sections):
        folder = changed(change)
        system = legacy_system(tmp_path / "system.yaml", base, **sections)
        with pytest.raises(ValueError, match=r"\w") as error:
            import_checkpoint(folder, "nextgpt_7b_tiva_v0", system, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        return str(error.value)

    return run


def without(*endings):
    def change(keys):
        for name in [name for name in keys if name.endswith(endings)]:
            del keys[name]

    return change


def test_a_checkpoint_without_lora_is_refused(refused):
    error = refused(without(".lora_A.default.weight", ".lora_B.default.weight"))
    assert "nothing in the checkpoint fills llm.base.model.layers.0" in error
    assert "llm.lora and llm.signals must be those that it was trained with" in error


def test_projectors_made_for_another_decoder_are_refused(refused):
    other = {"name": "support.foreign.decoder", "modality": "image", "tokens": 7, "width": 32}
    error = refused(decoders={"image": other})
    assert "output_projectors.image.outward.weight is (20, 16) there and (32, 16)" in error
    assert "the projector was made for another decoder" in error


def test_an_llm_of_another_width_is_refused(refused, tmp_path):
    error = refused(llm={"base": str(write_base(tmp_path / "wide", width=48))})
    assert "made for an LLM of width 32, and llm.base has width 48" in error


def test_an_llm_whose_tables_are_one_is_refused(refused, tmp_path):
    error = refused(llm={"base": str(write_base(tmp_path / "tied", tied=True))})
    assert "llm.base shares one token table for input and output" in error


def test_an_llm_of_the_same_shape_that_it_was_not_tuned_from_is_refused(refused, tmp_path):
    """Vicuna v1.5 has the shapes of v0, but comes from Llama 2."""
    other = write_base(tmp_path / "other", seed=1)
    error = refused(llm={"base": str(other)})
    assert "table of tokens was not tuned from that of llm.base (the median cosine" in error
    assert error.endswith("name the LLM that it was tuned from")


def test_an_llm_with_a_pad_token_that_the_checkpoint_lacks_is_refused(refused, tmp_path):
    """As some merges of Vicuna v0 have, with 32001 rows."""
    padded = write_base(tmp_path / "padded", rows=341)
    error = refused(llm={"base": str(padded)})
    assert "beyond the 341 tokens of llm.base there should be <Img>, </Img>, [IMG0]" in error


def test_an_llm_with_another_vocabulary_is_refused(refused, tmp_path):
    small = write_base(tmp_path / "small", vocabulary=320)
    error = refused(llm={"base": str(small)})
    assert "has another vocabulary than that of llm.base" in error


@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        ({"output_projector": {"kind": "linear"}}, "output_projector.kind is 'linear'"),
        ({"llm": {"lora": {"rank": 32, "alpha": 64}}}, "llm.lora.alpha is 64"),
        ({"llm": {"signals": {"marks": "around"}}}, "llm.signals.tokens is"),
    ],
)
def test_settings_that_would_compute_something_else_are_refused(refused, sections, sentence):
    if "signals" in sections.get("llm", {}):
        sections = {"llm": {"signals": {"marks": "around", "tokens": {"image": 5}}}}
    assert sentence in refused(**sections)
