"""The recipes of docs/serve.md, as they stand there, and what other clients send to a server."""

import contextlib
import io
import json
import shutil
import subprocess

import pytest

from anygen.generation.options import AnswerOptions
from support.pages import blocks
from support.paths import ROOT
from support.served import STEPS, serving

PAGE = ROOT / "docs" / "serve.md"
RECORDED = [
    json.loads(line)
    for line in (ROOT / "tests" / "data" / "clients.jsonl").read_text(encoding="utf-8").splitlines()
]
MEDIA = {modality: STEPS for modality in ("image", "audio", "video")}


@pytest.fixture(scope="module")
def server(model):
    options = AnswerOptions(max_new_tokens=4, max_media=2, media=MEDIA)
    with serving(model, options=options) as found:
        yield found


def adapted(server, text):
    """The recipe, for the port and the model of the test."""
    return text.replace("http://127.0.0.1:8000", server.url).replace(
        '"mini"', f'"{server.service.name}"'
    )


@pytest.mark.parametrize("text", [text for _, text in blocks(PAGE, "python")])
def test_a_recipe_in_python_runs(server, tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(adapted(server, text), str(PAGE), "exec"), {})
    assert printed.getvalue() or list(tmp_path.iterdir())


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl")
def test_the_recipes_for_curl_run(server, tmp_path):
    [(_, text)] = blocks(PAGE, "sh")
    command = ["sh", "-e", "-c", adapted(server, text)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert '"error":{' not in done.stdout
    assert done.stdout.count('"object":"response"') == 1
    assert done.stdout.endswith("data: [DONE]\n\n")
    assert (tmp_path / "bell.wav").read_bytes().startswith(b"RIFF")


@pytest.mark.parametrize("sent", RECORDED, ids=lambda sent: sent["client"])
def test_what_a_client_was_recorded_to_send_is_answered(server, sent):
    body = {**sent["body"], "model": server.service.name}
    reply = server.http.post(sent["path"], json=body)
    assert reply.status_code == 200, reply.text
    if body.get("stream"):
        lines = reply.text.split("\n\n")
        chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
        assert reply.text.endswith("data: [DONE]\n\n")
        assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
        assert bool(chunks[-1].get("usage")) == bool(body.get("stream_options"))
    elif "images" in sent["path"]:
        assert [image["b64_json"][:4] for image in reply.json()["data"]] == ["iVBO"] * body["n"]
    else:
        assert reply.json()["object"] in ("chat.completion", "response")
