"""The one training loop. A step's batch and noise are functions of its number: resume is exact."""

import json
import logging
import math
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from anygen.checkpoints.checkpoint import (
    LEARNED,
    copy_tensors,
    load_weights,
    own_tensors,
    save_weights,
    weights_in,
)
from anygen.config.loader import find_config, load_run, load_system, to_yaml
from anygen.config.placement import Placement
from anygen.config.run import Run
from anygen.core.media import modality_of
from anygen.core.modality import TABLE
from anygen.io.atomic import replacing
from anygen.io.media_files import write_media
from anygen.model.multimodal import MultimodalModel
from anygen.model.parts import part_of
from anygen.numerics.int8_linear import has_vnni
from anygen.training import report
from anygen.training.stages import STAGES, Stage, Step, learned_prefixes

log = logging.getLogger(__name__)

FINAL_RATE = 0.05  # the cosine schedule ends at this share of the learning rate


def train(name: str, overrides: list[str]) -> Path:
    """Train what a run's YAML says; returns the folder with `weights.safetensors`.

    A run that was stopped goes on from its last checkpoint and ends with the same weights.
    """
    run = load_run(name, overrides)
    accelerator = Accelerator(mixed_precision="bf16" if run.precision == "bf16" else "no")
    stage = STAGES[run.stage]
    torch.manual_seed(run.seed)
    system, folder = load_system(run.system), find_config(run.system).parent
    model = MultimodalModel(
        system, folder, parts=stage.needs, placement=placement_of(run, accelerator)
    )
    load_weights(model, map(weights_in, run.init))
    if "llm" in stage.needs:
        model.llm.prepare_training(int8=run.precision == "int8" and has_fast_int8(accelerator))
    run.out.mkdir(parents=True, exist_ok=True)
    (run.out / "run.yaml").write_text(to_yaml(run), encoding="utf-8")
    trainer = Trainer(run, stage, model, accelerator)
    log.info("%s trains, in %s:\n%s", run.stage, run.out, learning_table(model))
    trainer.fit()
    return run.out


def placement_of(run: Run, accelerator: Accelerator) -> Placement:
    """Everything learns in float32; weights of four bits are made where they compute."""
    if run.precision != "nf4":
        return Placement()
    return Placement(
        device=str(accelerator.device), dtype="float32", quant="nf4"
    ).validate_available()


def has_fast_int8(accelerator: Accelerator) -> bool:
    """False, and said so, on a CPU that multiplies 8-bit numbers more slowly than any others."""
    if accelerator.device.type != "cpu" or has_vnni():
        return True
    log.info("this CPU has no VNNI: the base LLM stays in float32, two to four times as slow")
    return False


def learning_table(model: nn.Module) -> str:
    """One line per part of the model: how many of its parameters learn."""
    learned: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for name, parameter in model.named_parameters():
        part = part_of(name)
        total[part] += parameter.numel()
        learned[part] += parameter.numel() * parameter.requires_grad
    return "\n".join(f"{part:28}{learned[part]:>14,} of {total[part]:>14,}" for part in total)


class StageLoss(nn.Module):
    """The sum of a stage's losses as a forward pass, so that DDP can wrap it."""

    def __init__(self, model: MultimodalModel, run: Run, stage: Stage) -> None:
        super().__init__()
        self.model, self.run, self.stage = model, run, stage

    def forward(self, step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        losses = {k: v.mean() for k, v in self.stage.losses(self.model, self.run, step).items()}
        return torch.stack(list(losses.values())).sum(), losses


class Trainer:
    """The state of one run: model, optimizer, averaged weights, step."""

    def __init__(
        self, run: Run, stage: Stage, model: MultimodalModel, accelerator: Accelerator
    ) -> None:
        self.run, self.stage, self.accelerator = run, stage, accelerator
        self.model = model
        if stage.aids:
            model.aids = stage.aids(model, run)
        self.learned = unfreeze(model, learned_prefixes(run))
        optimizer = torch.optim.AdamW(
            self.learned.values(), run.learning_rate, (0.9, 0.99), weight_decay=run.weight_decay
        )
        wrapped = accelerator.prepare(StageLoss(model, run, stage), optimizer)
        self.loss, self.optimizer = wrapped
        self.average = {n: p.detach().clone() for n, p in self.learned.items()} if run.ema else {}
        self.step = 0
        self.resume()

    def fit(self) -> None:
        self.model.train()
        terms: dict[str, list[Tensor]] = {}  # since the last line of the log
        started = time.perf_counter()
        while self.step < self.run.steps:
            for name, value in self.update().items():
                terms.setdefault(name, []).append(value.detach())
            self.step += 1
            if self.due(self.run.log_every):
                self.write_log(terms, time.perf_counter() - started)
                terms, started = {}, time.perf_counter()
            if self.due(self.run.save_every):
                self.save()
            if self.due(self.run.sample_every):
                self.write_samples()
            if self.due(self.run.save_every):
                self.write_page()

    def update(self) -> dict[str, Tensor]:
        """One step: forward, backward, clip, update, average."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.run, self.step)
        step = self.randomness()
        with self.accelerator.autocast():
            total, terms = self.loss(step)
        self.accelerator.backward(total)
        norm = self.accelerator.clip_grad_norm_(self.learned.values(), self.run.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.update_average()
        return {**terms, "grad_norm": norm}

    def randomness(self) -> Step:
        """The step's random numbers, and torch's own seed for dropout."""
        name = f"{self.run.seed}/{self.step}/{self.accelerator.process_index}"
        rng = random.Random(name)
        torch.manual_seed(rng.getrandbits(48))
        rows = max(self.run.batch_size, self.run.denoised, *self.run.rows.values())
        seeds = [rng.getrandbits(48) for _ in range(rows)]
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        return Step(self.step, rng, generators)

    @torch.no_grad()
    def update_average(self) -> None:
        """Early steps count less: the average forgets its random start."""
        if self.average:
            decay = min(self.run.ema, (1 + self.step) / (10 + self.step))
            torch._foreach_lerp_(
                list(self.average.values()), list(self.learned.values()), 1 - decay
            )

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside, the model has its averaged weights."""
        self.exchange_average()
        try:
            yield
        finally:
            self.exchange_average()

    @torch.no_grad()
    def exchange_average(self) -> None:
        for name, average in self.average.items():
            current = self.learned[name].clone()
            self.learned[name].copy_(average)
            average.copy_(current)

    def due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.run.steps

    def write_log(self, terms: dict[str, list[Tensor]], seconds: float) -> None:
        """One line of JSON: mean losses since the last line, learning rate, seconds in all."""
        if not self.accelerator.is_main_process:
            return
        means = {name: torch.stack(values).mean().item() for name, values in terms.items()}
        row: dict[str, Any] = {"step": self.step, **{k: round(v, 5) for k, v in means.items()}}
        row["learning_rate"] = learning_rate(self.run, self.step - 1)
        self.write_row({**row, "seconds": round(seconds, 2)})

    def write_row(self, row: dict[str, Any]) -> None:
        with (self.run.out / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        log.info("%s", row)

    def write_samples(self) -> None:
        if not self.accelerator.is_main_process:
            return
        self.model.eval()
        with self.averaged():
            samples = self.stage.samples(self.model, self.run)
        self.model.train()
        folder = self.run.out / "samples" / f"{self.step:06d}"
        paths = []
        for name, medium in samples.items():
            suffix = TABLE[modality_of(medium)].suffix
            paths.append(write_media(medium, folder / f"{name}{suffix}"))
        if paths:
            shown = [str(path.relative_to(self.run.out)) for path in paths]
            self.write_row({"step": self.step, "samples": shown})

    def write_page(self) -> None:
        if self.accelerator.is_main_process:
            report.write(self.run.out)

    def save(self) -> None:
        """The weights that others use, then the state that this run goes on from."""
        if not self.accelerator.is_main_process:
            return
        with self.averaged():
            own = own_tensors(self.model, learned_prefixes(self.run))
            save_weights(own, self.run.out / LEARNED)
        state = {
            "step": self.step,
            "tensors": own_tensors(self.model, learned_prefixes(self.run)),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
        }
        with replacing(self.run.out / "state.pt") as temporary:
            torch.save(state, temporary)

    def resume(self) -> None:
        path = self.run.out / "state.pt"
        if not path.is_file():
            return
        state = torch.load(path, map_location="cpu", weights_only=True)
        own = own_tensors(self.model, learned_prefixes(self.run))
        copy_tensors(state["tensors"], own, complete=True)
        copy_tensors(state["average"], self.average, complete=True)
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        log.info("resumed %s at step %d", self.run.out, self.step)


def unfreeze(model: nn.Module, prefixes: list[str]) -> dict[str, nn.Parameter]:
    """Let exactly the parameters under `prefixes` learn. ValueError when there are none."""
    ours = own_tensors(model, prefixes)
    learned = {}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in ours)
        if name in ours:
            learned[name] = parameter
    if not learned:
        raise ValueError(f"nothing would learn: no parameter is named {' or '.join(prefixes)}")
    return learned


def learning_rate(run: Run, step: int) -> float:
    """Linear warm-up, then a cosine down to a twentieth."""
    if step < run.warmup:
        return run.learning_rate * (step + 1) / run.warmup
    progress = (step - run.warmup) / max(1, run.steps - run.warmup)
    cosine = (1 + math.cos(math.pi * min(1.0, progress))) / 2
    return run.learning_rate * (FINAL_RATE + (1 - FINAL_RATE) * cosine)
