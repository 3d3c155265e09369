"""The image, and the examples of docs/serve.md for Compose and systemd."""

import configparser
import re

import typer
import yaml

from anygen.cli.main import app
from support.pages import blocks
from support.paths import ROOT

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
