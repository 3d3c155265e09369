"""Any causal LM speaks in the whole system: trained, saved, loaded, asked, ended by its stops."""

import pytest
import torch

from anygen import AnyGen
from anygen.core.media import Message
from anygen.generation.answer import collect
from anygen.generation.events import Done, MediaDone, TextDelta
from anygen.training.collate import assemble
from anygen.training.dialogues import Dialogue
from anygen.training.losses import text_loss
from anygen.training.runs.dialogue_losses import hidden_of
from support.answers import ONE_STEP, forget, told, user
from support.pretrained_llms import FAMILIES, publish


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def make(family, make_model, tmp_path_factory):
    folder = publish(family, tmp_path_factory.mktemp("family"))
    settings = [f"llm.base={folder}", *FAMILIES[family].settings]
    return lambda *more: make_model(settings=[*settings, *more])


@pytest.fixture(scope="module")
def loaded(make, tmp_path_factory):
    """Saved and loaded, with LoRA that is not zero."""
    model, folder = make(), tmp_path_factory.mktemp("saved")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_B." in name:
                parameter.normal_(std=0.02)
    model.save_pretrained(folder)
    return AnyGen.from_pretrained(folder)


@pytest.fixture
def model(loaded, monkeypatch):
    return forget(loaded)


OPTIONS = {"max_new_tokens": 12, "max_media": 2, "media": ONE_STEP, "begin": "image"}


def test_a_conversation_goes_on_as_if_it_were_read_anew(model, image):
    messages = []
    for question in (user("look ", image, "and draw"), user("more"), user(image)):
        messages.append(question)
        events = list(model.reply(messages, **OPTIONS))
        done = events[-1]
        assert isinstance(done, Done)
        assert done.cached_tokens > 0 or len(messages) == 1
        contexts = list(model.engine.kv_caches.idle)
        assert told(forget(model).reply(messages, **OPTIONS)) == told(events)
        model.engine.kv_caches.idle = contexts
        assert any(isinstance(event, MediaDone) for event in events)
        messages.append(collect(iter(events)).message)


def test_an_answer_learns_to_end(make, image):
    """The label after the answer is what ends it."""
    model = make()
    messages = [user(image, "what is it?"), Message("assistant", ("a cat",))]
    batch = assemble(model, [Dialogue(messages)])
    stops, learned = model.llm.stops, [label for label in batch.labels[0].tolist() if label >= 0]
    ends = [label for label in learned if label in stops.ids]
    text = model.llm.tokenizer.decode(learned)
    assert ends == learned[-1:] or any(text.endswith(stop) for stop in stops.texts)
    text_loss(model.llm, hidden_of(model, batch), batch.labels).backward()
    assert model.input_projector[0].weight.grad.any()


def speak(model, monkeypatch, ids):
    """The model wants to say these, one after the other, and special tokens before them."""
    wanted, special = iter(ids), model.model.llm.silent

    def logits(hidden):
        made = torch.zeros(len(hidden), model.model.llm.signals.vocabulary + 3)
        made[:, next(wanted)] = 5.0
        made[:, special] = 9.0
        return made

    monkeypatch.setattr(model.model.llm, "logits", logits)


def stop_sequences(llm):
    spelt = [llm.tokenizer("a" + t, add_special_tokens=False).input_ids for t in llm.stops.texts]
    return [[stop] for stop in llm.stops.ids] + spelt


def test_every_stop_ends_an_answer_and_is_not_shown(model, monkeypatch):
    said = model.model.llm.tokenizer(" here", add_special_tokens=False).input_ids
    for stop in stop_sequences(model.model.llm):
        speak(model, monkeypatch, [*said, *stop])
        events = list(model.reply([user("hi")], modalities=("text",), max_new_tokens=40))
        text = "".join(e.text for e in events if isinstance(e, TextDelta))
        assert text.replace(" ", "") in ("here", "herea")
        assert events[-1].finish_reason == "stop"


def test_where_an_answer_may_not_end_a_stop_is_not_said(model, monkeypatch):
    """A medium is owed, and words must come before it."""
    [stop, *_] = model.model.llm.stops.ids
    word = model.model.llm.tokenizer(" a", add_special_tokens=False).input_ids[-1]
    speak(model, monkeypatch, [stop, word, stop] * 40)
    message = model.generate(
        [user("hi")], exactly={"image": 2}, words_between=2, max_new_tokens=30, media=ONE_STEP
    )
    assert sum(not isinstance(part, str) for part in message.parts) == 2
