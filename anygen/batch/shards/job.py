"""What a folder is the output of: everything that changes a result, written down once.

    job.json       what the command says: the model, the seed, the options, the size of shards
    machine.json   what answers: weights, versions, the instruction set and the number of threads

Either is written by whoever comes first; later ones compare it with their own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from anygen.batch.answering import BatchModel, BatchSettings
from anygen.batch.shards.journals import TEMPORARY
from anygen.batch.shards.tasks import put_if_absent
from anygen.core.differences import differences
from anygen.core.text import to_json
from anygen.io.media_files import printable

JOB, MACHINE = "job.json", "machine.json"


def claim_job(settings: BatchSettings) -> None:
    """Raises ValueError, with the differences, if the folder is that of another job."""
    values = {
        "model": settings.model,
        "seed": settings.seed,
        "options": settings.options.model_dump(mode="json", exclude_defaults=True),
        "modality": list(settings.modality),
        "metadata": settings.metadata,
        "shard_size": settings.shard_size,
        "format": settings.format,
    }
    claim(settings.out, JOB, values)


def claim_machine(model: BatchModel, settings: BatchSettings) -> None:
    """Raises ValueError if the rows before were answered by something else."""
    import torch

    from anygen.conversation.provenance import environment

    values = {
        "weights": model.model_id.weights,
        "threads": torch.get_num_threads(),
        **environment(),
    }
    claim(settings.out, MACHINE, values)


def threads_of(out: Path) -> int | None:
    """The number of threads that the rows before were answered with."""
    path = out / MACHINE
    return json.loads(path.read_text(encoding="utf-8"))["threads"] if path.exists() else None


def claim(out: Path, name: str, values: Mapping[str, Any]) -> None:
    path = out / name
    if not path.exists():
        (out / TEMPORARY).mkdir(parents=True, exist_ok=True)
        temporary = out / TEMPORARY / f"{name}.{uuid4().hex}"
        temporary.write_text(to_json(values, indent=2) + "\n", encoding="utf-8")
        if put_if_absent(temporary, path):
            return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        before = None
    if not isinstance(before, dict):
        raise ValueError(f"{printable(path)}: was not written by anygen; choose another --out")
    changes = differences(before, json.loads(to_json(values)))
    if changes:
        raise ValueError(
            f"{printable(out)}: is the folder of another job: {'; '.join(changes)}; give what was "
            "given there, or choose another --out"
        )
