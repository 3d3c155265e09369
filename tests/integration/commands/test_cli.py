"""The commands as a person runs them, up to the loading of a model."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml
from rich.text import Text

import anygen
from anygen.cli.main import ORDER, app
from anygen.cli.options import read_placement

PANELS = ("Talk", "Generate", "Serve", "Data", "Evaluate", "Look")


def test_help_and_version_import_nothing_heavy():
    code = (
        "import sys\nfrom anygen.cli.main import main\n"
        "sys.argv = ['anygen', sys.argv[1]]\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'transformers', 'diffusers', 'pydantic', 'av', 'PIL'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))\n"
    )
    for option, expected in {"--help": "generate", "--version": anygen.__version__}.items():
        done = subprocess.run(
            [sys.executable, "-c", code, option], capture_output=True, text=True, check=True
        )
        assert expected in done.stdout
        assert "heavy: []" in done.stdout


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "anygen", "--version"], capture_output=True)
    assert (done.returncode, done.stdout.decode()) == (0, f"{anygen.__version__}\n")


@pytest.mark.parametrize(
    "command",
    [
        "chat",
        "generate",
        "train",
        "pack",
        "evaluate",
        "arena",
        "config",
        "plan",
        "models",
        "doctor",
    ],
)
def test_every_command_explains_itself(anygen_cli, command):
    code, out, err = anygen_cli(command, "--help")
    assert (code, err) == (0, "")
    assert "Usage" in out


def commands_below(command):
    yield command
    for other in getattr(command, "commands", {}).values():
        yield from commands_below(other)


def test_help_loses_nothing_in_brackets():
    """Typer reads it as rich's markup, in which `[vqa]` is a style unless it is escaped."""
    commands = [*commands_below(typer.main.get_command(app))]
    texts = [item.help for c in commands for item in (c, *c.params) if getattr(item, "help", None)]
    assert any("[" in text for text in texts)
    assert [Text.from_markup(text).plain for text in texts] == [
        text.replace(r"\[", "[") for text in texts
    ]


def test_help_lists_the_commands_by_use(anygen_cli):
    _, out, _ = anygen_cli("--help")
    words = [line.split()[1] for line in out.splitlines() if line.startswith(("│", "|", "╭"))]
    listed = [word for word in words if word in ORDER or word in PANELS]
    assert listed == [
        *("Talk", "chat", "web", "Generate", "generate", "Serve", "serve"),
        *("Data", "data", "train", "pack", "convert", "Evaluate", "evaluate", "arena"),
        *("Look", "models", "config", "plan", "doctor"),
    ]


def test_every_command_that_takes_a_device_chooses_one_itself():
    commands = typer.main.get_command(app).commands
    devices = [p for c in commands.values() for p in c.params if p.name == "device"]
    assert len(devices) == 6
    assert {p.default or p.show_default for p in devices} == {"auto"}


def test_an_accelerator_is_printed_once_and_a_cpu_is_not(capsys):
    place = read_placement("auto", None, None, "none", None)
    expected = "" if place.device == "cpu" else f"anygen: running on {place}\n"
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--workers", "2"],
            "--workers and --worker-gpus are for replicas: give --engine ray, too",
        ),
        (["--worker-gpus", "0"], "--workers and --worker-gpus are for replicas"),
        (["--engine", "rays"], "--engine: 'rays' is none of local, ray"),
        (["--ray-address", "auto"], "--ray-address is that of a cluster: give --engine ray, too"),
    ],
    ids=str,
)
def test_options_of_replicas_want_the_engine_of_replicas(anygen_cli, options, message):
    code, out, err = anygen_cli("serve", *options)
    assert (code, out) == (2, "")
    assert err.startswith(f"anygen: {message}")


def test_an_unknown_command_is_a_usage_error(anygen_cli):
    code, out, err = anygen_cli("chatt")
    assert (code, out) == (2, "")
    assert "chatt" in err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["chat", "-p", "look @gone.png"], "gone.png: no such file"),
        (["chat", "-p", "look", "-a", "gone.wav"], "gone.wav: no such file"),
        (["chat", "-p", " "], "--prompt is empty; write a text or attach a file"),
        (["chat", "-a", "x.png"], "--attach needs --prompt; in a conversation, write @path"),
        (
            ["chat", "-p", "x", "--modalities", "image,smell"],
            "no modality 'smell'; there are text, image, audio, video",
        ),
        (
            ["generate", "x", "--device", "gpu"],
            "device: 'gpu' is no device; write cpu, cuda or cuda:1, or auto",
        ),
        (
            ["chat", "-p", "x", "--quant", "nf4", "--offload", "sequential"],
            "offload sequential moves plain layers: leave out quant",
        ),
        (
            ["plan", "mini/system", "--memory", "24"],
            "--memory is a number and one of kB, MB, GB, KiB, MiB, GiB, not '24'",
        ),
        (
            ["plan", "mini/system", "--memory", "0GB"],
            "--memory is more than nothing, such as 24GB, not '0GB'",
        ),
        (
            ["config", "tiny/system", "decoders.audio.name=audioldn"],
            "decoders.audio: no decoders named 'audioldn'; there are animatediff, audioldm, "
            "diffusers_pipeline, stable_diffusion, zeroscope, and modules of your own by their "
            "full names",
        ),
        (
            ["generate", "x", "--verify"],
            "give one of a prompt, a file of prompts, --from FILE, and --verify with --out FOLDER",
        ),
        (
            ["generate", "--verify", "--out", "gone"],
            "gone: has no manifest.json; the batch has not come to its end",
        ),
        (
            ["generate", "x", "--row-timeout", "5"],
            "--row-timeout ends a worker that takes too long: give --workers, too",
        ),
        (
            ["generate", "x", "--format", "csv"],
            "--format: 'csv' is none of files, parquet, webdataset",
        ),
        (["generate", "gone.jsonl"], "gone.jsonl: No such file or directory"),
        (["generate", " "], "the prompt is empty; write a text"),
        (
            ["generate", "prompts.yaml"],
            "prompts.yaml: the name of a file of prompts ends in one of .jsonl, .ndjson, .csv, "
            ".tsv, .parquet, .txt",
        ),
        (
            ["generate", "--image", "a cat", "--modalities", "text"],
            "--image says what an answer is, and --modalities what it may hold; give one",
        ),
        (
            ["evaluate", "compare", "gone", "b"],
            "gone holds no results; anygen evaluate --out gone writes some",
        ),
        (["evaluate", "compare", "one"], "compare needs the results of two models or more"),
        (["evaluate", "leaderboard", "gone"], "gone: holds no results of anygen evaluate"),
        (
            ["evaluate", "--suite", "geneval", "--extractor", "clip=gone"],
            "--extractor clip: there is no folder 'gone'",
        ),
        (
            ["arena", "rate", "gone"],
            "there are no battles gone; anygen arena vote writes some",
        ),
        (
            ["arena", "vote", "mini", "--prompts", "gone.txt"],
            "there is no file of prompts gone.txt",
        ),
    ],
)
def test_what_a_user_can_mend_is_one_line(anygen_cli, arguments, complaint):
    assert anygen_cli(*arguments) == (2, "", f"anygen: {complaint}\n")


def test_a_file_is_read_before_any_model_is_looked_for(anygen_cli, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"id": "a", "prompt": "x"}\n', encoding="utf-16-le")
    code, out, err = anygen_cli("generate", "rows.jsonl", "--model", "no-such-model")
    assert (code, out) == (2, "")
    assert err == "anygen: rows.jsonl: is not UTF-8; save it as UTF-8\n"


def test_a_finished_file_needs_no_model(anygen_cli, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"id": "a", "prompt": "x"}\n')
    (tmp_path / "out").mkdir()
    done = {"id": "a", "status": "ok", "seed": 1, "content": []}
    (tmp_path / "out" / "records.jsonl").write_text(json.dumps(done) + "\n")
    code, out, err = anygen_cli("generate", "rows.jsonl", "--model", "no-such-model")
    assert (code, out) == (0, "")
    summary = f"0 answered, 0 failed: {Path('out') / 'records.jsonl'}"
    assert err.splitlines() == ["1 done before", summary]


SYSTEM = """
encoder: {name: clip, pretrained: somebody/clip}
decoders:
  image: {name: stable_diffusion, pretrained: somebody/pictures, steps: 4}
"""
RUN = """
system: mini
stage: denoise
decoders: [image]
pool: {image: 8}
out: runs/x
steps: 10
batch_size: 2
"""


@pytest.mark.parametrize(
    ("stage", "modality", "complaint"),
    [
        ("vae", "video", "decoders.video: animatediff lacks methods that stage vae needs, "),
        ("vocoder", "image", "decoders.image: stable_diffusion lacks methods that stage vocoder"),
    ],
)
def test_a_decoder_that_a_stage_cannot_train_is_one_line(
    anygen_cli, write_run, stage, modality, complaint
):
    code, out, err = anygen_cli("train", write_run(stage, decoders=[modality]))
    assert (code, out) == (2, "")
    assert err.startswith(f"anygen: {complaint}")
    assert err.count("\n") == 1


def test_a_decoder_that_the_system_lacks_is_one_line(anygen_cli, write_run, tiny_system, tmp_path):
    system = yaml.safe_load(tiny_system.read_text())
    del system["decoders"]["video"]
    path = tmp_path / "system.yaml"
    path.write_text(yaml.safe_dump(system, sort_keys=False))
    shutil.copy(tiny_system.with_name("captions.json"), tmp_path)
    code, out, err = anygen_cli("train", write_run("vae", system=str(path), decoders=["video"]))
    assert (code, out) == (2, "")
    assert err == "anygen: decoders: this system has no decoder of video, only of image, audio\n"


def test_config_shows_a_system_with_its_defaults_and_overrides(anygen_cli, tmp_path):
    (tmp_path / "small.yaml").write_text(SYSTEM)
    code, out, err = anygen_cli("config", "small.yaml", "llm.lora.rank=3")
    assert (code, err) == (0, "")
    assert "rank: 3" in out
    assert "kind: mlp" in out
    assert "steps: 4" in out


def test_config_shows_a_run(anygen_cli, tmp_path):
    (tmp_path / "run.yaml").write_text(RUN)
    code, out, err = anygen_cli("config", "run.yaml", "steps=7")
    assert (code, err) == (0, "")
    assert "steps: 7" in out
    assert "save_every: 200" in out


def test_a_config_that_is_not_yaml_is_one_line(anygen_cli, tmp_path):
    (tmp_path / "broken.yaml").write_text("llm: [1")
    code, out, err = anygen_cli("config", "broken.yaml")
    assert (code, out) == (2, "")
    assert err.startswith("anygen: broken.yaml: not YAML of the form key: value; ")
    assert err.count("\n") == 1


def test_every_problem_of_a_config_is_a_line_of_its_own(anygen_cli, tmp_path):
    (tmp_path / "run.yaml").write_text(RUN)
    code, out, err = anygen_cli("config", "run.yaml", "steps=-1", "stpes=3")
    assert (code, out) == (2, "")
    first, second = err.splitlines()
    assert first.startswith("anygen: steps: Input should be greater than or equal to 0")
    assert second.startswith("anygen: stpes: ")


@pytest.mark.slow
def test_a_plan_is_a_table_and_says_what_makes_it_fit(anygen_cli, picture_system):
    plan = "plan", str(picture_system), "--length", "64", "--device", "cpu"
    code, out, err = anygen_cli(*plan, "--json")
    assert (code, err) == (0, "")
    chat = json.loads(out)["peaks"]["chat"]
    parts = ("weights", "activations", "cache", "libraries")
    assert chat["total"] == sum(chat[part] for part in parts)
    code, out, err = anygen_cli(*plan, "--memory", f"{(chat['total'] - 1000) / 1e6}MB")
    assert (code, err) == (0, "")
    assert "decoders.image.unet" in out
    begins = {line.split()[0] for line in out.splitlines() if line}
    assert {"chat", "encode", "decode", "instruct"} <= begins
    assert re.search("chat does not fit into .*; with --dtype bfloat16 it takes", out)


@pytest.mark.slow
def test_a_plan_for_a_device_that_is_not_here_asks_how_large_it_is(anygen_cli, picture_system):
    code, out, err = anygen_cli("plan", str(picture_system), "--length", "64", "--device", "cuda:7")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "cuda:7 is not here: add --memory 24GB to see what fits"
