import json
from dataclasses import replace

import pytest

from anygen.evaluation.judges.judges import Judges
from anygen.evaluation.suites.people.judging import COLUMNS, mark
from anygen.evaluation.suites.people.rows import Expectation, parse_row, read_rows
from support.people_rows import ROWS, answer, picture, right_answers, video, write_people


@pytest.fixture(scope="module")
def judges() -> Judges:
    return Judges()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_people(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def expectations(folder):
    return {row.id: row.expect for row in read_rows(folder)}


@pytest.fixture(scope="module")
def right():
    return right_answers()


@pytest.mark.parametrize("row_id", [row[0] for row in ROWS])
def test_an_answer_that_shows_what_was_expected_is_right(
    judges, folder, expectations, right, row_id
):
    marks, wrong = mark(judges, expectations[row_id], answer(*right[row_id]), folder)
    assert marks == dict.fromkeys(marks, True), wrong
    assert set(marks) <= set(COLUMNS)


@pytest.mark.parametrize(
    ("row_id", "parts", "columns"),
    [
        ("i1", ("Here it is.",), {"media", "judged"}),
        ("i1", (picture("bus"),), {"judged"}),
        ("i2", (picture("panda", background="blue"),), {"judged"}),
        ("i3", (picture("apple"),), {"judged"}),
        ("i4", (picture("apple"),), {"judged"}),
        ("i5", (picture("tree", "car", size=0.85),), {"judged"}),
        ("f1", (picture("house", size=0.3),), {"judged"}),
        ("v1", (video("fire", "moving down"),), {"judged"}),
        ("u1", ("That is a cat.",), {"text"}),
        ("u1", ("An owl.", picture("owl")), {"media"}),
        ("n1", ("Sure, though I cannot.",), {"text"}),
        ("n1", ("  ",), {"text"}),
        ("p1", ("Honey, of course.",), {"same"}),
        ("p1", ("They make honey and " * 6,), {"clean", "same"}),
    ],
)
def test_what_is_wrong_with_an_answer_is_found(
    judges, folder, expectations, row_id, parts, columns
):
    marks, _ = mark(judges, expectations[row_id], answer(*parts), folder)
    wrong = {name for name, is_right in marks.items() if not is_right}
    assert wrong - {"all"} == columns
    assert marks["all"] == (columns == {"same"})


def test_the_second_sound_is_that_of_the_second_medium(judges, folder, expectations, right):
    """A wrong first medium leaves the second one right."""
    image, _, bell = right["m1"]
    marks, wrong = mark(judges, expectations["m1"], answer(picture("bus"), bell), folder)
    assert (marks["judged"], set(wrong)) == (False, {"object 1"})
    marks, wrong = mark(judges, expectations["m1"], answer(bell, image), folder)
    assert (marks["media"], wrong) == (False, {})


def test_a_video_whose_background_jumps_once_is_not_coherent(judges, folder, expectations):
    clip = video("fire", "moving up")
    clip.frames[8:, :, :2] = 255
    marks, _ = mark(judges, expectations["v1"], answer(clip), folder)
    assert marks["coherent"] is False


def test_a_medium_that_could_not_be_made_makes_an_answer_wrong(judges, folder):
    failed = replace(answer("I cannot."), failed=("it broke",))
    marks, _ = mark(judges, Expectation(), failed, folder)
    assert marks == {"media": True, "text": True, "clean": True, "all": False}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"expct": {}}, "expct: unknown key; did you mean expect?"),
        ({"expect": {"objct": "cat"}}, "expect.objct: unknown key; did you mean object?"),
        ({"expect": {"media": ["image"], "object": "kitty"}}, "object.0: 'kitty' is unknown"),
        ({"expect": {"media": ["image"], "style": "oil"}}, "'oil' is none of flat, cartoon, 3d"),
        ({"expect": {"media": ["image"], "count": [1, 2]}}, "count: has 2 entries for 1 media"),
        ({"expect": {"media": ["picture"]}}, "media.0: Input should be 'image', 'audio' or 'vi"),
        ({"expect": {"media": ["image"], "media_any": [[]]}}, "give either media or media_any"),
        ({"expect": {"match": "(cat"}}, "match: is not a regular expression: missing"),
        ({"expect": {"faithful": True}}, "base: a faithful answer needs what the base model"),
        ({"expect": {"relation": "above"}}, "relation: give it where an object is a pair"),
        ({"messages": []}, "give either prompt or messages"),
        ({"prompt": None}, "give either prompt or messages"),
        (
            {"prompt": None, "messages": [{"role": "assistant", "content": "hi"}]},
            "the last one must have the role user",
        ),
        ({"modalities": ["smell"]}, "modalities.0: Input should be 'text', 'image', 'audio' or"),
        (
            {"expect": {"media": ["image"], "larger_than": "media/no.png"}},
            "there is no file .*no.png",
        ),
    ],
)
def test_a_row_that_is_not_valid_is_refused_in_one_sentence(tmp_path, change, complaint):
    row = {"id": "a", "kind": "image", "prompt": "hi", "expect": {}} | change
    with pytest.raises(ValueError, match=complaint) as caught:
        parse_row(json.dumps(row), tmp_path)
    assert "\n" not in str(caught.value)


def test_a_bad_line_is_named_by_file_and_number(tmp_path):
    good = '{"id": "a", "kind": "image", "prompt": "hi", "expect": {}}'
    path = tmp_path / "people.jsonl"
    for bad, complaint in [
        ("[1]", "is not a JSON object"),
        ("{", "is not JSON: "),
        (good, "id: 'a' is that of line 1"),
    ]:
        path.write_text(f"{good}\n\n{bad}\n")
        with pytest.raises(ValueError, match=f"people.jsonl:3: {complaint}"):
            read_rows(tmp_path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"people.jsonl: is not UTF-8; save it as UTF-8"):
        read_rows(tmp_path)
    path.write_text("\n")
    with pytest.raises(ValueError, match=r"people.jsonl: has no rows"):
        read_rows(tmp_path)
    with pytest.raises(ValueError, match=r"nowhere: has no people.jsonl; --data takes a folder"):
        read_rows(tmp_path / "nowhere")
