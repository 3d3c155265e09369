"""Which rows a step learns from: a function of the seed and the step, also if some are bad."""

import json

import pytest

from anygen.config.loader import load_run, load_system
from anygen.model.multimodal import MultimodalModel
from anygen.training.data.captions import captions_of_data
from anygen.training.data.mixture import DialogueMixture, open_sources, shares_of, with_steps
from support.own_data import picture, talk, write_picture, write_records, write_sound


@pytest.fixture
def mixture(tiny_model, write_run):
    """The rows that a run of these settings would read."""

    def make(stage="instruct", model=tiny_model, **settings):
        return DialogueMixture(load_run(write_run(stage, **settings)), model)

    return make


def answers(rows):
    return [dialogue.messages[-1].parts[0] for dialogue in rows.own]


def own_rows(folder, count):
    rows = [talk(f"row-{i}", "say", f"answer {i}") for i in range(count)]
    return write_records(folder / "mine.jsonl", *rows)


@pytest.mark.parametrize(
    ("epochs", "share", "steps"), [(1, None, 4), (2.5, None, 10), (2, 0.5, 16)]
)
def test_epochs_are_as_many_steps_as_read_the_rows_of_files_so_often(
    tmp_path, write_run, epochs, share, steps
):
    own_rows(tmp_path, 12)
    world = [{"world": True, "share": share}] if share else []
    data = [{"path": "mine.jsonl"}, *world]
    name = write_run("instruct", data=data, batch_size=3, steps=0, epochs=epochs)
    run = with_steps(load_run(name))
    assert (run.steps, run.epochs) == (steps, None)
    assert with_steps(run) == run


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"steps": 0}, "steps: give a number of steps, or one of epochs"),
        ({"steps": 3, "epochs": 1}, "steps: give a number of steps, or one of epochs"),
        ({"steps": 0, "epochs": 1}, "epochs: are passes over files in `data`"),
    ],
)
def test_a_run_has_steps_or_epochs_of_files(write_run, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        load_run(write_run("instruct", **settings))


def test_each_row_is_read_once_in_an_epoch_and_in_another_order_in_the_next(tmp_path, mixture):
    own_rows(tmp_path, 12)
    rows = mixture(data=[{"path": "mine.jsonl"}], batch_size=3)
    read = [answer for step in range(8) for answer in answers(rows.rows(step))]
    expected = {f"answer {i}" for i in range(12)}
    assert set(read[:12]) == set(read[12:]) == expected
    assert read[:12] != read[12:]


def test_a_step_has_the_same_rows_wherever_a_run_begins(tmp_path, mixture):
    own_rows(tmp_path, 12)
    settings = {"data": [{"path": "mine.jsonl"}], "batch_size": 3}
    from_start, later = mixture(**settings), mixture(**settings)
    steps = [answers(from_start.rows(step)) for step in range(6)]
    assert answers(later.rows(4)) == steps[4]
    assert answers(later.rows(1)) == steps[1]


def test_sources_have_their_shares_of_the_rows(tmp_path, mixture):
    own_rows(tmp_path, 4)
    data = [{"path": "mine.jsonl"}, {"world": True, "share": 0.3}, {"plain": True, "share": 0.2}]
    rows = mixture(data=data, batch_size=1000).rows(0)
    assert (len(rows.own), rows.world, rows.plain) == (500, 300, 200)


@pytest.mark.parametrize(
    ("mixing", "expected"),
    [("size", [0.18, 0.72, 0.1]), ("sqrt", [0.3, 0.6, 0.1]), ("equal", [0.45, 0.45, 0.1])],
)
def test_files_without_a_share_divide_the_rest_by_the_mixing(tmp_path, write_run, mixing, expected):
    for name, count in (("a", 4), ("b", 16)):
        write_records(tmp_path / f"{name}.jsonl", *(talk(str(i)) for i in range(count)))
    data = [{"path": "a.jsonl"}, {"path": "b.jsonl"}, {"world": True, "share": 0.1}]
    run = load_run(write_run("decode", data=data, mixing=mixing))
    assert shares_of(run, open_sources(run)) == pytest.approx(expected)


def bad_rows(folder):
    """Twelve rows, of which four cannot be learned from, each for a reason of its own."""
    rows = [talk(f"row-{i}", "say", f"answer {i}") for i in range(12)]
    write_sound(folder / "bell.wav")
    rows[2] = b'{"id": "row-2", '
    rows[5] = talk("row-5", [picture("gone.png")], "x")
    rows[7] = talk("row-7", "say", "")
    rows[9] = talk("row-9", [picture("bell.wav")], "x")
    return write_records(folder / "bad.jsonl", *rows)


def test_a_row_that_cannot_be_read_stops_the_run_with_its_place(tmp_path, mixture):
    path = bad_rows(tmp_path)
    rows = mixture(data=[{"path": "bad.jsonl"}], batch_size=12)
    with pytest.raises(ValueError, match=r"bad\.jsonl:\d+: .*; bad_rows: skip passes over") as e:
        rows.rows(0)
    assert str(e.value).startswith(str(path))


def test_rows_that_are_skipped_are_listed_and_move_no_other(tmp_path, mixture):
    own_rows(tmp_path, 12)
    settings = {"batch_size": 6, "bad_rows": "skip"}
    sound = mixture(data=[{"path": "mine.jsonl"}], **settings)
    before = [answer for step in range(2) for answer in answers(sound.rows(step))]
    path = bad_rows(tmp_path)
    settings["data"] = [{"path": "bad.jsonl"}]
    rows = mixture(**settings)
    after = [answer for step in range(2) for answer in answers(rows.rows(step))]
    bad = {f"answer {i}" for i in (2, 5, 7, 9)}
    for one, other in zip(before, after, strict=True):
        assert other not in bad
        assert other == one or one in bad
    lines = (tmp_path / "run" / "refused.jsonl").read_text().splitlines()
    refused = {row.pop("line"): row for row in map(json.loads, lines)}
    assert sorted(refused) == [3, 6, 8, 10]
    assert len(lines) == len(rows.refused) == 4
    gone, empty, sound_as_picture = refused[6], refused[8], refused[10]
    assert gone["id"] == "row-5"
    assert gone["file"] == str(path)
    assert gone["reason"].endswith("gone.png: no such file")
    assert empty["reason"] == "message 2: the assistant's content is empty"
    assert sound_as_picture["reason"].startswith("medium 1 has the type image, and is of")
    again = mixture(**settings)
    again.rows(0)
    assert (tmp_path / "run" / "refused.jsonl").read_text().splitlines() == lines


def test_a_file_of_bad_rows_alone_is_refused(tmp_path, mixture):
    write_records(tmp_path / "mine.jsonl", talk("a", "say", ""), b"{")
    rows = mixture(data=[{"path": "mine.jsonl"}], bad_rows="skip")
    with pytest.raises(ValueError, match=r"no row can be learned from; .*refused\.jsonl has the"):
        rows.rows(0)


def test_a_row_longer_than_the_limit_is_refused_by_its_positions(tmp_path, mixture):
    write_picture(tmp_path / "a.png")
    content = [picture("a.png"), {"type": "text", "text": "cat " * 60}]
    write_records(tmp_path / "mine.jsonl", talk("long", content))
    data = [{"path": "mine.jsonl"}]
    assert len(mixture(data=data).rows(0).own) == 2
    with pytest.raises(ValueError, match=r"record long: takes \d+ positions, and 50 can be"):
        mixture(data=data, max_length=50).rows(0)


@pytest.mark.parametrize(
    ("role", "sentence"),
    [
        ("user", "record a: medium 1 is audio, and the encoder takes image and video"),
        ("assistant", "record a: medium 1 is video, which this system has no decoder of"),
    ],
)
def test_a_medium_that_the_system_lacks_is_refused(
    tmp_path, mixture, picture_system, role, sentence
):
    system = load_system(str(picture_system))
    model = MultimodalModel(system, picture_system.parent)
    parts = {
        "user": {"question": [{"type": "audio", "path": "a.wav"}]},
        "assistant": {"answer": [{"type": "video", "path": "a.mp4", "caption": "a ball"}]},
    }
    write_records(tmp_path / "mine.jsonl", talk("a", **parts[role]))
    with pytest.raises(ValueError, match=sentence):
        mixture(data=[{"path": "mine.jsonl"}], model=model).rows(0)


def test_media_are_read_from_the_folder_of_the_file_or_the_one_that_is_named(tmp_path, mixture):
    write_picture(tmp_path / "pictures" / "a.png")
    row = talk("a", [picture("a.png")], "x")
    write_records(tmp_path / "pictures" / "mine.jsonl", row)
    write_records(tmp_path / "elsewhere" / "mine.jsonl", row)
    for data in (
        {"path": "pictures/mine.jsonl"},
        {"path": "elsewhere/mine.jsonl", "media": "pictures"},
    ):
        assert len(mixture(data=[data]).rows(0).own) == 2
    with pytest.raises(ValueError, match=r"a\.png: no such file"):
        mixture(data=[{"path": "elsewhere/mine.jsonl"}]).rows(0)


def test_captions_to_compare_with_are_those_of_the_data(tmp_path, write_run):
    rows = [talk(str(i), "draw", [picture(None, f"thing {i % 5}")]) for i in range(20)]
    write_records(tmp_path / "mine.jsonl", *rows)
    own = load_run(write_run("decode", data=[{"path": "mine.jsonl"}]))
    assert sorted(captions_of_data(own)["image"]) == [f"thing {i}" for i in range(5)]
    data = [{"path": "mine.jsonl"}, {"world": True, "share": 0.75}]
    mixed = load_run(write_run("decode", data=data, negatives=16))
    assert len(captions_of_data(mixed)["image"]) == 4
    assert captions_of_data(mixed)["audio"] == []
