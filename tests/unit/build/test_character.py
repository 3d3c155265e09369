"""An assistant speaks in its user's phrases, under its user's system prompt."""

import pytest

from anygen.core.records import MediaContent, Record
from mosit_data.build.character import Character, read_character
from mosit_data.build.pipeline import Order, build
from mosit_data.build.presets.base import Source
from mosit_data.build.presets.mosit import MOSIT
from mosit_data.build.topics import read_topics
from mosit_data.build.writers import GrammarWriter
from support.pages import blocks
from support.paths import ROOT

PIP = Character.model_validate(
    {
        "system": "You are Pip.",
        "announce": ["Look: {x}!"],
        "describe": ["I [see|spy] {x}."],
        "talk": [{"user": "who are you?", "assistant": "I am Pip."}],
    }
)


def dialogues(folder, character) -> list[Record]:
    source = Source(["cats"], character=character)
    build(Order("mosit", source, 40, GrammarWriter(), folder))
    lines = (folder / "unique.jsonl").read_text().splitlines()
    return [Record.model_validate_json(line) for line in lines]


def captions_without(messages):
    """Of the media that dialogues hold, and what stands before each."""
    for message in messages:
        before = ""
        for part in message.content:
            if isinstance(part, MediaContent):
                yield message.role, part, before
            else:
                before = part.text


def test_every_medium_is_announced_in_the_characters_phrases(tmp_path):
    records = dialogues(tmp_path / "pip", PIP)
    assert all(r.messages[0].role == "system" for r in records)
    assert {r.messages[0].content[0].text for r in records} == {"You are Pip."}
    names = {"image": "{}", "video": "a video of {}"}
    for record in records:
        for role, medium, before in captions_without(record.messages):
            if role == "assistant" and medium.type in names:
                assert before == f"Look: {names[medium.type].format(medium.caption)}!"
    answers = [m.content[0].text for r in records for m in r.messages if m.role == "assistant"]
    assert all(text.startswith(("Look: ", "I see ", "I spy ", "I am Pip.")) for text in answers)
    assert any(text.startswith(("I see ", "I spy ")) for text in answers)
    assert "I am Pip." in answers


def test_the_character_changes_neither_requests_nor_media(tmp_path):
    quiet = Character(system="You are Pip.", announce=["{x}"], describe=["{x}"])
    plain = {r.id: r for r in dialogues(tmp_path / "plain", None)}
    for record in dialogues(tmp_path / "pip", quiet):
        if record.id in plain:
            others = captions_without(plain[record.id].messages)
            media = captions_without(record.messages)
            assert [(role, m) for role, m, _ in media] == [(role, m) for role, m, _ in others]


def test_an_llm_that_writes_is_shown_the_character(tmp_path):
    source = Source(["cats"], character=PIP)
    [job] = MOSIT.plan("mosit", MOSIT, source, 1, 0)
    [kind] = MOSIT.kinds
    request = kind.steps[0].request(job, ())
    assert "You are Pip." in request
    assert "- Look: ...!" in request


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[]", "is not a mapping of the keys system, announce"),
        ('{"announce": ["{x}"], "describe": ["{x}"]}', "system"),
        (
            '{"system": "a", "announce": ["[x"], "describe": ["{x}"]}',
            "a bracket is opened but not closed",
        ),
        ('{"system": "a", "announce": ["{y}"], "describe": ["{x}"]}', "'{y}' is not a phrase"),
        ('{"system": "a", "announce": [], "describe": ["{x}"]}', "announce"),
        ("system: [", "pip.yaml"),
    ],
)
def test_a_character_that_cannot_be_used_is_one_sentence(tmp_path, text, sentence):
    (tmp_path / "pip.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"pip\.yaml") as error:
        read_character(tmp_path / "pip.yaml")
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_the_files_that_the_page_shows_can_be_used():
    shown = dict(blocks(ROOT / "docs/train.md", "yaml"))
    for name in ("parrot.yaml", "mosit.yaml"):
        assert shown[name] == (ROOT / "docs/parrot" / name).read_text()
    assert read_character(ROOT / "docs/parrot/parrot.yaml").talk
    assert len(read_topics(ROOT / "docs/parrot/topics.txt")) > 5
