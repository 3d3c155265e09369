"""The one training loop. A step's batch and noise are functions of its number: resume is exact."""

import json
import logging
import math
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from anygen.checkpoint import load_weights, own_tensors, save_weights
from anygen.config import Run, find_config, load_run, load_system, to_yaml
from anygen.media import modality_of
from anygen.media_files import write_media
from anygen.modality import TABLE
from anygen.model import AnyGen
from anygen.stages import STAGES, Stage, Step, learned_prefixes

log = logging.getLogger(__name__)

FINAL_RATE = 0.05  # the cosine schedule ends at this share of the learning rate


def train(name: str, overrides: list[str]) -> Path:
    """Train what a run's YAML says; returns the folder with `weights.safetensors`.

    A run that was stopped goes on from its last checkpoint and ends with the same weights.
    """
    run = load_run(name, overrides)
    accelerator = Accelerator(mixed_precision=run.precision)
    stage = STAGES[run.stage]
    torch.manual_seed(run.seed)
    model = AnyGen(load_system(run.system), find_config(run.system).parent, parts=stage.needs)
    load_weights(model, [folder / "weights.safetensors" for folder in run.init])
    if "llm" in stage.needs:
        model.llm.prepare_training()
    run.out.mkdir(parents=True, exist_ok=True)
    (run.out / "run.yaml").write_text(to_yaml(run), encoding="utf-8")
    Trainer(run, stage, model, accelerator).fit()
    return run.out


class StageLoss(nn.Module):
    """The weighted sum of a stage's losses as a forward pass, so that DDP can wrap it."""

    def __init__(self, model: AnyGen, run: Run, stage: Stage) -> None:
        super().__init__()
        self.model, self.run, self.stage = model, run, stage

    def forward(self, step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        losses = {k: v.mean() for k, v in self.stage.losses(self.model, self.run, step).items()}
        total = sum(self.run.weights.get(name, 1.0) * loss for name, loss in losses.items())
        return torch.as_tensor(total), losses


class Trainer:
    """The state of one run: model, optimizer, averaged weights, step."""

    def __init__(self, run: Run, stage: Stage, model: AnyGen, accelerator: Accelerator) -> None:
        self.run, self.stage, self.accelerator = run, stage, accelerator
        self.model = model
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
        while self.step < self.run.steps:
            started = time.perf_counter()
            terms = self.update()
            self.step += 1
            if self.due(self.run.log_every):
                self.write_log(terms, time.perf_counter() - started)
            if self.due(self.run.save_every):
                self.save()
            if self.due(self.run.sample_every):
                self.write_samples()

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
        seeds = [rng.getrandbits(48) for _ in range(self.run.batch_size)]
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

    def write_log(self, terms: dict[str, Tensor], seconds: float) -> None:
        """One line of JSON: the step, every loss term, the learning rate, seconds per step."""
        if not self.accelerator.is_main_process:
            return
        row: dict[str, Any] = {
            "step": self.step,
            **{k: round(float(v), 5) for k, v in terms.items()},
        }
        row |= {
            "learning_rate": learning_rate(self.run, self.step - 1),
            "seconds": round(seconds, 3),
        }
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
        for name, medium in samples.items():
            folder.mkdir(parents=True, exist_ok=True)
            write_media(medium, folder / f"{name}{TABLE[modality_of(medium)].suffix}")

    def save(self) -> None:
        """The weights that others use, then the state that this run goes on from."""
        if not self.accelerator.is_main_process:
            return
        with self.averaged():
            own = own_tensors(self.model, learned_prefixes(self.run))
            save_weights(own, self.run.out / "weights.safetensors")
        state = {
            "step": self.step,
            "tensors": own_tensors(self.model, learned_prefixes(self.run)),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
        }
        path = self.run.out / "state.pt"
        torch.save(state, path.with_suffix(".partial"))
        path.with_suffix(".partial").replace(path)

    def resume(self) -> None:
        path = self.run.out / "state.pt"
        if not path.is_file():
            return
        state = torch.load(path, map_location="cpu", weights_only=True)
        own = own_tensors(self.model, learned_prefixes(self.run))
        with torch.no_grad():
            for name, tensor in state["tensors"].items():
                own[name].copy_(tensor)
            for name, tensor in state["average"].items():
                self.average[name].copy_(tensor)
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
