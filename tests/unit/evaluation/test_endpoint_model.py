"""Another system behind OpenAI's API is asked the same questions."""

import base64

import pytest

from anygen.core.media import Message
from anygen.evaluation.asking import reply_all
from anygen.evaluation.endpoint import EndpointModel, open_endpoint, part_as_sent
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from anygen.io.chat_endpoint import ChatEndpoint
from anygen.io.media_files import read_bytes
from support.suites import knows_mme, results_of, values, write_mme


def model_at(server, waits=None):
    wait = (lambda _: None) if waits is None else waits.append
    return EndpointModel(ChatEndpoint(server.url, wait=wait), "m")


def question_in(body) -> str:
    return body["messages"][-1]["content"][-1]["text"]


def test_a_suite_asks_an_endpoint_with_its_pictures(serve, tmp_path):
    server = serve(lambda body: knows_mme(question_in(body)))
    data = write_mme(tmp_path / "data", ["count"])
    results = results_of("mme", data, model_at(server), tmp_path / "out")
    assert values(results)["count"] == 200
    _, body, _ = server.requests[0]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("m", 0, 64)
    picture, text = body["messages"][0]["content"]
    assert text["text"].endswith("Please answer yes or no.")
    assert picture["image_url"]["url"].startswith("data:image/png;base64,")


def test_a_question_that_is_refused_is_wrong_and_the_others_are_asked(serve, tmp_path):
    def reply(body):
        return 400 if "false 2" in question_in(body) else knows_mme(question_in(body))

    data = write_mme(tmp_path / "data", ["count"])
    results = results_of("mme", data, model_at(serve(reply)), tmp_path / "out")
    row = results["rows"]["count"]
    assert (row["value"], row["failed"]) == (75 + 50, 1)


def test_an_endpoint_that_does_not_answer_ends_the_run_and_is_named(serve, tmp_path):
    waits = []
    server = serve(lambda body: 503)
    request = Request([Message("user", ("hi",))], 0, AnswerOptions())
    with pytest.raises(ConnectionError, match=r"127.0.0.1:\d+/v1: HTTP 503 .*; what is written so"):
        reply_all(model_at(server, waits), [request])
    assert waits == [7] * 5


def test_a_text_that_was_cut_is_an_answer(serve):
    server = serve(lambda body: "and so")
    server.finish_reason = "length"
    [answer] = model_at(server).reply_many([Request([Message("user", ("hi",))])])
    assert (answer.message.parts, answer.finish) == (("and so",), "length")


def test_sounds_and_videos_are_sent_as_files(audio, video):
    sound = part_as_sent(audio)
    assert sound["input_audio"]["format"] == "wav"
    assert read_bytes(base64.b64decode(sound["input_audio"]["data"]), "sound").rate == audio.rate
    clip = part_as_sent(video)
    head, _, data = clip["video_url"]["url"].partition(",")
    assert head == "data:video/mp4;base64"
    assert len(read_bytes(base64.b64decode(data), "clip").frames) == 8


class Listing(ChatEndpoint):
    def send(self, path, body=None):
        names = {"one": ["m"], "two": ["m", "n"], "none": None}[self.url.rsplit("/", 1)[1]]
        return {"data": [{"id": name} for name in names]}


def test_the_only_model_of_an_endpoint_needs_no_name():
    assert open_endpoint("http://h/one", Listing).name == "m"
    assert open_endpoint("http://h/two#n", Listing).name == "n"
    with pytest.raises(ValueError, match=r"http://h/two: has 2 models \(m, n\); write URL#NAME"):
        open_endpoint("http://h/two", Listing)
    with pytest.raises(ValueError, match=r"does not list its models .*; write http://h/none#NAME"):
        open_endpoint("http://h/none", Listing)
