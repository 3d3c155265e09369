"""The 61 sets of ReForm-Eval: where each lies in the release, its layout, and how it is asked.

The files are those of `ReForm-Eval-Data/huggingface_data`; names, groups and turns are those of the
paper (Li et al. 2023, arXiv:2310.02569) and of its repository's `build/`.
"""

from dataclasses import dataclass
from typing import Literal

Family = Literal["choice", "drawn", "tdiuc", "dialogue", "text", "caption"]
Group = Literal[
    "coarse", "fine", "reasoning", "spatial", "multi_turn", "cross_modal", "scene_text", "captions"
]
SHAPES = ("rectangle", "circle", "triangle", "hexagon", "pentagon", "heptagon", "octagon")


@dataclass(frozen=True)
class Turn:
    """The question and answer that show the form of an answer, before the real question."""

    question: str
    options: tuple[str, ...]
    end: str = ""  # of the answer


SEE = Turn("can you see the image?", ("yes", "no", "not sure", "maybe"))
SEE_MAYBE = Turn("can you see the image?", ("yes", "no", "maybe", "not sure"))
CONTEXT = Turn("Can you see the image? Context: There is an image.", SEE.options)
RATIONALE = Turn(
    "can you see the image? Rationale: There is an image as input which is successfully loaded.",
    SEE.options,
)
REASON = Turn(
    "can you see the image? Answer: yes",
    (
        "There is an image as input which is successfully loaded",
        "There is no image",
        "The image is masked",
        "The image failed to load",
    ),
)
CLAIM = Turn(
    "What is the truthfulness of this claim? Claim: You can see the image. "
    "Text evidence: There is an image.",
    ("supported", "refuted", "not enough information"),
)


def shape(count: int, end: str = ";") -> Turn:
    return Turn("What is the shape of this image?", SHAPES[:count], end)


@dataclass(frozen=True)
class TaskSet:
    """One of the sets. `question_kind` names the questions in prompts.py if its rows hold none."""

    name: str
    group: Group
    family: Family
    file: str  # below huggingface_data
    turn: Turn = SEE
    question_kind: str = ""
    options: tuple[str, ...] = ()  # of all rows, in the order of their numbers
    fuzzy: bool = False  # whether texts are compared as in VQA (FUNSD)


def vqa(name: str, file: str, turn: Turn = SEE) -> TaskSet:
    return TaskSet(name, "reasoning", "choice", file, turn)


def coco(name: str, file: str) -> TaskSet:
    return TaskSet(f"MSCOCO-{name}", "fine", "choice", f"MSCOCO/{file}.json", shape(7))


def tdiuc(name: str, group: Group = "fine") -> TaskSet:
    return TaskSet(f"TDIUC-{name}", group, "tdiuc", "TDIUC/TDIUC_val_ques.json", SEE_MAYBE)


def coarse(name: str, file: str) -> TaskSet:
    return TaskSet(name, "coarse", "choice", file, SEE_MAYBE)


def spatial(name: str) -> TaskSet:
    file = f"{name}/{name.lower()}_core_multiple_choice.json"
    return TaskSet(name, "spatial", "choice", file, shape(7))


def text(name: str, file: str, fuzzy: bool = False) -> TaskSet:
    return TaskSet(name, "scene_text", "text", file, fuzzy=fuzzy)


def captions(name: str) -> TaskSet:
    file = f"{name}/captions-sampled.json"
    return TaskSet(f"{name}-captions", "captions", "caption", file, question_kind="caption")


def crossed(
    name: str, file: str, turn: Turn, question_kind: str, options: tuple[str, ...] = ()
) -> TaskSet:
    return TaskSet(name, "cross_modal", "choice", file, turn, question_kind, options)


TDIUC_KINDS = {
    "TDIUC-sport": "sport_recognition",
    "TDIUC-scene": "scene_recognition",
    "TDIUC-color": "color",
    "TDIUC-utility": "utility_affordance",
    "TDIUC-position": "positional_reasoning",
    "TDIUC-detection": "object_recognition",
    "TDIUC-counting": "counting",
}
COCO_COUNTS = "MSCOCO/objectCounting_answer_list/answer_list.json"
SETS = (
    coarse("Flowers102", "Flowers102/flower102_val_1p.json"),
    coarse("CIFAR10", "CIFAR10/cifar10_test_10p.json"),
    coarse("ImageNet-1K", "ImageNet-1K/imagenet1k_val_10p.json"),
    coarse("Pets37", "Pets37/pets37_test_10p.json"),
    coarse("VizWiz-yesno", "VizWiz/vizwiz_yesno_val_10p.json"),
    coarse("VizWiz-quality", "VizWiz/vizwiz_singleChoice_val_10p.json"),
    tdiuc("sport", "coarse"),
    tdiuc("scene", "coarse"),
    TaskSet(
        "MEDIC",
        "coarse",
        "choice",
        "MEDIC/disaster-type-selection-sampled.json",
        shape(7),
        "disaster",
    ),
    coco("MCI", "mci_core_multiple_choice"),
    coco("GOI", "goi_core_multiple_choice"),
    coco("MOS", "mos_core_multiple_choice"),
    TaskSet("MSCOCO-OC", "fine", "drawn", "MSCOCO/object-counting-all.json", SEE_MAYBE),
    tdiuc("color"),
    tdiuc("utility"),
    tdiuc("position"),
    tdiuc("detection"),
    tdiuc("counting"),
    TaskSet(
        "RefCOCO",
        "fine",
        "choice",
        "RefCOCO/referring-expression-selection-sampled.json",
        shape(4, "."),
        "region",
    ),
    vqa("VQAv2", "VQA_v2/vqa_val_10p.json"),
    vqa("GQA", "GQA/gqa_testdev_10p.json"),
    vqa("Whoops", "Whoops/whoops_all_10p.json"),
    vqa("OK-VQA", "OK-VQA/okvqa_val_10p.json"),
    vqa("ScienceQA", "ScienceQA/scienceqa_test_10p.json"),
    vqa("VizWiz", "VizWiz/vizwiz_val_10p.json"),
    vqa("ViQuAE", "ViQuAE/viquae_test_10p.json"),
    vqa("K-ViQuAE", "K-ViQuAE/kviquae_test_10p.json", CONTEXT),
    vqa("A-OKVQA", "A-OKVQA/aokvqa_val_10p.json"),
    vqa("A-OKVQRA", "A-OKVQRA/aokvqra_val_10p.json", RATIONALE),
    vqa("A-OKVQAR", "A-OKVQAR/aokvqar_val_10p.json", REASON),
    vqa("ImageNetVC", "ImageNetVC/imagenetvc_all_10p.json"),
    spatial("CLEVR"),
    spatial("VSR"),
    spatial("MP3D"),
    TaskSet("VQA-MT", "multi_turn", "dialogue", "VisDial/VQA_MultiTurn_v1.0.json", SEE_MAYBE),
    TaskSet("VisDial", "multi_turn", "dialogue", "VisDial/Visdial_1.0_val_v1.2.json", SEE_MAYBE),
    crossed(
        "ITM",
        "MSCOCO/image-text-matching-object-sampled.json",
        shape(2),
        "matching",
        ("no", "yes"),
    ),
    crossed("ITS", "MSCOCO/image-text-selection-object-sampled.json", shape(4), "selection"),
    crossed(
        "WikiHow",
        "WikiHow/wikihow-image-text-selection-in-method-sampled.json",
        shape(4),
        "step",
    ),
    crossed(
        "Winoground",
        "Winoground/winoground_all_10p.json",
        Turn("can you see the image?", ("yes", "no")),
        "description",
    ),
    crossed(
        "SNLI-VE",
        "SNLI_VE/visual-entailment-matching-sampled.json",
        shape(3, "."),
        "entailment",
        ("yes", "not sure", "no"),
    ),
    crossed("MOCHEG", "MOCHEG/mocheg_test_10p.json", CLAIM, ""),
    text("IC15", "IC15/ic15_core_open_ended.json"),
    text("IC15-grounded", "IC15/ic15_gocr_core_open_ended.json"),
    text("COCO-Text", "COCO_Text/cocotext_core_open_ended.json"),
    text("COCO-Text-grounded", "COCO_Text/cocotext_gocr_core_open_ended.json"),
    text("TextOCR", "TextOCR/textocr_core_open_ended.json"),
    text("TextOCR-grounded", "TextOCR/textocr_gocr_core_open_ended.json"),
    text("CUTE80", "CUTE80/cute80_core_open_ended.json"),
    text("IIIT5K", "IIIT5K/iiit5k_core_open_ended.json"),
    text("WordArt", "WordArt/wordart_core_open_ended.json"),
    text("FUNSD", "FUNSD/funsd_core_open_ended.json", fuzzy=True),
    text("POIE", "POIE/poie_core_open_ended.json"),
    text("SROIE", "SROIE/sroie_core_open_ended.json"),
    text("TextVQA", "TextVQA/textvqa_val_10p.json"),
    text("DocVQA", "DocVQA/docvqa_val_10p.json"),
    text("OCR-VQA", "OCR-VQA/ocrvqa_test_10p.json"),
    captions("MSCOCO"),
    captions("TextCaps"),
    captions("NoCaps"),
    captions("Flickr30K"),
)
NAMES = tuple(one.name for one in SETS)
# Boxes of these are two corners; those of others are a corner, a width and a height.
CORNERS = ("RefCOCO", "IC15-grounded")
# Of these the picture is cut to the box; on others the box is drawn.
CUT = ("TextOCR",)
