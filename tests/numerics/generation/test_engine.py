"""A conversation that goes on equals one that is read anew, to the last bit, and reads little."""

import random

import pytest
import torch

from anygen import AnyGen
from anygen.core.content_hash import content_hash
from anygen.core.media import Message, modality_of
from anygen.generation.answer import collect
from anygen.generation.events import Done
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from anygen.llm.kv_cache import is_medium
from anygen.llm.prompt import plain_ids
from anygen.model.multimodal import MultimodalModel
from anygen.numerics.fp16_linear import packed
from support.answers import ONE_STEP, forget, observed, spans_are_whole, told, user
from support.precision import unpacked

LIMITS = {"max_new_tokens": 5, "media": ONE_STEP}


@pytest.fixture(scope="module", params=[packed, unpacked])
def models(saved_model, request):
    """Two models of the same weights: one for a conversation, one that reads it anew."""
    loaded = [MultimodalModel.from_pretrained(saved_model, pack=request.param) for _ in range(2)]
    return [AnyGen(model) for model in loaded]


@pytest.fixture
def model(models):
    return forget(models[0])


@pytest.fixture
def anew(models):
    return lambda: forget(models[1])


@pytest.fixture
def mixed(image, audio, video):
    """Questions with media of all kinds, and what their answers must hold."""
    return [
        (user("look ", image, "and draw"), {"exactly": {"image": 1}}),
        (user(audio, "and play"), {"begin": "audio", "max_media": 2}),
        (user("a film please"), {"exactly": {"video": 1}}),
        (user(video, image, "what is it?"), {"modalities": ["text"]}),
        (user("more"), {"exactly": {"image": 1, "audio": 1}}),
    ]


def ask(model, messages, options, seed=1):
    """The answer as values, the work for it, the answer as a message, and its end."""
    with observed(model) as work:
        events = list(model.reply(messages, seed=seed, **{**LIMITS, **options}))
    return told(events), work, collect(iter(events)).message, events[-1]


def same(left, right):
    (said, work, *_), (other, expected, *_) = left, right
    assert said == other
    assert len(work.conditions) == len(expected.conditions)
    assert all(map(torch.equal, work.conditions, expected.conditions))


@pytest.mark.parametrize("feedback", ["wait", "late", "off"])
def test_every_turn_is_as_if_all_had_been_read_anew(model, anew, mixed, feedback):
    messages, made = [], 0
    for question, options in mixed:
        messages.append(question)
        options = {**options, "feedback": feedback}
        answer = ask(model, messages, options)
        same(answer, ask(anew(), messages, options))
        messages.append(answer[2])
        made += len(answer[1].conditions)
        assert all(spans_are_whole(model, context) for context in model.engine.kv_caches.idle)
    assert made >= 5


def test_going_back_and_asking_otherwise_is_as_if_all_had_been_read_anew(model, anew, mixed):
    """Undo, retry with another seed, edit of a question and of the first question."""
    messages = []
    for question, options in mixed[:3]:
        messages.append(question)
        messages.append(ask(model, messages, options)[2])
    others = [
        messages[:5],  # retry
        messages[:3],  # undo, and retry
        [*messages[:2], user("something else")],
        [*messages[:4], user("and now"), Message("assistant", ("no",)), user("why?")],
        [user("a new beginning")],
        messages[:5],
    ]
    for seed, asked in enumerate(others):
        options = {"max_media": 2, "begin": "image"}
        same(ask(model, asked, options, seed), ask(anew(), asked, options, seed))


def test_conversations_of_different_lengths_in_one_batch_go_on_alike(model, anew, mixed):
    dialogues = [[], [mixed[0][0], Message("assistant", ("it is a cat",))], [mixed[3][0]] * 2]
    for question, options in mixed:
        for dialogue in dialogues:
            dialogue.append(question)
        asked = [
            Request(list(dialogue), seed, AnswerOptions(**LIMITS, **options))
            for seed, dialogue in enumerate(dialogues)
        ]
        for answer, dialogue, request in zip(model.reply_many(asked), dialogues, asked):
            alone = collect(anew().answer(request))
            assert values(answer) == values(alone)
            dialogue.append(answer.message)


def values(answer):
    parts = [p if isinstance(p, str) else content_hash(p) for p in answer.message.parts]
    return parts, answer.finish, answer.failed


def test_nothing_is_read_or_encoded_twice(model, anew, mixed):
    """A turn reads the end of the last answer, the question and what it says itself."""
    messages, encoded = [], []
    for question, options in mixed:
        messages.append(question)
        _, work, answer, done = ask(model, messages, options)
        assert isinstance(done, Done)
        new = done.prompt_tokens - done.cached_tokens
        made = sum(model.model.media_costs[modality_of(medium)] for medium in all_media([answer]))
        assert work.positions == new + done.new_tokens + made
        if len(messages) > 1:  # text is not always spelt as it was said: then it is read anew
            said_before = text_length(model, messages[-2])
            assert new <= text_length(model, question) + media_length(model, question) + (
                said_before + 24  # frames of messages
            )
        encoded += work.encoded
        messages.append(answer)
    assert len(encoded) == len(set(encoded)) == len({content_hash(m) for m in all_media(messages)})


def text_length(model, message):
    texts = [part for part in message.parts if isinstance(part, str)]
    return sum(len(plain_ids(text, model.model.llm.tokenizer)) for text in texts)


def media_length(model, message):
    return sum(model.model.media_costs[modality_of(medium)] for medium in all_media([message]))


def all_media(messages):
    return [p for message in messages for p in message.parts if not isinstance(p, str)]


def test_the_same_question_again_reads_one_position(model, image):
    options = {"modalities": ["text"]}
    first = ask(model, [user(image, "hi")], options)
    again = ask(model, [user(image, "hi")], options)
    assert again[0] == first[0]
    assert again[1].encoded == []
    assert again[1].positions == 1 + again[3].new_tokens


def test_prompts_that_begin_alike_and_come_at_once_read_their_beginning_once(model, anew, image):
    """The first one reads; the others go on from copies of its KV cache, with the same answers."""
    options = AnswerOptions(**LIMITS, modalities=("text",))
    asked = [Request([user(image, text)], 0, options) for text in ("what is it?", "why?", "why?")]
    with observed(model) as work:
        together = model.reply_many(asked)
    of_media = [key for piece in work.pieces for key in piece if is_medium(key)]
    assert len(of_media) == len(set(of_media)) > 0
    for answer, request in zip(together, asked, strict=True):
        assert values(answer) == values(collect(anew().answer(request)))


def test_prompts_with_little_in_common_are_read_at_once(model):
    """So the shared words of a system prompt delay no one."""
    asked = [Request([user(text * 40)], 0, AnswerOptions(**LIMITS)) for text in ("cat ", "dog ")]
    with observed(model) as work:
        model.reply_many(asked)
    assert len(work.passes[0]) == len(asked)


def test_a_span_is_read_in_one_pass(model):
    options = {"begin": "video", "max_media": 1, "max_new_tokens": 1, "media": ONE_STEP}
    with observed(model) as work:
        model.generate([user("hi")], **options)
    assert [model.model.llm.signals.span("video")] in work.passes
    assert len(work.passes) <= 8


def test_feedback_is_what_the_context_has_read(model):
    """Features after the span (wait), before the next span (late), or never (off)."""
    order = {}
    for feedback in ("wait", "late", "off"):
        forget(model)
        model.model.llm.trigger_bias.fill_(-100.0)
        model.generate(
            [user("hi")],
            **{**LIMITS, "feedback": feedback, "exactly": {"image": 2}, "max_new_tokens": 4},
            words_between=0,
            begin="image",
        )
        [context] = model.engine.kv_caches.idle
        order[feedback] = outline(model, context.positions)
    assert order["wait"].count("features") == 2
    assert order["wait"][:4] == ["text", "span", "features", "text"]
    assert order["late"] == ["text", "span", "text", "features", "span"]
    assert order["off"] == ["text", "span", "text", "span"]


def outline(model, positions):
    """Runs of text, spans and features."""
    vocabulary = model.model.llm.signals.vocabulary
    kinds = [
        "features" if isinstance(key, tuple) else "span" if key >= vocabulary else "text"
        for key in positions
    ]
    return [kind for kind, before in zip(kinds, [None, *kinds]) if kind != before]


@pytest.fixture
def tasks(model, monkeypatch):
    """What the image decoder is told."""
    tasks, sample = [], model.model.decoders["image"].sample
    monkeypatch.setattr(
        model.model.decoders["image"], "sample", lambda t, *a: tasks.extend(t) or sample(t, *a)
    )
    return tasks


@pytest.mark.parametrize("feedback", ["wait", "late", "off"])
def test_media_of_an_answer_share_style_and_seed_where_told(model, tasks, feedback):
    options = {"feedback": feedback, "exactly": {"image": 3}, "same_seed": True}
    made = ask(model, [user("hi")], {**options, "same_style": True, "max_media": 3})[2]
    first = next(part for part in made.parts if not isinstance(part, str))
    assert len({task.seed for task in tasks}) == 1
    assert tasks[0].init_media is None
    assert {content_hash(task.init_media) for task in tasks[1:]} == {content_hash(first)}


def test_an_edit_begins_with_the_medium_that_it_names(model, image, tasks):
    options = {"edit": {"ref": 1, "strength": 0.3}, "begin": "image", "max_media": 1}
    ask(model, [user(image, "make it blue")], options)
    [task] = tasks
    assert task.init_media is image
    assert task.strength == 0.3


def test_random_orders_of_turns_of_two_conversations_do_not_mix(model, anew, mixed):
    rng = random.Random(0)
    dialogues = [[], []]
    for _ in range(6):
        dialogue = rng.choice(dialogues)
        question, options = rng.choice(mixed)
        dialogue.append(question)
        answer = ask(model, dialogue, options)
        same(answer, ask(anew(), dialogue, options))
        dialogue.append(answer[2])
