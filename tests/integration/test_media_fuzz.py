"""Damaged files of all formats, read in another process, so that a crash is a failed test."""

import subprocess
import sys
from pathlib import Path

CASES = 2_000


def test_no_damaged_file_crashes_hangs_or_raises_anything_but_a_media_error(tmp_path):
    script = Path(__file__).parents[1] / "fuzz_reading.py"
    command = [sys.executable, str(script), "0", str(CASES), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    last = done.stdout.splitlines()[-1:]
    assert done.returncode == 0, f"stopped at case {last}: {done.stderr[-2000:]}"
    assert last[0].startswith(f"{CASES - 1} ")
