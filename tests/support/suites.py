"""Tiny data in the layouts of published suites, and a model that answers by rule."""

import base64
import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from anygen.core.media import Audio, Image, Message
from anygen.evaluation.judges.judges import Judges
from anygen.evaluation.results import read_lines, summarize
from anygen.evaluation.runner import claim, measure
from anygen.evaluation.suites.base import Answered, Bench, Outcome, Unit
from anygen.evaluation.suites.registry import choose, find_suite
from anygen.evaluation.units import checked, chosen_units
from anygen.generation.answer import Answer
from anygen.generation.request import Request
from anygen.io.media_files import write_media


class Ruled:
    """Answers the text of a question by a rule, and keeps the requests."""

    def __init__(self, rule: Callable[[str], str]) -> None:
        self.rule = rule
        self.requests: list[Request] = []

    def reply_many(self, requests: Sequence[Request]) -> list[Answer]:
        self.requests += requests
        texts = [self.rule(text_of(request)) for request in requests]
        return [Answer(Message("assistant", (text,)), "stop") for text in texts]


def text_of(request: Request) -> str:
    return "".join(part for part in request.messages[-1].parts if isinstance(part, str))


def results_of(name, data, rule, out, mode="", split="", limit=None, blind=False, extractors=None):
    """The rows of the table for a model that answers by the rule."""
    suite = find_suite(str(name))
    source = choose(suite, data, mode, split)
    units = chosen_units(checked(suite.read(source)), (), limit)
    modes = {"mode": source.mode} if source.mode else {}
    claim(out, {"suite": str(name), "weights": "0", "seed": 0, **modes})
    model = rule if hasattr(rule, "reply_many") else Ruled(rule)
    bench = Bench(model, Judges(), out, extractors or {})
    measure(bench, suite, units, out, 0, blind)
    return summarize(read_lines(out), str(name))


def values(results) -> dict:
    return {name: row["value"] for name, row in results["rows"].items()}


def judged(suite, unit: Unit, *texts: str | None) -> Outcome:
    """What a suite's module makes of these answers; None is a question that failed."""
    answers = [
        Answer(Message("assistant", ()), "cancelled")
        if text is None
        else Answer(Message("assistant", (text,)), "stop")
        for text in texts
    ]
    failed = {place: "it failed" for place, text in enumerate(texts) if text is None}
    [outcome] = suite.judge(Bench(None, Judges()), [Answered(unit, (), (), answers, failed)])
    return outcome


def write_picture(path: Path, shade: int = 90, size: tuple[int, int] = (8, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = size
    return write_media(Image(torch.full((3, height, width), shade, dtype=torch.uint8)), path)


def write_lines(path: Path, rows: Sequence[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


# --- POPE ---

THINGS = {1: ("dog", "yes"), 2: ("cup", "no"), 3: ("cat", "yes"), 4: ("tree", "no")}


def write_pope(folder: Path, splits=("random", "popular", "adversarial")) -> Path:
    """Four questions of each split about two pictures."""
    for number in (1, 2):
        write_picture(folder / "val2014" / f"COCO_val2014_{number:012d}.png")
    for split in splits:
        rows = [
            {
                "question_id": number,
                "image": f"COCO_val2014_{1 + number % 2:012d}.png",
                "text": f"Is there a {thing} in the image?",
                "label": label,
            }
            for number, (thing, label) in THINGS.items()
        ]
        write_lines(folder / f"coco_pope_{split}.json", rows)
    return folder


# --- MME ---


def write_mme(folder: Path, tasks=("existence", "posters", "code_reasoning")) -> Path:
    """Two pictures of each task; those of posters lie in a folder of their own."""
    root = folder / "MME_Benchmark_release_version"
    for task in tasks:
        apart = task in ("posters", "artwork", "celebrity", "landmark", "scene")
        pictures, texts = ("images", "questions_answers_YN") if apart else (".", ".")
        for number in (1, 2):
            write_picture(root / task / pictures / f"{number:04d}.png")
            lines = [
                f"Is it {thing} {number}?  Please answer yes or no.\t{gold}"
                for thing, gold in (("true", "Yes"), ("false", "No"))
            ]
            path = root / task / texts / f"{number:04d}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(lines) + "\n\n")
    return folder


def knows_mme(text: str) -> str:
    return "Yes" if "true" in text else "No"


# --- MMBench ---

BEAR = ("teddy bear", "rabbit", "cat", "dog")
COLUMNS = ["index", "question", "hint", *"ABCD", "answer", "category", "image", "l2-category"]


def bench_row(index, options=BEAR, answer="B", image="", category="naming") -> dict[str, str]:
    row = {"index": str(index), "question": "Which animal is this?", "answer": answer}
    row |= dict(zip("ABCD", options))
    return row | {"image": image, "category": category, "l2-category": "perception"}


def write_mmbench(folder: Path, rows: Sequence[dict[str, str]]) -> Path:
    """The first row holds a picture; a row without one refers to it."""
    picture = write_picture(folder / "picture.png", size=(64, 64))
    data = base64.b64encode(picture.read_bytes()).decode()
    picture.unlink()
    first = rows[0]["index"]
    rows = [{**row, "image": data if row is rows[0] else row["image"] or first} for row in rows]
    with (folder / "MMBench_DEV_EN.tsv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, delimiter="\t", restval="")
        writer.writeheader()
        writer.writerows(rows)
    return folder


def passes(index: int, options=BEAR, gold="rabbit", **more) -> list[dict[str, str]]:
    """The rows of a question with its options in every rotation."""
    rows = []
    for number in range(len(options)):
        rotated = options[number:] + options[:number]
        letter = "ABCD"[rotated.index(gold)]
        rows.append(bench_row(index + number * 1_000_000, rotated, letter, **more))
    return rows


def choose_rabbit(text: str) -> str:
    """The letter of the right option."""
    [line] = [line for line in text.splitlines() if line.endswith("rabbit")]
    return line[0]


# --- VQA, captions, RefCOCO ---


def write_vqa(folder: Path, answers: dict[int, Sequence[str]]) -> Path:
    """A question for each key, about one picture."""
    write_picture(folder / "val2014" / "COCO_val2014_000000000007.png")
    questions = [{"question_id": n, "image_id": 7, "question": f"What is {n}?"} for n in answers]
    annotations = [
        {
            "question_id": number,
            "answer_type": "number" if number % 2 else "other",
            "answers": [{"answer": text, "answer_id": i} for i, text in enumerate(texts)],
        }
        for number, texts in answers.items()
    ]
    (folder / "v2_mscoco_val2014_questions.json").write_text(json.dumps({"questions": questions}))
    data = json.dumps({"annotations": annotations})
    (folder / "v2_mscoco_val2014_annotations.json").write_text(data)
    return folder


def write_captions(folder: Path, captions: Sequence[Sequence[str]]) -> Path:
    """COCO's layout: a picture for each list of captions."""
    images = [{"id": n, "file_name": f"{n:012d}.png"} for n in range(len(captions))]
    for number, image in enumerate(images):
        write_picture(folder / "val2014" / image["file_name"], 20 * number)
    rows = [
        {"id": 100 * n + i, "image_id": n, "caption": text}
        for n, texts in enumerate(captions)
        for i, text in enumerate(texts)
    ]
    data = json.dumps({"images": images, "annotations": rows})
    (folder / "captions_val2014.json").write_text(data)
    return folder


def write_refcoco(folder: Path, boxes: dict[str, Sequence[float]]) -> Path:
    """A phrase for each box in one picture, which is 20 wide and 10 high."""
    write_picture(folder / "train2014" / "p.png", size=(10, 20))
    rows = [{"img_path": "p.png", "expression": text, "bbox": box} for text, box in boxes.items()]
    write_lines(folder / "REC_refcoco_unc_val.jsonl", rows)
    return folder


# --- VCR, OmniBench, LVLM-eHub ---

VCR_ANSWERS = [["Yes", ",", [0], "is", "glad", "."], ["No", ",", "she", "does", "n't", "."]]
VCR_REASONS = [["It", "rains", "."], ["Her", "arms", "are", "crossed", "."]]


def vcr_row(number: int = 0, **more) -> dict:
    return {
        "annot_id": f"val-{number}",
        "question": ["Does", [1], "feel", "well", "?"],
        "answer_choices": VCR_ANSWERS * 2,
        "answer_label": 1,
        "rationale_choices": VCR_REASONS * 2,
        "rationale_label": 3,
        "objects": ["car", "person", "person"],
        "img_fn": "film/p.png",
        "metadata_fn": "film/p.json",
        **more,
    }


def write_vcr(folder: Path, *rows: dict, boxes: int = 3) -> Path:
    write_picture(folder / "vcr1images/film/p.png", size=(40, 40))
    corners = [[10 * n, 2, 10 * n + 8, 20, 0.9] for n in range(boxes)]
    (folder / "vcr1images/film/p.json").write_text(json.dumps({"boxes": corners}))
    write_lines(folder / "val.jsonl", rows)
    return folder


SOUND_OPTIONS = ["The man sings.", "The dog barks.", "A bell rings.", "Nobody speaks."]


def omnibench_row(index: int, **more) -> dict:
    return {
        "index": index,
        "task type": "Action and Activity",
        "audio type": "Speech" if index else "sound event",
        "question": "What happens?",
        "options": SOUND_OPTIONS,
        "answer": SOUND_OPTIONS[index],
        "audio_path": "a.wav",
        "image_path": "p.png",
        **more,
    }


def write_omnibench(folder: Path, sound: Audio, *rows: dict) -> Path:
    write_picture(folder / "mm_data/image/p.png")
    (folder / "mm_data/audio").mkdir(parents=True, exist_ok=True)
    write_media(sound, folder / "mm_data/audio/a.wav")
    (folder / "dataset").mkdir(exist_ok=True)
    write_lines(folder / "dataset/batch-5_1142_20240817.jsonl", rows)
    return folder


def write_ehub(folder: Path, **sets: Sequence[tuple[str, Any]]) -> Path:
    """A file for each set, of pairs of an answer and the right ones."""
    folder.mkdir(exist_ok=True)
    for name, rows in sets.items():
        answers = [{"question": "?", "answer": own, "gt_answers": gold} for own, gold in rows]
        (folder / f"{name}.json").write_text(json.dumps(answers))
    return folder
