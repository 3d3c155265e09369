"""The Java programs behind the published scores of captions: the PTB tokenizer, and METEOR.

Both are files of the package pycocoevalcap. They run where this and `java` are installed.
"""

import importlib
import importlib.util
import shutil
import subprocess
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from anygen.evaluation.caption_metrics import Pair

PACKAGE = "pycocoevalcap"
NEEDED = f"java and the package {PACKAGE}"
# Of METEOR 1.5's task "rank" for English (Denkowski and Lavie 2014, table 1).
ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75
STAGES = np.array([1.0, 0.6, 0.8, 0.6])  # exact, stem, synonym, paraphrase
STATISTICS = 23
BREAK = "|||"  # between the fields of METEOR's lines


def are_installed() -> bool:
    return shutil.which("java") is not None and importlib.util.find_spec(PACKAGE) is not None


def module(name: str) -> tuple[Any, Path]:
    """A module of the package, and its folder."""
    found = importlib.import_module(f"{PACKAGE}.{name}")
    return found, Path(str(found.__file__)).parent


def run_java(folder: Path, options: Sequence[str], lines: Sequence[str]) -> list[str]:
    """What a program writes to these lines, a line for each. Raises ValueError if it does not."""
    command = ["java", "-Dfile.encoding=UTF-8", *options]
    text = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(command, cwd=folder, input=text.encode(), capture_output=True)
    found = done.stdout.decode(errors="replace").split("\n")[:-1]
    if done.returncode or len(found) != len(lines):
        reason = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise ValueError(
            f"{' '.join(command)}: wrote {len(found)} of {len(lines)} lines in {folder}, "
            f"exit code {done.returncode}: {' '.join(reason)}"
        )
    return found


@lru_cache(maxsize=4)  # the rows of a table need the same tokens
def ptb_tokenized(texts: tuple[str, ...]) -> list[list[str]]:
    """Lower-case tokens of the Penn Treebank without punctuation, as for COCO's captions."""
    tokenizer, folder = module("tokenizer.ptbtokenizer")
    options = ["-cp", tokenizer.STANFORD_CORENLP_3_4_1_JAR, "edu.stanford.nlp.process.PTBTokenizer"]
    lines = run_java(
        folder, [*options, "-preserveLines", "-lowerCase"], [" ".join(one.split()) for one in texts]
    )
    return [[word for word in line.split() if word not in tokenizer.PUNCTUATIONS] for line in lines]


def meteor_statistics(pairs: Sequence[Pair]) -> list[np.ndarray]:
    """METEOR's counts for each text and its closest reference (23,).

    The lengths of both and their function words; for each stage the content words of both that
    agree, then the function words; the chunks, and the words of both that agree in all.
    """
    meteor, folder = module("meteor.meteor")
    options = ["-Xmx2G", "-jar", meteor.METEOR_JAR, "-", "-", "-stdio", "-l", "en", "-norm"]
    fields = [["SCORE", *map(joined, references), joined(text)] for text, references in pairs]
    lines = run_java(folder, options, [f" {BREAK} ".join(row) for row in fields])
    rows = [np.array(line.split(), dtype=float) for line in lines]
    if any(len(row) != STATISTICS for row in rows):
        raise ValueError(f"{folder / meteor.METEOR_JAR}: wrote other statistics than METEOR 1.5")
    return rows


def joined(tokens: Sequence[str]) -> str:
    return " ".join(tokens).replace(BREAK, "")


def meteor(statistics: Sequence[np.ndarray]) -> float:
    """METEOR of all texts together, in percent."""
    rows = np.array(statistics)
    lengths, (chunks, *matched) = rows[:, :2], rows[:, 20:].T
    is_same = (chunks == 1) & (np.stack(matched, 1) == lengths).all(1)
    rows[is_same, 20] = 0  # the whole text in one piece is not fragmented
    sums = rows.sum(0)
    precision, recall = (weighted(sums, side) for side in (0, 1))
    if not precision or not recall:
        return 0.0
    harmonic = 1 / ((1 - ALPHA) / precision + ALPHA / recall)
    fragmented = sums[20] / sums[21:].mean()
    return float(100 * harmonic * (1 - GAMMA * fragmented**BETA))


def weighted(sums: np.ndarray, side: int) -> float:
    """The share of the words of the texts (0) or of their references (1) that agree."""
    length, function = sums[side], sums[2 + side]
    agree = sums[4:20].reshape(len(STAGES), 4)
    matched = STAGES @ (DELTA * agree[:, side] + (1 - DELTA) * agree[:, 2 + side])
    weight = DELTA * (length - function) + (1 - DELTA) * function
    return float(matched / weight) if weight else 0.0
