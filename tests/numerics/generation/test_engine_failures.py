"""Whatever fails or is stopped: the answer says so, and the model is as good as before."""

import random
import threading

import pytest
import torch

from anygen import AnyGen
from anygen.core.media import Image
from anygen.generation.answer import collect
from anygen.generation.events import (
    Done,
    MediaDone,
    MediaFailed,
    MediaProgress,
    MediaStarted,
    TextDelta,
)
from support.answers import ONE_STEP, forget, observed, spans_are_whole, told, user

OPTIONS = {
    "exactly": {"image": 1, "audio": 1},
    "max_media": 2,
    "max_new_tokens": 4,
    "media": {**ONE_STEP, "image": {"steps": 3}},
}
FEEDBACK = ("wait", "late", "off")


@pytest.fixture(scope="module")
def opened(saved_model):
    return AnyGen.from_pretrained(saved_model)


@pytest.fixture
def model(opened):
    before = threading.active_count()
    yield forget(opened)
    assert threading.active_count() == before


def asked(image):
    return [user("look ", image, "and draw")]


def is_usable(model, messages, expected):
    """It answers as a new one, from what it has kept and from nothing."""
    assert told(model.reply(messages, **OPTIONS)) == expected
    assert all(spans_are_whole(model, context) for context in model.engine.kv_caches.idle)
    assert told(forget(model).reply(messages, **OPTIONS)) == expected


def stopped(model, messages, stop, close=False, **options):
    """The events of an answer that is cancelled after so many; or no longer listened to then."""
    events = []
    stream = model.reply(messages, cancelled=lambda: len(events) >= stop, **options)
    for event in stream:
        events.append(event)
        if close and len(events) > stop:
            stream.close()
    return events


def answer(model, image, **more):
    return list(model.reply(asked(image), **{**OPTIONS, **more}))


@pytest.mark.parametrize("feedback", FEEDBACK)
def test_a_decoder_that_raises_costs_its_medium_and_nothing_else(
    model, image, feedback, monkeypatch
):
    expected = told(answer(model, image))
    with monkeypatch.context() as patch:

        def broken(*_):
            raise RuntimeError("the paint is dry")

        patch.setattr(model.model.decoders["image"], "sample", broken)
        events = answer(model, image, feedback=feedback)
    failed = [event for event in events if isinstance(event, MediaFailed)]
    assert [(f.modality, f.error) for f in failed] == [("image", "the paint is dry")]
    assert [e.media.rate for e in events if isinstance(e, MediaDone)] == [16000]
    assert events[-1].finish_reason in ("stop", "length")
    assert len(collect(iter(events)).failed) == 1
    is_usable(model, asked(image), expected)


@pytest.mark.parametrize("feedback", FEEDBACK)
def test_a_cancel_ends_the_answer_at_whatever_event_it_comes(model, image, feedback):
    """Text, media that begin, denoising steps, media that are done: one step more at most."""
    expected = told(answer(model, image))
    whole = answer(forget(model), image, feedback=feedback)
    for stop in range(1, len(whole)):
        events = stopped(forget(model), asked(image), stop, **{**OPTIONS, "feedback": feedback})
        more = events[stop:]
        assert isinstance(more[-1], Done)
        assert sum(isinstance(event, MediaProgress) for event in more) <= 3
        assert sum(isinstance(event, TextDelta | MediaStarted) for event in more) <= 2
        if not isinstance(events[stop - 1], MediaDone | MediaProgress | TextDelta):
            assert more[-1].finish_reason == "cancelled"
    is_usable(model, asked(image), expected)


def test_a_cancel_before_the_first_step_reads_nothing(model, image):
    with observed(model) as work:
        [done] = model.reply(asked(image), cancelled=lambda: True, **OPTIONS)
    assert (done.finish_reason, done.new_tokens, work.positions) == ("cancelled", 0, 0)


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_cancel_stops_the_decoder_within_one_step(model, image, step, monkeypatch):
    expected, steps, stop = told(answer(model, image)), [], threading.Event()

    def count(*_):
        steps.append(1)
        if len(steps) == step:
            stop.set()

    hook = model.model.decoders["image"].unet.register_forward_pre_hook(count)
    options = {**OPTIONS, "media": {**ONE_STEP, "image": {"steps": 100}}, "begin": "image"}
    *_, done = model.reply(asked(image), cancelled=stop.is_set, **options)
    hook.remove()
    assert done.finish_reason == "cancelled"
    assert len(steps) <= step + 2
    is_usable(model, asked(image), expected)


@pytest.mark.parametrize("feedback", FEEDBACK)
def test_who_stops_listening_at_any_event_leaves_nothing_behind(model, image, feedback):
    expected = told(answer(model, image))
    threads = threading.active_count()
    whole = answer(forget(model), image, feedback=feedback)
    for stop in range(len(whole) + 1):
        forget(model)
        events = model.reply(asked(image), **{**OPTIONS, "feedback": feedback})
        for _ in range(stop):
            next(events)
        events.close()
        assert threading.active_count() == threads
    is_usable(model, asked(image), expected)


def test_an_interrupt_in_the_middle_of_a_pass_leaves_the_context_whole(model, image, monkeypatch):
    expected = told(answer(model, image))
    layer = model.model.llm.llama.layers[1].qkv_proj.linear
    for number in (1, 2, 5, 9):
        forget(model)
        passes = []

        def interrupt(*_, passes=passes, number=number):
            passes.append(1)
            if len(passes) == number:
                raise KeyboardInterrupt

        hook = layer.register_forward_pre_hook(interrupt)
        with pytest.raises(KeyboardInterrupt):
            answer(model, image)
        hook.remove()
        assert told(model.reply(asked(image), **OPTIONS)) == expected
    is_usable(model, asked(image), expected)


@pytest.fixture
def spoiled(model):
    """The conditions of pictures are not finite."""
    hook = model.model.output_projectors["image"].register_forward_hook(
        lambda _, __, made: torch.full_like(made, torch.nan)
    )
    yield model
    hook.remove()


@pytest.mark.parametrize("feedback", FEEDBACK)
def test_a_condition_that_is_not_finite_is_told(spoiled, image, feedback):
    events = answer(spoiled, image, feedback=feedback)
    failed = [event.error for event in events if isinstance(event, MediaFailed)]
    assert failed == ["the condition of this image is not finite"]
    assert sum(isinstance(event, MediaDone) for event in events) == 1


def test_the_caption_may_stand_in_for_it(spoiled, image, monkeypatch):
    captions, condition = [], spoiled.model.decoders["image"].encode_prompt
    monkeypatch.setattr(
        spoiled.model.decoders["image"],
        "encode_prompt",
        lambda texts: captions.extend(texts) or condition(texts),
    )
    options = {"caption_fallback": True, "begin": "image", "max_media": 1, "max_new_tokens": 1}
    events = list(spoiled.reply(asked(image), media=ONE_STEP, **options))
    assert [type(e.media) for e in events if isinstance(e, MediaDone)] == [Image]
    assert captions[0] == "look  and draw"


def test_a_medium_that_fails_is_not_read(model, image, monkeypatch):
    def broken(*_):
        raise RuntimeError("no")

    monkeypatch.setattr(model.model.decoders["image"], "sample", broken)
    model.model.llm.trigger_bias.fill_(-100.0)
    answer(model, image, exactly={"image": 1})
    [context] = model.engine.kv_caches.idle
    features = [key for key in context.positions if isinstance(key, tuple)]
    assert len({name for name, _ in features}) == 1  # the user's


@pytest.mark.parametrize("kind", ["tokens", "queries"])
def test_a_span_that_is_dropped_goes_also_where_its_medium_fails(make_model, kind, monkeypatch):
    settings = [f"llm.signals={{kind: {kind}, droppable: true}}"]
    model = AnyGen(make_model(settings=settings).eval())
    model.model.llm.trigger_bias.data.fill_(-100.0)

    def broken(*_):
        raise RuntimeError("no")

    monkeypatch.setattr(model.model.decoders["image"], "sample", broken)
    with_failure = answer_text(model, begin="image", max_media=1)
    assert with_failure == answer_text(model, max_media=0)
    vocabulary = model.model.llm.signals.vocabulary
    assert all(key < vocabulary for c in model.engine.kv_caches.idle for key in c.positions)


def answer_text(model, **options):
    message = collect(model.reply([user("hi")], max_new_tokens=8, **options)).message
    return "".join(part for part in message.parts if isinstance(part, str))


@pytest.mark.parametrize("seed", range(4))
def test_random_scripts_with_cancels_leave_the_model_as_it_was(model, image, audio, video, seed):
    """Turns with uploads and made media, going back, stopping and closing at random events."""
    rng, messages = random.Random(seed), []
    for _ in range(10):
        uploads = rng.sample([image, audio, video], k=rng.choice([0, 0, 1, 2]))
        question = user(*uploads, rng.choice(["hi", "draw a red cat", "more of it, please"]))
        options = {
            "feedback": rng.choice(FEEDBACK),
            "max_new_tokens": rng.randint(1, 6),
            "max_media": 2,
            "begin": rng.choice([None, "image", "audio", "video"]),
            "media": ONE_STEP,
        }
        stop, close = rng.choice([3, 9, 1000, 1000]), rng.random() < 0.5
        events = stopped(model, [*messages, question], stop, close, seed=seed, **options)
        messages += [question, collect(iter(events)).message]
        if rng.random() < 0.3:
            del messages[-2 * rng.randint(1, len(messages) // 2) :]
        assert all(spans_are_whole(model, context) for context in model.engine.kv_caches.idle)
    last = [*messages, user("what was that?")]
    assert told(model.reply(last, **OPTIONS)) == told(forget(model).reply(last, **OPTIONS))
