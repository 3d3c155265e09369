"""Instruction tuning on files of one's own, beside a plain loop: one line of JSON.

    python benchmarks/training.py [--system mini/system] [--rows 4] [--steps 3] [--precision int8]

Built dialogues, whose media are written into files, are learned by a run of stage `instruct`, and
by the loop that one writes with transformers and PEFT: the same batches as embeddings, padded, with
labels; float32, AdamW on LoRA of the same shape. That loop is timed with the encoding of its media
in every step, and without. Ours also aligns what media are made of, and learns the projectors. Its
third epoch packs dialogues into rows that are twice as long as the longest of them.
All times are CPU time of the process, so that others on the machine hardly count, and the least of
an epoch.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from anygen.config.loader import find_config, load_run, system_of
from anygen.config.placement import Placement
from anygen.config.system import Lora
from anygen.io.media_files import read_media, write_media
from anygen.memory.planner import Planner, TrainingSteps
from anygen.model.building import find_base
from anygen.training.collate import Batch, assemble
from anygen.training.data.mixture import DialogueMixture
from anygen.training.dialogues import Dialogue
from anygen.training.parallel.devices import make_accelerator
from anygen.training.runs.folder import origin_of
from anygen.training.stages import StageLoss
from anygen.training.trainer import Trainer, build_trainer
from memory import peak_of, resident
from mosit_data.build.pipeline import Order, build
from mosit_data.build.presets.base import Source
from mosit_data.build.writers import GrammarWriter
from mosit_data.world.render import render
from mosit_data.world.scene import parse_scene

SUFFIXES = {"image": "png", "audio": "wav", "video": "mp4"}
TOPICS = ("cats", "music lessons", "cars and trains")
MEDIA, RECORDS = "media", "mine.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description="Instruction tuning beside a plain loop.")
    parser.add_argument("--system", default="mini/system")
    parser.add_argument("--rows", type=int, default=4, help="of a batch")
    parser.add_argument("--steps", type=int, default=3, help="of an epoch")
    parser.add_argument("--precision", default="int8")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), **vars(options))
    print(json.dumps({**vars(options), **{name: round(x, 4) for name, x in figures.items()}}))


def measure(folder: Path, system: str, rows: int, steps: int, precision: str) -> dict[str, float]:
    write_rows(folder, rows * steps)
    trainer = open_run(folder, system, rows, precision)
    own = own_times(trainer, steps)
    print(own, file=sys.stderr)
    dialogues = [*batches(trainer, steps)]
    with torch.no_grad():
        prepared = [assemble(trainer.model, batch) for batch in dialogues]
    encoding, _ = cpu_time(lambda: encode_files(trainer, folder / MEDIA))
    plain = plain_step(trainer, prepared)
    encoded = plain + encoding / steps
    longest = max(int(batch.lengths.max()) for batch in prepared)
    planned = planned_bytes(trainer, rows, longest)
    packed = packed_step(trainer, steps, 2 * longest)
    return {
        **own,
        "plain_step_s": plain,
        "plain_encoding_step_s": encoded,
        "times_as_fast": encoded / own["second_step_s"],
        "times_as_fast_without_encoding": plain / own["second_step_s"],
        "packed_step_s": packed,
        "padded_to_packed": own["second_step_s"] / packed,
        "positions_used": used_share(prepared),
        "planned_bytes": planned,
        "planned_to_measured": planned / own["measured_bytes"],
    }


def own_times(trainer: Trainer, steps: int) -> dict[str, float]:
    """Seconds per step of two epochs, what reading rows takes of them, and the peak of memory.

    While a step is computed, the rows of the next one are read.
    """
    figures: dict[str, float] = {}
    peak = resident()
    for epoch in ("first", "second"):
        data, _ = cpu_time(lambda: read_rows(trainer, trainer.step))
        times, used = step_times(trainer, steps)
        peak = max(peak, used)
        figures |= {f"{epoch}_step_s": min(times), f"{epoch}_data_share": data / min(times)}
    figures["second_to_first"] = figures["second_step_s"] / figures["first_step_s"]
    return {**figures, "measured_bytes": peak}


def step_times(trainer: Trainer, steps: int) -> tuple[list[float], int]:
    """Seconds of each of the next steps, and the most bytes that were resident in them."""
    times, peak = [], 0
    for _ in range(steps):
        spent, (_, used) = cpu_time(lambda: peak_of(trainer.update))
        trainer.step += 1
        times.append(spent)
        peak = max(peak, used)
    return times, peak


def packed_step(trainer: Trainer, steps: int, positions: int) -> float:
    """Seconds per step of another epoch, in rows of so many positions."""
    run = trainer.run.model_copy(update={"packing": positions})
    trainer.run = cast(StageLoss, trainer.loss).run = run
    return min(step_times(trainer, steps)[0])


def used_share(batches: Sequence[Batch]) -> float:
    """Of the positions of padded batches, those that are no padding."""
    return sum(int(b.lengths.sum()) for b in batches) / sum(b.labels.numel() for b in batches)


def plain_step(trainer: Trainer, batches: Sequence[Batch]) -> float:
    """Seconds per step of a plain loop on embeddings."""
    llm = trainer.model.system.llm
    update = plain_loop(str(find_base(llm.base, trainer.model.folder)), llm.lora)
    times = [cpu_time(partial(update, batch))[0] for batch in batches]
    return min(times)


def plain_loop(base: str, lora: Lora) -> Callable[[Batch], None]:
    """One update of LoRA by transformers and PEFT, as their documentation shows it."""
    config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=lora.targets)
    model: Any = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), config
    )
    model.train()
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learned, 1e-4)
    vocabulary = model.get_input_embeddings().num_embeddings

    def update(batch: Batch) -> None:
        mask = torch.arange(batch.labels.shape[1])[None] < batch.lengths[:, None]
        labels = batch.labels.where(batch.labels < vocabulary, -100)  # signal tokens are ours
        loss = model(inputs_embeds=batch.embeds, attention_mask=mask, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return update


@torch.no_grad()
def encode_files(trainer: Trainer, folder: Path) -> None:
    """All media of an epoch, read and encoded."""
    media = [read_media(path) for path in sorted(folder.iterdir())]
    trainer.model.encoder.encode(media)


def planned_bytes(trainer: Trainer, rows: int, length: int) -> int:
    """What `anygen plan` says of steps of this shape."""
    quant = trainer.run.precision if trainer.run.precision in ("int8", "nf4") else None
    place = Placement(device="cpu", dtype="float32", quant=quant)
    planner = Planner(system_of(trainer.run), find_config(trainer.run.system).parent)
    steps = TrainingSteps(rows=rows, length=length)
    return planner.training(place, steps, ["instruct"])["instruct"].total


def batches(trainer: Trainer, steps: int) -> Iterator[list[Dialogue]]:
    """The dialogues of an epoch, with the features of their media."""
    for step in range(steps):
        dialogues = read_rows(trainer, step)
        mixture_of(trainer).kept.fill(dialogues)
        yield dialogues


def read_rows(trainer: Trainer, step: int) -> list[Dialogue]:
    """The dialogues of a step, in the thread that asks."""
    mixture = mixture_of(trainer)
    return [mixture.read(visit) for visit in mixture.visits(step)]


def mixture_of(trainer: Trainer) -> DialogueMixture:
    assert trainer.dialogues is not None
    return trainer.dialogues


def open_run(folder: Path, system: str, rows: int, precision: str) -> Trainer:
    settings = {
        "system": system,
        "stage": "instruct",
        "out": "run",
        "data": [{"path": RECORDS}],
        "steps": 1000,
        "batch_size": rows,
        "negatives": 256,
        "precision": precision,
    }
    (folder / "run.yaml").write_text(json.dumps(settings))  # JSON is YAML
    run = load_run(str(folder / "run.yaml"), [])
    run.out.mkdir()
    return build_trainer(run, make_accelerator(run), origin_of(run, system_of(run)))


def write_rows(folder: Path, count: int) -> None:
    """Built dialogues, whose scenes become files."""
    order = Order("mosit", Source(TOPICS), 2 * count, GrammarWriter(), folder / "built")
    build(order)
    (folder / MEDIA).mkdir()
    lines = (folder / "built/records.jsonl").read_text().splitlines()[:count]
    with (folder / RECORDS).open("w") as stream:
        for number, line in enumerate(lines):
            record = json.loads(line)
            parts = (part for message in record["messages"] for part in message["content"])
            for place, part in enumerate(part for part in parts if "scene" in part):
                medium = render(parse_scene(part.pop("scene")))
                part["path"] = f"{MEDIA}/{number}-{place}.{SUFFIXES[part['type']]}"
                write_media(medium, folder / part["path"])
            stream.write(json.dumps(record) + "\n")


def cpu_time(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of CPU time that all threads of the process took, and the result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


if __name__ == "__main__":
    main()
