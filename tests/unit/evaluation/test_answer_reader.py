"""A language model reads the answers that MMBench's rules cannot."""

import json

import pytest

from anygen.evaluation import runner
from anygen.evaluation.endpoint import EndpointModel
from anygen.evaluation.judges.answer_reader import AnswerReader, open_reader
from anygen.evaluation.judges.judges import Judges
from anygen.evaluation.results import read_lines, summarize
from anygen.evaluation.runner import Plan, claim, measure
from anygen.evaluation.suites.base import Bench, Source
from anygen.evaluation.suites.mmbench import letter_alone
from anygen.evaluation.suites.registry import find_suite
from anygen.io.chat_endpoint import ChatEndpoint
from support.suites import Ruled, bench_row, passes, write_mmbench

UNCLEAR = "It has long ears and hops"


def prompt_of(body) -> str:
    return body["messages"][-1]["content"][-1]["text"]


def letter_of_rabbit(body) -> str:
    [line] = [line for line in prompt_of(body).splitlines() if line.endswith("rabbit")]
    return line[0]


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    return write_mmbench(folder, [*passes(1), *passes(2)])


def results_with(server, data, out, rule):
    suite = find_suite("mmbench")
    reader = AnswerReader(
        EndpointModel(ChatEndpoint(server.url, wait=lambda _: None), "judge"), out / "judge.jsonl"
    )
    claim(out, {"suite": "mmbench", "mode": "circular", "weights": "0", "seed": 0})
    units = suite.read(Source(data, "circular"))
    measure(Bench(Ruled(rule), Judges(), reader=reader), suite, units, out, 0)
    return summarize(read_lines(out), "mmbench")["rows"]


def test_an_answer_that_no_rule_can_read_is_read(serve, data, tmp_path):
    server = serve(letter_of_rabbit)
    rows = results_with(server, data, tmp_path / "out", lambda _: UNCLEAR)
    assert rows["overall"]["value"] == 100
    assert rows["overall"]["unparsed"] == 0
    assert [line["numbers"]["read"] for line in read_lines(tmp_path / "out")] == [4, 4]
    prompt = prompt_of(server.requests[0][1])
    assert f"Answer: {UNCLEAR}" in prompt
    assert len(server.requests) == 4  # the second question has the same text and options


def test_an_answer_that_a_rule_reads_is_not_sent(serve, data, tmp_path):
    server = serve(lambda body: "A")
    results_with(server, data, tmp_path / "out", lambda _: "The answer is B")
    results_with(server, data, tmp_path / "silent", lambda _: " ")
    assert not server.requests


def test_three_replies_without_a_letter_leave_the_answer_wrong(serve, data, tmp_path):
    server = serve(lambda body: "It could be A or B.")
    rows = results_with(server, data, tmp_path / "out", lambda _: UNCLEAR)
    assert (rows["overall"]["value"], rows["overall"]["unparsed"]) == (0, 8)
    assert len(server.requests) == 4 * 3
    temperatures = [body["temperature"] for _, body, _ in server.requests]
    assert temperatures == [0] * 4 + [1] * 8


def test_none_of_the_options_is_a_reading_too(serve, data, tmp_path):
    rows = results_with(serve(lambda body: "Z"), data, tmp_path / "out", lambda _: UNCLEAR)
    assert (rows["overall"]["value"], rows["overall"]["unparsed"]) == (0, 0)


def test_a_request_that_is_refused_is_no_reading(serve, data, tmp_path):
    rows = results_with(serve(lambda body: 400), data, tmp_path / "out", lambda _: UNCLEAR)
    assert rows["overall"]["unparsed"] == 8


def test_readings_are_kept_and_judging_again_asks_nothing(serve, data, tmp_path, capsys):
    server, out = serve(letter_of_rabbit), tmp_path / "out"
    results_with(server, data, out, lambda _: UNCLEAR)
    rows = [json.loads(line) for line in (out / "judge.jsonl").read_text().splitlines()]
    assert {row["read"] for row in rows} == set("ABCD")
    asked = len(server.requests)
    plan = Plan("mmbench", data, judge=f"{server.url}#judge")
    results = runner.run("gone", plan, out, score_only=True)
    assert len(server.requests) == asked
    assert results["rows"]["overall"]["value"] == 100
    assert results["judge"] == f"{server.url}#judge"
    without = runner.run("gone", Plan("mmbench", data), out, score_only=True)
    assert without["rows"]["overall"]["value"] == 0
    assert "judge" not in without
    assert "8 answers are in no form" in capsys.readouterr().out


def test_readings_of_another_model_are_not_used(serve, tmp_path):
    server = serve(lambda body: "B")
    path = tmp_path / "judge.jsonl"
    path.write_text(json.dumps({"model": "other", "prompt": "p", "read": "A"}) + "\n")
    reader = AnswerReader(EndpointModel(ChatEndpoint(server.url), "judge"), path)
    assert reader.read(["p", "p"], [str, str]) == ["B", "B"]
    assert len(server.requests) == 1


def test_a_reading_that_a_kill_cut_is_asked_for_again(serve, tmp_path):
    server = serve(lambda body: "B")
    path = tmp_path / "judge.jsonl"
    model = EndpointModel(ChatEndpoint(server.url), "judge")
    assert AnswerReader(model, path).read(["p\u2028q"], [str]) == ["B"]
    path.write_text(path.read_text() + '{"model": "ju')
    assert AnswerReader(model, path).read(["p\u2028q", "other"], [str, str]) == ["B", "B"]
    assert len(server.requests) == 2
    assert set(AnswerReader(model, path).cache) == {"p\u2028q", "other"}


@pytest.mark.parametrize(
    ("text", "letter"),
    [("B", "B"), ("Letter: (B).", "B"), ("Z", "Z"), ("E", ""), ("A or B", ""), ("none", "")],
)
def test_a_reply_is_a_letter_alone(text, letter):
    assert letter_alone(text, 4) == letter


def test_a_judge_that_cannot_be_is_refused(tmp_path):
    with pytest.raises(ValueError, match="--judge: the suite pope reads all answers by its rules"):
        open_reader(find_suite("pope"), "http://h/v1#m", tmp_path)
    with pytest.raises(ValueError, match="--judge takes the address of an endpoint, URL#NAME"):
        open_reader(find_suite("mmbench"), "gpt", tmp_path)


def test_a_judge_that_does_not_answer_ends_the_run(serve, tmp_path):
    server = serve(lambda body: 503)
    folder = tmp_path / "one"
    folder.mkdir()
    data = write_mmbench(folder, [bench_row(1)])
    with pytest.raises(ConnectionError, match="HTTP 503"):
        results_with(server, data, tmp_path / "out", lambda _: UNCLEAR)
