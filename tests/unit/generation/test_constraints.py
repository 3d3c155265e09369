"""What an answer may hold is kept to, by a model that wants it and by one that does not."""

import itertools
from collections import Counter

import pytest
import torch

from anygen import AnyGen
from anygen.core.media import Image, Message, modality_of
from anygen.core.modality import MEDIA
from anygen.generation.answer import collect
from anygen.generation.constraints import Choice, Constraints
from anygen.generation.engine import Engine
from anygen.generation.events import Done, MediaStarted, TextDelta
from anygen.generation.options import AnswerOptions
from support.answers import observed

COSTS = {"image": 12, "audio": 11, "video": 27}
ROOMY = 10_000
WILLING, UNWILLING = 100.0, -100.0
HI = [Message("user", ("hi",))]
FEW = {"media": {m: {"steps": 1} for m in MEDIA}}


@pytest.fixture
def model(make_model):
    return AnyGen(make_model().eval().requires_grad_(False))


def let(model, image=UNWILLING, audio=UNWILLING, video=UNWILLING):
    """How much it wants media."""
    model.model.llm.trigger_bias.copy_(torch.tensor([image, audio, video]))
    return model


def prefer(model, text):
    """It would rather say this one token than any other, or a medium of an unwilling one."""
    [token] = model.model.llm.tokenizer(text, add_special_tokens=False).input_ids
    model.model.llm.base.lm_head.register_forward_hook(
        lambda _, __, logits: logits.index_fill(-1, torch.tensor(token), 50.0)
    )


def answer(model, messages=HI, **options):
    return collect(model.reply(messages, **{"max_new_tokens": 6, **FEW, **options}))


def counts(answer):
    return Counter(modality_of(p) for p in answer.message.parts if not isinstance(p, str))


def text_of(answer):
    return "".join(part for part in answer.message.parts if isinstance(part, str))


def control(made=(), said="", **options):
    """After so many media and the words since the last one."""
    control = Constraints(AnswerOptions(**options), MEDIA)
    for modality in made:
        control.add_medium(modality)
    for word in said.split():
        control.add_token(f" {word}")
    return control


# --- what may come next


def test_without_limits_everything_may_come():
    assert control().choice(ROOMY, COSTS) == Choice(True, True, MEDIA)


def test_a_forbidden_modality_never_may():
    assert control(modalities=["text", "audio"]).choice(ROOMY, COSTS).media == ("audio",)
    assert control(modalities=["text"]).choice(ROOMY, COSTS) == Choice(True, True, ())
    assert control(max_media=0).choice(ROOMY, COSTS).media == ()
    assert control(at_most={"image": 0}).choice(ROOMY, COSTS).media == ("audio", "video")
    assert control(exactly={"video": 0}).choice(ROOMY, COSTS).media == ("image", "audio")


def test_limits_count_what_was_made():
    assert control(["image"], at_most={"image": 1}).choice(ROOMY, COSTS).media == MEDIA[1:]
    assert control(["audio", "image"], max_media=2).choice(ROOMY, COSTS).media == ()


def test_what_is_owed_comes_before_the_end():
    assert control(exactly={"image": 1}).choice(ROOMY, COSTS).instead == "image"
    choice = control(["image"], exactly={"image": 2}, words_between=1).choice(ROOMY, COSTS)
    assert choice == Choice(True, False, (), "image")
    assert control(["image"], exactly={"image": 1}).choice(ROOMY, COSTS).instead is None


def test_what_is_owed_comes_after_a_text_that_stops_and_nothing_else_does():
    owing = control(exactly={"image": 1})
    owing.stopped = True
    assert owing.choice(ROOMY, COSTS).forced == "image"
    owing.add_medium("image")
    assert owing.choice(ROOMY, COSTS) == Choice(False, False, ())


def test_what_is_owed_is_made_when_there_is_no_text_left():
    done = control(said="one two", max_new_tokens=2, exactly={"audio": 1})
    assert done.choice(ROOMY, COSTS).forced == "audio"


def test_the_beginning_is_a_medium_and_nothing_else():
    assert control(begin="audio").choice(ROOMY, COSTS) == Choice(False, False, ("audio",))
    assert control(["audio"], begin="audio").choice(ROOMY, COSTS) == Choice(True, True, MEDIA)


def test_media_alone_are_at_least_one():
    wish = {"modalities": ["image", "audio"]}
    assert control(**wish).choice(ROOMY, COSTS) == Choice(False, False, ("image", "audio"))
    assert control(["image"], **wish).choice(ROOMY, COSTS).end


@pytest.mark.parametrize(("said", "may"), [("", False), ("one", False), ("one two", True)])
def test_words_stand_between_media(said, may):
    choice = control(["image"], said, words_between=2).choice(ROOMY, COSTS)
    assert choice.media == (MEDIA if may else ())
    assert choice.text


def test_text_that_leads_up_to_a_medium_that_may_not_come_ends_the_answer():
    assert control(said="Here it is:", max_media=0).choice(ROOMY, COSTS).ending == MEDIA
    assert control(said="Look:", at_most={"image": 0}).choice(ROOMY, COSTS).ending == ("image",)
    assert control(["image"], "and:", max_media=1).choice(ROOMY, COSTS).ending == MEDIA
    assert control(said="Look:").choice(COSTS["audio"], COSTS).ending == ("image", "video")


def test_without_such_text_other_text_may_take_its_place():
    assert control(modalities=["text"]).choice(ROOMY, COSTS).ending == ()
    assert control(["image"], max_media=1).choice(ROOMY, COSTS).ending == ()
    owing = control(said="Here:", exactly={"audio": 1}, at_most={"image": 0})
    assert owing.choice(ROOMY, COSTS).ending == ()


def test_no_words_are_needed_before_the_first_medium():
    assert control(words_between=5).choice(ROOMY, COSTS).media == MEDIA


@pytest.mark.parametrize("room", range(30))
def test_a_medium_may_come_where_its_span_and_features_fit(room):
    choice = control().choice(room, COSTS)
    assert choice.media == tuple(m for m in MEDIA if COSTS[m] <= room)
    assert choice.text == (room > 0)


@pytest.mark.parametrize("room", range(1, 60))
def test_text_leaves_room_for_what_is_owed(room):
    """Whatever is said and made, what is owed still fits afterwards, if it did before."""
    owing = control(exactly={"video": 1, "image": 1})
    needed = COSTS["video"] + COSTS["image"]
    choice = owing.choice(room, COSTS)
    if room >= needed:
        assert choice.text == (room > needed)
        assert ("audio" in choice.media) == (room >= needed + COSTS["audio"])


def test_what_is_owed_has_its_place_among_the_most_media():
    choice = control(max_media=1, exactly={"audio": 1}).choice(ROOMY, COSTS)
    assert choice.media == ("audio",)
    choice = control(max_media=2, exactly={"audio": 1}).choice(ROOMY, COSTS)
    assert choice.media == MEDIA


# --- the same with a model that picks


def test_a_willing_model_makes_at_most_so_many(model):
    let(model, image=WILLING)
    assert counts(answer(model, at_most={"image": 2})) == {"image": 2}
    assert counts(answer(model, max_media=3)) == {"image": 3}
    assert counts(answer(model, max_media=0)) == {}


@pytest.mark.parametrize("limits", [{"max_media": 0}, {"modalities": ["text"]}])
def test_an_answer_ends_where_its_text_leads_up_to_a_medium_that_may_not_come(model, limits):
    prefer(let(model, image=WILLING), " a")
    events = list(model.reply(HI, max_new_tokens=6, **limits))
    assert [event.text for event in events[:-1]] == [" a"]
    assert events[-1].finish_reason == "withheld"
    assert collect(events).message.parts == ()  # nothing announces what does not come


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Here you go.", ()),
        ("Here it is: ", ()),
        ("It is a dog. Here is a picture of it:", ("It is a dog.",)),
        ("It is 3 m.\n\nHere you go!  ", ("It is 3 m.\n\n",)),
    ],
)
def test_the_sentence_that_leads_up_to_such_a_medium_is_dropped(text, kept):
    assert collect([TextDelta(text), Done("withheld", 1, 0, 1)]).message.parts == kept
    assert collect([TextDelta(text), Done("stop", 1, 0, 1)]).message.parts == (text,)


def test_exactly_so_many_whether_it_wants_or_not(model):
    wish = {"exactly": {"image": 2, "audio": 1}}
    assert counts(answer(let(model), **wish)) == {"image": 2, "audio": 1}
    willing = answer(let(model, image=WILLING), **wish, max_media=3)
    assert counts(willing) == {"image": 2, "audio": 1}
    assert counts(answer(let(model, image=WILLING), exactly={"image": 0}, max_media=2)) == {}


def test_a_forbidden_modality_costs_nothing(model):
    with observed(let(model, image=WILLING)) as work:
        *events, done = model.reply(HI, modalities=["text", "audio"], max_new_tokens=4)
    assert work.conditions == []
    assert work.positions == done.prompt_tokens + done.new_tokens
    assert all(isinstance(event, TextDelta) for event in events)


def test_an_answer_begins_with_what_it_must(model):
    made = answer(let(model), begin="video")
    assert modality_of(made.message.parts[0]) == "video"
    assert counts(made) == {"video": 1}


def test_only_media(model):
    made = answer(let(model), modalities=["image"])
    assert [type(part) for part in made.message.parts] == [Image]
    made = answer(let(model, image=WILLING), modalities=["image"], max_media=2)
    assert [type(part) for part in made.message.parts] == [Image, Image]


@pytest.mark.parametrize("bias", [WILLING, UNWILLING])
def test_words_are_said_between_media(model, bias):
    prefer(let(model, image=bias), " a")
    made = answer(model, words_between=2, exactly={"image": 3}, max_new_tokens=60)
    parts = made.message.parts
    places = [i for i, part in enumerate(parts) if isinstance(part, Image)]
    assert len(places) == 3
    for before, after in itertools.pairwise(places):
        assert len("".join(parts[before + 1 : after]).split()) >= 2


def test_logits_that_are_not_finite_are_an_error(model):
    model.model.llm.base.lm_head.register_forward_hook(lambda _, __, logits: logits * torch.nan)
    with pytest.raises(ValueError, match="the output of the LLM is not finite"):
        answer(model)
    assert not model.engine.slots


def test_a_limit_of_text_is_kept_and_told(model):
    for limit in (1, 2, 5):
        *_, done = let(model).reply(HI, max_new_tokens=limit)
        assert done.new_tokens == limit
        assert done.finish_reason == "length"


def test_an_answer_that_ends_by_itself_says_so(model):
    """The end is likelier than any text after a picture."""
    let(model, image=WILLING)
    *_, done = model.reply(HI, modalities=["image"], max_media=1, **FEW)
    assert done.finish_reason == "stop"


def test_text_that_stops_an_answer_is_never_shown_nor_half_of_it(model):
    whole = text_of(answer(let(model), max_new_tokens=40))
    for start in range(1, len(whole) - 6, 5):
        stop = whole[start : start + 6]  # across the borders of tokens
        made = answer(model, max_new_tokens=40, stop=("never said", stop))
        assert text_of(made) == whole[: whole.index(stop)]
        assert made.finish == "stop"


def test_text_that_only_looks_like_a_stop_is_shown_whole(model):
    whole = text_of(answer(let(model), max_new_tokens=20))
    assert text_of(answer(model, max_new_tokens=20, stop=(whole[-1] + "\0",))) == whole


def test_an_answer_ends_at_its_deadline(model):
    """By a clock that goes on a second whenever it is looked at."""
    model.engine = Engine(let(model).model, clock=itertools.count().__next__)
    counts = []
    for deadline in (0.5, 8, 80):
        *_, done = model.reply(HI, deadline=deadline)
        assert done.finish_reason == "deadline"
        counts.append(done.new_tokens)
    assert counts[0] == 0 < counts[1] < counts[2] < 80


def test_signal_tokens_are_read_as_whole_spans_alone(model):
    """Whatever the model would rather say: no stray signal token, no part of a span."""
    signals = model.model.llm.signals
    with observed(let(model, image=20.0, audio=20.0, video=20.0)) as work:
        events = list(model.reply(HI, max_new_tokens=30, **FEW, max_media=6))
    spans = {tuple(signals.span(m)): m for m in signals.modalities}
    marks = {i for m in signals.modalities for ids in signals.marks(m) for i in ids}
    read_spans = [spans[tuple(p)] for p in work.pieces if tuple(p) in spans]
    assert read_spans == [e.modality for e in events if isinstance(e, MediaStarted)] != []
    for piece in work.pieces:
        own = [key for key in piece if isinstance(key, int) and key >= signals.vocabulary]
        assert tuple(piece) in spans or set(own) <= marks


def test_an_unwilling_model_that_owes_a_medium_makes_it_instead_of_ending(model):
    """The end is the likeliest of all: what is owed comes in its place, not after more words."""
    prefer(let(model), "<|im_end|>")
    events = list(model.reply(HI, exactly={"image": 2}, max_new_tokens=50, **FEW))
    assert [e.modality for e in events if isinstance(e, MediaStarted)] == ["image", "image"]
    assert isinstance(events[-1], Done)
    assert (events[-1].new_tokens, events[-1].finish_reason) == (0, "stop")
