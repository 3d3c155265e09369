"""Elo, Bradley-Terry and shares of wins, on battles whose ratings are worked out by hand."""

import json
import math

import pytest

from anygen.evaluation.arena.battles import (
    Battle,
    append_battle,
    as_fastchat,
    read_battles,
)
from anygen.evaluation.arena.ratings import bradley_terry, elo, rate, shares_of, win_chance


def battle(first, second, vote, leaning=None):
    return Battle(id="1", first=first, second=second, vote=vote, leaning=leaning)


def between(votes, first="a", second="b"):
    return [battle(first, second, vote) for vote in votes]


def test_elo_of_a_win_and_a_tie_is_worked_out():
    assert elo(between(["first"])) == pytest.approx({"a": 1002, "b": 998})
    assert elo(between(["first", "tie"]))["a"] == pytest.approx(1001.977, abs=1e-3)
    assert elo(between(["first", "bad"])) == elo(between(["first", "tie"]))


def test_elo_depends_on_the_order_of_battles_and_bradley_terry_does_not():
    battles = between(["first"] * 20 + ["second"] * 20)
    assert elo(battles)["a"] < 1000 < elo(battles[::-1])["a"]
    ratings = [bradley_terry(own, "ab") for own in (battles, battles[::-1])]
    assert ratings[0] == pytest.approx(ratings[1])
    assert ratings[0] == pytest.approx([1000, 1000])


@pytest.mark.parametrize(
    "votes", [["first"] * 3 + ["second"], ["first", "first", "tie", "tie"], ["first", "tie"]]
)
def test_three_points_of_four_are_400_times_the_logarithm_of_three_ahead(votes):
    first, second = bradley_terry(between(votes), "ab")
    assert first - second == pytest.approx(400 * math.log10(3), abs=1e-4)
    assert win_chance(first, second) == pytest.approx(0.75)
    assert first + second == pytest.approx(2000)


def test_models_that_never_met_are_rated_through_others():
    """a beats b by 3 to 1, b beats c by 3 to 1: a is twice as far ahead of c."""
    battles = [*between(["first"] * 3 + ["second"]), *between(["first"] * 3 + ["second"], "b", "c")]
    ratings = bradley_terry(battles, "abc")
    assert ratings - ratings[1] == pytest.approx(
        [400 * math.log10(3), 0, -400 * math.log10(3)], abs=1e-3
    )


def test_which_answer_was_shown_first_does_not_matter():
    turned = [battle("b", "a", "second"), battle("b", "a", "first")]
    straight = bradley_terry(between(["first", "second"]), "ab")
    assert bradley_terry(turned, "ab") == pytest.approx(straight)
    more = [*between(["first"] * 2), battle("b", "a", "second"), battle("a", "b", "second")]
    assert bradley_terry(more, "ab")[0] > 1000


def test_a_model_that_only_won_is_far_ahead_and_finite():
    first, second = bradley_terry(between(["first"] * 5), "ab")
    assert 1000 + 1000 < first < math.inf
    assert -math.inf < second < 0


def test_ratings_have_intervals_that_shrink_with_more_battles():
    few, many = (rate(between((["first"] * 3 + ["second"] * 2) * n)) for n in (4, 40))
    assert [rating.model for rating in many] == ["a", "b"]
    assert [rating.battles for rating in many] == [200, 200]
    widths = [rating[0].interval[1] - rating[0].interval[0] for rating in (few, many)]
    assert 0 < widths[1] < widths[0]
    assert many[0].interval[0] < many[0].rating < many[0].interval[1]
    assert rate(between(["first", "second"])) == rate(between(["first", "second"]))


def test_ties_count_in_four_ways():
    battles = [
        *between(["first", "second"]),
        battle("a", "b", "tie", "first"),
        battle("a", "b", "tie"),
    ]
    assert shares_of("a", battles) == {"divided": 0.5, "without": 0.5, "none": 0.25, "half": 0.5}
    assert shares_of("b", battles)["divided"] == 0.25
    assert shares_of("c", battles) == dict.fromkeys(("divided", "without", "none", "half"))


def test_battles_of_others_are_read(tmp_path):
    rows = [
        {"data_id": "07", "model_A": {"id": "1", "name": "x"}, "model_B": {"id": "2", "name": "y"}}
        | {"winner": winner}
        for winner in ("A", "B", "Tie(A)", "Tie")
    ]
    (tmp_path / "opening.json").write_text(json.dumps(rows))
    found = read_battles([tmp_path / "opening.json"])
    assert [(one.vote, one.leaning) for one in found] == [
        ("first", None),
        ("second", None),
        ("tie", "first"),
        ("tie", None),
    ]
    (tmp_path / "chat.json").write_text(json.dumps(as_fastchat(found)))
    again = read_battles([tmp_path / "chat.json"])
    assert [(one.first, one.second, one.vote) for one in again] == [
        (one.first, one.second, one.vote) for one in found
    ]


def test_battles_are_written_line_by_line(tmp_path):
    battles = [battle("a", "b", "tie", "second"), battle("b", "a", "bad")]
    for one in battles:
        append_battle(tmp_path, one)
    assert read_battles([tmp_path]) == battles


def test_a_vote_that_a_kill_cut_is_left_out_and_the_next_one_kept(tmp_path):
    first, last = battle("a", "b", "tie"), battle("b", "a", "bad")
    append_battle(tmp_path, first)
    with (tmp_path / "battles.jsonl").open("ab") as stream:
        stream.write('{"id": "2", "first": "bl\u00e9'.encode()[:-1])
    assert read_battles([tmp_path]) == [first]
    append_battle(tmp_path, last)
    assert read_battles([tmp_path]) == [first, last]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[{"model_a": "x", "model_b": "y", "winner": "both"}]', "battle 1: the winner 'both' is"),
        ('[{"id": "1", "first": "x"}]', "battle 1: second: "),
        ("[", "is not JSON"),
        ("3", "holds no list of battles"),
        ("[]", "hold no battles"),
    ],
)
def test_battles_in_another_form_are_refused(tmp_path, text, complaint):
    (tmp_path / "battles.json").write_text(text)
    with pytest.raises(ValueError, match=complaint):
        read_battles([tmp_path / "battles.json"])
    with pytest.raises(ValueError, match=r"there are no battles .*gone"):
        read_battles([tmp_path / "gone"])
