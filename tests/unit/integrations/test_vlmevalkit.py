"""VLMEvalKit with anygen as a model, of which these tests have a stub."""

import ssl
import sys
from types import ModuleType

import pytest

from anygen.core.media import Image
from anygen.integrations import vlmevalkit
from support.reform import Scoring
from support.suites import write_picture


class BaseModel:
    INTERLEAVE = False

    def __init__(self):
        pass


@pytest.fixture
def table(monkeypatch):
    """VLMEvalKit's table of models."""
    found: dict = {}
    contents = {
        "vlmeval.config": {"supported_VLM": found},
        "vlmeval.vlm.base": {"BaseModel": BaseModel},
    }
    for name in ("vlmeval", "vlmeval.vlm", *contents):
        module = ModuleType(name)
        vars(module).update(contents.get(name, {}))
        monkeypatch.setitem(sys.modules, name, module)
    return found


def test_models_are_put_into_its_table(table):
    checked = ssl._create_default_https_context
    vlmevalkit.register(["anygen:runs/mine"])
    assert set(table) == {"anygen", "anygen:runs/mine"}
    assert table["anygen"].keywords == {"pretrained": "mini"}
    assert table["anygen:runs/mine"].keywords == {"pretrained": "runs/mine"}
    assert issubclass(table["anygen"].func, BaseModel)
    assert table["anygen"].func.INTERLEAVE
    assert ssl._create_default_https_context is checked


def test_a_message_of_pictures_and_texts_is_answered(tmp_path):
    model = Scoring(lambda text: text[::-1], str)
    path = write_picture(tmp_path / "p.png")
    message = [{"type": "image", "value": str(path)}, {"type": "text", "value": "abc"}]
    assert vlmevalkit.reply(model, message) == "cba"
    assert isinstance(model.requests[0].messages[0].parts[0], Image)


def test_its_program_runs_with_the_rest_of_the_arguments(table, tmp_path, monkeypatch):
    (tmp_path / "run.py").write_text(
        "import sys\nsys.modules['vlmeval'].arguments = sys.argv[1:]\n"
    )
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.setattr(sys, "path", list(sys.path))
    vlmevalkit.main([str(tmp_path), "--data", "MME", "--model", "anygen:other"])
    assert sys.modules["vlmeval"].arguments == ["--data", "MME", "--model", "anygen:other"]
    assert "anygen:other" in table


@pytest.mark.parametrize("arguments", [[], ["no folder"]])
def test_a_folder_without_it_is_refused(arguments):
    with pytest.raises(ValueError, match="name a checkout of VLMEvalKit, then the options"):
        vlmevalkit.main(arguments)
