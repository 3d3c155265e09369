"""Sixty stories and manuals: what perfect, shuffled, mute and silent answers score."""

import pytest

from anygen.core.media import Message
from anygen.evaluation.judges.judges import Judges, unlearned
from anygen.evaluation.suites.base import Source
from anygen.evaluation.suites.interleaved import stories
from anygen.evaluation.suites.interleaved.stories import make_story, named_in, score, subject
from anygen.generation.answer import Answer
from mosit_data.world.render import render
from mosit_data.world.scene import caption, in_split


@pytest.fixture(scope="module")
def judges():
    return Judges()


def answer(*parts):
    return Answer(Message("assistant", parts), "stop")


def true_answer(scenes):
    """True renders, each after a sentence with the name of its thing."""
    return answer(*(part for s in scenes for part in (f"A {subject(s)}.", render(unlearned(s)))))


def rows(judges, story, reply):
    scores = score(judges, story, reply).scores
    return {name: own["model"] for name, own in scores.items()}


def test_there_are_thirty_stories_and_thirty_manuals_which_say_what_each_part_shows():
    units = stories.read(Source())
    assert [unit.task for unit in units].count("stories") == len(units) / 2 == 30
    for unit in units:
        [story] = stories.ask(unit, 0)
        assert len(story.scenes) in (2, 3, 4)
        text = story.messages[0].parts[0]
        places = [text.index(caption(scene)) for scene in story.scenes]
        assert places == sorted(places)
        assert [scene.type for scene in story.scenes] == list(story.expected)
        assert all(in_split(s, "heldout") or s.type == "audio" for s in story.scenes)
    assert sum(stories.ask(unit, 0)[0].expected[-1] == "audio" for unit in units) == 20


def test_a_seed_always_gives_the_same_stories():
    assert make_story(7, 1).scenes == make_story(7, 1).scenes != make_story(7, 2).scenes


def test_a_perfect_answer_is_right_wherever_the_judges_are(judges):
    """What they make of true renders is a source of its own."""
    right = 0
    for index in range(6):
        story = make_story(index, 0)
        scores = score(judges, story, true_answer(story.scenes)).scores
        for name in ("structure", "number", "named"):
            assert scores[name]["model"][0] == scores[name]["model"][1], (index, name)
        for name in ("placed", "ordered", "background"):
            assert scores[name]["model"] == scores[name]["judge"], (index, name)
        placed, count = scores["placed"]["model"]
        assert scores["whole"]["model"] == (int(placed == count), 1)
        right += placed
    assert right >= 15  # of 18


def test_an_answer_in_reverse_order_has_all_things_at_other_places(judges):
    story = make_story(4, 0)  # four pictures
    assert len({subject(scene) for scene in story.scenes}) == len(story.scenes) == 4
    found = rows(judges, story, true_answer(story.scenes[::-1]))
    assert found["structure"] == found["number"] == (1, 1)
    assert found["placed"] == (0, 4)
    assert found["ordered"] == (1, 4)
    assert found["whole"] == (0, 1)


def test_media_without_text_before_them_have_no_structure(judges):
    story = make_story(2, 0)
    found = rows(judges, story, answer(*map(render, story.scenes)))
    assert (found["structure"], found["named"], found["whole"]) == ((0, 1), (0, 3), (0, 1))
    assert found["placed"] == (3, 3)


def test_a_silent_answer_and_one_with_too_many_media_are_wrong(judges):
    story = make_story(1, 0)
    silent = rows(judges, story, answer("I would rather not."))
    assert [silent[name][0] for name in stories.ROWS] == [0] * 7
    assert silent["placed"] == (0, 2)
    more = rows(judges, story, true_answer([*story.scenes, story.scenes[0]]))
    assert (more["structure"], more["number"], more["placed"]) == ((0, 1), (0, 1), (2, 2))


def test_a_thing_is_named_by_its_kind_of_words():
    story = make_story(0, 0)
    assert named_in(story.scenes[-1], f"Listen to the {subject(story.scenes[-1])}!") == subject(
        story.scenes[-1]
    )
