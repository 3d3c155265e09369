"""The training loop. A step's batch and noise are functions of its number: resuming is exact."""

import json
import logging
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from anygen.checkpoints.checkpoint import (
    RUN_WEIGHTS,
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
from anygen.model.placing import settle
from anygen.numerics.int8_linear import has_vnni
from anygen.training import report
from anygen.training.stages import STAGES, Stage, Step, check_decoders, learned_prefixes

log = logging.getLogger(__name__)

AUXILIARY = "aids."  # prefix of the names of auxiliaries in weights.safetensors and state.pt
FINAL_RATE = 0.05  # share of the learning rate at which the cosine schedule ends


def train(name: str, overrides: list[str]) -> Path:
    """Run the training that a YAML file describes; returns the folder with `weights.safetensors`.

    A run that was stopped continues from its last checkpoint and ends with the same weights.
    """
    run = load_run(name, overrides)
    accelerator = Accelerator(mixed_precision="bf16" if run.precision == "bf16" else "no")
    stage = STAGES[run.stage]
    torch.manual_seed(run.seed)
    system, folder = load_system(run.system), find_config(run.system).parent
    model = MultimodalModel(
        system, folder, parts=stage.needs, placement=placement_of(run, accelerator)
    )
    check_decoders(model, run)
    load_weights(model, map(weights_in, run.init))
    if "llm" in stage.needs:
        int8 = run.precision == "int8" and has_fast_int8(accelerator.device)
        fused = accelerator.device.type != "cpu"
        model.llm.prepare_training(int8, run.gradient_checkpointing, fused)
    run.out.mkdir(parents=True, exist_ok=True)
    (run.out / "run.yaml").write_text(to_yaml(run), encoding="utf-8")
    trainer = Trainer(run, stage, model, accelerator)
    log.info("%s trains, in %s:\n%s", run.stage, run.out, learning_table(model))
    trainer.fit()
    return run.out


def placement_of(run: Run, accelerator: Accelerator) -> Placement:
    """The base LLM's. 4-bit weights are quantized on the device that computes."""
    if run.precision != "nf4":
        return Placement(dtype="bfloat16" if run.precision == "bf16" else "float32")
    return Placement(
        device=str(accelerator.device), dtype="float32", quant="nf4"
    ).validate_available()


def has_fast_int8(device: torch.device, vnni: Callable[[], bool] = has_vnni) -> bool:
    """Whether 8-bit layers are faster than float32 ones; logs if they are not."""
    if device.type != "cpu" or vnni():
        return True
    log.info("this CPU has no VNNI: the base LLM stays in float32, two to four times as slow")
    return False


def learning_table(model: nn.Module) -> str:
    """One line per part of the model: how many of its parameters are trained."""
    learned: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for name, parameter in model.named_parameters():
        part = part_of(name)
        total[part] += parameter.numel()
        learned[part] += parameter.numel() * parameter.requires_grad
    return "\n".join(f"{part:28}{learned[part]:>14,} of {total[part]:>14,}" for part in total)


class StageLoss(nn.Module):
    """The sum of a stage's losses as a module, so that DDP can wrap its forward pass."""

    def __init__(
        self, model: MultimodalModel, auxiliaries: nn.Module | None, run: Run, stage: Stage[Any]
    ) -> None:
        super().__init__()
        self.model, self.auxiliaries, self.run, self.stage = model, auxiliaries, run, stage

    def forward(self, step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        terms = self.stage.losses(self.model, self.auxiliaries, self.run, step)
        losses = {name: term.mean() for name, term in terms.items()}
        return torch.stack(list(losses.values())).sum(), losses


class Trainer:
    """The state of one run: model, auxiliaries, optimizer, averaged weights, step."""

    def __init__(
        self, run: Run, stage: Stage[Any], model: MultimodalModel, accelerator: Accelerator
    ) -> None:
        self.run, self.stage, self.accelerator = run, stage, accelerator
        self.model = model
        self.auxiliaries: nn.Module | None = stage.auxiliaries(model, run)
        self.learned = unfreeze(model, learned_prefixes(run)) | saved_names(self.auxiliaries)
        if run.precision == "bf16":
            narrow_frozen(model, torch.bfloat16)
        optimizer = torch.optim.AdamW(
            self.learned.values(), run.learning_rate, (0.9, 0.99), weight_decay=run.weight_decay
        )
        loss = StageLoss(model, self.auxiliaries, run, stage)
        wrapped = accelerator.prepare(loss, optimizer)
        self.loss, self.optimizer = wrapped
        self.average = {n: p.detach().clone() for n, p in self.learned.items()} if run.ema else {}
        self.step = 0
        self.resume()

    def fit(self) -> None:
        """Train up to the last step; log, save and write samples on the way."""
        self.model.train()
        terms: dict[str, list[Tensor]] = {}  # since the last line of the log
        start_time = time.perf_counter()
        while self.step < self.run.steps:
            for name, value in self.update().items():
                terms.setdefault(name, []).append(value.detach())
            self.step += 1
            if self.is_due(self.run.log_every):
                self.write_log(terms, time.perf_counter() - start_time)
                terms, start_time = {}, time.perf_counter()
            if self.is_due(self.run.save_every):
                self.save()
            if self.is_due(self.run.sample_every):
                self.write_samples()
            if self.is_due(self.run.save_every):
                self.write_page()

    def update(self) -> dict[str, Tensor]:
        """One step: forward, backward, clip, optimize, average. Returns the terms of the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.run, self.step)
        step = self.draw_step()
        with self.accelerator.autocast():
            total, terms = self.loss(step)
        self.accelerator.backward(total)
        norm = self.accelerator.clip_grad_norm_(self.learned.values(), self.run.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.update_average()
        return {**terms, "grad_norm": norm}

    def draw_step(self) -> Step:
        """The randomness of the present step; seeds torch's own generator, too, for dropout."""
        name = f"{self.run.seed}/{self.step}/{self.accelerator.process_index}"
        rng = random.Random(name)
        torch.manual_seed(rng.getrandbits(48))
        rows = max(self.run.batch_size, self.run.denoised, *self.run.rows.values())
        seeds = [rng.getrandbits(48) for _ in range(rows)]
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        return Step(self.step, rng, generators)

    @torch.no_grad()
    def update_average(self) -> None:
        """The decay rises to `run.ema`, so that the average soon forgets the first weights.

        The formula is that of diffusers' EMAModel, which keeps no names and copies all weights once
        more whenever they are saved.
        """
        if self.average:
            decay = min(self.run.ema, (1 + self.step) / (10 + self.step))
            torch._foreach_lerp_(
                list(self.average.values()), list(self.learned.values()), 1 - decay
            )

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within the context the model has its averaged weights."""
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

    def is_due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.run.steps

    def write_log(self, terms: dict[str, list[Tensor]], seconds: float) -> None:
        """One line of JSON: means since the last line, the learning rate, the seconds in all."""
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
            media = self.stage.samples(self.model, self.run)
        self.model.train()
        folder = self.run.out / "samples" / f"{self.step:06d}"
        paths = []
        for name, medium in media.items():
            suffix = TABLE[modality_of(medium)].suffix
            paths.append(write_media(medium, folder / f"{name}{suffix}"))
        if paths:
            names = [str(path.relative_to(self.run.out)) for path in paths]
            self.write_row({"step": self.step, "samples": names})

    def write_page(self) -> None:
        if self.accelerator.is_main_process:
            report.write(self.run.out)

    def tensors(self) -> dict[str, Tensor]:
        """What the run trains, by the names under which it is saved."""
        own = own_tensors(self.model, learned_prefixes(self.run))
        return own | saved_names(self.auxiliaries)

    def save(self) -> None:
        """Write the (averaged) weights for later use, then the state to resume from."""
        if not self.accelerator.is_main_process:
            return
        with self.averaged():
            save_weights(self.tensors(), self.run.out / RUN_WEIGHTS)
        state = {
            "step": self.step,
            "tensors": self.tensors(),
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
        copy_tensors(state["tensors"], self.tensors(), complete=True)
        copy_tensors(state["average"], self.average, complete=True)
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        log.info("resumed %s at step %d", self.run.out, self.step)


def saved_names(auxiliaries: nn.Module | None) -> dict[str, nn.Parameter]:
    """What learns of a stage's auxiliaries, by the names under which a run saves it."""
    named = auxiliaries.named_parameters() if auxiliaries else ()
    return {f"{AUXILIARY}{name}": p for name, p in named if p.requires_grad}


def unfreeze(model: nn.Module, prefixes: list[str]) -> dict[str, nn.Parameter]:
    """Require gradients of exactly the parameters under `prefixes`, and return them by name.

    Raises ValueError if there are none.
    """
    own = own_tensors(model, prefixes)
    learned = {}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in own)
        if name in own:
            learned[name] = parameter
    if not learned:
        raise ValueError(f"nothing would learn: no parameter is named {' or '.join(prefixes)}")
    return learned


def narrow_frozen(model: MultimodalModel, dtype: torch.dtype) -> None:
    """Holds the encoder and the decoders in `dtype` where nothing of them learns.

    The base LLM was loaded in it; what learns stays in float32.
    """
    encoders = [part for name, part in model.named_children() if name == "encoder"]
    for part in (*encoders, *model.decoders.children()):
        parameters = list(part.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            settle(part, parameters[0].device, dtype)


def learning_rate(run: Run, step: int) -> float:
    """Linear warm-up, then a cosine from `run.learning_rate` to FINAL_RATE of it.

    A function of the step alone, so a resumed run may have another number of steps; the schedules
    of transformers count steps in a state of their own.
    """
    if step < run.warmup:
        return run.learning_rate * (step + 1) / run.warmup
    progress = (step - run.warmup) / max(1, run.steps - run.warmup)
    cosine = (1 + math.cos(math.pi * min(1.0, progress))) / 2
    return run.learning_rate * (FINAL_RATE + (1 - FINAL_RATE) * cosine)
