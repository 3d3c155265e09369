import json

import pytest
import yaml
from pydantic import model_validator

from anygen.config import plugins
from anygen.config.loader import check_plugins, load_run, load_system, to_yaml
from anygen.config.run import Run
from anygen.config.system import System
from anygen.core.schema import Strict, explain, validate

RUN = {
    "system": "tiny/system",
    "stage": "denoise",
    "out": "x",
    "steps": 10,
    "batch_size": 2,
    "decoders": ["image"],
    "pool": {"image": 4, "video": 2},
}


@pytest.fixture
def run_file(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(RUN))
    return str(path)


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("llm.lroa.rank=3", "llm.lroa: unknown key; did you mean lora?"),
        ("llm.lora.rnak=3", "llm.lora.rnak: unknown key; did you mean rank?"),
        ("output_projector.layers=0", "output_projector.layers: Input should be greater than 0"),
        (
            "input_projector.kind=cubic",
            "input_projector: Input should be settings of a kind; there",
        ),
        (
            "input_projector=mlp",
            "input_projector: Input should be settings of a kind; there are li",
        ),
        ("input_projector.tokens=3", "input_projector.tokens: unknown key"),
        ("input_projector.video_pooling=max", "input_projector.video_pooling: Input should be 'no"),
        ("output_projector.heads=3", "output_projector: width 32 cannot be divided among 3 heads"),
        ("output_projector.kind=linear", "output_projector.width: unknown key"),
        ("decoders.smell={name: nose}", "decoders.smell: The key should be 'image', 'audio'"),
        ("llm.signals.kind=words", "llm.signals.kind: Input should be 'tokens' or 'queries'"),
        ("llm.signals.tokens.image=0", "llm.signals.tokens.image: Input should be greater than 0"),
        ("llm.signals.dropable=true", "llm.signals.dropable: unknown key; did you mean droppable?"),
        ("lmm={}", "lmm: unknown key; did you mean llm?"),
        (
            "llm.stop=[1.5]",
            "llm.stop.0: Input should be a valid string, or Input should be a valid integer",
        ),
        ("encoder.name=null", "encoder.name: Input should be a valid string"),
    ],
)
def test_a_mistake_is_refused_with_the_path_of_its_key(override, complaint):
    with pytest.raises(ValueError) as refused:  # noqa: PT011  # the message is checked below
        load_system("tiny/system", [override])
    assert explain(refused.value).startswith(complaint)


def test_overrides_are_read_as_yaml_and_come_after_the_file(run_file):
    run = load_run(
        run_file, ["steps=7", "learning_rate=3e-4", "rows.video=1", "decoders=[image, video]"]
    )
    assert (run.steps, run.learning_rate, run.rows) == (7, 3e-4, {"video": 1})
    assert run.decoders == ["image", "video"]
    assert run.batch_size == 2


def test_an_override_reaches_settings_that_the_file_leaves_out():
    assert load_system("tiny/system", ["llm.lora.targets=[q_proj]"]).llm.lora.targets == ["q_proj"]


@pytest.mark.parametrize("override", ["steps", "=3", ""])
def test_what_is_not_an_override_is_told_how_one_looks(run_file, override):
    with pytest.raises(ValueError, match="is not an override; write key=value"):
        load_run(run_file, [override])


def test_a_value_has_no_settings_inside(run_file):
    with pytest.raises(ValueError, match=r"'steps.x=3': 'steps' holds a value, not settings"):
        load_run(run_file, ["steps.x=3"])


def test_projectors_that_name_no_kind_are_what_they_always_were():
    system = load_system("tiny/system", ["input_projector={hidden: 8}"])
    assert (system.input_projector.kind, system.output_projector.kind) == ("mlp", "transformer")
    assert System.model_validate(system.model_dump()) == system


@pytest.mark.parametrize("setting", ["data=mine.jsonl", "data={path: mine.jsonl}", "init=mini"])
def test_one_value_in_the_place_of_a_list_is_answered_with_how_lists_are_written(run_file, setting):
    name = setting.partition("=")[0]
    with pytest.raises(ValueError, match=rf"^{name}: .* list, in brackets: \[one, two\]$"):
        load_run(run_file, [setting])


def test_a_text_in_the_place_of_settings_is_answered_with_the_key_that_takes_it(run_file):
    sentence = r"^data\.0: should be keys with values, as in \{path: m\.jsonl\}$"
    with pytest.raises(ValueError, match=sentence):
        load_run(run_file, ["data=[m.jsonl]"])
    with pytest.raises(ValueError, match=r"^lora: .* values, as in \{key: value\}$"):
        load_run(run_file, ["lora=8"])


def test_a_name_that_is_nearly_right_is_suggested():
    with pytest.raises(ValueError, match=r"no config named 'tiny/sytem'.*mean tiny/system"):
        load_system("tiny/sytem")


def test_a_name_that_is_quite_wrong_is_answered_with_the_names_there_are():
    with pytest.raises(ValueError, match=r"there are blip2, .*nextgpt_7b, .*valley$"):
        load_system("zzz")
    with pytest.raises(ValueError, match=r"there are mini/calibrate, .*mini/vocoder$"):
        load_system("mini/zzz")


def test_a_folder_stands_for_the_system_in_it():
    assert load_system("tiny") == load_system("tiny/system")


def test_a_system_is_no_run_and_a_run_no_system():
    with pytest.raises(ValueError, match=r"^tiny is a system; a run has `system: tiny` and a `st"):
        load_run("tiny")
    with pytest.raises(
        ValueError, match=r"^mini/encode is a run, not a system; its .* mini/system$"
    ):
        load_system("mini/encode")


def test_a_file_that_is_not_there_is_answered_without_them():
    with pytest.raises(ValueError, match=r"no config named 'mine/zzz\.yaml' and no such file$"):
        load_run("mine/zzz.yaml")


def test_a_document_survives_being_written(tmp_path, run_file):
    for kind, document in {Run: load_run(run_file), System: load_system("tiny/system")}.items():
        assert kind.model_validate(yaml.safe_load(to_yaml(document))) == document


def test_an_unknown_plugin_is_answered_with_those_there_are():
    with pytest.raises(ValueError, match=r"no decoders named 'audioldn'; there are .*audioldm"):
        plugins.build("decoders", plugins.Plugin(name="audioldn"), "decoders.audio")


def test_a_plugin_checks_its_own_settings():
    plugin = plugins.Plugin(name="animatediff", framse=3)
    with pytest.raises(ValueError, match=r"^decoders\.video\.framse: .*did you mean frames\?"):
        plugins.build("decoders", plugin, "decoders.video", decoders={})


def test_a_dotted_name_is_any_importable_module():
    plugin = plugins.Plugin(name="decoders.animatediff")
    with pytest.raises(ValueError, match=r"animatediff extends decoders\.image"):
        plugins.build("decoders", plugin, "decoders.video", decoders={})


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Modules that are no plugins, or not whole."""
    (tmp_path / "others").mkdir()
    for name, text in {
        "empty": "",
        "unbuilt": "class Config: pass",
        "wrong": "1 / 0",
        "needy": "import not_installed.at_all",
        "torn": "def (",
    }.items():
        (tmp_path / "others" / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("others.empty", "the module others.empty is no plugin: it has no Config"),
        ("others.unbuilt", "the module others.unbuilt is no plugin: it has no build"),
        ("others.wrong", "others.wrong cannot be imported: ZeroDivisionError: division by zero"),
        ("others.needy", "others.needy cannot be imported: ModuleNotFoundError: .*not_installed"),
        ("others.torn", "others.torn cannot be imported: SyntaxError: "),
        ("others.gone", "no decoders named 'others.gone'; there are animatediff"),
        ("nobody.at.all", "no decoders named 'nobody.at.all'"),
    ],
)
def test_a_module_that_is_no_plugin_is_one_sentence(modules, name, reason):
    plugin = plugins.Plugin(name=name)
    for find in (plugins.check, plugins.build):
        with pytest.raises(ValueError, match=rf"^decoders\.image: .*{reason}"):
            find("decoders", plugin, "decoders.image")


def test_a_system_is_checked_with_the_plugins_that_it_names():
    check_plugins(load_system("tiny/system"))
    parts = "encoder={name: several, image: {name: clip, wdith: 3}}"
    for override, where in {
        "decoders.image.szie=8": "decoders.image.szie",
        "encoder.trunk=resnet": "encoder.trunk",
        parts: "encoder.image.wdith",
    }.items():
        with pytest.raises(ValueError, match=f"^{where}: (unknown key|Input should)"):
            check_plugins(load_system("tiny/system", [override]))


@pytest.mark.parametrize("text", ["llm: [1", "- a\n- b\n", "just words"])
def test_a_file_that_holds_no_settings_is_named(tmp_path, text):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"broken\.yaml: .*key: value"):
        load_system(str(path), ["llm.lora.rank=3"])


@pytest.mark.parametrize("value", ["2020-99-99", "!!timestamp x", "[" * 5_000, "9" * 5_000])
def test_whatever_yaml_makes_of_a_value_is_one_sentence(value):
    with pytest.raises(ValueError, match="the value is not YAML"):
        load_system("tiny/system", [f"llm.base={value}"])


def test_an_override_that_is_not_yaml_is_shown():
    with pytest.raises(ValueError, match=r"'llm\.base=\[1': the value is not YAML"):
        load_system("tiny/system", ["llm.base=[1"])


@pytest.mark.parametrize(("stage", "decoders"), [("denoise", ["image"]), ("joint", [])])
def test_a_stage_that_learns_from_a_pool_asks_how_large_it_is(stage, decoders):
    settings = {"system": "tiny/system", "out": "run", "steps": 1, "batch_size": 1}
    with pytest.raises(ValueError, match=f"stage {stage} learns from a pool"):
        Run(stage=stage, decoders=decoders, **settings)


def test_a_path_in_the_file_of_a_run_is_relative_to_that_file(tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    (folder / "runs" / "first").mkdir(parents=True)
    (folder / "own.yaml").write_text("")
    run = {**RUN, "system": "own.yaml", "init": ["runs/first", "mini"], "out": "runs/second"}
    (folder / "run.yaml").write_text(yaml.safe_dump(run))
    monkeypatch.chdir(tmp_path)
    loaded = load_run("mine/run.yaml")
    assert loaded.system == "mine/own.yaml"
    assert [*map(str, loaded.init)] == ["mine/runs/first", "mini"]  # the second one is shipped
    assert str(loaded.out) == "mine/runs/second"
    changed = load_run(
        "mine/run.yaml", ["out=elsewhere", "init=[runs/first]", "system=tiny/system"]
    )
    assert (str(changed.out), changed.system) == ("elsewhere", "tiny/system")
    assert [*map(str, changed.init)] == ["runs/first"]


def test_data_are_found_beside_the_file_of_a_run_and_overrides_beside_the_user(
    tmp_path, monkeypatch
):
    (tmp_path / "mine").mkdir()
    sources = [{"path": "a/*.jsonl", "media": "m"}, {"path": "/b.jsonl"}]
    run = {**RUN, "stage": "decode", "data": [*sources, {"world": True, "share": 0.5}]}
    (tmp_path / "mine" / "run.yaml").write_text(yaml.safe_dump(run))
    monkeypatch.chdir(tmp_path)
    first, second, world = load_run("mine/run.yaml").data
    assert (first.path, first.media, second.path) == ("mine/a/*.jsonl", "mine/m", "/b.jsonl")
    assert world.path is None
    [source] = load_run("mine/run.yaml", ["data=[{path: a.jsonl}]"]).data
    assert source.path == "a.jsonl"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"data": [{}]}, "data.0: a source is one of 'path', 'world: true' and 'plain: true'"),
        ({"data": [{"path": "a", "world": True}]}, "data.0: a source is one of .*, not path and w"),
        ({"data": [{"world": True}]}, "data.0: world has no number of rows; give it a 'share'"),
        ({"data": [{"plain": True, "share": 1, "limit": 3}]}, "data.0: 'limit' is for files; plai"),
        ({"data": [{"world": True, "share": 1, "media": "m"}]}, "data.0: 'media' is for files; wo"),
        ({"data": [{"path": "a", "share": 0}]}, "data.0.share: Input should be greater than 0"),
        (
            {"data": [{"path": "a"}, {"world": True, "share": 1.5}]},
            "the shares add up to 1.5, which leaves nothing for the sources without one; ",
        ),
        (
            {"data": [{"path": "a"}], "stage": "route", "pool": {"text": 4}},
            "data: stage route learns from the small world alone; vae, .*, instruct take data",
        ),
    ],
)
def test_sources_that_contradict_themselves_are_refused(run_file, settings, sentence):
    overrides = [f"{key}={json.dumps(value)}" for key, value in settings.items()]
    with pytest.raises(ValueError, match=sentence):
        load_run(run_file, ["stage=decode", *overrides])


def test_paths_in_runs_that_are_shipped_are_relative_to_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(load_run("mini/decode").out) == "runs/mini/decode"


def test_a_setting_of_a_run_that_is_nearly_right_is_suggested(run_file):
    with pytest.raises(
        ValueError, match=r"^learning_rat: unknown key; did you mean learning_rate\?"
    ):
        load_run(run_file, ["learning_rat=1"])


class Chosen(Strict):
    one: int = 0

    @model_validator(mode="after")
    def _check(self):
        return self


class Choice(Strict):
    """A value of several kinds, one of which has a check of its own."""

    value: list[Chosen | int]


def test_no_kind_of_a_value_is_named_by_what_pydantic_calls_it():
    with pytest.raises(ValueError, match=r"value\.0") as refused:
        validate(Choice, {"value": [{"two": 1}]})
    assert "[" not in str(refused.value)
    assert "function" not in str(refused.value)
    assert set(str(refused.value).splitlines()) == {
        "value.0.two: unknown key",
        "value.0: Input should be a valid integer",
    }
