"""Training in two processes of gloo, several runs one after the other: a start takes longer."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from anygen.training.trainer import train
from support.paths import ROOT

Arguments = Sequence[Any]  # of `train`


def train_in_two(*runs: Arguments) -> None:
    """Raises AssertionError with what the processes printed if one of them fails."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone"]
    done = subprocess.run(
        [*command, __file__, json.dumps(runs)],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    for arguments in json.loads(sys.argv[1]):
        train(*arguments)
