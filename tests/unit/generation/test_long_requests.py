"""However long a request is: what cannot be read is not tokenized, and nothing is counted twice."""

import pytest

from anygen.core.media import Message
from anygen.generation import request_checks
from anygen.generation.choices import ids_of_choices
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from anygen.generation.request_checks import (
    least_tokens,
    lengths_of,
    pieces_of,
    prepare,
    prepare_scores,
)
from anygen.llm import prompt
from anygen.llm.prompt import Tokens, build_prompt
from anygen.llm.tokenization import ids_of

CONTEXT = 240


@pytest.fixture(scope="module")
def model(make_model):
    return make_model(settings=[f"llm.context={CONTEXT}"]).eval().requires_grad_(False)


@pytest.fixture
def tokenized(monkeypatch):
    """The texts of prompts that are tokenized."""
    texts = []

    def noted(text, *others, **settings):
        texts.append(text)
        return ids_of(text, *others, **settings)

    monkeypatch.setattr(prompt, "ids_of", noted)
    return texts


def user(*parts):
    return Message("user", parts)


def dialogue(turns):
    said = [(user(f"is it {turn}?"), Message("assistant", ("no",))) for turn in range(turns)]
    return [*(message for pair in said for message in pair), user("why?")]


@pytest.mark.parametrize(
    "text", ["", "a", "a red ball", " " * 500, "\n" * 99, "-" * 300, "é漢" * 9]
)
def test_no_text_has_fewer_tokens_than_are_reckoned(model, text):
    assert least_tokens(model, text) <= len(ids_of(text, model.llm.tokenizer))


@pytest.mark.parametrize("parts", [["x" * 10**6], ["x"] * (CONTEXT + 1)])
def test_a_question_that_cannot_fit_is_refused_without_being_tokenized(model, tokenized, parts):
    with pytest.raises(
        ValueError, match=r"have at least \d+ tokens, .* can read 240; shorten them"
    ):
        prepare(model, Request([user("hi"), user(*parts)]))
    assert tokenized == []


def test_so_is_a_choice(model, tokenized):
    options = AnswerOptions(choices=("yes", "x" * 10**6))
    with pytest.raises(ValueError, match=r"choices: 'x{40}' has at least \d+ tokens, .* have 240$"):
        prepare(model, Request([user("hi")], 0, options))
    assert tokenized == []


def test_what_lies_far_before_the_last_message_is_not_tokenized(model, tokenized):
    prepared = prepare(model, Request(dialogue(5000)))
    kept = len({piece.message for piece, _ in prepared.prompt.pieces if isinstance(piece, Tokens)})
    assert prepared.forgotten.messages > 10_001 - CONTEXT
    assert kept < CONTEXT
    assert len(tokenized) < 20 * CONTEXT
    assert "is it 4990?" in "".join(tokenized)
    assert "is it 4000?" not in "".join(tokenized)


def test_an_earlier_message_that_could_never_fit_is_dropped_without_being_tokenized(
    model, tokenized, image
):
    earlier = [user(image, "x" * 10**6), Message("assistant", ("no",))]
    prepared = prepare(model, Request([*earlier, *dialogue(1)]))
    assert vars(prepared.forgotten) == {"messages": 2, "media": 1}
    assert prepared.prompt.keys == prepare(model, Request(dialogue(1))).prompt.keys
    assert max(map(len, tokenized)) < CONTEXT


@pytest.mark.parametrize("turns", [1, 12, 25, 50])
def test_a_conversation_is_cut_where_it_would_be_if_all_of_it_was_tokenized(
    model, monkeypatch, turns
):
    messages = dialogue(turns)
    prepared = prepare(model, Request(messages))
    monkeypatch.setattr(request_checks, "REPLAYED", 10**6)
    whole = prepare(model, Request(messages))
    assert prepared.prompt.keys == whole.prompt.keys
    assert prepared.forgotten == whole.forgotten


def test_each_piece_of_a_prompt_is_counted_once(model, image):
    messages = [user(image, "what is it?", "tell me"), Message("assistant", ("a ball",)), user("?")]
    pieces = pieces_of(model, messages, AnswerOptions())
    texts = [
        sum(len(p.ids) for p in pieces if isinstance(p, Tokens) and p.message == index)
        for index in range(3)
    ]
    assert min(texts) > 0
    texts[0] += model.media_costs["image"]
    assert lengths_of(model, messages, iter(pieces)) == texts  # an iterator can be read only once


def test_the_words_before_choices_are_not_tokenized_for_each_of_them(model, tokenized):
    prepare_scores(model, [user("which one is it?")], ["a", "b"])
    few = sum("which one is it?" in text for text in tokenized)
    tokenized.clear()
    prepare_scores(model, [user("which one is it?")], list("abcdefgh"))
    assert sum("which one is it?" in text for text in tokenized) == few


@pytest.mark.parametrize("last", [("what is it?",), ("what?", "now?"), ("", "x ")])
def test_choices_have_the_tokens_that_they_have_behind_the_whole_conversation(model, image, last):
    messages = [*dialogue(2)[:-1], user(image, *last)]
    [ids] = ids_of_choices(model.llm, messages, ["a red ball"])
    answered = [*messages, Message("assistant", ("a red ball",))]
    pieces = build_prompt(answered, model.llm.tokenizer, reply=False)
    own = [p.ids for p in pieces if isinstance(p, Tokens) and p.message == len(messages)]
    assert ids == tuple(token for each in own for token in each)
