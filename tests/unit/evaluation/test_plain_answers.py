import random

import pytest
import torch

from anygen.core.media import Message
from anygen.evaluation.results import measured
from anygen.evaluation.suites.world import cases, plain_answers
from anygen.evaluation.suites.world.plain_answers import RETENTION, compare
from anygen.llm.router import Router
from support.people_rows import answer

CONVERSATION = [
    Message("user", ("hello",)),
    Message("assistant", ("A red cat.",)),
    Message("user", ("and a blue one?",)),
]


@pytest.fixture(scope="module")
def llm(tiny_llm):
    return plain_answers.untouched(str(tiny_llm))


@pytest.fixture(scope="module")
def ids(llm) -> list[int]:
    return plain_answers.prompt_ids(llm, CONVERSATION)


def scored(llm, ids, text, routed=None):
    outcome = compare(llm, ids, answer(text), "A red cat.", routed)
    right = {name: sources["model"][0] for name, sources in outcome.scores.items()}
    return right, measured(RETENTION, [outcome.numbers])["value"]


def test_the_base_models_own_answer_is_equal_and_loses_nothing(llm, ids):
    assert scored(llm, ids, "A red cat.") == ({"plain_equal": 1, "text_clean": 1}, 0)


def test_another_answer_is_not_equal_and_an_empty_one_has_no_likelihood(llm, ids):
    right, loss = scored(llm, ids, "A red ball.")
    assert right == {"plain_equal": 0, "text_clean": 1}
    assert loss != 0
    assert scored(llm, ids, "") == ({"plain_equal": 0, "text_clean": 1}, None)


def test_only_what_the_router_leaves_to_the_base_model_must_be_equal(llm, ids):
    right, _ = scored(llm, ids, "A red cat.", routed=True)
    assert right == {"plain_routed": 1, "plain_equal": 1, "text_clean": 1}
    right, _ = scored(llm, ids, "Here is a cat.", routed=False)
    assert right == {"plain_routed": 0, "text_clean": 1}


def test_a_router_is_asked_about_the_last_position_of_the_prompt(llm, ids):
    router = Router(llm.width)
    for bias, left in ((1.0, False), (-1.0, True)):
        with torch.no_grad():
            router.output.bias.fill_(bias)
        assert plain_answers.is_left(router, llm, ids) is left


def test_a_conversation_is_not_the_same_question_as_its_last_turn(llm):
    last, whole = CONVERSATION[-1:], CONVERSATION
    rows = [plain_answers.prompt_ids(llm, messages) for messages in (last, whole)]
    assert len(rows[0]) < len(rows[1])
    assert rows[1][-len(rows[0]) // 2 :] == rows[0][-len(rows[0]) // 2 :]


def test_text_that_loops_is_found(llm, ids):
    assert scored(llm, ids, "la femme " * 9)[0] == {"plain_equal": 0, "text_clean": 0}


def test_half_of_the_plain_prompts_are_in_conversations_and_all_are_asked_greedily():
    first, later = (cases.evaluation_prompt(random.Random(i), i) for i in (0, 150))
    assert (len(first.messages), first.options.temperature) == (1, 0)
    assert len(later.messages) > 1
    assert [message.role for message in later.messages][-2:] == ["assistant", "user"]
