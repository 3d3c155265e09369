"""Sessions of the arena: pairs, votes of a person and of a judge, resuming, and what is refused."""

import json

import pytest

from anygen.config.placement import Placement
from anygen.core.media import Image
from anygen.evaluation.arena.battles import Battle, append_battle, read_battles
from anygen.evaluation.arena.matches import draw_pair, open_models, play_matches, read_prompts
from anygen.evaluation.arena.ratings import rate
from anygen.evaluation.arena.sessions import Session
from anygen.evaluation.arena.tables import table, unplayed, write_files
from anygen.evaluation.arena.voters import StopVotingError, judge_match, vote_by_hand
from anygen.evaluation.endpoint import EndpointModel
from anygen.io.chat_endpoint import ChatEndpoint
from support.generation_suites import Making, flat
from support.suites import write_picture

GOOD, BAD = "good", "bad"


@pytest.fixture
def prompts(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text("draw a cat\n\nhow are you?\nsing\n")
    return path


def session(tmp_path, prompts):
    good, bad = Making(lambda text, n: ["Here: ", flat(9)]), Making(lambda text, n: ["no"])
    return Session({GOOD: good, BAD: bad}, read_prompts(prompts), tmp_path / "out", 0)


def person(*keys):
    """Types these keys; keeps what was shown."""
    typed, shown = iter(keys), []

    def vote(match):
        return vote_by_hand(match, lambda *what: shown.append(what), lambda _: next(typed))

    return vote, shown


def test_a_vote_is_for_the_answer_at_its_place_and_names_come_afterwards(tmp_path, prompts):
    arena = session(tmp_path, prompts)
    vote, shown = person("1", "=", "0")
    lines = list(arena.run(vote))
    battles = read_battles([tmp_path / "out"])
    assert [battle.vote for battle in battles] == ["first", "tie", "bad"]
    assert lines[0] == f"1: {battles[0].first}"
    headings = [heading for heading, _ in shown]
    assert headings[:4] == [
        "Prompt",
        "Answer 1",
        "Answer 2",
        f"1 was {battles[0].first}, 2 was {battles[0].second}",
    ]
    assert any(isinstance(part, Image) for _, parts in shown for part in parts)
    assert set(battles[0].answers) == {"Here:  [image]", "no"}
    assert battles[0].prompt == "draw a cat"


def test_a_session_goes_on_with_what_has_no_vote(tmp_path, prompts):
    first, _ = person("1", "q")
    assert "stopped" in list(session(tmp_path, prompts).run(first))[1]
    arena = session(tmp_path, prompts)
    second, _ = person("what?", "2", "s")
    assert list(arena.run(second))[-2] == "2 of 3 prompts have a vote, 1 were left out"
    assert len(arena.models[GOOD].requests) == 2
    third, _ = person("=")
    list(session(tmp_path, prompts).run(third))
    assert [battle.id for battle in read_battles([tmp_path / "out"])] == ["1", "2", "3"]


def test_the_end_of_input_stops_voting(tmp_path, prompts):
    def end(_):
        raise EOFError

    [match, *_] = play_matches(session(tmp_path, prompts).models, read_prompts(prompts), 0)
    with pytest.raises(StopVotingError):
        vote_by_hand(match, lambda *_: None, end)


def test_pairs_and_orders_are_equally_likely_and_always_the_same():
    pairs = [draw_pair(["a", "b", "c"], str(number), 0) for number in range(600)]
    assert pairs == [draw_pair(["c", "b", "a"], str(number), 0) for number in range(600)]
    counts = {pair: pairs.count(pair) for pair in set(pairs)}
    assert len(counts) == 6
    assert min(counts.values()) > 70


def test_both_models_are_asked_with_one_seed(tmp_path, prompts):
    arena = session(tmp_path, prompts)
    list(arena.run(person("1", "1", "1")[0]))
    seeds = [[request.seed for request in model.requests] for model in arena.models.values()]
    assert seeds[0] == seeds[1]
    assert len(set(seeds[0])) == 3


def judge_at(server):
    return EndpointModel(ChatEndpoint(server.url, wait=lambda _: None), "judge")


def content(body):
    """The texts of the two answers as the judge reads them."""
    parts = body["messages"][1]["content"]
    texts = [part.get("text", f"<{part['type']}>") for part in parts]
    cut = texts.index("Answer 2:")
    return texts[texts.index("Answer 1:") + 1 : cut], texts[cut + 1 :]


def test_a_judge_that_sees_the_better_answer_votes_for_it_in_both_orders(serve, tmp_path, prompts):
    def verdict(body):
        first, _ = content(body)
        return f"One has a picture.\nVERDICT: {1 if '<image_url>' in first else 2}"

    server = serve(verdict)
    voter = judge_at(server)
    list(session(tmp_path, prompts).run(lambda match: judge_match(voter, match)))
    battles = read_battles([tmp_path / "out"])
    winners = {battle.first if battle.vote == "first" else battle.second for battle in battles}
    assert winners == {GOOD}
    assert {len(battle.reasons) for battle in battles} == {2}
    assert battles[0].voter.endswith("#judge")
    bodies = [body for _, body, _ in server.requests]
    assert content(bodies[0]) == content(bodies[1])[::-1]


@pytest.mark.parametrize(
    ("text", "vote"),
    [("VERDICT: 1", "tie"), ("verdict: tie", "tie"), ("VERDICT: BAD", "bad"), ("1 is nice", None)],
)
def test_a_judge_that_favours_a_place_makes_ties(serve, tmp_path, prompts, text, vote):
    voter = judge_at(serve(lambda body: text))
    lines = list(session(tmp_path, prompts).run(lambda match: judge_match(voter, match)))
    if vote is None:
        assert lines[-2] == "0 of 3 prompts have a vote, 3 were left out"
    else:
        assert {battle.vote for battle in read_battles([tmp_path / "out"])} == {vote}


def test_a_judge_that_refuses_ends_the_session_in_a_sentence(serve, tmp_path, prompts):
    voter = judge_at(serve(lambda body: 401))
    with pytest.raises(ValueError, match=r"the judge http.*#judge refuses: HTTP 401"):
        list(session(tmp_path, prompts).run(lambda match: judge_match(voter, match)))


def test_a_prompt_that_a_model_cannot_answer_has_no_vote(tmp_path, prompts):
    class Refusing(Making):
        def reply_many(self, requests):
            if "sing" in str(requests[0].messages[0].parts):
                raise ValueError("the prompt is too long")
            return super().reply_many(requests)

    good, bad = Making(lambda text, n: ["yes"]), Refusing(lambda text, n: ["no"])
    arena = Session({GOOD: good, BAD: bad}, read_prompts(prompts), tmp_path / "out", 0)
    lines = list(arena.run(person("1", "1")[0]))
    assert lines[2] == "bad has no answer to 3: the prompt is too long"
    assert lines[3] == "2 of 3 prompts have a vote, 1 were left out"


def test_records_may_hold_media(tmp_path):
    write_picture(tmp_path / "cat.png")
    content = [{"type": "text", "text": "what is it?"}, {"type": "image", "path": "cat.png"}]
    record = {"id": "x", "messages": [{"role": "user", "content": content}]}
    (tmp_path / "p.jsonl").write_text(json.dumps(record) + "\n")
    [prompt] = read_prompts(tmp_path / "p.jsonl")
    assert (prompt.id, prompt.text) == ("x", "what is it? [image]")


def test_what_cannot_be_played_is_refused(tmp_path, prompts):
    with pytest.raises(ValueError, match="there is no file of prompts"):
        read_prompts(tmp_path / "gone.txt")
    (tmp_path / "p.jsonl").write_text('{"id": "a", "prompt": "x"}\n{"id": "a", "prompt": "y"}\n')
    with pytest.raises(ValueError, match="two prompts have the id 'a'"):
        read_prompts(tmp_path / "p.jsonl")
    (tmp_path / "p.jsonl").write_text("hello\n")
    with pytest.raises(ValueError, match=r"p.jsonl:1: is not JSON"):
        read_prompts(tmp_path / "p.jsonl")
    (tmp_path / "e.txt").write_text("\n")
    with pytest.raises(ValueError, match="holds no prompts"):
        read_prompts(tmp_path / "e.txt")
    for names in (["mini"], ["mini", "mini"]):
        with pytest.raises(ValueError, match="needs two models or more"):
            open_models(names)
    names = [f"http://h/v1#{letter}" for letter in "abc"]
    Session.open(names[:2], prompts, tmp_path / "out", 0, Placement())
    with pytest.raises(ValueError, match="holds votes on other models"):
        Session.open(names[1:], prompts, tmp_path / "out", 0, Placement())


def test_a_session_that_cannot_begin_leaves_no_folder(tmp_path, prompts):
    endpoint, out = "http://h/v1#a", tmp_path / "out"
    with pytest.raises(ValueError, match="no-such-model"):
        Session.open([endpoint, "no-such-model"], prompts, out, 0, Placement())
    assert not out.exists()


def test_votes_on_other_prompts_in_the_folder_do_not_count(tmp_path, prompts):
    list(session(tmp_path, prompts).run(person("1", "1", "1")[0]))
    prompts.write_text("draw a cat\n")
    assert list(session(tmp_path, prompts).run(person()[0]))[-2].startswith("1 of 1 prompts")


def test_an_answer_may_hold_any_separator_of_lines(tmp_path):
    battle = Battle(id="1", first="a", second="b", vote="tie", answers=("x\u2028y", "z\x85"))
    append_battle(tmp_path, battle)
    assert read_battles([tmp_path]) == [battle]


def test_ratings_are_written_for_people_and_programs(tmp_path):
    battles = [
        Battle(id="1", first="a, or <b>", second="c", vote="first"),
        Battle(id="2", first="c", second="d", vote="tie"),
    ]
    ratings = rate(battles, draws=5)
    lines = list(table(ratings))
    assert lines[0].split()[0] == "model"
    assert lines[1].startswith("a, or <b>")
    assert unplayed(battles) == [("a, or <b>", "d")]
    names = [path.name for path in write_files(ratings, battles, tmp_path)]
    assert names == ["ratings.json", "ratings.csv", "fastchat.json", "arena.html"]
    assert (tmp_path / "ratings.csv").read_text().splitlines()[1].startswith('"a, or <b>",')
    assert "<b>c" not in (tmp_path / "arena.html").read_text()
    assert "a, or &lt;b&gt;" in (tmp_path / "arena.html").read_text()
    assert read_battles([tmp_path / "fastchat.json"])[1].vote == "tie"
