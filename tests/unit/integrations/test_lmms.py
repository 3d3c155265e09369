"""anygen as a model of lmms-eval, of which these tests have a stub: its av excludes ours."""

import importlib
import json
import sys
import tomllib
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import torch

from anygen.core.media import Audio, Image, Message
from anygen.generation.answer import Answer
from support.paths import ROOT
from support.reform import Scoring


@dataclass(frozen=True)
class ModelManifest:
    model_id: str
    simple_class_path: str | None = None
    chat_class_path: str | None = None


@dataclass
class GenerationResult:
    text: object


class Lmms:
    """What lmms-eval's own base class gives a model."""

    is_simple = True

    def __init__(self):
        self.task_dict = {}


@pytest.fixture
def lmms_models(monkeypatch):
    modules = {
        "lmms_eval.api.instance": {"GenerationResult": GenerationResult},
        "lmms_eval.api.model": {"lmms": Lmms},
        "lmms_eval.models.registry_v2": {"ModelManifest": ModelManifest},
    }
    for name in ("lmms_eval", "lmms_eval.api", "lmms_eval.models", *modules):
        module = ModuleType(name)
        vars(module).update(modules.get(name, {}))
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "anygen.integrations.lmms_models", raising=False)
    yield importlib.import_module("anygen.integrations.lmms_models")
    sys.modules.pop("anygen.integrations.lmms_models", None)


@dataclass
class Drawing:
    """Answers with a picture."""

    requests: list = field(default_factory=list)

    def reply_many(self, requests):
        self.requests += requests
        picture = Image(PICTURE_PIXELS)
        return [Answer(Message("assistant", ("Here: ", picture)), "stop") for _ in requests]


PICTURE = PIL.Image.fromarray(np.full((4, 6, 3), 80, np.uint8))
PICTURE_PIXELS = torch.zeros(3, 4, 4, dtype=torch.uint8)
SOUND = {"array": np.zeros(1600, np.float32), "sampling_rate": 16000}


def model_of(kind, answers, **more):
    """A model without weights: `answers` stands in for AnyGen."""
    made = kind.__new__(kind)
    Lmms.__init__(made)
    made.model, made.batch_size, made.media = answers, 2, more.get("media")
    made.numbers = iter(range(1, 100))
    made.task_dict = {"task": {"test": [{"text": f"question {n}"} for n in range(3)]}}
    return made


def request(*arguments):
    return SimpleNamespace(args=arguments)


def chat(row):
    return [
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {
            "role": "user",
            "content": [
                {"type": "image", "url": PICTURE},
                {"type": "audio", "url": SOUND},
                {"type": "text", "text": row["text"]},
            ],
        },
    ]


def test_the_entry_point_names_the_classes(lmms_models):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    path = project["entry-points"]["lmms_eval.models"]["anygen"]
    module, _, function = path.partition(":")
    manifest = getattr(importlib.import_module(module), function)()
    assert manifest.model_id == "anygen"
    for name, is_simple in ((manifest.simple_class_path, True), (manifest.chat_class_path, False)):
        kind = getattr(lmms_models, name.rpartition(".")[2])
        assert issubclass(kind, Lmms)
        assert kind.is_simple is is_simple


def test_a_chat_is_answered_with_its_pictures_and_sounds(lmms_models):
    answers = Scoring(lambda text: text.upper(), str)
    model = model_of(lmms_models.AnyGenChat, answers)
    settings = {"max_new_tokens": 16, "until": ["\n\n"], "temperature": 0, "num_beams": 1}
    requests = [request("", chat, settings, n, "task", "test") for n in range(3)]
    assert model.generate_until(requests) == ["QUESTION 0", "QUESTION 1", "QUESTION 2"]
    first = answers.requests[0]
    assert [turn.role for turn in first.messages] == ["system", "user"]
    assert [type(part) for part in first.messages[1].parts] == [Image, Audio, str]
    assert first.options.max_new_tokens == 16
    assert (first.options.stop, first.options.modalities) == (("\n\n",), ("text",))


def test_a_simple_prompt_has_its_media_before_it(lmms_models):
    answers = Scoring(lambda text: "yes", str)
    model = model_of(lmms_models.AnyGenSimple, answers)
    arguments = ("Is it?", {"temperature": 0.5, "do_sample": True}, lambda row: [PICTURE], 0)
    assert model.generate_until([request(*arguments, "task", "test")]) == ["yes"]
    [sent] = answers.requests
    assert [type(part) for part in sent.messages[0].parts] == [Image, str]
    assert (sent.options.temperature, sent.options.max_new_tokens) == (0.5, 128)


def test_continuations_of_one_prompt_are_compared_together(lmms_models):
    answers = Scoring(lambda text: "no way", lambda text: text == "no")
    model = model_of(lmms_models.AnyGenSimple, answers)
    requests = [
        request(f"Q{n}?", target, lambda row: [], n, "task", "test")
        for n in range(2)
        for target in (" yes", lambda row: " no")
    ]
    losses = model.loglikelihood(requests)
    assert [loss.text for loss in losses] == [(2.5, False), (0.5, True)] * 2
    assert [choices for _, choices in answers.rows] == [["yes", "no"]] * 2


def test_answers_with_media_are_json_with_paths(lmms_models, tmp_path):
    model = model_of(lmms_models.AnyGenChat, Drawing(), media=tmp_path / "made")
    [text] = model.generate_until([request("", chat, {}, 0, "task", "test")])
    answer = json.loads(text)
    assert answer["text"] == "Here: "
    assert answer["images"] == [str(tmp_path / "made/000001.png")]
    assert (tmp_path / "made/000001.png").is_file()
    assert model.model.requests[0].options.modalities is None


def test_what_is_not_there_is_said(lmms_models):
    model = model_of(lmms_models.AnyGenChat, None)
    with pytest.raises(NotImplementedError, match="with --force_simple only"):
        model.loglikelihood([])
    with pytest.raises(NotImplementedError, match="in several rounds"):
        model.generate_until_multi_round([])
