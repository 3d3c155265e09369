"""Given answers: how likely each is, and answers that are one of them."""

import pytest

from anygen import AnyGen
from anygen.core.media import Message
from anygen.evaluation.metrics import log_likelihood
from anygen.generation.choices import continuing, ids_of_choices
from anygen.llm.prompt import build_prompt
from anygen.model.multimodal import MultimodalModel
from anygen.numerics.fp16_linear import packed
from support.answers import forget, observed, user
from support.precision import unpacked

CHOICES = ["yes", "no", "a red cat", "a red ball"]


@pytest.fixture(scope="module", params=[packed, unpacked])
def model(saved_model, request):
    return forget(AnyGen(MultimodalModel.from_pretrained(saved_model, pack=request.param)))


def test_a_score_is_the_log_likelihood_that_transformers_gives(make_model):
    network, messages = make_model().eval(), [user("is it a cat?")]
    llm, read = network.llm, network.with_system_prompt(messages)
    pieces = build_prompt(read, llm.tokenizer, reply=True)
    prompt = [token for piece in pieces for token in piece.ids]
    scores = AnyGen(network).score_choices(messages, CHOICES)
    for score, text, ids in zip(scores, CHOICES, ids_of_choices(llm, read, CHOICES), strict=True):
        assert (score.text, score.tokens) == (text, len(ids))
        expected = log_likelihood(llm.base, prompt, ids)
        assert score.log_likelihood == pytest.approx(expected, abs=1e-3)
        assert score.mean == score.log_likelihood / len(ids)


def test_scores_are_the_same_alone_and_among_others(model, image, audio):
    rows = [
        ([user(image, "what is it?")], CHOICES),
        ([user("hi"), Message("assistant", ("hello",)), user(audio, "and this?")], CHOICES[:2]),
        *(([user("x" * length)], CHOICES[::-1]) for length in range(1, 10)),
    ]
    alone = [model.score_choices(*row) for row in rows]
    forget(model)
    assert model.score_many(rows) == alone


def test_a_prompt_and_its_media_are_read_once_for_all_choices(model, image):
    forget(model)
    messages = [user(image, "what is it?")]
    with observed(model) as work:
        scores = model.score_choices(messages, CHOICES)
    [first, *others] = work.pieces
    assert sum(map(len, others)) == sum(score.tokens - 1 for score in scores)
    assert len(first) > max(map(len, others))
    assert len(work.encoded) == 1


def test_scoring_leaves_the_conversation_as_it_was(model):
    messages = [user("draw a red cat")]
    before = forget(model).generate(messages, modalities=["text"], max_new_tokens=8)
    forget(model)
    model.score_choices(messages, CHOICES)
    assert model.generate(messages, modalities=["text"], max_new_tokens=8).parts == before.parts


@pytest.mark.parametrize("settings", [{}, {"temperature": 1.5}])
def test_an_answer_is_one_of_the_choices(model, settings):
    choices = ["cat", "cats", "a red cat", "a red ball", "\u732b"]
    answers = {
        model.generate([user(text)], seed=seed, choices=choices, **settings).parts
        for seed, text in enumerate(["hi", "a ball?", "what is it?", "1 + 1", "draw a cat", "cats"])
    }
    assert answers <= {(choice,) for choice in choices}
    assert len(answers) > 1 or not settings


def test_the_choice_that_is_likeliest_token_by_token_is_the_greedy_answer(model):
    messages = [user("is it a cat?")]
    first, second = "yes", "no"
    scores = {s.text: s for s in model.score_choices(messages, ["y", "n", first, second])}
    likelier = first if scores["y"].log_likelihood > scores["n"].log_likelihood else second
    assert model.generate(messages, choices=(first, second)).parts == (likelier,)


def test_what_follows_a_beginning_are_the_next_tokens_of_the_choices_that_begin_so():
    choices = [(1, 2), (1, 2, 3), (1, 4), (5,)]
    assert continuing(choices, []) == ({1, 5}, False)
    assert continuing(choices, [1]) == ({2, 4}, False)
    assert continuing(choices, [1, 2]) == ({3}, True)
    assert continuing(choices, [5]) == (set(), True)


@pytest.mark.parametrize(
    ("choices", "options", "sentence"),
    [
        ([""], {}, "none may be empty"),
        (["cat"], {"modalities": ["image"]}, "has text"),
        (["cat"], {"exactly": {"image": 1}}, "exactly: 1 image cannot be made"),
        (["a red cat"], {"max_new_tokens": 1}, "tokens, and an answer may have 1"),
    ],
)
def test_choices_that_cannot_be_the_answer_are_refused(model, choices, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        model.generate([user("hi")], choices=choices, **options)


def test_there_must_be_something_to_score(model):
    with pytest.raises(ValueError, match="choices: there is none to score"):
        model.score_choices([user("hi")], [])
