"""Objects in pictures by their names: OWLv2 from a folder of the user (`--extractor owlv2=FOLDER`).

Minderer et al. 2023 (arXiv:2306.09683). Boxes are left, top, right and bottom, in pixels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, Owlv2ForObjectDetection, Owlv2ImageProcessorPil

from anygen.core.media import Image
from anygen.io.pretrained import read_model, reading

Box = tuple[float, float, float, float]
MAX_OBJECTS = 16  # of a name


@dataclass(frozen=True)
class Found:
    """An object: how sure the detector is, 0 to 1, and where it is."""

    score: float
    box: Box


Objects = Mapping[str, Sequence[Found]]  # by name, the surest first
Detect = Callable[[Image, Sequence[str], float], Objects]  # with the least score


def open_detector(folder: Path) -> Detect:
    """Raises ValueError if the folder holds another model, or no tokenizer or image processor."""
    where = f"--extractor owlv2={folder}"
    try:
        model: Any = read_model(Owlv2ForObjectDetection, str(folder))
        with reading("processor", str(folder)):
            processor = Owlv2ImageProcessorPil.from_pretrained(folder)
            tokenizer = AutoTokenizer.from_pretrained(folder)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None

    @torch.no_grad()
    def detect(picture: Image, names: Sequence[str], least: float) -> Objects:
        queries = [f"a photo of a {name}" for name in names]
        texts = tokenizer(queries, padding=True, truncation=True, return_tensors="pt")
        array = picture.pixels.numpy()
        inputs = processor(array, return_tensors="pt", input_data_format="channels_first")
        output = model(pixel_values=inputs["pixel_values"], **texts)
        # pictures are padded to squares before they are resized
        side = max(picture.pixels.shape[-2:])
        [result] = processor.post_process_object_detection(
            output, threshold=least, target_sizes=[(side, side)]
        )
        return by_name(names, result)

    return detect


def by_name(names: Sequence[str], result: Mapping[str, torch.Tensor]) -> Objects:
    found: dict[str, list[Found]] = {name: [] for name in names}
    rows = zip(result["scores"].tolist(), result["labels"].tolist(), result["boxes"].tolist())
    for score, label, box in sorted(rows, reverse=True):
        own = found[names[label]]
        if len(own) < MAX_OBJECTS:
            own.append(Found(score, tuple(box)))
    return found
