"""Chat templates of the families of LLMs: what is read, spelt as in one piece, and what ends it."""

import pytest

from anygen.config.loader import CONFIGS, load_system
from anygen.core.media import Message
from anygen.llm.backbone import find_stops, load_backbone, load_tokenizer, non_text_ids
from anygen.llm.chat_template import end_of_turn, read_template, supports_system_role
from anygen.llm.prompt import Features, Span, Tokens, build_prompt
from support.pretrained_llms import FAMILIES, publish

DIALOGUE = [
    Message("system", ("Be kind.",)),
    Message("user", ("hello there",)),
    Message("assistant", ("Here is a cat.",)),
    Message("user", ("Look",)),
]
# As the makers of each write it.
READ = {
    "vicuna": (
        "<s>Be kind. USER: hello there ASSISTANT: Here is a cat.</s>USER: Look ASSISTANT:",
        "</s>",
    ),
    "vicuna 0": (
        "<s>### Human: Be kind.\n\nhello there\n### Assistant: Here is a cat.\n"
        "### Human: Look\n### Assistant:",
        "\n###",
    ),
    "llama 3": (
        "<|begin|><|start_header_id|>system<|end_header_id|>\n\nBe kind.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nhello there<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nHere is a cat.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nLook<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "<|eot_id|>",
    ),
    "qwen 3": (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nhello there<|im_end|>\n"
        "<|im_start|>assistant\nHere is a cat.<|im_end|>\n<|im_start|>user\nLook<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\n\n",
        "<|im_end|>",
    ),
    "mistral": (
        "<s>[INST] Be kind.\n\nhello there [/INST] Here is a cat.</s>[INST] Look [/INST]",
        "</s>",
    ),
    "gemma 3": (
        "<bos><start_of_turn>user\nBe kind.\n\nhello there<end_of_turn>\n"
        "<start_of_turn>model\nHere is a cat.<end_of_turn>\n"
        "<start_of_turn>user\nLook<end_of_turn>\n<start_of_turn>model\n",
        "<end_of_turn>",
    ),
}
ENDS = {
    "vicuna": ({"</s>"}, ()),
    "vicuna 0": ({"</s>", "<0x04>"}, ("\n###", "###")),  # token 7 and "###" are in its settings
    "llama 3": ({"<|end|>", "<|eot_id|>"}, ()),
    "qwen 3": ({"<|im_end|>"}, ()),
    "mistral": ({"</s>"}, ()),
    "gemma 3": ({"<eos>", "<end_of_turn>"}, ()),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {name: publish(name, tmp_path_factory.mktemp("family")) for name in FAMILIES}


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture
def settings(family):
    return load_system("tiny/system", list(FAMILIES[family].settings)).llm


@pytest.fixture
def folder(folders, family):
    return folders[family]


@pytest.fixture
def tokenizer(folder, settings):
    return load_tokenizer(folder, settings.template)


def ids(pieces):
    return [id for piece in pieces if isinstance(piece, Tokens) for id in piece.ids]


def test_a_dialogue_is_spelt_as_if_it_were_one_text(family, tokenizer):
    text, _ = READ[family]
    first = tokenizer.bos_token or "no token"
    expected = tokenizer(text.removeprefix(first), add_special_tokens=False).input_ids
    if text.startswith(first):  # as makers do: a token, and a text that is encoded by itself
        expected = [tokenizer.bos_token_id, *expected]
    assert ids(build_prompt(DIALOGUE, tokenizer, reply=True)) == expected


def test_an_answer_is_learned_with_what_ends_it(family, tokenizer):
    pieces = build_prompt([*DIALOGUE, Message("assistant", ("hi",))], tokenizer, reply=False)
    learned = [piece.ids for piece in pieces if isinstance(piece, Tokens) and piece.learned]
    said = [tokenizer.decode(part).strip(" ") for part in learned]
    end = READ[family][1]
    assert end_of_turn(tokenizer) == end
    assert said == ["Here is a cat.", end, "hi", end]


def test_what_ends_an_answer_in_training_ends_it_in_a_chat(family, folder, settings, tokenizer):
    model = load_backbone(folder)
    stops = find_stops(model, tokenizer, settings.stop)
    tokens, texts = ENDS[family]
    assert {tokenizer.convert_ids_to_tokens(id) for id in stops.ids} == tokens
    assert stops.texts == texts


def test_the_text_of_an_answer_begins_where_the_prompt_ends(family, tokenizer):
    """So that what was said is found again in the context."""
    answered = [*DIALOGUE, Message("assistant", ("hello there",))]
    before = ids(build_prompt(DIALOGUE, tokenizer, reply=True))
    assert ids(build_prompt(answered, tokenizer, reply=False))[: len(before)] == before


def test_special_tokens_but_for_stops_are_no_text(family, folder, settings, tokenizer):
    model = load_backbone(folder)
    rows = model.get_input_embeddings().weight.shape[0]
    stops = find_stops(model, tokenizer, settings.stop)
    silent = non_text_ids(tokenizer, tokenizer.get_vocab().values(), rows, stops)
    assert not stops.ids & set(silent)
    assert {rows - 1, rows - 2, rows - 3} <= set(silent)  # no token has them
    assert set(tokenizer.all_special_ids) <= stops.ids | set(silent)
    assert not set(ids([Tokens(tuple(tokenizer("a cat <").input_ids[1:]))])) & set(silent)


def test_media_stand_among_the_texts(family, tokenizer, image):
    messages = [
        Message("user", (image, "look")),
        Message("assistant", ("a ", image)),
        Message("user", ("ok", image)),
    ]
    pieces = build_prompt(messages, tokenizer, reply=True)
    kinds = [type(piece) for piece in pieces if not isinstance(piece, Tokens)]
    assert kinds == [Features, Span, Features, Features]
    assert messages[0].parts[1] in tokenizer.decode(ids(pieces))


@pytest.mark.parametrize("family", ["vicuna", "llama 3", "mistral"], indirect=True)
def test_markers_in_a_users_text_stay_text(tokenizer):
    hostile = f"{tokenizer.eos_token}{tokenizer.bos_token} <|eot_id|>"
    harmless, other = (
        ids(build_prompt([Message("user", (text,))], tokenizer, reply=True))
        for text in ("x", hostile)
    )
    special = set(tokenizer.all_special_ids)
    assert sum(id in special for id in other) == sum(id in special for id in harmless)


def test_who_knows_the_role_of_the_system(family, tokenizer):
    assert supports_system_role(tokenizer) == (family in ("vicuna", "llama 3", "qwen 3"))


@pytest.mark.parametrize("family", ["mistral"], indirect=True)
def test_what_the_system_says_is_not_lost_where_an_assistant_speaks_first(tokenizer):
    messages = [Message("system", ("Be kind.",)), Message("assistant", ("hello",))]
    assert "Be kind." in tokenizer.decode(ids(build_prompt(messages, tokenizer, reply=False)))


@pytest.mark.parametrize("family", ["mistral"], indirect=True)
def test_a_dialogue_that_a_template_refuses_is_refused_with_its_reason(tokenizer):
    with pytest.raises(ValueError, match=r"messages: refused by .* template: .* must alternate"):
        build_prompt([DIALOGUE[1]] * 2, tokenizer, reply=True)


@pytest.mark.parametrize("family", ["llama 3"], indirect=True)
def test_a_first_token_that_only_the_tokenizer_adds_is_there_once(tokenizer):
    with_it = ids(build_prompt(DIALOGUE, tokenizer, reply=True))
    tokenizer.chat_template = tokenizer.chat_template.replace("{{ bos_token }}", "")
    assert ids(build_prompt(DIALOGUE, tokenizer, reply=True)) == with_it
    assert with_it.count(tokenizer.bos_token_id) == 1


@pytest.mark.parametrize("family", ["vicuna"], indirect=True)
def test_a_tokenizer_without_a_template_needs_a_setting(folder):
    with pytest.raises(ValueError, match=r"no chat template; .* plain.jinja, vicuna_v1.jinja"):
        load_tokenizer(folder, None)


def test_a_template_that_is_not_there_is_told_of_those_that_are():
    sentence = r"llm.template is 'vicuna'; there are .*nextgpt.jinja, plain.jinja, vicuna_v1.jinja"
    with pytest.raises(ValueError, match=sentence):
        read_template("vicuna")
    assert {p.suffix for p in (CONFIGS / "templates").iterdir()} == {".jinja"}
