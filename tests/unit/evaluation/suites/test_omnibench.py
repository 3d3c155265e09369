from functools import partial

import pytest

from anygen.core.media import Audio, Image
from anygen.evaluation.suites import omnibench
from anygen.evaluation.suites.base import Source
from anygen.evaluation.suites.omnibench import find_letter
from support.reform import Scoring
from support.suites import SOUND_OPTIONS, omnibench_row, results_of, values, write_omnibench


@pytest.fixture
def write(tmp_path, audio):
    return partial(write_omnibench, tmp_path / "data", audio)


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("(B)", "B"),
        ("B", "B"),
        ("B.", "B"),
        ("Either (A) or, rather, (C)", "C"),
        ("A or C or B", "B"),
        ("I think that the dog barks. Loudly.", "B"),
        ("the dog barks.", ""),
        ("I hear that the man sings. No: nobody speaks.", "D"),
        ("it is NASA of course", "A"),
        ("", ""),
    ],
)
def test_the_option_that_is_named_last_counts(text, letter):
    assert find_letter(text, SOUND_OPTIONS) == letter


def test_a_question_shows_both_media_or_one(write):
    data = write(omnibench_row(0))
    kinds = {"both": [Image, Audio, str], "image": [Image, str], "audio": [Audio, str]}
    for mode, expected in kinds.items():
        [unit] = omnibench.read(Source(data, mode))
        parts = omnibench.ask(unit, 0)[0].messages[0].parts
        assert [type(part) for part in parts] == expected
    assert parts[-1] == (
        "Please answer the following question based on the given audio:\nWhat happens?.\n"
        "Please choose only one answer from the following options:\nA. The man sings.\n"
        "B. The dog barks.\nC. A bell rings.\nD. Nobody speaks.."
    )


def test_figures_are_those_of_sounds_and_tasks(write, tmp_path):
    results = results_of(
        "omnibench", write(omnibench_row(0), omnibench_row(1)), lambda _: "(A)", tmp_path / "out"
    )
    assert values(results) == {
        "overall": 50,
        "action and activity": 50,
        "sound event": 100,
        "speech": 0,
    }
    assert results["rows"]["overall"]["chance"] == 25


def test_options_are_compared_by_their_likelihood(write, tmp_path):
    model = Scoring(str, lambda text: "dog" in text)
    results = results_of(
        "omnibench",
        write(omnibench_row(0), omnibench_row(1)),
        model,
        tmp_path / "out",
        mode="likelihood",
    )
    assert values(results)["speech"] == 100
    assert "options" not in model.rows[0][0][0].parts[-1]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"answer": "It snows."}, "question 1: the answer 'It snows.' is none of its options"),
        ({"options": SOUND_OPTIONS[:3]}, "question 1: has 3 options; it needs 4"),
        ({"audio_path": "gone.mp3"}, "there is no file .*mm_data.audio.gone.mp3"),
    ],
)
def test_a_line_that_is_not_valid_is_refused(write, change, complaint):
    with pytest.raises(ValueError, match=complaint):
        omnibench.read(Source(write(omnibench_row(0), omnibench_row(1, **change)), "both"))
