"""A request that cannot be met is refused before anything is computed, by the name of its field."""

import pytest
from pydantic import ValidationError

from anygen import AnyGen
from anygen.core.media import Message
from anygen.generation.option_names import changed, described
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from anygen.generation.request_checks import prepare

HI = [Message("user", ("hi",))]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"modalities": []}, "modalities: an answer must hold something"),
        ({"modalities": ["text"], "begin": "image"}, "begin: no image may be made"),
        ({"max_media": 0, "begin": "image"}, "begin: no image may be made"),
        ({"at_most": {"image": 0}, "begin": "image"}, "begin: no image may be made"),
        ({"exactly": {"image": 0}, "begin": "image"}, "begin: no image may be made"),
        ({"exactly": {"audio": 1}, "max_media": 1, "begin": "image"}, "max_media: 1 is less than"),
        ({"modalities": ["text"], "exactly": {"audio": 1}}, "exactly: 1 audio cannot be made"),
        ({"at_most": {"audio": 1}, "exactly": {"audio": 2}}, "exactly: 2 audio cannot be made"),
        ({"max_media": 1, "exactly": {"audio": 2}}, "exactly: 2 audio cannot be made"),
        ({"max_media": 2, "exactly": {"audio": 2, "image": 1}}, "max_media: 2 is less than the 3"),
        ({"modalities": ["image"], "max_media": 0}, "modalities: nothing of image may be made"),
        (
            {"modalities": ["image"], "at_most": {"image": 0}},
            "modalities: nothing of image may be made",
        ),
        (
            {"modalities": ["image"], "exactly": {"image": 2}, "words_between": 1},
            "words_between: there are no words",
        ),
        (
            {"exactly": {"image": 3}, "words_between": 4, "max_new_tokens": 7},
            "words_between: 3 media with 4 words between them need 8 tokens or more",
        ),
        ({"stop": [""]}, "stop: an empty text"),
        ({"deadline": 0}, "deadline"),
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"max_media": -1}, "max_media"),
        ({"words_between": -1}, "words_between"),
        ({"exactly": {"image": -1}}, "exactly.image"),
        ({"at_most": {"smell": 1}}, "at_most.smell"),
        ({"begin": "text"}, "begin"),
        ({"feedback": "never"}, "feedback"),
        ({"media": {"image": {"step": 1}}}, "media.image.step"),
        ({"edit": {"ref": 0}}, "edit.ref"),
        ({"edit": {"ref": 1, "strength": 0}}, "edit.strength"),
        ({"edit": {"ref": 1, "strength": 1.1}}, "edit.strength"),
        ({"heat": 1}, "heat"),
    ],
)
def test_options_that_cannot_be_met_are_refused(options, said):
    with pytest.raises(ValidationError) as refused:
        AnswerOptions(**options)
    [error] = refused.value.errors()
    place = ".".join(part for part in map(str, error["loc"]) if part != "[key]")
    assert said in f"{place}: {error['msg']}"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"begin": "audio"}, "begin: this model makes no audio"),
        ({"exactly": {"audio": 1}}, "exactly: this model makes no audio"),
        ({"media": {"audio": {}}}, "media: this model makes no audio"),
        ({"modalities": ["audio"]}, "modalities: this model makes no audio"),
        ({"edit": {"ref": 2}}, "ref: there is no medium 2; the dialogue has 1"),
        ({"media": {"image": {"seconds": 1}}}, "seconds"),
    ],
)
def test_what_a_model_cannot_do_is_refused_before_anything_is_computed(
    make_model, tiny_system, image, options, said
):
    model = AnyGen(make_model().eval())
    del model.model.decoders.described["audio"]
    model.model.llm.read = model.model.encoder.encode = None
    with pytest.raises(ValueError, match=said):
        model.answer(Request([Message("user", (image,))], 0, AnswerOptions(**options)))


def test_there_must_be_a_question(tiny_model):
    with pytest.raises(ValueError, match="messages: there is none"):
        AnyGen(tiny_model).reply([])


@pytest.mark.parametrize("parts", [(), (" ",), ("", "\n")])
def test_a_question_says_something(tiny_model, parts):
    with pytest.raises(ValueError, match="messages: the last one is empty; write a text"):
        AnyGen(tiny_model).reply([Message("user", parts)])


@pytest.mark.parametrize("owed", [{"exactly": {"image": 1}}, {"begin": "image"}])
def test_media_that_cannot_fit_are_refused_before_anything_is_computed(make_model, owed):
    model = AnyGen(make_model().eval())
    model.model.llm.read = None
    cost, context = model.model.media_costs["image"], model.model.llm.context
    [message] = HI
    prompt = len(prepare(model.model, Request(HI)).prompt.keys)
    long = Message("user", ("a" * (len(message.parts[0]) + context - prompt - cost + 1),))
    for options in (owed, {"modalities": ["image"]}):
        with pytest.raises(ValueError, match=f"must hold take {cost} positions"):
            model.answer(Request([long], 0, AnswerOptions(**options)))
    many = {"image": context // cost + 1}
    with pytest.raises(ValueError, match="ask for fewer or shorten it"):
        model.answer(Request(HI, 0, AnswerOptions(exactly=many, max_media=999)))


def test_choices_are_typed_with_a_bar_between_them_and_shown_so():
    options = changed(AnswerOptions(), "choices", "yes|no, never")
    assert options.choices == ("yes", "no, never")
    assert described(options) == ["choices yes|no, never"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Message("user", "hi"), "parts: must be a tuple, not one str"),
        (lambda: Message("user", (3,)), "parts: each is a str, Image, Audio or Video, not int"),
        (lambda: Request("hi"), "messages: must be a list of Message, not one str"),
        (lambda: Request(HI[0]), "messages: must be a list of Message, not one Message"),
        (lambda: Request(["hi"]), "messages: each is a Message, not str"),
    ],
)
def test_a_conversation_of_other_types_is_refused_where_it_is_made(make, said):
    with pytest.raises(TypeError, match=said):
        make()


def test_a_role_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="role: 'human' is none of system, user, assistant"):
        Message("human", ("hi",))
