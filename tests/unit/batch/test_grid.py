"""Prompts to grids: every prompt with several seeds, and with all combinations of options."""

import pytest

from anygen.batch.grid import Grid, expand, parse_grid
from anygen.batch.progress import Progress
from anygen.batch.report import write_report
from anygen.batch.rows import BatchRow
from anygen.generation.request import derive_seed
from support.batches import BatchSettings, Painter, never_load, records, run, write_rows


def rows(**data):
    return [BatchRow.of({"id": "cat", "prompt": "a cat", **data}, "")]


def shown(found):
    return [(row.id, row.data["seed"], row.data.get("options")) for row in found]


def test_a_sweep_makes_all_combinations_and_only_its_options_differ():
    grid = parse_grid(1, ["seed=7..8", "image.guidance=2,4.5"])
    assert (grid.size, grid.columns) == (4, 2)
    assert shown(expand(rows(options={"image.steps": 3}), grid, 0)) == [
        (
            f"cat-seed={seed}-image.guidance={value}",
            seed,
            {"image.steps": 3, "image.guidance": value},
        )
        for seed in (7, 8)
        for value in (2, 4.5)
    ]
    base = derive_seed(0, "cat")
    found = expand(rows(), parse_grid(1, ["steps=1,2"]), 0)
    assert [row.data["seed"] for row in found] == [base, base]


def test_a_repetition_has_its_own_seed_and_the_first_is_the_row_itself():
    found = expand(rows(seed=5), parse_grid(3, []), 0)
    assert [row.id for row in found] == ["cat-1", "cat-2", "cat-3"]
    assert [row.data["seed"] for row in found] == [5, derive_seed(5, 1), derive_seed(5, 2)]


def test_without_a_grid_rows_stay_as_they_are():
    assert expand(rows(), Grid(), 0) == rows()


@pytest.mark.parametrize(
    ("sweep", "sentence"),
    [
        (["seed"], "--sweep needs NAME=VALUES, such as seed=0..7"),
        (["seed=8..7"], "--sweep seed=8..7: ends before it begins"),
        (["seed=a"], "--sweep seed: 'a' is no whole number"),
        (["stepps=1,2"], "--sweep stepps=1: options: no option 'stepps'; did you mean steps"),
        (["image.steps=0"], "--sweep image.steps=0: options.media.image.steps: Input should be"),
        (["steps=1", "steps=2"], "--sweep steps: is given twice; list all its values in one"),
        (["seed=0..99999999"], "10000 values are the most"),
        (["seed=0..999", "top_k=1..99"], "99000 variants of each row; 10000 is the most"),
    ],
)
def test_a_sweep_that_is_wrong_is_refused_before_anything_is_read(sweep, sentence):
    with pytest.raises(ValueError, match="--sweep") as refused:
        parse_grid(1, sweep)
    assert sentence in str(refused.value)


def test_a_prompt_alone_becomes_a_grid_that_goes_on(tmp_path):
    given = {"grid": parse_grid(3, []), "batch_size": 2}
    made = run(Painter, "a cat", tmp_path, **given)
    assert records(tmp_path) == made
    assert len({record["seed"] for record in made}) == 3
    assert run(never_load, "a cat", tmp_path, **given) == []


def test_the_page_of_a_batch_shows_what_was_made_and_what_failed(tmp_path):
    given = {"grid": parse_grid(2, [])}
    source = write_rows(
        tmp_path, {"id": "cat", "prompt": "a <cat>"}, {"id": "dog", "prompt": "refuse"}
    )
    starts, out = [], tmp_path / "out"
    progress = Progress(iter([0.0, 0.0, 4.0, 4.0]).__next__)
    progress.begin(4)
    for record in run(Painter, source, out, starts.append, **given):
        progress.add(record)
    page = write_report(starts[0].ids, BatchSettings(out, **given), progress)
    text = page.read_text()
    assert "2 of 4 rows answered, 2 failed; the last run: 4 rows in 4 s, 1 rows/s." in text
    assert "the prompt is too long" in text
    assert "a &lt;cat&gt;" in text
    assert text.count("data:image/png") == 2
    assert (out / "contact_sheet.webp").read_bytes()[:4] == b"RIFF"


def test_progress_names_failures_and_the_time_that_is_left():
    now = [0.0]
    progress = Progress(lambda: now[0])
    progress.begin(400)
    now[0] = 10.0
    for number in range(10):
        progress.add({"id": f"r{number}", "status": "ok", "seed": 0, "content": []})
    error = {"id": "r9", "status": "error", "seed": 0, "content": [], "code": "invalid"}
    progress.add(error)
    assert str(progress) == (
        "10 of 400 rows: 9 answered, 1 failed (invalid 1); 1 rows/s, 6 min left"
    )
