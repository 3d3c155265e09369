"""GenEval's rules on boxes, and the detector that finds them."""

import pytest
import torch
import transformers

from anygen.core.media import Image
from anygen.evaluation.features.detector import Found, by_name
from anygen.evaluation.features.extractors import Extractor, Features, open_extractors
from anygen.evaluation.suites.generation.geneval import color_of
from anygen.evaluation.suites.generation.geneval_rules import COLORS, is_right, positions
from support.generation_suites import Making, write_geneval
from support.pretrained_encoders import tokenizer
from support.suites import results_of, values


@pytest.mark.parametrize(
    ("first", "second", "relations"),
    [
        ((0, 0, 10, 10), (30, 0, 40, 10), {"left of"}),
        ((0, 0, 10, 10), (2, 0, 12, 10), set()),
        ((0, 0, 10, 10), (20, 20, 30, 30), {"left of", "above"}),
        ((0, 40, 10, 50), (0, 0, 10, 10), {"below"}),
        ((30, 0, 40, 10), (0, 0, 10, 10), {"right of"}),
    ],
)
def test_a_position_is_clear_of_a_tenth_of_both_sizes(first, second, relations):
    assert positions(first, second) == relations


def objects(**boxes):
    return {name: [Found(0.9, box) for box in own] for name, own in boxes.items()}


LEFT, RIGHT = (0, 0, 10, 10), (30, 0, 40, 10)


def red(name, found):
    return "red"


def clause(name, count=1, **more):
    return {"class": name, "count": count, **more}


@pytest.mark.parametrize(
    ("row", "found", "right"),
    [
        ({"include": [clause("dog")]}, objects(dog=[LEFT]), True),
        ({"include": [clause("dog")]}, objects(cat=[LEFT]), False),
        ({"include": [clause("dog", 2)]}, objects(dog=[LEFT]), False),
        (
            {"include": [clause("dog", 2)], "exclude": [clause("dog", 3)]},
            objects(dog=[LEFT] * 3),
            False,
        ),
        (
            {"include": [clause("dog", 2)], "exclude": [clause("dog", 3)]},
            objects(dog=[LEFT] * 2),
            True,
        ),
        ({"include": [clause("dog", color="red")]}, objects(dog=[LEFT]), True),
        ({"include": [clause("dog", color="blue")]}, objects(dog=[LEFT]), False),
    ],
)
def test_all_that_is_included_is_there_and_nothing_else(row, found, right):
    assert is_right(row, found, red) is right


def test_a_position_is_that_to_the_group_before():
    row = {"include": [clause("cup"), clause("cat", position=["left of", 0])]}
    assert is_right(row, objects(cup=[RIGHT], cat=[LEFT]), red)
    assert not is_right(row, objects(cup=[LEFT], cat=[RIGHT]), red)
    assert not is_right(row, objects(cat=[LEFT]), red)
    # the surest objects count, which are as many as the clause says
    assert is_right(row, objects(cup=[RIGHT, LEFT], cat=[LEFT]), red)


def test_of_many_objects_the_surest_are_kept_in_order():
    scores = torch.arange(20) / 20
    result = {"scores": scores, "labels": torch.zeros(20).long(), "boxes": torch.zeros(20, 4)}
    found = by_name(["dog", "cat"], result)
    assert [one.score for one in found["dog"]] == scores.flip(0)[:16].tolist()
    assert found["cat"] == []


def test_pictures_are_judged_by_our_detector_under_its_own_name(tmp_path):
    """Its boxes: one dog always, and a cat left of a cup in dark pictures."""

    def detect(picture, names, least):
        dark = picture.pixels.float().mean() < 100
        return objects(dog=[LEFT], cup=[RIGHT], cat=[LEFT] if dark else [])

    network = {"owlv2": Extractor("tiny", "image", None, detect=detect)}
    model = Making(lambda text, n: [Image(torch.full((3, 40, 40), 40 * (n % 4)).byte())])
    found = values(
        results_of(
            "geneval", write_geneval(tmp_path / "d"), model, tmp_path / "o", extractors=network
        )
    )
    assert found["geneval_owlv2_tiny_single_object"] == 100
    assert found["geneval_owlv2_tiny_position"] == 75
    assert found["geneval_owlv2_tiny"] == 87.5
    assert "geneval" not in found


def test_a_color_is_the_text_nearest_to_the_box(tmp_path):
    def read(picture):
        return Features(torch.eye(len(COLORS))[[int(picture.pixels[0, 0, 0])]])

    def embed(texts):
        return torch.stack(
            [torch.eye(len(COLORS))[next(n for n, c in enumerate(COLORS) if c in t)] for t in texts]
        )

    picture = Image(torch.zeros(3, 20, 20).byte())
    picture.pixels[:, 5:, 5:] = 4  # blue in this test's space
    clip = Extractor("tiny", "image", read, embed)
    assert color_of(clip, picture, "dog", Found(1, (5.2, 5.4, 15, 15))) == "blue"
    assert color_of(clip, picture, "dog", Found(1, (-3, 0, 4, 4))) == "red"
    with pytest.raises(ValueError, match="colors need --extractor clip=FOLDER beside owlv2"):
        color_of(None, picture, "dog", Found(1, LEFT))


def test_owlv2_is_read_from_a_folder(tmp_path):
    text = {"vocab_size": 300, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    text |= {"num_attention_heads": 2, "max_position_embeddings": 40}
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    vision |= {"num_attention_heads": 2, "image_size": 32, "patch_size": 16}
    config = transformers.Owlv2Config(text_config=text, vision_config=vision, projection_dim=16)
    torch.manual_seed(0)
    transformers.Owlv2ForObjectDetection(config).save_pretrained(tmp_path)
    size = {"height": 32, "width": 32}
    transformers.Owlv2ImageProcessorPil(size=size).save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    extractor = open_extractors({"owlv2": tmp_path})["owlv2"]
    found = extractor.detect(Image(torch.full((3, 20, 40), 90).byte()), ["red ball", "piano"], 0.0)
    assert set(found) == {"red ball", "piano"}
    assert sum(map(len, found.values())) == 4  # one for each patch
    assert not any(extractor.detect(Image(torch.zeros(3, 8, 8).byte()), ["a"], 1.0).values())
