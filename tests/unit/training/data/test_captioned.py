"""Media with a caption alone become questions and requests in varied words."""

import pytest

from anygen.core.records import Record
from anygen.training.data.rows import RowReader
from support.own_data import picture, talk

CAPTION = "a {red} kite"


def document(name, *content):
    messages = [{"role": "assistant", "content": list(content)}]
    return Record.model_validate({"id": name, "messages": messages})


def turns(record):
    """Texts as they are, media by their type."""
    return [
        (turn.role, [getattr(part, "text", part.type) for part in turn.content])
        for turn in record.messages
    ]


def phrased(model, stage, record, seed=0):
    return RowReader(model, None, stage, seed).phrased(record)


@pytest.fixture
def bare():
    return [document(f"k{i}", picture("k.png", CAPTION)) for i in range(40)]


def test_stage_encode_asks_what_a_medium_shows(tiny_model, bare):
    dialogues = [turns(phrased(tiny_model, "encode", record)) for record in bare]
    questions = set()
    for (asker, asked), answer in dialogues:
        assert asker == "user"
        assert "image" in asked
        assert answer == ("assistant", ["A {red} kite."])
        questions |= {*asked} - {"image"}
    assert len(questions) > 15


def test_stage_decode_asks_for_the_medium_by_its_caption(tiny_model, bare):
    dialogues = [turns(phrased(tiny_model, "decode", record)) for record in bare]
    asked = {question for (_, [question]), _ in dialogues}
    assert all(answer == ("assistant", ["image"]) for _, answer in dialogues)
    assert all("{red} kite" in question for question in asked)
    assert len(asked) > 20


def test_stage_instruct_does_both(tiny_model, bare):
    first = [turns(phrased(tiny_model, "instruct", record))[1][1] for record in bare]
    assert 10 < first.count(["image"]) < 30


def test_the_words_depend_on_the_seed_and_the_id_alone(tiny_model, bare):
    once, again, other = (
        [turns(phrased(tiny_model, "instruct", record, seed)) for record in bare]
        for seed in (0, 0, 1)
    )
    assert once == again != other
    assert turns(phrased(tiny_model, "instruct", bare[-1])) == once[-1]


def test_a_sentence_or_a_foreign_script_is_asked_for_as_it_is(tiny_model):
    for caption in ("Two dogs run along the beach.", "Kyoto at night"):
        for index in range(20):
            record = document(str(index), picture("k.png", caption))
            ((_, [question]), _) = turns(phrased(tiny_model, "decode", record))
            assert question.endswith(caption)
    chinese = document("c", picture("k.png", "红色的风筝"))
    ((_, [question]), _) = turns(phrased(tiny_model, "decode", chinese))
    assert "红色的风筝" in question
    (_, (_, [answer])) = turns(phrased(tiny_model, "encode", chinese))
    assert answer == "红色的风筝。"


def test_converted_captions_are_bare_and_what_says_more_is_left_as_it_is(tiny_model):
    request = Record.model_validate(talk("a", CAPTION, [picture("k.png", CAPTION)]))
    assert turns(phrased(tiny_model, "encode", request))[1][0] == "assistant"
    assert turns(phrased(tiny_model, "encode", request))[1][1] == ["A {red} kite."]
    alone = document("c", picture(None, CAPTION))
    for record in (
        Record.model_validate(talk("a", "draw it", [picture("k.png", CAPTION)])),
        document("b", {"type": "text", "text": "Look:"}, picture("k.png", CAPTION)),
    ):
        assert phrased(tiny_model, "instruct", record) == record
    assert phrased(tiny_model, "encode", alone) == alone
    assert turns(phrased(tiny_model, "instruct", alone))[1][1] == ["image"]
