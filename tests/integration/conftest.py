"""The command as a person calls it, in this process, and a model for servers."""

import io
import math
import os
import sys
from functools import cache, partial
from pathlib import Path

import pytest
import typer.main

from anygen import AnyGen
from anygen.batch.shards import ray_pool
from anygen.cli.main import main
from support.answers import forget
from support.paths import ROOT, TESTS


@pytest.fixture(scope="session", autouse=True)
def _commands_are_built_once():
    """Typer builds all of them for each call, which takes longer than most calls of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command", cache(typer.main.get_command))
        yield


@pytest.fixture(scope="session")
def eager_model(make_model, tmp_path_factory) -> Path:
    """The folder of a tiny model that likes to make media of all kinds; its name is tiny."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    forget(AnyGen(make_model().eval().requires_grad_(False))).save_pretrained(folder)
    return folder


@pytest.fixture
def anygen_cli(monkeypatch, capsys, tmp_path):
    """Runs a command in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["anygen", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return stopped.value.code, captured.out, captured.err

    return run


@pytest.fixture(scope="module")
def cluster():
    """One cluster for all tests of the module."""
    ray = pytest.importorskip("ray")
    start = partial(
        ray.init,
        "local",
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=100_000_000,
        log_to_driver=False,
        logging_level="ERROR",
        runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join([str(ROOT), str(TESTS)])}},
    )
    for left in reversed(range(4)):
        try:
            start()
            break
        except Exception as error:  # Ray's own processes get 30 seconds; a loaded machine is slower
            ray.shutdown()
            if not left or "timed out during startup" not in str(error):
                raise
    with pytest.MonkeyPatch.context() as patch:  # the same for actors
        patch.setattr(ray_pool, "PLACE_SECONDS", math.inf)
        yield
    ray.shutdown()
