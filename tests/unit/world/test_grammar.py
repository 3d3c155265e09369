"""Templates with alternatives, and sentences as people type them."""

import random

import pytest

from mosit_data.world.language.english.requests import ASK_PICTURE, ASK_VIDEO, SOUND_ASK
from mosit_data.world.language.grammar import expand, phrasings, table
from mosit_data.world.language.keyboard import MANNER, NAMES, slip, typed


def every(template: str) -> set[str]:
    rng = random.Random(0)
    return {expand(rng, template, x="a cat") for _ in range(300)}


def test_a_bracket_stands_for_each_of_its_alternatives() -> None:
    assert every("draw [me |]{x}[!|?]") == {
        *("draw me a cat!", "draw me a cat?", "draw a cat!", "draw a cat?"),
    }


def test_brackets_nest() -> None:
    assert every("a[b[c|d]|e]") == {"abc", "abd", "ae"}


@pytest.mark.parametrize("template", ["a [b", "a ] b"])
def test_a_bracket_without_its_partner_is_refused(template) -> None:
    with pytest.raises(ValueError, match="bracket"):
        expand(random.Random(0), template)


@pytest.mark.parametrize("bank", [ASK_PICTURE, SOUND_ASK, ASK_VIDEO])
def test_some_templates_of_a_bank_are_held_out_and_no_other_is(bank) -> None:
    train, heldout = set(phrasings(bank, "train")), set(phrasings(bank, "heldout"))
    assert train.isdisjoint(heldout)
    assert train | heldout == set(bank)
    assert 0.03 < len(heldout) / len(train | heldout) < 0.35


def test_a_small_bank_is_not_divided() -> None:
    assert phrasings(("a", "b"), "heldout") == ("a", "b")


def test_a_row_of_a_table_may_go_on_in_an_indented_line() -> None:
    text = """
    cat: a tiger; a
        lion
    dog: a wolf
    """
    assert table(text) == {"cat": ("a tiger", "a lion"), "dog": ("a wolf",)}


@pytest.mark.parametrize("word", ["strawberry", "picture", "elephant", "background"])
def test_a_slip_changes_a_word_a_little_and_never_into_another_name(word) -> None:
    rng = random.Random(1)
    for _ in range(200):
        wrong = slip(rng, word)
        assert wrong != word
        assert abs(len(wrong) - len(word)) <= 1
        assert wrong not in NAMES


@pytest.mark.parametrize(
    ("manner", "expected"),
    [
        ("careful", "Can you draw a cat?"),
        ("capitals", "CAN YOU DRAW A CAT?"),
    ],
)
def test_a_sentence_is_typed_in_one_manner(manner, expected) -> None:
    assert typed(random.Random(2), "can you draw a cat?", manner).rstrip("!") == expected


def test_lower_case_keeps_the_words() -> None:
    assert MANNER["lower"](random.Random(3), "Draw a CAT.") == "draw a cat"
