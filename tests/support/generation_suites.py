"""Tiny data in the layouts of generation benchmarks, and a model that makes media by rule."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from anygen.core.media import Audio, Image, Media, Message, Video
from anygen.generation.answer import Answer
from anygen.generation.request import Request
from anygen.io.media_files import write_media
from support.suites import text_of, write_lines, write_picture


class Making:
    """Answers a prompt with the parts that a rule makes of it and of the number of the request."""

    def __init__(self, rule: Callable[[str, int], Sequence]) -> None:
        self.rule = rule
        self.requests: list[Request] = []

    def reply_many(self, requests: Sequence[Request]) -> list[Answer]:
        answers = []
        for request in requests:
            parts = tuple(self.rule(text_of(request), len(self.requests)))
            self.requests.append(request)
            answers.append(Answer(Message("assistant", parts), "stop"))
        return answers


def flat(shade: int, side: int = 8) -> Image:
    return Image(torch.full((3, side, side), shade, dtype=torch.uint8))


def tone(level: float) -> Audio:
    """A tenth of a second of 440 Hz."""
    return Audio(level * torch.sin(torch.arange(1600) * 2 * torch.pi * 440 / 16_000)[None], 16_000)


def clip(*shades: int, side: int = 16) -> Video:
    frames = [torch.full((3, side, side), shade, dtype=torch.uint8) for shade in shades]
    return Video(torch.stack(frames), 8)


def write_medium(path: Path, medium: Media) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_media(medium, path)


def write_geneval(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {"tag": "single_object", "include": [{"class": "dog", "count": 1}], "prompt": "a dog"},
        {
            "tag": "position",
            "include": [
                {"class": "cup", "count": 1},
                {"class": "cat", "count": 1, "position": ["left of", 0]},
            ],
            "prompt": "a cat left of a cup",
        },
    ]
    write_lines(folder / "evaluation_metadata.jsonl", rows)
    return folder


def write_compbench(folder: Path) -> Path:
    place = folder / "examples" / "dataset"
    place.mkdir(parents=True, exist_ok=True)
    (place / "color_val.txt").write_bytes(b"a red cup\r\na blue/green hat\r\n")
    (place / "spatial_val.txt").write_text("a cat on the left of a dog\n")
    return folder


PROPOSITIONS = (
    ("1", "0", "entity", "Is there a cat?"),
    ("2", "1", "attribute", "Is the cat red, all over?"),
    ("3", "2", "relation", "Is the red cat on a mat?"),
)


def write_dpg(folder: Path, items: Sequence[str] = ("cat", "mat")) -> Path:
    (folder / "prompts").mkdir(parents=True, exist_ok=True)
    header = "item_id,text,keywords,proposition_id,dependency,category_broad,category_detailed"
    with (folder / "dpg_bench.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([*header.split(","), "tuple", "question_natural_language"])
        for item in items:
            (folder / "prompts" / f"{item}.txt").write_text(f"{item}: a red cat on a mat\n")
            for number, parent, broad, question in PROPOSITIONS:
                row = [item, "text", "", number, parent, broad, "whole", f"{broad} - whole (x)"]
                writer.writerow([*row, question])
    return folder


def write_dpg_answers(folder: Path, item: str, fields: Sequence[Sequence[str]]) -> None:
    """The scorer's file: its answers of each field to the questions."""
    with (folder / "dpg-bench_1_results_detail.txt").open("a") as stream:
        for number, answers in enumerate(fields):
            left, top = 8 * (number % 2), 8 * (number // 2)
            for (_, _, _, question), answer in zip(PROPOSITIONS, answers):
                box = (left, top, left + 8, top + 8)
                stream.write(f"some/{item}.png, {box}, {question}, {answer}\n")


def write_vbench(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {"prompt_en": "a still lake", "dimension": ["temporal_flickering"]},
        {"prompt_en": "a red car", "dimension": ["color", "overall_consistency"]},
    ]
    (folder / "VBench_full_info.json").write_text(json.dumps(rows))
    return folder


def write_audiocaps(folder: Path, sounds: Sequence[tuple[str, Audio]]) -> Path:
    """Two captions of each sound."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "test.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["audiocap_id", "youtube_id", "start_time", "caption"])
        for number, (name, sound) in enumerate(sounds):
            write_medium(folder / "audio" / f"Y{name}.wav", sound)
            for place in range(2):
                writer.writerow([10 * number + place, name, 30, f"caption {place} of {name}"])
    return folder


def write_msrvtt(folder: Path, videos: Sequence[tuple[str, Video]]) -> Path:
    for name, video in videos:
        write_medium(folder / "videos" / f"{name}.mp4", video)
    data = {
        "videos": [{"video_id": name, "split": "test"} for name, _ in videos]
        + [{"video_id": "other", "split": "train"}],
        "sentences": [
            {"sen_id": n, "video_id": name, "caption": f"caption of {name}"}
            for n, (name, _) in enumerate(videos)
        ],
    }
    (folder / "test_videodatainfo.json").write_text(json.dumps(data))
    return folder


def write_isg(folder: Path) -> Path:
    write_picture(folder / "images" / "0000_q1.png")

    def text(words: str) -> dict[str, str]:
        return {"type": "text", "content": words}

    def picture(path: str) -> dict[str, str]:
        return {"type": "image", "content": path}

    rows = [
        {
            "id": "0000",
            "Category": "Prediction",
            "Query": [text("What happens next? Use two pictures."), picture("images/0000_q1.png")],
            "Golden": [text("It rains."), picture("images/g1.png"), picture("images/g2.png")],
        },
        {"id": "0001", "Category": "VQA", "Query": [text("Why?")], "Golden": [text("So.")]},
    ]
    write_lines(folder / "ISG-Bench.jsonl", rows)
    return folder


def write_opening(folder: Path) -> Path:
    write_picture(folder / "images" / "Story" / "96-i-1.jpg")
    row = {
        "total_uid": "0301096",
        "subtask_name": "Story",
        "conversations": [
            {"input": [{"text": "Go on: <image>", "image": "images/Story/96-i-1.jpg"}]},
            {"output": [{"text": "He ran.", "image": "a.jpg"}, {"text": "End.", "image": None}]},
        ],
    }
    write_lines(folder / "test_data.jsonl", [row])
    return folder


def write_mmie(folder: Path) -> Path:
    write_picture(folder / "images" / "1.png")
    rows = [
        {
            "id": "1",
            "question": [
                {"text": "How is it done?", "image": None},
                {"text": None, "image": "images/1.png"},
            ],
            "gt_answer": [{"text": "Thus.", "image": "images/g.png"}],
        }
    ]
    (folder / "data.json").write_text(json.dumps(rows))
    return folder


TRIGGERS = (
    {"id": "1", "prompt": "draw", "media": ["image"]},
    {"id": "2", "prompt": "draw and play", "media": ["image", "audio"]},
    {"id": "3", "prompt": "count", "media": []},
)


def write_triggers(folder: Path, rows: Sequence[dict] = TRIGGERS) -> Path:
    folder.mkdir(exist_ok=True)
    write_lines(folder / "triggers.jsonl", rows)
    return folder
