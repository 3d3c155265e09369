"""The prompts of NExT-GPT, PandaGPT, DreamLLM and LLaVA have the ids that their code gives them,
whichever files their tokenizer comes in."""

import json

import pytest

from anygen.core.media import Message
from anygen.importers.pandagpt import mark_ids
from anygen.llm.backbone import load_tokenizer
from anygen.llm.prompt import Features, Tokens, build_prompt
from support.published_prompts import MEDIUM, VICUNA, Published
from support.sentencepiece_folders import trained, write_tokenizer

VOCABULARY = 340
VARIANTS = [(legacy, fast) for legacy in (None, True, False) for fast in (False, True)]


@pytest.fixture(
    scope="module",
    params=VARIANTS,
    ids=lambda v: f"legacy={v[0]}-{'fast' if v[1] else 'slow'}",
)
def variant(request, tmp_path_factory):
    legacy, fast = request.param
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder, vocabulary=VOCABULARY, legacy=legacy, fast=fast)
    return folder, Published(trained(VOCABULARY), legacy)


@pytest.fixture
def theirs(variant):
    return variant[1]


@pytest.fixture
def tokenizer(variant):
    return lambda template: load_tokenizer(variant[0], template)


@pytest.fixture
def nextgpt(tokenizer):
    return tokenizer("nextgpt.jinja")


@pytest.fixture
def vicuna(tokenizer):
    return tokenizer("vicuna_v1.jinja")


def ids(messages, tokenizer, reply=True, marks=((), ())):
    """Of a prompt; a medium is what stands for it there, between its marks."""
    found = []
    for piece in build_prompt(messages, tokenizer, reply=reply):
        if isinstance(piece, Tokens):
            found += piece.ids
        elif isinstance(piece, Features):
            found += [*marks[0], MEDIUM, *marks[1]]
    return found


def dialogue(*texts):
    roles = ["user", "assistant"] * len(texts)
    return [
        Message(role, text if isinstance(text, tuple) else (text,))
        for role, text in zip(roles, texts, strict=False)
    ]


def with_system(*texts):
    return [Message("system", (VICUNA,)), *dialogue(*texts)]


def test_nextgpt_with_an_image(theirs, nextgpt, image):
    asked = dialogue((image, "what is it"))
    assert ids(asked, nextgpt) == theirs.nextgpt_with_image("what is it")
    assert ids(dialogue((image, " what is it")), nextgpt) == ids(asked, nextgpt)


def test_nextgpt_with_a_history(theirs, nextgpt):
    texts = "hello there", "Here is a cat.", "Look again"
    assert ids(dialogue(*texts), nextgpt) == theirs.nextgpt_dialogue(*texts)


def test_nextgpt_after_an_image_of_its_own(theirs, nextgpt, image):
    asked = dialogue("draw it", ("Here is a cat.", image), "Look again")
    expected = theirs.nextgpt_after_image("draw it", "Here is a cat.", "Look again")
    assert ids(asked, nextgpt) == expected


def test_pandagpt_with_an_image(theirs, nextgpt, image):
    asked = dialogue((image, "what is it"))
    expected = theirs.pandagpt_with_image("what is it")
    assert ids(asked, nextgpt, marks=mark_ids(nextgpt)) == expected
    assert [len(marks) for marks in mark_ids(nextgpt)] == [
        expected.index(MEDIUM) - len(theirs.text("### Human:")) - 1,
        len(theirs.text("</Img>")),
    ]


def test_dreamllm_with_an_image(theirs, vicuna, image):
    for question in ("\nwhat is it", "what is it", " what is it"):
        expected = theirs.dreamllm_with_image(question)
        assert ids(with_system((image, question)), vicuna) == expected


def test_dreamllm_with_a_history(theirs, vicuna):
    texts = "hello there", "Here is a cat.", "Look again"
    assert ids(with_system(*texts), vicuna) == theirs.dreamllm_dialogue(*texts)


def test_dreamllm_with_text_and_images(theirs, vicuna, image):
    texts = "draw it", "Here is a cat.", "It is red."
    answered = with_system("draw it", ("Here is a cat.", image, "It is red."))
    assert ids(answered, vicuna, reply=False) == theirs.dreamllm_interleaved(*texts)


def test_dreamllm_with_an_image_at_once(theirs, vicuna, image):
    answered = with_system("draw it", (image,))
    assert ids(answered, vicuna, reply=False) == theirs.dreamllm_interleaved("draw it", "", "")


def test_dreamllm_with_a_prompt_for_an_image(theirs, tokenizer):
    prompt = "A picture of a red ball."
    assert ids(dialogue(prompt), tokenizer("plain.jinja")) == theirs.dreamllm_text_to_image(prompt)


def test_llava_with_an_image(theirs, vicuna, image):
    expected = theirs.llava_with_image("\nwhat is it")
    assert ids(with_system((image, "\nwhat is it")), vicuna) == expected


def test_llava_with_a_history(theirs, vicuna, image):
    first, answer, second = "what is it", "Here is a cat.", "Look again"
    asked = with_system((image, f"\n{first}"), answer, second)
    assert ids(asked, vicuna) == theirs.llava_dialogue(first, answer, second)


def test_a_saved_tokenizer_gives_the_same_ids(variant, vicuna, tmp_path, image):
    asked = with_system((image, "\nhello"), "Here is a cat.", "Look again")
    vicuna.save_pretrained(tmp_path)
    assert ids(asked, load_tokenizer(tmp_path, "vicuna_v1.jinja")) == ids(asked, vicuna)
    path = tmp_path / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    del settings["legacy"]  # as transformers 5 saves it
    path.write_text(json.dumps(settings))
    assert ids(asked, load_tokenizer(tmp_path, "vicuna_v1.jinja")) == ids(asked, vicuna)


def test_an_answer_is_found_again_in_what_was_read(vicuna, image):
    """Text behind a medium is stored without the space of its first token."""
    prompt = ids(with_system("draw it"), vicuna)
    said = vicuna("again, please", add_special_tokens=False).input_ids
    text = vicuna.decode(said)
    answered = ids(with_system("draw it", (image, text)), vicuna, reply=False)
    assert answered == [*prompt, MEDIUM, *said, vicuna.eos_token_id]
