"""Which media an answer has, how many, and in which order."""

import pytest

from anygen.evaluation.suites.base import Source
from anygen.evaluation.suites.generation import triggers
from anygen.evaluation.suites.generation.triggers import media_scores
from support.generation_suites import Making, flat, tone, write_triggers
from support.suites import results_of, values


def answers(draw, both, count):
    parts = {"draw": draw, "draw and play": both, "count": count}
    return Making(lambda text, n: parts[text])


PICTURE, SOUND = flat(9), tone(0.1)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (answers([PICTURE], [PICTURE, SOUND], ["two"]), (100, 100, 100, 100, 100)),
        (answers([PICTURE], [SOUND, PICTURE], ["two"]), (100, 100, 100, 0, 100)),
        (answers(["no"], ["no"], ["no"]), (None, 0, 33.3, 0, 100)),
        (answers([PICTURE], [PICTURE], [SOUND]), (66.7, 66.7, 33.3, 0, 0)),
    ],
)
def test_precision_recall_number_and_order(tmp_path, model, expected):
    found = values(results_of("triggers", write_triggers(tmp_path / "d"), model, tmp_path / "o"))
    assert tuple(found[name] for name in triggers.ROWS) == expected


def test_media_count_as_often_as_they_are_called_for():
    assert media_scores(["image", "image"], ["image"])["precision"]["model"] == (1, 2)
    assert media_scores(["image"], ["image", "image"])["recall"]["model"] == (1, 2)


def test_lines_in_another_form_are_refused(tmp_path):
    with pytest.raises(ValueError, match="media of 1 are 'image', not of"):
        triggers.read(
            Source(write_triggers(tmp_path, [{"id": 1, "prompt": "x", "media": "image"}]))
        )
    with pytest.raises(ValueError, match=r"triggers.jsonl:1: lacks media"):
        triggers.read(Source(write_triggers(tmp_path, [{"id": 1, "prompt": "x"}])))
    (tmp_path / "triggers.jsonl").unlink()
    with pytest.raises(ValueError, match=r"there is no .*triggers.jsonl; a line of it has an id"):
        triggers.read(Source(tmp_path))
