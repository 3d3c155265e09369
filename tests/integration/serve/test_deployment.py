"""The image, and the examples of docs/serve.md for Compose, systemd and a balancer."""

import configparser
import re

import typer
import yaml

from anygen import AnyGen
from anygen.cli.main import app
from anygen.serve.settings import ServeSettings
from support.pages import blocks, commands
from support.paths import ROOT
from support.served import IMAGE as OPTIONS
from support.served import serving

PAGE = ROOT / "docs" / "serve.md"
IMAGE = (ROOT / "Dockerfile").read_text()


def understood(command):
    """What a command `serve ...` sets."""
    name, *arguments = command.split()
    return typer.main.get_command(app).commands[name].make_context(name, arguments).params


def test_the_image_is_built_from_what_is_there_and_is_not_ignored():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = " ".join(re.findall(r"^COPY (.*) \S+$", IMAGE, re.MULTILINE)).split()
    assert {"pyproject.toml", "anygen", "decoders"} <= set(copied)
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name}" in ignored


def test_compose_runs_what_the_image_has():
    [compose] = [yaml.safe_load(text) for _, text in blocks(PAGE, "yaml") if "build: ." in text]
    service = compose["services"]["anygen"]
    given = understood(service["command"])
    assert given["host"] == "0.0.0.0"
    assert str(given["keys"]) == f"/run/secrets/{service['secrets'][0]}"
    assert service["ports"] == [f"8000:{given['port']}"]
    assert int(service["stop_grace_period"].removesuffix("s")) > given["drain"]
    [volume] = service["volumes"]
    assert f"VOLUME {volume.partition(':')[2]}\n" in IMAGE


def test_the_unit_of_systemd_waits_for_open_requests():
    [(_, text)] = blocks(PAGE, "ini")
    unit = configparser.RawConfigParser(strict=False)
    unit.read_string(text)
    service = unit["Service"]
    given = understood(service["ExecStart"].partition(" ")[2])
    assert str(given["keys"]) == "%d/" + service["LoadCredential"].partition(":")[0]
    assert int(service["TimeoutStopSec"]) > given["drain"]
    assert service["Environment"] == f"ANYGEN_CACHE=/var/cache/{service['CacheDirectory']}"


def test_the_balancer_leads_to_the_servers_of_the_example():
    [(_, text)] = blocks(PAGE, "nginx")
    lines = [" ".join(command.words) for command in commands(PAGE)]
    given = [
        understood(line.partition("anygen ")[2])
        for line in lines
        if line.startswith("CUDA_VISIBLE_DEVICES")
    ]
    ports = [str(one["port"]) for one in given]
    assert len(ports) == 2
    assert re.findall(r"server 127\.0\.0\.1:(\d+);", text) == ports
    [name] = re.findall(r"server_name (\S+);", text)
    assert all(one["allow_host"] == [name] for one in given)
    [megabytes] = re.findall(r"client_max_body_size (\d+)m;", text)
    assert int(megabytes) * 2**20 == ServeSettings().max_body


def test_servers_behind_a_balancer_answer_alike_and_know_their_own_ids_alone(model):
    name = "models.example.org"
    headers = {"Host": name, "X-Forwarded-Proto": "https", "X-Session-Id": "a7"}
    body = {"input": "draw a cat", "anygen": {**OPTIONS, "seed": 3, "deliver": "url"}}
    with (
        serving(model, allow_hosts=(name,)) as one,
        serving(AnyGen(model.model), allow_hosts=(name,)) as other,
    ):

        def ask(served, **fields):
            return served.http.post("/v1/responses", json={**body, **fields}, headers=headers)

        first = ask(one, store=True).json()
        [item], [same] = first["output"], ask(other).json()["output"]
        assert item["media_id"] == same["media_id"]
        assert item["url"].startswith(f"https://{name}/v1/media/")
        following = {"input": "and a dog", "previous_response_id": first["id"]}
        assert ask(one, **following).status_code == 200
        assert ask(other, **following).json()["error"]["code"] == "previous_response_not_found"
