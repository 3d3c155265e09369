"""Scores decoders by themselves, on plain captions, while they are being trained.

python -m anygen.evaluation.decoder_control --weights VAE.safetensors UNET.safetensors
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from safetensors.torch import load_file

from anygen.checkpoints import checkpoint
from anygen.config.loader import find_config, load_system
from anygen.core.modality import MediaModality
from anygen.evaluation.judges.judges import Judges
from anygen.evaluation.results import rows_table, shares
from anygen.evaluation.runner import BATCH, print_line, save_sample
from anygen.evaluation.suites.base import Line, Scores
from anygen.evaluation.suites.world.scoring import make_controls, score_medium
from anygen.evaluation.suites.world.suite import METRICS, TASKS, make_case
from anygen.generation.request import derive_seed
from anygen.model.multimodal import MultimodalModel

# The tasks that need no LLM, and the decoders that each needs.
DECODERS_OF_TASK: dict[str, tuple[MediaModality, ...]] = {
    "pictures": ("image",),
    "pairs": ("image",),
    "counts": ("image",),
    "colours": ("image",),
    "sounds": ("audio",),
    "videos": ("image", "video"),
    "open_videos": ("image", "video"),
}


def control(
    weights: Sequence[Path], system: str, names: Sequence[str], count: int, out: Path | None
) -> dict[str, Line]:
    """The rows of these tasks, measured on what decoders render from plain captions.

    Raises ValueError if the files together leave a part of these decoders untrained.
    """
    model = MultimodalModel(load_system(system), find_config(system).parent, parts=("decoders",))
    checkpoint.load_weights(model, weights)
    refuse_untrained(model, weights, names)
    model.eval().requires_grad_(False)
    judges = Judges()
    rows: dict[str, Line] = {}
    for name in names:
        scores = list(control_scores(model, judges, name, count, out))
        for row in scored_rows(name):
            found = [score[row] for score in scores if row in score]
            rows[row] = {"target": METRICS[row].target, "at_most": False, **shares(found)}
    return rows


def scored_rows(task: str) -> list[str]:
    """The rows of a task that judges score case by case."""
    return [row for row in TASKS[task].rows if METRICS[row].measure is None]


def refuse_untrained(model: MultimodalModel, weights: Sequence[Path], names: Sequence[str]) -> None:
    """Raises ValueError if a part has random weights: a VAE comes from another run than a U-Net."""
    prefixes = tuple(f"decoders.{part}." for name in names for part in DECODERS_OF_TASK[name])
    found = {key for path in weights for key in load_file(path)}
    missing = [key for key in checkpoint.own_tensors(model, prefixes) if key not in found]
    parts = sorted({".".join(key.split(".")[1:3]) for key in missing})
    if parts:
        raise ValueError(f"--weights has nothing for {', '.join(parts)}; add the runs that do")


def control_scores(
    model: MultimodalModel, judges: Judges, name: str, count: int, out: Path | None
) -> Iterator[Scores]:
    """The scores of each case; the media are saved to `out`."""
    for start in range(0, count, BATCH):
        indices = range(start, min(start + BATCH, count))
        cases = [make_case(name, index, 0) for index in indices]
        media = make_controls(model, cases, [derive_seed(0, name, i) for i in indices])
        for index, case, medium in zip(indices, cases, media):
            if out is not None:
                save_sample(medium, out, f"{name}_{index:03d}")
            yield score_medium(judges, case, "", {"model": medium}, scored_rows(name)).scores


def main() -> None:
    parser = argparse.ArgumentParser(description="Score decoders by themselves.")
    parser.add_argument("--weights", type=Path, nargs="+", required=True, help="later ones win")
    parser.add_argument("--system", default="mini/system")
    parser.add_argument(
        "--tasks", nargs="+", choices=DECODERS_OF_TASK, default=["pictures", "pairs"]
    )
    parser.add_argument("--limit", type=int, default=48, help="cases per task")
    parser.add_argument("--out", type=Path, help="folder for the media")
    options = parser.parse_args()
    rows = control(options.weights, options.system, options.tasks, options.limit, options.out)
    for line in rows_table(rows):
        print_line(line)


if __name__ == "__main__":
    main()
