"""Tar archives of samples, read where they lie."""

import io
import json
import tarfile

import pytest
from typer.testing import CliRunner

from anygen.cli.main import app
from anygen.config.data import DataSource
from anygen.config.loader import load_run
from anygen.training.data.check import Checker
from anygen.training.data.files import RowError, index_path
from anygen.training.data.media import MediaMixture
from anygen.training.data.mixture import DialogueMixture
from anygen.training.data.shards import ShardFile, index_members
from anygen.training.data.sources import find_files, fingerprints, open_source
from anygen.training.data.split import split
from support.own_data import write_picture, write_sound


def write_shard(path, members, form=tarfile.PAX_FORMAT):
    """A tar archive of these names and bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=form) as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


@pytest.fixture
def png(tmp_path):
    return write_picture(tmp_path / "a.png").read_bytes()


@pytest.fixture
def wav(tmp_path):
    return write_sound(tmp_path / "a.wav").read_bytes()


@pytest.fixture
def shards(tmp_path, png, wav):
    """Two archives of two samples each, in folders and with a name that is not ASCII."""
    turns = [{"from": "human", "value": "<image>what?"}, {"from": "gpt", "value": "A kite."}]
    talk = json.dumps({"conversations": turns}).encode()
    first = [("k1.png", png), ("k1.txt", b"a red kite\n"), ("x/k2.png", png), ("x/k2.json", talk)]
    bell = json.dumps({"caption": "a bell"}).encode()
    second = [("ö.wav", wav), ("ö.json", bell), ("k3.txt", b"b"), ("k3.png", png)]
    write_shard(tmp_path / "clips/0.tar", first)
    write_shard(tmp_path / "clips/1.tar", second, tarfile.GNU_FORMAT)
    return tmp_path / "clips/*.tar"


def test_samples_of_archives_are_rows_whose_media_lie_in_them(shards, png, wav):
    source = open_source(DataSource(path=str(shards)), seed=0)
    assert len(source) == 4
    assert [source.read(row).id for row in (3, 0, 2, 1)] == ["k3", "k1", "ö", "x/k2"]
    medium = source.read(0).messages[-1].content[0]
    assert (medium.path, medium.caption) == ("k1.png", "a red kite")
    assert source.place(0).media.data("k1.png") == png
    assert source.place(2).media.read("ö.wav").rate == 16_000
    assert source.place(2).media.sha256("ö.wav") == source.place(2).media.sha256("ö.wav")
    shown, question = source.read(1).messages[0].content
    assert (shown.path, question.text) == ("x/k2.png", "what?")
    assert (source.place(1).file.name, source.place(1).line) == ("0.tar", "x/k2")


def test_runs_of_dialogues_and_of_media_draw_from_archives(shards, tiny_model, write_run, tmp_path):
    data = [{"path": "clips/*.tar"}]
    run = load_run(write_run("decode", data=data, batch_size=4))
    rows = DialogueMixture(run, tiny_model).rows(0)
    assert sorted(caption for d in rows.own for caption in d.captions.values()) == [
        "a bell",
        "a red kite",
        "b",
    ]
    run = load_run(write_run("vae", data=data, batch_size=3, decoders=["image"]))
    assert len(MediaMixture(run).rows(0, 0, 1).own) == 3


def test_samples_that_cannot_be_read_are_named_by_archive_and_sample(
    tmp_path, png, tiny_model, write_run
):
    members = [
        *(("k1.png", png), ("k1.txt", b"a kite")),
        ("k2.png", png),
        *(("k3.png", png[:60]), ("k3.txt", b"a kite")),
        *(("k4.png", png), ("k4.json", b"{")),
    ]
    path = write_shard(tmp_path / "0.tar", members)
    with pytest.raises(RowError, match=r"0\.tar:k2: record k2: the columns are id, image, "):
        ShardFile(path).read(1)
    run = load_run(write_run("instruct", data=[{"path": "0.tar"}], bad_rows="skip", batch_size=4))
    DialogueMixture(run, tiny_model).rows(0)
    rows = [json.loads(line) for line in (run.out / "refused.jsonl").read_text().splitlines()]
    reasons = {row["member"]: row["reason"] for row in rows}
    assert sorted(reasons) == ["k2", "k3", "k4"]
    assert reasons["k3"].endswith("0.tar:k3.png: this PNG file is damaged or truncated")
    assert len(DialogueMixture(run, tiny_model).refused) == 3
    faults = [(fault.line, fault.reason) for fault in Checker().faults(ShardFile(path))]
    assert [line for line, _ in faults] == ["k2", "k3", "k4"]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda data: data[:900], "is no whole tar archive without compression: .*k1"),
        (lambda data: b"\x1f\x8b" + data, "is no whole tar archive without compression"),
        (lambda data: b"", "is no whole tar archive without compression: empty file"),
    ],
)
def test_a_damaged_archive_is_refused_in_one_sentence(tmp_path, png, damage, sentence):
    path = write_shard(tmp_path / "0.tar", [("k1.png", png * 9), ("k1.txt", b"a")])
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=sentence) as error:
        open_source(DataSource(path=str(path)), seed=0)
    assert "\n" not in str(error.value)


def test_media_of_archives_lie_in_them_alone(shards):
    with pytest.raises(ValueError, match="a tar archive holds its media; remove 'media'"):
        open_source(DataSource(path=str(shards), media="elsewhere"), seed=0)


def test_a_stored_index_is_used_while_the_archive_stays_as_it_is(shards, tmp_path, png):
    result = CliRunner().invoke(app, ["data", "index", str(shards)])
    assert result.exit_code == 0, result.output
    first, _ = find_files(str(shards))
    assert index_path(first.path).is_file()
    assert first.index.sha256 == index_members(first.path).sha256
    write_shard(first.path, [("new.png", png * 2), ("new.txt", b"x")])
    assert ShardFile(first.path).line(0) == "new"


def test_a_run_knows_archives_by_what_is_in_them(shards, write_run, png):
    run = load_run(write_run("instruct", data=[{"path": "clips/*.tar"}]))
    before = fingerprints(run)
    path = shards.with_name("1.tar")
    path.rename(shards.with_name("2.tar"))
    assert fingerprints(run) == before
    write_shard(path.with_name("2.tar"), [("k1.png", png), ("k1.txt", b"a")])
    assert fingerprints(run) != before


def test_archives_are_not_split(shards):
    with pytest.raises(ValueError, match="archives are not split; hold some of"):
        split(find_files(str(shards)), 0.1, None)
