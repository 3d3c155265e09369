import json

import pytest

from anygen.evaluation.caption_metrics import (
    bleu,
    bleu_counts,
    cider_d,
    common_subsequence,
    rouge_l,
    tokenized,
)
from anygen.evaluation.suites import captions
from anygen.evaluation.suites.base import Source
from support.suites import results_of, values, write_captions

SPEAKING = [
    "a man speaks",
    "someone speaks",
    "a man is speaking while a bird is chirping in the background",
]
RAIN = ["rain is falling hard on a surface"]
PAIRS = [
    (text.split(), [reference.split() for reference in references])
    for text, references in (("a man is speaking", SPEAKING), ("rain falls", RAIN))
]


def test_the_worked_example_has_the_figures_of_pycocoevalcap():
    assert cider_d(PAIRS) == pytest.approx([1.36405, 0.55865], abs=1e-5)
    found = [bleu(order, bleu_counts(PAIRS)) for order in range(1, 5)]
    assert found == pytest.approx([42.785, 40.589, 43.897, 45.650], abs=1e-3)
    assert rouge_l(PAIRS) == pytest.approx([0.77215, 0.20199], abs=1e-5)


def test_one_picture_alone_has_no_cider():
    assert cider_d(PAIRS[:1]) == [0]


def test_two_perfect_captions_of_three_words_have_three_quarters_of_ten():
    texts = [["a", "red", "cat"], ["two", "big", "dogs"]]
    assert cider_d([(text, [text]) for text in texts]) == pytest.approx([7.5, 7.5])


def test_scores_are_those_of_pycocoevalcap():
    """An oracle, where it is installed."""
    cider = pytest.importorskip("pycocoevalcap.cider.cider")
    results = {number: [" ".join(text)] for number, (text, _) in enumerate(PAIRS)}
    golds = {n: [" ".join(one) for one in references] for n, (_, references) in enumerate(PAIRS)}
    _, scores = cider.Cider().compute_score(golds, results)
    assert cider_d(PAIRS) == pytest.approx(list(scores))


def test_words_are_lower_case_and_have_no_punctuation():
    assert tokenized("A man's dog, running.") == ["a", "man's", "dog", "running"]


def test_the_longest_common_subsequence_keeps_the_order():
    assert common_subsequence(["a", "b", "c", "d"], ["b", "x", "d", "a"]) == 2


def test_perfect_and_silent_models_have_what_they_deserve(tmp_path):
    texts = ["a red cat sits", "two dogs run fast", "rain is falling down"]
    data = write_captions(tmp_path / "data", [[text, "something else"] for text in texts])
    silent = results_of("captions", data, lambda _: " ", tmp_path / "silent")
    assert set(values(silent).values()) == {0}
    assert silent["rows"]["cider_d_simple"]["unparsed"] == 3
    answers = iter(texts)
    perfect = values(
        results_of("captions", data, lambda _: f"{next(answers)}.", tmp_path / "perfect")
    )
    assert perfect["bleu_4_simple"] == perfect["rouge_l_simple"] == 100
    assert perfect["cider_d_simple"] > 400


def test_a_karpathy_file_gives_the_split_that_is_asked_for(tmp_path):
    write_captions(tmp_path, [["a cat"], ["a dog"], ["rain"]])
    (tmp_path / "captions_val2014.json").unlink()
    images = [
        {
            "filename": f"{number:012d}.png",
            "cocoid": number,
            "split": "test" if number else "train",
            "sentences": [{"raw": "A cat."}],
        }
        for number in range(3)
    ]
    (tmp_path / "dataset_coco.json").write_text(json.dumps({"images": images}))
    assert [unit.id for unit in captions.read(Source(tmp_path))] == ["1", "2"]
    assert [unit.id for unit in captions.read(Source(tmp_path, split="train"))] == ["0"]
    with pytest.raises(ValueError, match="has no captions of the split val"):
        captions.read(Source(tmp_path, split="val"))


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(ValueError, match="has 0 files of captions; it needs captions"):
        captions.read(Source(tmp_path))
    data = write_captions(tmp_path, [["a cat"]])
    next(data.rglob("*.png")).unlink()
    with pytest.raises(ValueError, match="there is no file"):
        captions.read(Source(data))
