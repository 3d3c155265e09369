"""The training loop. A step's batch and noise are functions of its number: resuming is exact."""

import logging
import random
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from anygen.checkpoints.checkpoint import copy_tensors, own_tensors
from anygen.config.loader import load_run, system_of
from anygen.config.run import DIALOGUE_STAGES, MEDIA_STAGES, Run
from anygen.io.json_lines import read_json_lines
from anygen.model.multimodal import MultimodalModel
from anygen.training import report
from anygen.training.data.media import MediaMixture
from anygen.training.data.mixture import DialogueMixture, with_steps
from anygen.training.data.refused import RefusedRows
from anygen.training.data.rows import RowReader
from anygen.training.mixtures import draw_dialogues
from anygen.training.parallel.devices import (
    check_parts,
    make_accelerator,
    mean_of_processes,
)
from anygen.training.parallel.sharing import in_full, in_parts, optimizer_parts, share
from anygen.training.runs.averaging import AveragedWeights
from anygen.training.runs.building import build_model
from anygen.training.runs.checkpoints import BEST, keep_weights, write_weights
from anygen.training.runs.folder import (
    Origin,
    check_changes,
    check_names,
    locked,
    origin_of,
    write_settings,
)
from anygen.training.runs.held_out import HeldOutRows, check_held_out
from anygen.training.runs.log import LOG, append_row, drop_rows_after, finite_means
from anygen.training.runs.optimizers import (
    check_optimizer,
    learning_rate,
    make_optimizer,
)
from anygen.training.runs.progress import progress_bar
from anygen.training.runs.state import STATE_FILE, State, read_state, write_state
from anygen.training.runs.step import Step, passes_of
from anygen.training.runs.stopping import end_process, stop_requests
from anygen.training.runs.trackers import check_tracker, report_row, tracking
from anygen.training.runs.trainable import learning_table, narrow_frozen, saved_names, unfreeze
from anygen.training.samples import requested_media, write_samples
from anygen.training.stages import STAGES, Stage, StageLoss, learned_prefixes

log = logging.getLogger(__name__)

MAX_SKIPPED = 10  # steps in a row whose loss or gradient is not finite


def train(name: str, overrides: list[str], change: Sequence[str] = ()) -> Path:
    """Run the training that a YAML file describes; returns the folder with `weights.safetensors`.

    A run that was stopped continues from its last checkpoint and ends with the same weights. It
    continues with other settings only if they are in `change`. Raises ValueError.
    """
    run = with_steps(load_run(name, overrides))
    check_names(change)
    check_tracker(run)
    check_optimizer(run)
    check_held_out(run)
    learned_prefixes(run)
    accelerator = make_accelerator(run)
    with locked(run.out, held=accelerator.is_main_process):
        origin, state = origin_of(run, system_of(run)), read_state(run.out)
        if state is not None:
            check_state(run, state, origin, change)
        trainer = build_trainer(run, accelerator, origin)
        if state is not None:
            trainer.resume(state)
        if accelerator.is_main_process:
            write_settings(run, origin)
            drop_rows_after(trainer.step if state else -1, run.out / LOG)
        log.info("%s trains, in %s:\n%s", run.stage, run.out, learning_table(trainer.model))
        with tracking(run, accelerator, trainer.step):
            if state is not None:
                trainer.catch_up()
            trainer.fit()
    return run.out


def check_state(run: Run, state: State, origin: Origin, change: Sequence[str]) -> None:
    """Raises ValueError for the state of another stage or system, or with other settings."""
    before = state.get("origin")
    if before is None:  # of release 0.1
        return
    stage = before["settings"]["stage"]
    if stage != run.stage:
        raise ValueError(
            f"{run.out / STATE_FILE}: is the state of a run of stage {stage}, not of {run.stage}; "
            "name another folder in out"
        )
    check_changes(run, state["step"], before, origin, change)


def build_trainer(run: Run, accelerator: Accelerator, origin: Origin) -> "Trainer":
    """Ready for the first step. Raises ValueError."""
    stage = STAGES[run.stage]
    return Trainer(run, stage, build_model(run, stage, accelerator), accelerator, origin)


class Trainer:
    """The state of one run: model, auxiliaries, optimizer, averaged weights, step."""

    def __init__(
        self,
        run: Run,
        stage: Stage[Any],
        model: MultimodalModel,
        accelerator: Accelerator,
        origin: Origin | None = None,
    ) -> None:
        self.run, self.stage, self.accelerator = run, stage, accelerator
        self.model, self.origin = model, origin or {}
        check_parts(run, accelerator.num_processes)
        main, process = accelerator.is_main_process, accelerator.process_index
        reads = run.stage if run.data else ""
        self.dialogues = DialogueMixture(run, model, process) if reads in DIALOGUE_STAGES else None
        self.media = MediaMixture(run, main) if reads in MEDIA_STAGES else None
        with accelerator.main_process_first():  # the others find in its folder what it computes
            self.auxiliaries: nn.Module | None = stage.auxiliaries(model, run)
        mixture = self.dialogues or self.media
        self.refused = mixture.refused if mixture else RefusedRows(run.out)
        learned = unfreeze(model, learned_prefixes(run))
        if run.precision == "bf16":
            narrow_frozen(model, torch.bfloat16)
        self.sharing = share(run, accelerator, model)
        own = {name: p for name, p in model.named_parameters() if name in learned}
        self.learned = own | saved_names(self.auxiliaries)
        optimizer = make_optimizer(self.learned.values(), run)
        loss = StageLoss(model, self.auxiliaries, run, stage)
        self.loss, self.optimizer = self.sharing.prepare(loss, optimizer)
        self.reader = RowReader(model, None) if run.stage in DIALOGUE_STAGES else None
        self.held_out = HeldOutRows(model, run, run.held_out) if run.held_out else None
        self.average = AveragedWeights(self.learned, run.ema)
        self.step = 0
        self.skipped = 0  # steps in all whose loss or gradient was not finite
        self.skipped_in_a_row = 0

    @property
    def is_done(self) -> bool:
        """After the last step, or when losses of held-out rows have not improved for too long."""
        exhausted = self.held_out is not None and self.held_out.is_exhausted
        return self.step >= self.run.steps or exhausted

    def fit(self) -> None:
        """Train up to the last step; log, save and write samples on the way.

        Asked to stop, by SIGTERM or Ctrl-C, it saves after the present step and ends. Raises
        ValueError if the loss is not finite in MAX_SKIPPED steps in a row.
        """
        self.model.train()
        terms: list[dict[str, Tensor]] = []  # since the last line of the log
        shown = self.accelerator.is_main_process
        bar = progress_bar(self.run.stage, self.step, self.run.steps, shown)
        with stop_requests() as request, bar as advance:
            if self.held_out and not (self.held_out.has_begun or self.is_done):
                self.begin(self.held_out)
            start_time = time.perf_counter()
            while not self.is_done:
                terms.append(self.update())
                self.step += 1
                advance(self.step)
                better = self.is_best()
                if self.is_due(self.run.log_every):
                    self.write_log(terms, time.perf_counter() - start_time)
                    terms, start_time = [], time.perf_counter()
                stopping = self.highest(request.number)
                if stopping or better or self.is_due(self.run.save_every):
                    self.save(better)
                if stopping:
                    log.info("stopped at step %d; the same command goes on from there", self.step)
                    end_process(stopping)
                if self.is_due(self.run.sample_every):
                    before = time.perf_counter()
                    self.write_samples()
                    start_time += time.perf_counter() - before
                if self.is_due(self.run.save_every):
                    self.write_page()

    def begin(self, held_out: HeldOutRows) -> None:
        """What later losses and answers are compared with."""
        if held_out.sources and not held_out.best.start:
            self.evaluate(held_out)
        if held_out.requests:
            self.write_samples()

    def catch_up(self) -> None:
        """What the run still had to do after its last save when it was killed."""
        rows = [row for row in read_json_lines(self.run.out / LOG) if row["step"] == self.step]
        missing = self.is_due(self.run.sample_every) and not any("samples" in row for row in rows)
        if self.highest(missing and self.accelerator.is_main_process):
            self.write_samples()
        self.write_page()

    def update(self) -> dict[str, Tensor]:
        """One step: forward, backward, clip, optimize, average. Returns the terms of the loss.

        If the loss or the gradient is not finite, nothing changes but the number of skipped steps.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.run, self.step)
        with self.accelerator.autocast():
            step = self.draw_step()
        terms: dict[str, Tensor] = {}
        process, processes = self.accelerator.process_index, self.accelerator.num_processes
        for part in passes_of(self.reader, self.run, step, processes)[process::processes]:
            with self.accelerator.autocast():
                if self.dialogues:
                    self.dialogues.kept.fill(part.own)
                total, losses = self.loss(part)
            self.sharing.backward(total)
            for name, loss in losses.items():
                terms[name] = terms[name] + loss.detach() if name in terms else loss.detach()
        total = torch.stack(list(terms.values())).sum()
        norm = self.sharing.clip(self.learned.values(), self.run.max_grad_norm)
        if self.highest(not bool(total.isfinite() & norm.isfinite())):
            self.count_skipped()
        else:
            self.skipped_in_a_row = 0
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if not self.skipped_in_a_row:
            self.average.update(self.step)
        return {**terms, "grad_norm": norm}

    def count_skipped(self) -> None:
        """Raises ValueError if too many steps in a row were skipped."""
        self.skipped += 1
        self.skipped_in_a_row += 1
        if self.skipped_in_a_row == MAX_SKIPPED:
            raise ValueError(
                f"{self.run.out}: the loss or its gradient was not finite in {MAX_SKIPPED} steps "
                f"in a row, the last of them step {self.step}; a lower learning_rate, a longer "
                "warmup or a lower max_grad_norm may help"
            )

    def highest(self, number: int) -> int:
        """The highest of the numbers that the processes have, so that all do the same."""
        if self.accelerator.num_processes == 1:
            return number
        numbers = self.accelerator.gather(torch.tensor([number], device=self.accelerator.device))
        return int(numbers.max())

    def draw_step(self) -> Step:
        """The randomness and the dialogues of the present step.

        All processes draw the same dialogues, of which each computes a part: what is learned does
        not depend on their number. In stages without dialogues each draws a batch of its own.
        """
        shared, process = self.run.stage in DIALOGUE_STAGES, self.accelerator.process_index
        rng = random.Random(f"{self.run.seed}/{self.step}/{0 if shared else process}")
        torch.manual_seed(rng.getrandbits(48))
        largest = max(self.run.batch_size, self.run.denoised, *self.run.rows.values())
        seeds = [rng.getrandbits(48) for _ in range(largest)]
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        if not shared:
            place = (self.step, process, self.accelerator.num_processes)
            media = self.media.rows(*place) if self.media else None
            return Step(self.step, rng, generators, media=media, part=process, parts=place[2])
        rows = self.dialogues.rows(self.step) if self.dialogues else None
        dialogues = draw_dialogues(self.model, self.run, rows, rng, generators[0])
        return Step(self.step, rng, generators, dialogues)

    def is_due(self, every: int) -> bool:
        return self.step % every == 0 or self.is_done

    def is_best(self) -> bool:
        """Whether losses of held-out rows are due in this step, and better than ever before."""
        if self.held_out is None or not self.held_out.sources:
            return False
        return self.is_due(self.held_out.settings.every) and self.evaluate(self.held_out)

    def evaluate(self, held_out: HeldOutRows) -> bool:
        """Log the losses of held-out rows; whether they are better than ever before."""
        self.model.eval()
        with self.average.in_use(), self.accelerator.autocast():
            losses = held_out.losses(
                lambda step: self.stage.losses(self.model, self.auxiliaries, self.run, step),
                self.sharing,
            )
        self.model.train()
        row, better = held_out.add(losses, self.step)
        if self.accelerator.is_main_process:
            self.write_row({"step": self.step, **row})
        return better

    def write_log(self, terms: Sequence[dict[str, Tensor]], seconds: float) -> None:
        """One line of JSON: means since the last line, the learning rate, the seconds in all."""
        own = [{name: float(value) for name, value in row.items()} for row in terms]
        steps = mean_of_processes(self.sharing.gather(own))
        if not self.accelerator.is_main_process:
            return
        names = dict.fromkeys(name for step in steps for name in step)
        values = {name: [step[name] for step in steps if name in step] for name in names}
        row: dict[str, Any] = {"step": self.step, **finite_means(values)}
        if len(self.refused):
            row["refused"] = len(self.refused)
        row["learning_rate"] = learning_rate(self.run, self.step - 1)
        if self.skipped:
            row["skipped"] = self.skipped
        self.write_row({**row, "seconds": round(seconds, 2)})

    def write_row(self, row: dict[str, Any]) -> None:
        append_row(row, self.run.out / LOG)
        report_row(self.accelerator, row)
        log.info("%s", row)

    def write_samples(self) -> None:
        """Also ask again what was asked before the first step."""
        if not (self.accelerator.is_main_process or self.sharing.all_compute):
            return
        ask = partial(requested_media, self.model)
        self.model.eval()
        with self.average.in_use(), self.accelerator.autocast():
            samples = self.stage.samples(self.model, self.run)
            forgetting = self.held_out.forgetting(ask) if self.held_out else {}
            self.sharing.finish()
        self.model.train()
        if not self.accelerator.is_main_process:
            return
        paths = write_samples(samples, self.run.out / "samples" / f"{self.step:06d}")
        if paths or forgetting:
            names = [str(path.relative_to(self.run.out)) for path in paths]
            self.write_row({"step": self.step, "samples": names, **forgetting})

    def write_page(self) -> None:
        if self.accelerator.is_main_process:
            report.write(self.run.out)

    def tensors(self) -> dict[str, Tensor]:
        """What the run trains, by the names under which it is saved."""
        own = own_tensors(self.model, learned_prefixes(self.run))
        return own | saved_names(self.auxiliaries)

    def save(self, best: bool = False) -> None:
        """Write the (averaged) weights for later use, then the state to resume from.

        The `best` weights also stay in a folder of their own.
        """
        if self.dialogues:
            self.dialogues.kept.cache.flush()
        main = self.accelerator.is_main_process
        if not (main or self.sharing.all_compute):
            return
        system, folder = self.model.system, self.model.folder
        with self.average.in_use():
            weights = in_full(self.tensors())
            if main:
                write_weights(weights, self.run, system, folder, self.step)
        if main and best:
            keep_weights(self.run, system, folder, BEST)
        state = {
            "origin": self.origin,
            "step": self.step,
            "skipped": (self.skipped, self.skipped_in_a_row),
            "tensors": in_full(self.tensors()),
            "average": in_full(self.average.tensors),
            "optimizer": in_full(self.optimizer.state_dict()),
            "kind": self.run.optimizer,
            "held_out": self.held_out.state() if self.held_out else None,
        }
        if main:
            write_state(state, self.run.out)

    def resume(self, state: State) -> None:
        """Go on from a state that `save` wrote. Raises ValueError if it is of another model."""
        try:
            for name, own in (("tensors", self.tensors()), ("average", self.average.tensors)):
                copy_tensors(in_parts(state[name], own), own, complete=True)
            if state.get("kind", "adamw") == self.run.optimizer:  # it may have been changed
                own_state = optimizer_parts(state["optimizer"], self.learned.values())
                self.optimizer.load_state_dict(own_state)
        except ValueError as error:
            raise ValueError(f"{self.run.out / STATE_FILE}: {error}") from error
        self.step = state["step"]
        self.skipped, self.skipped_in_a_row = state.get("skipped", (0, 0))
        if self.held_out:
            self.held_out.resume(state.get("held_out"))
        log.info("resumed %s at step %d", self.run.out, self.step)
