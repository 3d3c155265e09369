"""However long a conversation is: the LLM never reads out of range, and what it forgets is told."""

import itertools

import pytest

from anygen import AnyGen
from anygen.core.media import Message
from anygen.generation.answer import collect
from anygen.generation.events import Done, Forgotten, MediaDone
from anygen.generation.truncation import EMPTIED, FRAME, FULL, shortest, truncate
from support.answers import observed

CONTEXT = 240
STEPS = {m: {"steps": 1} for m in ("image", "audio", "video")}


def turns(*lengths):
    """Questions and answers of so many characters, in turn."""
    roles = itertools.cycle(["user", "assistant"])
    return [Message(role, ("x" * length,)) for role, length in zip(roles, lengths)]


def length_of(message):
    return sum(len(part) for part in message.parts)


def kept(messages, context=1000):
    return truncate(messages, [*map(length_of, messages)], context)


SYSTEM = Message("system", ("s" * 92,))  # leaves room for 900


# --- the policy


def test_what_fits_is_read_whole():
    messages = [SYSTEM, *turns(300, 300, 51)]  # 675 with their frames: three quarters
    assert kept(messages) == (messages, None)


def test_the_oldest_turns_are_forgotten_until_half_is_free():
    messages = [SYSTEM, *turns(300, 100, 100, 100, 200)]
    assert kept(messages) == ([SYSTEM, *messages[3:]], Forgotten(2, 0))


def test_an_answer_goes_with_its_question():
    messages = [SYSTEM, *turns(200, 400, 10, 10, 10, 10, 200)]
    assert kept(messages) == ([SYSTEM, *messages[3:]], Forgotten(2, 0))


def test_the_last_message_stays_however_long_it_is():
    messages = [SYSTEM, *turns(200, 100, 890)]
    assert kept(messages) == ([SYSTEM, messages[-1]], Forgotten(2, 0))
    assert kept(turns(10, 10, 5000), context=100)[0][0].parts == ("x" * 5000,)


def test_media_that_go_are_counted(image, audio):
    said = [
        Message("user", (image, "x" * 400)),
        Message("assistant", (audio, image)),
        Message("user", ("x" * 400, image)),
    ]

    def length(message):
        return sum(len(part) if isinstance(part, str) else 10 for part in message.parts)

    assert truncate(said, [*map(length, said)], 1000)[1] == Forgotten(2, 3)


def test_without_a_system_prompt_nothing_is_taken_for_one():
    messages = turns(700, 10, 100)
    assert kept(messages) == (messages[2:], Forgotten(2, 0))


def test_what_is_kept_begins_with_a_question_and_changes_seldom():
    messages, firsts = [SYSTEM], []
    for number in range(200):
        messages.append(Message("user", ("x" * (20 + 7 * number % 60),)))
        read, forgotten = kept(messages)
        assert read[0] is SYSTEM
        assert read[1].role == "user"
        assert read[-1] is messages[-1]
        room = 1000 - length_of(SYSTEM) - FRAME
        assert sum(length_of(m) + FRAME for m in read[1:]) <= FULL * room
        firsts.append(forgotten.messages if forgotten else 0)
        messages.append(Message("assistant", ("x" * (30 + 11 * number % 40),)))
    steps = [after - before for before, after in itertools.pairwise(firsts)]
    assert min(steps) == 0
    changed = [step for step in steps if step]
    assert len(changed) < len(steps) / 2
    assert sum(changed) == firsts[-1] > 300


def test_after_forgetting_half_is_free():
    messages = [SYSTEM, *itertools.chain(*[turns(60, 60)] * 6)][:-1]
    read, forgotten = kept(messages)
    assert forgotten
    assert sum(length_of(m) + FRAME for m in read[1:]) <= EMPTIED * 900


def test_undoing_turns_brings_back_what_was_forgotten():
    messages = [SYSTEM, *turns(300, 100, 100, 100, 200)]
    assert kept(messages[:4]) == (messages[:4], None)


def test_the_system_prompt_and_the_last_message_are_read_in_any_case():
    messages = [SYSTEM, *turns(1, 2, 3)]
    assert shortest(messages) == [SYSTEM, messages[-1]]
    assert shortest(messages[1:]) == [messages[-1]]


# --- a model


@pytest.fixture
def model(make_model):
    return AnyGen(make_model(settings=[f"llm.context={CONTEXT}"]).eval().requires_grad_(False))


@pytest.fixture
def read(model):
    """How long each context was after each pass; none is ever longer than what can be read."""
    with observed(model) as work:
        yield work.lengths
    assert max(work.lengths, default=0) <= CONTEXT


def bytes_of(model):
    contexts = model.engine.kv_caches.idle
    return sum(t.nbytes for c in contexts for pair in c.stored for t in pair)


@pytest.mark.slow
def test_a_conversation_of_80_turns_stays_within_bounds(model, read, image):
    model.model.llm.trigger_bias.fill_(-100.0)  # a medium now and then is enough
    messages, used, forgotten, saved = [], [], [], 0
    for number in range(80):
        seen = (image,) if number % 5 == 0 else ()
        messages.append(Message("user", (*seen, f"a piano number {number}")))
        begin = "image" if number % 20 == 3 else None
        events = list(
            model.reply(messages, max_new_tokens=2, begin=begin, max_media=1, media=STEPS)
        )
        messages.append(collect(iter(events)).message)
        cuts = [event.messages for event in events if isinstance(event, Forgotten)]
        assert len(cuts) <= 1
        forgotten.append(sum(cuts))
        done = events[-1]
        assert isinstance(done, Done)
        assert done.prompt_tokens <= CONTEXT
        saved += done.cached_tokens > done.prompt_tokens / 2
        used.append(bytes_of(model))
    assert forgotten == sorted(forgotten)
    assert forgotten[-1] > 110
    assert len(set(forgotten)) < 40  # the cut stays where it is for some turns,
    assert saved > 32  # and in those the cache is used
    assert max(read) > FULL * CONTEXT / 2
    assert max(used[50:]) == max(used[20:50])


def test_what_is_forgotten_is_told_first(model):
    messages = [*turns(150, 150, 150), Message("user", ("hi",))]
    first, *_ = model.reply(messages, max_new_tokens=1)
    assert isinstance(first, Forgotten)
    assert first.messages > 0


def test_idle_contexts_take_no_more_than_the_longest_conversation(model):
    """Besides the one that was used last, whatever the number of conversations."""
    for number in range(12):
        model.generate([Message("user", (f"{number} " + "x" * 150,))], max_new_tokens=1)
    lengths = [context.length for context in model.engine.kv_caches.idle]
    assert sum(lengths[:-1]) <= model.engine.kv_caches.max_positions
    assert model.engine.kv_caches.max_positions == CONTEXT


def test_a_question_that_is_too_long_is_refused(model, read):
    system = len(model.model.llm.tokenizer("You are a helpful assistant.").input_ids)
    for length in (CONTEXT - system // 2, CONTEXT, 10 * CONTEXT):
        question = Message("user", ("9" * length,))
        with pytest.raises(ValueError, match=r"messages: .* the model can read 240; shorten them"):
            model.reply([question])
    assert read == []


def test_every_question_that_is_not_refused_is_answered_within_range(model, read):
    answered = 0
    for length in range(CONTEXT - 60, CONTEXT, 5):
        try:
            events = model.reply([Message("user", ("9" * length,))], max_new_tokens=80)
        except ValueError:
            continue
        *_, done = events
        assert done.prompt_tokens < CONTEXT
        assert done.new_tokens == min(80, CONTEXT - done.prompt_tokens)
        assert done.finish_reason == "length"
        answered += 1
    assert answered > 3


@pytest.mark.slow
@pytest.mark.parametrize("feedback", ["wait", "late", "off"])
def test_a_medium_is_not_asked_for_where_it_does_not_fit(model, read, feedback):
    model.model.llm.trigger_bias.fill_(100.0)
    options = {"max_new_tokens": 40, "max_media": 99, "feedback": feedback, "media": STEPS}
    for length in (120, 150, 170, 180):
        events = list(model.reply([Message("user", ("9" * length,))], **options))
        assert sum(isinstance(event, MediaDone) for event in events) < 99
    assert max(read) > (CONTEXT - 60 if feedback == "late" else CONTEXT - 30)


def test_what_must_be_made_is_given_room(model, read):
    """The text ends early, so that the medium fits."""
    question = [Message("user", ("9" * 130,))]
    model.model.llm.trigger_bias.fill_(-100.0)
    answer = collect(model.reply(question, max_new_tokens=200, exactly={"video": 1}, media=STEPS))
    assert [type(part).__name__ for part in answer.message.parts] == ["str", "Video"]
