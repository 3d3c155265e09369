import json
import shutil
import sys
import threading
from copy import deepcopy

import pytest
from jinja2 import TemplateError
from jinja2.exceptions import SecurityError
from transformers import AutoTokenizer

from anygen.llm.tokenization import ids_of, plain_template, read_plain_tokenizer

TEXTS = ["", "hi", "<|im_start|>user\nA cat, 123<|im_end|>", " naïve 日本\n\n  x"]
TURNS = [{"role": "user", "content": "hey"}, {"role": "assistant", "content": "a {{ b }}"}]


@pytest.fixture
def folder(tiny_llm, tmp_path):
    """A copy of an LLM's folder, to be changed."""
    return shutil.copytree(tiny_llm, tmp_path / "llm")


def change(path, **settings):
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("add_special_tokens", [True, False])
@pytest.mark.parametrize("split_special_tokens", [True, False])
def test_texts_have_the_ids_of_transformers(
    tiny_llm, text, add_special_tokens, split_special_tokens
):
    ours, theirs = read_plain_tokenizer(tiny_llm), AutoTokenizer.from_pretrained(tiny_llm)
    settings = {
        "add_special_tokens": add_special_tokens,
        "split_special_tokens": split_special_tokens,
    }
    ids = theirs(text, **settings).input_ids
    assert ours(text, **settings).input_ids == ids
    assert ours([text, "b"], **settings).input_ids == theirs([text, "b"], **settings).input_ids
    for skip in (True, False):
        assert ours.decode(ids, skip) == theirs.decode(ids, skip_special_tokens=skip)


def test_tokens_and_conversations_are_those_of_transformers(tiny_llm):
    ours, theirs = read_plain_tokenizer(tiny_llm), AutoTokenizer.from_pretrained(tiny_llm)
    assert ours.special_tokens_map == theirs.special_tokens_map
    assert (ours.bos_token_id, ours.eos_token_id) == (theirs.bos_token_id, theirs.eos_token_id)
    assert ours.added_tokens_decoder == theirs.added_tokens_decoder
    assert ours.get_vocab() == theirs.get_vocab()
    assert ours.chat_template == theirs.chat_template
    for reply in (True, False):
        texts = [
            tokenizer.apply_chat_template(TURNS, tokenize=False, add_generation_prompt=reply)
            for tokenizer in (ours, deepcopy(ours), theirs)
        ]
        assert texts[0] == texts[1] == texts[2]


@pytest.mark.parametrize(
    ("file", "settings"),
    [
        ("tokenizer_config.json", {"add_bos_token": True}),
        ("tokenizer_config.json", {"tokenizer_class": "LlamaTokenizer"}),
        ("tokenizer_config.json", {"eos_token": "a word that is no special token"}),
        ("tokenizer_config.json", {"clean_up_tokenization_spaces": True}),
        ("tokenizer.json", {"added_tokens": 3}),
        ("special_tokens_map.json", {"eos_token": "</s>"}),
    ],
)
def test_any_other_tokenizer_is_left_to_transformers(folder, file, settings):
    assert read_plain_tokenizer(folder) is not None
    path = folder / file
    path.touch()
    path.write_text(path.read_text() or "{}")
    change(path, **settings)
    assert read_plain_tokenizer(folder) is None


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages | tojson }}",
        "{% set seen = namespace(last=0) %}{{ messages }}",
        "{{ raise_exception('no') }}",
        "{{ strftime_now('%Y') }}",
        "{% generation %}{{ messages }}{% endgeneration %}",
        "{% if tools %}{{ tools }}{% endif %}",
        "{{ unfinished",
    ],
)
def test_a_template_that_uses_more_than_messages_is_left_to_transformers(tiny_llm, template):
    assert read_plain_tokenizer(tiny_llm, template) is None


def test_another_template_stands_in_for_the_tokenizers_own(tiny_llm):
    tokenizer = read_plain_tokenizer(
        tiny_llm, "{% for m in messages %}[{{ m.content }}]{% endfor %}"
    )
    assert tokenizer.apply_chat_template(TURNS, tokenize=False) == "[hey][a {{ b }}]"


def test_a_template_cannot_leave_its_sandbox():
    template = plain_template("{{ messages.__class__.__mro__ }}")
    with pytest.raises(SecurityError):
        template.render(messages=TURNS)
    with pytest.raises(TemplateError):
        plain_template("{{ messages.append(1) }}").render(messages=[])


@pytest.mark.parametrize("read", [read_plain_tokenizer, AutoTokenizer.from_pretrained])
def test_a_text_has_the_same_ids_whatever_other_threads_tokenise(tiny_llm, read):
    tokenizer = read(tiny_llm)
    text = f"hi{tokenizer.eos_token}"
    alone = {plain: ids_of(text, tokenizer, split_special_tokens=plain) for plain in (True, False)}
    assert alone[True] != alone[False]
    found = {True: set(), False: set()}

    def tokenise(plain):
        for _ in range(1000):
            found[plain].add(ids_of(text, tokenizer, split_special_tokens=plain))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=tokenise, args=(plain,)) for plain in found]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert found == {plain: {ids} for plain, ids in alone.items()}
