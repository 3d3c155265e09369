"""Configs of DeepSpeed, which many people have: what such a file sets in a run.

A run does without DeepSpeed. It takes from the file what it has itself, and refuses what it cannot
do. Keys that change nothing but the speed are not read; `auto` leaves a value to the run. The keys
are those of https://www.deepspeed.ai/docs/config-json/.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anygen.config.run import DIALOGUE_STAGES
from anygen.core.schema import did_you_mean
from anygen.io.formats.errors import printable

AUTO = "auto"
KEY = "deepspeed"  # of a run


@dataclass(frozen=True)
class Choice:
    """What each possible value of a key sets in a run; others are refused with a sentence."""

    sets: Mapping[Any, dict[str, Any]]
    otherwise: str


OFFLOAD = Choice({"none": {}}, "a run does not offload; remove it, docs/train.md has other ways")
CHOICES: Mapping[str, Choice] = {
    "zero_optimization.stage": Choice(
        {stage: {"parallel": "ddp" if stage < 3 else "fsdp"} for stage in range(4)},
        "there are stages 0 to 3",
    ),
    "zero_optimization.offload_optimizer.device": OFFLOAD,
    "zero_optimization.offload_param.device": OFFLOAD,
    "bf16.enabled": Choice({True: {"precision": "bf16"}, False: {}}, "write true or false"),
    "fp16.enabled": Choice({False: {}}, "a run computes in float32 or bf16, not in fp16"),
    "optimizer.type": Choice(
        {name: {"optimizer": "adamw"} for name in ("Adam", "AdamW")},
        "a run has Adam and AdamW of these",
    ),
    "scheduler.type": Choice(
        {
            "WarmupLR": {"schedule": "constant"},
            "WarmupDecayLR": {"schedule": "linear", "final_rate": 0.0},
            "WarmupCosineLR": {"schedule": "cosine", "final_rate": 0.0001},
        },
        "a run has WarmupLR, WarmupDecayLR and WarmupCosineLR of these",
    ),
}
NUMBERS: Mapping[str, str] = {  # of two for one setting the later wins, as in DeepSpeed
    "train_batch_size": "batch_size",
    "gradient_accumulation_steps": "accumulation",
    "gradient_clipping": "max_grad_norm",
    "optimizer.params.lr": "learning_rate",
    "optimizer.params.betas": "betas",
    "optimizer.params.weight_decay": "weight_decay",
    "scheduler.params.warmup_max_lr": "learning_rate",
    "scheduler.params.warmup_num_steps": "warmup",
    "scheduler.params.total_num_steps": "steps",
    "scheduler.params.cos_min_ratio": "final_rate",
}
MICRO_BATCH = "train_micro_batch_size_per_gpu"  # follows from the other two and the processes
SPEED_ALONE = (
    "activation_checkpointing",
    "comms_logger",
    "communication_data_type",
    "dump_state",
    "flops_profiler",
    "gradient_predivide_factor",
    "memory_breakdown",
    "prescale_gradients",
    "steps_per_print",
    "wall_clock_breakdown",
    "zero_allow_untested_optimizer",
    "zero_force_ds_cpu_optimizer",
)


def with_deepspeed(data: dict[str, Any]) -> dict[str, Any]:
    """The settings of a run, with those of the file that `deepspeed` names in its place.

    Raises ValueError for a file that cannot be read, for what a run does not have, and for a
    setting that the run itself has with another value.
    """
    if KEY not in data:
        return data
    if data.get("stage") not in DIALOGUE_STAGES:
        raise ValueError(f"{KEY}: is for the stages {', '.join(DIALOGUE_STAGES)}")
    path = Path(str(data[KEY]))
    own = {key: value for key, value in data.items() if key != KEY}
    try:
        found = settings_of(read_config(path))
    except ValueError as error:
        raise ValueError(f"{KEY}: {printable(path)}: {error}") from None
    for name, value in found.items():
        if name in own and own[name] != value:
            raise ValueError(
                f"{name}: is {own[name]} in the run and {value} in {printable(path)}; remove it "
                f"from one, or write {AUTO!r} there"
            )
    return own | found


def read_config(path: Path) -> dict[str, Any]:
    """Raises ValueError."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(error.strerror or "cannot be read") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON: {error}") from None
    if not isinstance(config, dict):
        raise ValueError("is not a JSON object")
    return config


def settings_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run that a config has. Raises ValueError for what a run does not have."""
    read = {key.partition(".")[0] for key in (*CHOICES, *NUMBERS)}
    for name in config:
        if name not in (known := {*read, *SPEED_ALONE, MICRO_BATCH}):
            raise ValueError(f"{name}: is not read here{did_you_mean(name, known)}")
    found: dict[str, Any] = {}
    for key, value in values_of(config, CHOICES):
        choice = CHOICES[key]
        if not isinstance(value, str | int) or value not in choice.sets:
            raise ValueError(f"{key}: {json.dumps(value)}: {choice.otherwise}")
        found |= choice.sets[value]
    found |= {NUMBERS[key]: value for key, value in values_of(config, NUMBERS)}
    if "batch_size" not in found and config.get(MICRO_BATCH, AUTO) != AUTO:
        raise ValueError(
            f"{MICRO_BATCH}: the rows of a step depend on the processes; give train_batch_size"
        )
    return found


def values_of(config: Mapping[str, Any], keys: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """The values of dotted keys, without those that are absent or `auto`. Raises ValueError."""
    for key in keys:
        value: Any = config
        for name in key.split("."):
            if value == AUTO:
                break
            if not isinstance(value, dict):
                raise ValueError(f"{key}: {json.dumps(value)} holds no settings")
            value = value.get(name, AUTO)
        if value != AUTO:
            yield key, value
