import numpy as np
import pytest
import torch
from torch import nn

from anygen.evaluation.features.packing import packed
from anygen.evaluation.suites import retrieval
from anygen.evaluation.suites.retrieval import ranks, recall
from support.suites import Ruled, results_of, values, write_captions


def numbers_of(images, texts):
    return [
        {"image": packed(np.array(image)), "texts": [packed(np.array(text)) for text in own]}
        for image, own in zip(images, texts)
    ]


def test_a_picture_counts_by_its_best_caption_and_each_caption_for_itself():
    """The second caption of the first picture lies at the second picture."""
    numbers = numbers_of([(1, 0), (0, 1)], [[(1, 0), (0, 1)], [(0.6, 0.8), (0, 1)]])
    assert ranks("image_to_text", numbers) == [[0], [1]]
    assert ranks("text_to_image", numbers) == [[0, 1], [0, 0]]
    assert recall(1, ranks("text_to_image", numbers)) == 75


def test_an_encoder_that_puts_all_in_one_place_finds_nothing():
    numbers = numbers_of([(1, 0)] * 12, [[(1, 0)]] * 12)
    for direction in retrieval.DIRECTIONS:
        assert recall(10, ranks(direction, numbers)) == 0


class Encoder(nn.Module):
    """Pictures by their grey, captions by the number in them."""

    embeds = ("image", "text")

    def embed(self, items):
        shades = [int(i) if isinstance(i, str) else int(i.pixels[0, 0, 0]) for i in items]
        return torch.tensor([[np.cos(shade / 60), np.sin(shade / 60)] for shade in shades])


def model_with(encoder):
    model = Ruled(lambda _: "")
    model.model = nn.Module()
    model.model.encoder = encoder
    return model


def test_the_encoder_of_the_model_is_measured_without_a_question(tmp_path):
    data = write_captions(tmp_path / "data", [["0", "3"], ["20", "41"], ["40"]])
    model = model_with(Encoder())
    results = results_of("retrieval", data, model, tmp_path / "out")
    assert model.requests == []
    assert values(results)["image_to_text_r1"] == 100
    assert values(results)["text_to_image_r1"] == 80
    assert values(results)["text_to_image_r5"] == 100


def test_an_encoder_without_a_joint_space_is_refused(tmp_path):
    data = write_captions(tmp_path / "data", [["0"]])
    encoder = Encoder()
    encoder.embeds = ("image",)
    with pytest.raises(ValueError, match="has no joint space of pictures and texts"):
        results_of("retrieval", data, model_with(encoder), tmp_path / "out")
