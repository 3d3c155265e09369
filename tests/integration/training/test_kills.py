"""A run that is killed at any moment, again and again, ends as if nothing had happened."""

import json
import os
import subprocess
import sys

import pytest

from support.paths import ROOT

RUNS = ("decode-2",)  # own data, of which a row is skipped, in two processes


@pytest.mark.slow
def test_runs_that_were_killed_end_with_the_same_bytes():
    command = [sys.executable, "benchmarks/kills.py", "--kills", "2", "--runs", *RUNS]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert (figures["runs"], figures["kills"], figures["different"]) == (1, 2, {})
