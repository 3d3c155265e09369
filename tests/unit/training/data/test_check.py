"""What `anygen data check` finds, and what it counts."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from anygen.cli.main import app
from anygen.config.data import DataSource
from anygen.training.data.check import Checker
from anygen.training.data.files import RecordFile
from anygen.training.data.rows import RowReader
from anygen.training.data.sources import open_source
from anygen.training.data.split import split
from support.own_data import (
    picture,
    talk,
    write_dialogues,
    write_picture,
    write_records,
    write_sound,
)


def found(path, **settings):
    """Lines and reasons of the faults of a file."""
    return [(fault.line, fault.reason) for fault in Checker(**settings).faults(RecordFile(path))]


@pytest.fixture
def folder(tmp_path):
    write_picture(tmp_path / "a.png")
    write_sound(tmp_path / "bell.wav")
    (tmp_path / "broken.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    return tmp_path


def test_sound_records_have_no_faults(tmp_path):
    assert found(write_dialogues(tmp_path)) == []


def test_every_fault_has_its_line_and_a_sentence(folder):
    scene = {"type": "image", "scene": {"type": "image", "things": "many"}}
    path = write_records(
        folder / "mine.jsonl",
        talk("a", [picture("a.png")], "x"),
        b"{",
        talk("b", [picture("bell.wav")], "x"),
        talk("c", [picture("gone.png")], ""),
        talk("d", [picture("broken.png")], "x"),
        talk("e", [picture("https://example.org/a.png")], "x"),
        talk("a", "y", "z"),
        talk("f", [scene], "x"),
    )
    faults = found(path)
    assert [line for line, _ in faults] == [2, 3, 4, 4, 5, 6, 7, 8]
    reasons = [reason for _, reason in faults]
    assert reasons[1] == "medium 1: bell.wav is called image and is audio"
    assert reasons[2] == "message 2: the assistant's content is empty"
    assert reasons[3] == f"medium 1: {folder / 'gone.png'}: no such file"
    assert reasons[4].endswith("broken.png: this PNG file is damaged or truncated")
    assert reasons[5] == (
        "medium 1: https://example.org/a.png: is an address; fetch the file and name it instead"
    )
    assert reasons[6] == f"its id is that of {path}:1; give each record its own"
    assert reasons[7].startswith("medium 1: ")


def test_what_passes_the_check_is_what_a_run_reads(folder, tiny_model):
    """The check refuses whatever training refuses: faults of one are not passed by the other."""
    sub = folder / "sub"
    rows = [
        talk("a", [picture("a.png")], "x"),
        talk("b", [picture("bell.wav")], "x"),
        talk("c", "x", [picture("a.png")]),
        talk("d", "x " * 300, "y"),
        talk("e", "x", [picture(None, "a cat")]),
        talk("f", [picture("../a.png")], "x"),
        talk("g", [picture(str(folder / "a.png"))], "x"),
        talk("h", [picture("https://example.org/a.png")], "x"),
        talk("i", [picture("a\0.png")], "x"),
        talk("j", [picture("a.png" * 1_000)], "x"),
        talk("k", [picture("")], "x"),
    ]
    write_picture(sub / "a.png")
    write_sound(sub / "bell.wav")
    path = write_records(sub / "mine.jsonl", *rows)
    reader = RowReader(tiny_model, 200)
    source = open_source(DataSource(path=str(path)), seed=0)
    refused = set()
    for row in range(len(rows)):
        try:
            reader.read(source, row)
        except ValueError:
            refused.add(row + 1)
    assert refused == {line for line, _ in found(path, reader=reader)}
    assert refused == {2, 3, 4, 8, 9, 10, 11}


def test_halves_of_surrogate_pairs_stop_neither_the_check_nor_a_run(folder, tiny_model):
    """An id, a source or a caption is read without them; the name of a file may hold them."""
    odd = {**talk("\ud800", "x", [picture(None, "a \udc00 cat")]), "source": "\ud800"}
    rows = [odd, talk("b", [picture("\udce9.png")], "x"), talk("c\ud800", ""), talk("d")]
    path = write_records(folder / "mine.jsonl", *rows)
    reader = RowReader(tiny_model, 200)
    assert found(path) == found(path, reader=reader)
    checked = CliRunner().invoke(app, ["data", "check", str(path)])
    assert checked.stdout.splitlines()[:2] == [
        f"{path}:2: record b: medium 1: {folder}/\\udce9.png: no such file",
        f"{path}:3: record c\ufffd: message 1: the user's content is empty",
    ]
    assert checked.stdout.endswith("2 faults in 2 lines\n")
    source = open_source(DataSource(path=str(path)), seed=0)
    assert reader.read(source, 0).captions == {0: "a \ufffd cat"}
    split([RecordFile(write_records(folder / "whole.jsonl", *rows))], 0.5, None)


def test_media_elsewhere_are_pointed_at_and_are_no_fault(folder):
    """Converters and builds write such paths where the media lie beside what they write."""
    built = folder / "built"
    write_picture(built / "b.png")
    (built / "link.png").symlink_to(folder / "a.png")
    names = ["b.png", "../a.png", "../built/b.png", str(folder / "a.png"), "link.png"]
    rows = [talk(name, [picture(name)], f"x {name}") for name in names]
    path = write_records(built / "records.jsonl", *rows)
    checked = CliRunner().invoke(app, ["data", "check", str(path)])
    assert checked.exit_code == 0
    note, last = checked.stdout.splitlines()[-2:]
    assert note.startswith(
        f"3 media outside the folder of the media, the first ../a.png in {path}:2: training reads "
        "them there"
    )
    assert last == "0 faults in 0 lines"
    above = CliRunner().invoke(app, ["data", "check", str(path), "--media", str(folder)])
    assert f"{folder / 'b.png'}: no such file" in above.stdout


def test_one_medium_is_not_spoken_of_as_several(folder):
    path = write_records(folder / "r.jsonl", talk("a", "x", [picture("a.png", "a cat")]))
    words = ["convert", str(path), "--from", "records", "--out", str(folder / "out" / "r.jsonl")]
    done = CliRunner().invoke(app, ["data", *words])
    note = f"1 medium outside the folder of {folder / 'out' / 'r.jsonl'}; write it beside or above "
    assert done.stdout.splitlines()[1].startswith(note)
    checked = CliRunner().invoke(app, ["data", "check", str(folder / "out" / "r.jsonl")])
    assert "\n1 medium outside the folder of the media, the first ../a.png in " in checked.stdout


@pytest.mark.parametrize(
    "words", ["check {}", "split {}", "preview {}", "convert {} --from records --out {}.jsonl"]
)
def test_a_folder_of_media_that_is_not_there_is_named_though_no_row_has_media(folder, words):
    path = write_records(folder / "mine.jsonl", talk("a"))
    words = ["data", *words.format(path, path).split(), "--media", "nix"]
    refused = CliRunner().invoke(app, words)
    assert str(refused.exception) == "--media nix: no such folder"
    assert [file.suffix for file in folder.iterdir() if file.stem == "mine"] == [".jsonl"]


@pytest.mark.parametrize("command", ["build", "convert"])
def test_what_is_built_or_converted_from_media_elsewhere_passes(command, folder, monkeypatch):
    monkeypatch.chdir(folder)
    for index in range(6):
        write_picture(folder / f"pictures/{index}.png", index)
        (folder / f"pictures/{index}.txt").write_text(f"a red cat {index}")
    made = {
        "build": "data build multiinstruct --captions pictures --count 1 --out made",
        "convert": "data convert pictures --from captions --out made/records.jsonl",
    }
    runner = CliRunner()
    done = runner.invoke(app, made[command].split())
    count = {"build": "1 dialogue", "convert": "6 rows kept"}[command]
    assert done.stdout.splitlines()[0] == f"{count}: {Path('made/records.jsonl')}"
    checked = runner.invoke(app, ["data", "check", "made/records.jsonl"])
    assert checked.exit_code == 0, checked.stdout
    assert " outside the folder of the media, the first ../pictures/" in checked.stdout


def test_the_command_ends_with_1_if_there_are_faults_and_counts_what_there_is(folder):
    runner = CliRunner()
    path = write_dialogues(folder, 8)
    sound = runner.invoke(app, ["data", "check", str(path)])
    assert sound.exit_code == 0
    assert sound.stdout.splitlines()[-1] == "0 faults in 0 lines"
    assert "image of the assistant, caption only" in sound.stdout
    first = path.read_text().splitlines()[3]
    path.write_text(path.read_text() + first.replace("row-3", "again") + "\n{\n")
    checked = runner.invoke(app, ["data", "check", str(path)])
    assert checked.exit_code == 1
    assert checked.stdout.startswith(f"{path}:10: is not JSON")
    assert "9, of which 1 repeat an earlier one" in checked.stdout
    counted = runner.invoke(app, ["data", "stats", str(path)])
    assert counted.exit_code == 0
    tables = checked.stdout.splitlines()[1:-1]
    assert counted.stdout.splitlines() == [
        *tables,
        "not counted: 1 line without a record, which data check names",
    ]


def test_a_share_that_holds_nothing_out_is_pointed_at(folder):
    path = write_records(folder / "mine.jsonl", talk("a"))
    done = CliRunner().invoke(app, ["data", "split", str(path), "--held-out", "0"])
    assert done.exit_code == 0
    first, second, hint = done.stdout.splitlines()
    assert (first.split(":")[0], second.split(":")[0]) == ("1 row", "0 rows")
    assert hint.startswith("one part has no rows: at --held-out 0 ")


def test_rows_are_measured_for_a_system_without_its_weights(folder, tiny_system):
    path = write_records(folder / "mine.jsonl", talk("a", "cat " * 5_000, "x"), talk("b"))
    checked = CliRunner().invoke(app, ["data", "check", str(path), "--system", str(tiny_system)])
    assert checked.exit_code == 1
    assert ":1: record a: takes " in checked.stdout
    assert "positions " in checked.stdout
