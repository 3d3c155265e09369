"""What an answer is: text to a picture, a sound or a video, said once or by each row."""

import pytest

from anygen import AnyGen
from anygen.batch.options import merged_options
from anygen.core.modality import MEDIA
from anygen.generation.options import AnswerOptions
from support.batches import Painter, run, write_rows


def options_of(folder, row, **settings):
    """What the model is asked for a row."""
    model = Painter()
    folder.mkdir(exist_ok=True)
    [record] = run(lambda: model, write_rows(folder, row), folder / "out", **settings)
    assert record.get("error") is None
    return model.batches[0][0].options


PICTURE = AnswerOptions(modalities=("image",), exactly={"image": 1})


@pytest.mark.parametrize("modality", ["image", ["image"]])
def test_a_row_says_what_its_answer_is(tmp_path, modality):
    row = {"id": "a", "prompt": "a cat", "modality": modality}
    assert options_of(tmp_path, row) == PICTURE
    assert options_of(tmp_path / "again", row, modality=("audio",)) == PICTURE


def test_what_all_answers_are_holds_where_a_row_is_silent(tmp_path):
    row = {"id": "a", "prompt": "a cat"}
    assert options_of(tmp_path / "a", row, modality=("image",)) == PICTURE
    free = {**row, "modalities": "text,image"}
    expected = AnswerOptions(modalities=("text", "image"))
    assert options_of(tmp_path / "b", free, modality=("image",)) == expected


def test_a_count_of_media_stands_and_words_come_with_text():
    given = AnswerOptions(exactly={"image": 4}, begin="image")
    expected = AnswerOptions(modalities=("image",), exactly={"image": 4}, begin="image")
    assert merged_options(given, {}, ("image",)) == expected
    both = AnswerOptions(modalities=("text", "audio"), exactly={"audio": 1})
    assert merged_options(given, {}, ("text", "audio")) == both
    assert merged_options(given, {}, ("text",)) == AnswerOptions(modalities=("text",), exactly={})


def test_a_prompt_alone_is_another_answer_in_another_modality(tmp_path):
    ids = [
        run(Painter, "a cat", tmp_path, modality=modality)[0]["id"]
        for modality in ((), ("image",), ("audio",))
    ]
    assert len(set(ids)) == 3


def test_options_may_have_the_names_of_set_and_join_those_of_the_batch(tmp_path):
    given = AnswerOptions.model_validate({"media": {"image": {"guidance": 2}}})
    row = {"id": "a", "prompt": "x", "options": {"image.steps": 3, "at_most.audio": 0}}
    assert options_of(tmp_path, row, options=given) == AnswerOptions.model_validate(
        {"media": {"image": {"guidance": 2, "steps": 3}}, "at_most": {"audio": 0}}
    )


@pytest.mark.parametrize("modality", MEDIA)
def test_a_bare_caption_becomes_one_medium_and_nothing_else(saved_model, tmp_path, modality):
    [record] = run(
        lambda: AnyGen.from_pretrained(saved_model),
        "a cat",
        tmp_path,
        modality=(modality,),
        options=AnswerOptions.model_validate({"media": {modality: {"steps": 2}}}),
    )
    assert [part["type"] for part in record["content"]] == [modality]
