"""Two rows of sets of every layout of ReForm-Eval, as its release has them, and models by rule."""

import base64
import json
import re
from pathlib import Path

from anygen.generation.choices import ChoiceScore
from support.suites import Ruled, text_of, write_picture

ROOT = "ReForm-Eval-Data/huggingface_data"
COLOURS = ["red", "blue", "green", "grey"]


def picture(folder: Path, size=(24, 32)) -> str:
    """A picture in base64."""
    path = write_picture(folder / "picture.png", size=size)
    data = base64.b64encode(path.read_bytes()).decode()
    path.unlink()
    return data


def put(folder: Path, name: str, value) -> None:
    path = folder / ROOT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def core(rows) -> dict:
    return {"version": "1.0", "split": "val", "data": rows}


def vqa_rows(image: str, **more) -> list[dict]:
    """Two questions; the right answer is red, then blue."""
    return [
        {
            "question_id": number,
            "image_id": image,
            "question": f"Which colour is right, {gold}?",
            "answer": gold,
            "answer_options": COLOURS,
            **more,
        }
        for number, gold in enumerate(COLOURS[:2])
    ]


def write_reform(folder: Path) -> Path:
    image = picture(folder)
    put(folder, "VQA_v2/vqa_val_10p.json", core(vqa_rows(image)))
    put(folder, "K-ViQuAE/kviquae_test_10p.json", core(vqa_rows(image, context="It is old. ")))
    put(folder, "A-OKVQRA/aokvqra_val_10p.json", core(vqa_rows(image, rationale="it glows")))
    reasons = {"rationale": "it glows", "rationale_options": ["it glows", "it is dark"]}
    put(folder, "A-OKVQAR/aokvqar_val_10p.json", core(vqa_rows(image, **reasons)))
    spatial = {"image": image, "answer_options": ["left", "right"], "answer": 1}
    paraphrases = [f"Where is it, wording {n}?" for n in range(5)]
    put(
        folder,
        "MP3D/mp3d_core_multiple_choice.json",
        core([{"question_id": n, "questions": paraphrases, **spatial} for n in range(2)]),
    )
    put(
        folder,
        "VSR/vsr_core_multiple_choice.json",
        core([{"question_id": n, "question": paraphrases, **spatial} for n in range(2)]),
    )
    put(
        folder,
        "CIFAR10/cifar10_test_10p.json",
        [
            {
                "id": f"c{n}",
                "image": image,
                "question": "What is it?",
                "options": COLOURS,
                "answer": n,
            }
            for n in range(2)
        ],
    )
    put(
        folder,
        "MSCOCO/goi_core_multiple_choice.json",
        core(
            [
                {**row, "image": row.pop("image_id"), "bbox": [4, 4, 10, 8]}
                for row in vqa_rows(image)
            ]
        ),
    )
    put(
        folder,
        "RefCOCO/referring-expression-selection-sampled.json",
        core([{"id": 7, "img": image, "region": [[2, 2, 9, 9]], "gt": 2, "options": COLOURS}]),
    )
    put(
        folder,
        "MSCOCO/image-text-matching-object-sampled.json",
        core([{"img": image, "anno": "a red thing", "gt": n} for n in range(2)]),
    )
    put(
        folder,
        "MSCOCO/image-text-selection-object-sampled.json",
        core([{"img": image, "anno": COLOURS, "gt": 3}]),
    )
    put(
        folder,
        "WikiHow/wikihow-image-text-selection-in-method-sampled.json",
        core([{"img": image, "method": "Bake", "title": "Cakes", "gt": 0, "options": COLOURS}]),
    )
    put(
        folder,
        "MOCHEG/mocheg_test_10p.json",
        core(
            [
                {
                    "instance_id": "m1",
                    "image_id": image,
                    "claim": " It rains ",
                    "text_evidence": "Wet.",
                    "answer": "refuted",
                    "answer_options": ["supported", "refuted", "not enough information"],
                }
            ]
        ),
    )
    put(
        folder,
        "MSCOCO/object-counting-all.json",
        [
            {
                "Image_ID": image,
                "Question": "How many?",
                "Answer": 3,
                "Resolved_COCO_category": "cat",
            }
        ],
    )
    put(folder, "MSCOCO/objectCounting_answer_list/answer_list.json", {"choice": [1, 2, 3, 4, 5]})
    put(
        folder,
        "TDIUC/TDIUC_val_ques.json",
        [{"question_id": n, "image_id": image, "question": "Which colour?"} for n in (12, 11)],
    )
    put(
        folder,
        "TDIUC/TDIUC_val_anns.json",
        [
            {
                "question_id": n,
                "question_type": "color",
                "ans_source": "x",
                "answers": [{"answer": "red"}],
            }
            for n in (11, 12)
        ],
    )
    for kind in (
        "color",
        "counting",
        "positional_reasoning",
        "object_recognition",
        "utility_affordance",
        "scene_recognition",
        "sport_recognition",
    ):
        put(folder, f"TDIUC/choice_list/{kind}.json", [{"choice": COLOURS}])
    put(
        folder,
        "VisDial/Visdial_1.0_val_v1.2.json",
        core(
            {
                "questions": ["is it red", "is it big?", "is it new?"],
                "answers": ["yes", "no", "maybe"],
                "dialogs": [
                    {
                        "image_id": 5,
                        "image_base64": image,
                        "dialog": [
                            {"question": n, "answer": n % 2, "answer_options": [0, 1, 2]}
                            for n in range(3)
                        ],
                    }
                ],
            }
        ),
    )
    words = [
        {
            "question_id": n,
            "image": image,
            "question": [f"What is written, {k}?" for k in range(5)],
            "answer_txt": text,
            "bbox": [1, 1, 9, 9],
        }
        for n, text in enumerate(["Open-24", "Exit Here"])
    ]
    put(folder, "IC15/ic15_core_open_ended.json", core(words))
    put(folder, "TextOCR/textocr_core_open_ended.json", core(words))
    put(
        folder,
        "FUNSD/funsd_core_open_ended.json",
        core(
            [
                {
                    "question_id": 0,
                    "image": image,
                    "question": "The date?",
                    "answer_txt": ["two", "May 2"],
                }
            ]
        ),
    )
    put(
        folder,
        "Flickr30K/captions-sampled.json",
        core(
            [
                {
                    "img": image,
                    "annos": [f"a {thing} on the grass", f"the {thing} runs over the grass"],
                }
                for thing in ("dog", "horse", "cat")
            ]
        ),
    )
    return folder


def option(text: str, wanted: str) -> str:
    """The answer with the mark of an option in the last line of a prompt."""
    [mark] = re.findall(rf"\((\w)\) {re.escape(wanted)}[;.]", text.splitlines()[-1] + ".")
    return f"The answer is ({mark}) {wanted}"


class Scoring(Ruled):
    """Answers questions, and prefers the choices with a word."""

    def __init__(self, rule, prefers):
        super().__init__(rule)
        self.prefers = prefers
        self.rows = []

    def score_many(self, rows):
        self.rows += rows
        return [
            [ChoiceScore(text, -1.0 if self.prefers(text) else -5.0, 2) for text in choices]
            for _, choices in rows
        ]


__all__ = ["COLOURS", "ROOT", "Scoring", "option", "picture", "put", "text_of", "write_reform"]
