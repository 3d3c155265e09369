"""Damaged files of all formats, read in another process, so that a crash is a failed test."""

import os
import subprocess
import sys

import pytest

from support.paths import ROOT, TESTS

CASES = 1_000


@pytest.mark.slow
def test_no_damaged_file_crashes_hangs_or_raises_anything_but_a_media_error(tmp_path):
    command = [sys.executable, "-m", "support.fuzz_media", "0", str(CASES), str(tmp_path)]
    path = os.pathsep.join([str(TESTS), str(ROOT)])
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    last = done.stdout.splitlines()[-1:]
    assert done.returncode == 0, f"stopped at case {last}: {done.stderr[-2000:]}"
    assert last[0].startswith(f"{CASES - 1} ")
