import pytest
from transformers import AutoTokenizer

from anygen.generation.detokenizer import Detokenizer

TEXTS = [
    "a flat cat on a blue background",
    "  two spaces,\n\na new line\tand more. ",
    "größer, naïve, ½ €",
    "你好，世界。再 见",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 family \U0001f3f3\ufe0f\u200d\U0001f308x",
    "a\U0001f600b \U0001f600",
]


@pytest.fixture(scope="module")
def tokenizer(tiny_llm):
    return AutoTokenizer.from_pretrained(tiny_llm)


def ids_of(text, tokenizer):
    return tokenizer(text, add_special_tokens=False).input_ids


def shown(events):
    return [event.text for event in events]


@pytest.mark.parametrize("text", TEXTS)
def test_the_pieces_are_the_text_and_no_character_is_ever_half(tokenizer, text):
    stream, ids = Detokenizer(tokenizer), ids_of(text, tokenizer)
    deltas = [delta for token in ids for delta in shown(stream.add(token))]
    assert "".join([*deltas, *shown(stream.rest())]) == text
    assert not any("\ufffd" in delta for delta in deltas)


def test_text_is_shown_as_soon_as_it_is_whole(tokenizer):
    stream = Detokenizer(tokenizer)
    first, last = ids_of("é", tokenizer)
    assert shown(stream.add(*ids_of("x", tokenizer))) == ["x"]
    assert shown(stream.add(first)) == []
    assert shown(stream.add(last)) == ["é"]
    assert shown(stream.rest()) == []


def test_an_answer_cut_inside_a_character_ends_with_a_replacement(tokenizer):
    stream = Detokenizer(tokenizer)
    ids = ids_of("ok \U0001f600", tokenizer)[:-1]
    deltas = [delta for token in ids for delta in shown(stream.add(token))]
    assert "".join([*deltas, *shown(stream.rest())]) == "ok \ufffd"


def test_what_follows_a_medium_starts_anew(tokenizer):
    stream = Detokenizer(tokenizer)
    first, last = ids_of("é", tokenizer)
    assert shown(stream.add(first)) == []
    assert shown(stream.rest()) == ["\ufffd"]
    assert shown(stream.add(*ids_of("x", tokenizer))) == ["x"]
    assert [*shown(stream.add(first)), *shown(stream.add(last))] == ["é"]


def test_special_tokens_are_not_text(tokenizer):
    stream = Detokenizer(tokenizer)
    ids = [*ids_of("a b", tokenizer), tokenizer.eos_token_id, *ids_of(" c", tokenizer)]
    deltas = [delta for token in ids for delta in shown(stream.add(token))]
    assert "".join([*deltas, *shown(stream.rest())]) == "a b c"
