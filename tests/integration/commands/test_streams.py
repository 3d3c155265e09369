"""Commands whose streams are closed, never end, or hold text that is not valid Unicode."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from anygen.chat.startup import notice_after
from anygen.cli.main import main
from anygen.io.media_files import write_media
from support.paths import ROOT


@pytest.fixture
def run(monkeypatch, tmp_path, saved_model):
    """Runs a command on the tiny model with these streams; (exit code, stdout, stderr) in bytes."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, stdin: bytes | None = b"", stdout: bool = True, encoding: str = "utf-8"):
        out, err = io.BytesIO(), io.BytesIO()
        command = [arguments[0], "--model", str(saved_model), *arguments[1:]]
        monkeypatch.setattr(sys, "argv", ["anygen", *command])
        piped = None if stdin is None else io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
        monkeypatch.setattr(sys, "stdin", piped)
        written = io.TextIOWrapper(out, encoding=encoding, write_through=True)
        monkeypatch.setattr(sys, "stdout", written if stdout else None)
        monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(err, write_through=True))
        with pytest.raises(SystemExit) as stopped:
            main()
        return stopped.value.code, out.getvalue(), err.getvalue()

    return run


SHORT = ("--max-new-tokens", "2", "--modalities", "text")


def test_without_standard_input_a_question_is_answered(run):
    code, out, err = run("chat", "-p", "hi", *SHORT, stdin=None)
    assert (code, err) == (0, b"")
    assert out.strip()


def test_without_standard_output_a_question_is_answered(run):
    assert run("chat", "-p", "hi", *SHORT, stdout=False)[::2] == (0, b"")


def test_a_pipe_that_does_not_end_is_mentioned(saved_model, tmp_path):
    command = [sys.executable, "-m", "anygen", "chat", "--model", saved_model, "-p", "hi", *SHORT]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        # The pipe stays open until the notice has come.
        notice = process.stderr.readline()
        out, _ = process.communicate()
    assert notice == b"anygen: reading standard input; </dev/null skips it\n"
    assert (process.returncode, bool(out.strip())) == (0, True)


def test_a_pipe_that_ends_is_not_mentioned(capsys):
    with notice_after(60.0, "reading standard input"):
        pass
    assert capsys.readouterr().err == ""


def test_bytes_that_are_not_text_do_not_end_a_chat(run):
    code, out, err = run("chat", *SHORT, stdin=b"caf\xe9\nhello\n")
    assert (code, err) == (0, b"")
    assert len(out.splitlines()) >= 2


def test_an_argument_that_is_not_text_is_answered(run):
    assert run("chat", "-p", os.fsdecode(b"draw a caf\xe9"), *SHORT)[::2] == (0, b"")


def rows(*lines: str) -> str:
    Path("rows.jsonl").write_text("\n".join(lines))
    return "rows.jsonl"


def test_half_a_surrogate_pair_in_a_row_does_not_end_the_batch(run):
    source = rows(
        r'{"id": "x", "prompt": "half \ud83d", "options": {"stop": ["\ud83d"]}}',
        r'{"id": "half \ud83d", "prompt": "hi"}',
        '{"id": "y", "prompt": "hi"}',
    )
    code, out, _ = run("generate", source, *SHORT)
    assert code == 0
    records = [json.loads(line) for line in Path("out/records.jsonl").read_text().splitlines()]
    assert [record["id"] for record in records] == ["x", "half \ud83d", "y"]
    assert [json.loads(line) for line in out.splitlines()] == records


def test_an_output_encoding_that_lacks_a_character_does_not_end_the_batch(run):
    source = rows('{"id": "猫", "prompt": "hi"}', '{"id": "y", "prompt": "hi"}')
    code, out, _ = run("generate", source, *SHORT, encoding="cp1252")
    assert code == 0
    assert rb"\u732b" in out
    assert len(Path("out/records.jsonl").read_text().splitlines()) == 2


def test_a_file_whose_name_is_not_text_costs_no_medium(run, image):
    name = os.fsdecode(b"caf\xe9.png")
    write_media(image, "cat.png")
    Path("cat.png").rename(name)
    options = ("--set", "exactly.image=1", "--max-new-tokens", "2")
    code, _, err = run("chat", "-p", "draw", "-a", name, *options)
    assert (code, err) == (0, b"")
    made = Path("out/001_image.png")
    code, _, err = run("generate", "--from", str(made), "--out", "again")
    assert (code, err) == (0, b"")
    assert Path("again", made.name).read_bytes() == made.read_bytes()


def test_a_reader_that_leaves_ends_the_command_without_a_word(tmp_path):
    command = f"{sys.executable} -m anygen --help | head -c 1"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True)
    assert done.stderr == ""


@pytest.mark.usefixtures("ctrl_c_interrupts")
def test_ctrl_c_twice_ends_a_batch_at_once_with_whole_records(saved_model, tmp_path):
    lines = (json.dumps({"id": f"r{number}", "prompt": "hi"}) for number in range(1000))
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    command = [sys.executable, "-m", "anygen", "generate", "rows.jsonl", "--model", saved_model]
    with subprocess.Popen(
        [*command, *SHORT],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.readline()  # the first record: the batch is under way
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert (process.returncode, err) == (130, b"")
    [journal] = (tmp_path / "out" / "_tmp").iterdir()
    lines = journal.read_bytes()
    assert lines.endswith(b"\n")
    records = [line for line in map(json.loads, lines.splitlines()) if "id" in line]
    assert records
    assert all(record["status"] == "ok" for record in records)
