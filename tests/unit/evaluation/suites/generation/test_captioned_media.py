"""Pictures, sounds and videos of captions, beside the true ones and those of plain captions."""

import json
from dataclasses import replace

import pytest
import torch

from anygen.anygen import AnyGen
from anygen.core.media import Image
from anygen.evaluation import runner
from anygen.evaluation.features.extractors import Extractor, Features
from anygen.evaluation.results import read_lines
from anygen.evaluation.runner import Plan
from anygen.evaluation.suites.base import Source
from anygen.evaluation.suites.generation import audiocaps, coco_images, msrvtt
from anygen.io.media_files import read_media
from support.generation_suites import (
    Making,
    clip,
    flat,
    tone,
    write_audiocaps,
    write_msrvtt,
)
from support.suites import results_of, values, write_captions

CAPTIONS = [[f"picture {n}", f"another {n}"] for n in range(4)]  # of shade 20 n


def points(picture):
    return Features(picture.pixels.float().mean((1, 2))[None, :2] / 255)


def embed(texts):
    """A direction that only the text of picture 0 shares with its picture."""
    return torch.tensor([[1.0, 0.0] if "0" in text else [-1.0, 0.0] for text in texts])


TINY = {"clip": Extractor("tiny_2", "image", points, embed)}


def test_perfect_pictures_are_at_no_distance_and_wrong_ones_at_some(tmp_path):
    data = write_captions(tmp_path / "data", CAPTIONS)
    right = Making(lambda text, n: [flat(20 * int(text[-1]))])
    found = values(results_of("coco_images", data, right, tmp_path / "a", extractors=TINY))
    assert found["made"] == 100
    assert found["fd_rgb8_n4"] == pytest.approx(0, abs=1e-4)
    wrong = Making(lambda text, n: [flat(190 + 20 * int(text[-1]))])
    worse = values(results_of("coco_images", data, wrong, tmp_path / "b", extractors=TINY))
    # 192 values are farther by 190 of 255 each, and their spread is the same
    assert worse["fd_rgb8_n4"] == pytest.approx(192 * (190 / 255) ** 2, rel=1e-3)
    assert worse["fd_tiny_2_n4"] == pytest.approx(2 * (190 / 255) ** 2, rel=1e-3)
    assert worse["kd_tiny_2_n4"] > found["kd_tiny_2_n4"]


def test_a_cosine_is_weighted_as_its_authors_do(tmp_path):
    """Every picture is grey: its cosine with its text is 0.7071 for the first, else negative."""
    data = write_captions(tmp_path / "data", CAPTIONS)
    model = Making(lambda text, n: [flat(100)])
    found = values(results_of("coco_images", data, model, tmp_path / "a", extractors=TINY))
    assert found["clip_cosine_tiny_2"] == pytest.approx(-70.71 / 2, abs=0.01)
    assert found["clipscore_tiny_2"] == pytest.approx(2.5 * 70.71 / 4, abs=0.01)


def test_prompts_that_a_network_cuts_are_counted(tmp_path):
    data = write_captions(tmp_path / "data", CAPTIONS)
    network = {"clip": replace(TINY["clip"], cut=lambda text: "2" in text)}
    model = Making(lambda text, n: [flat(100)])
    rows = results_of("coco_images", data, model, tmp_path / "a", extractors=network)["rows"]
    note = "1 of 4 prompts are longer than the network reads"
    assert rows["clipscore_tiny_2"]["note"] == rows["clip_cosine_tiny_2"]["note"] == note
    assert rows["made"]["note"] == ""


def test_silent_models_make_nothing_and_are_at_no_distance_from_anything(tmp_path):
    data = write_captions(tmp_path / "data", CAPTIONS)
    model = Making(lambda text, n: ["I cannot draw."])
    results = results_of("coco_images", data, model, tmp_path / "a", extractors=TINY)
    found = values(results)
    assert (found["made"], found["clipscore_tiny_2"], found["clip_cosine_tiny_2"]) == (0, 0, 0)
    assert not [name for name in found if name.startswith(("fd_", "kd_"))]


def test_few_points_in_many_dimensions_are_called_biased(tmp_path):
    data = write_captions(tmp_path / "data", CAPTIONS)
    model = Making(lambda text, n: [flat(100)])
    results = results_of("coco_images", data, model, tmp_path / "a")
    row = results["rows"]["fd_rgb8_n4"]
    assert row["note"].startswith("4 points in 192 dimensions are mostly bias")
    assert "interval" not in row
    assert any("mostly bias" in line for line in runner.warnings(results, ()))


def test_one_medium_is_forced_or_the_model_decides(tmp_path):
    data = write_captions(tmp_path, CAPTIONS)
    for mode, exactly in (("exactly", {"image": 1}), ("free", {})):
        [first, *_] = coco_images.read(Source(data, mode))
        [case] = coco_images.ask(first, 0)
        assert case.options.exactly == exactly
        assert case.messages[0].parts == ("picture 0",)


def test_pictures_are_judged_again_from_their_folder(tmp_path, capsys):
    data, out = write_captions(tmp_path / "data", CAPTIONS), tmp_path / "out"
    results_of("coco_images", data, Making(lambda text, n: [flat(50)]), out)
    (out / "coco_images" / "000000000000.png").unlink()
    results = runner.run("gone", Plan("coco_images", data), out, score_only=True)
    assert results["rows"]["made"]["value"] == 75
    assert "fd_rgb8_n3" in results["rows"]


def test_an_extractor_that_a_suite_cannot_use_is_refused(tmp_path):
    plan = Plan("coco_images", tmp_path, extractors={"clap": tmp_path})
    with pytest.raises(ValueError, match="has no use for clap; its extractors: clip, inception"):
        runner.run("mini", plan, tmp_path / "out")
    with pytest.raises(ValueError, match="--blind is for suites of text answers"):
        runner.run("mini", Plan("coco_images", tmp_path, blind=True), tmp_path / "out")


def test_sounds_are_paired_with_the_true_ones_by_name(tmp_path):
    sounds = [("abc", tone(0.5)), ("xyz", tone(0.1))]
    data = write_audiocaps(tmp_path / "data", sounds)

    def tags(sound):
        """Loud sounds have the first tag with odds of 3 to 1, others even odds."""
        loud = float(sound.samples.abs().max() > 0.3)
        return Features(torch.tensor([[loud]]), torch.tensor([loud * 1.0986123, 0.0]))

    network = {"tagger": Extractor("tiny_16000", "audio", tags)}
    quiet = Making(lambda text, n: [tone(0.1)])
    found = values(results_of("audiocaps", data, quiet, tmp_path / "a", extractors=network))
    assert (tmp_path / "a" / "audiocaps" / "Yabc.wav").is_file()
    assert found["kl_softmax_tiny_16000"] == pytest.approx(0.1308 / 2, abs=0.006)
    loud = Making(lambda text, n: [dict(sounds)[text.split()[-1]]])
    found = values(results_of("audiocaps", data, loud, tmp_path / "b", extractors=network))
    assert found["kl_softmax_tiny_16000"] == pytest.approx(0, abs=0.01)
    assert found["fd_logmel64_n2"] == pytest.approx(0, abs=1e-3)
    assert [unit.content.text for unit in audiocaps.read(Source(data))] == [
        "caption 0 of abc",
        "caption 0 of xyz",
    ]


def test_videos_are_compared_frame_by_frame_without_a_network(tmp_path):
    videos = [("video1", clip(*range(0, 160, 10))), ("video2", clip(*range(160, 0, -10)))]
    data = write_msrvtt(tmp_path / "data", videos)
    model = Making(lambda text, n: [dict(videos)[text.split()[-1]]])
    found = values(results_of("msrvtt", data, model, tmp_path / "a"))
    assert found["fd_rgb8_frames_n2"] == pytest.approx(0, abs=1e-3)
    assert [unit.id for unit in msrvtt.read(Source(data))] == ["video1", "video2"]
    with pytest.raises(ValueError, match="has no videos of the split validate"):
        msrvtt.read(Source(data, "", "validate"))


def test_what_is_missing_is_named(tmp_path):
    data = write_audiocaps(tmp_path / "a", [("abc", tone(0.5))])
    (data / "audio" / "Yabc.wav").unlink()
    with pytest.raises(ValueError, match=r"there is no sound .*audio/abc.wav"):
        audiocaps.read(Source(data))
    (data / "test.csv").write_text("audiocap_id,youtube_id,start_time\n1,abc,30\n")
    with pytest.raises(ValueError, match=r"test\.csv:2: lacks caption"):
        audiocaps.read(Source(data))
    data = write_msrvtt(tmp_path / "v", [("video1", clip(0, 9))])
    (data / "videos" / "video1.mp4").unlink()
    with pytest.raises(ValueError, match=r"there is no video .*videos/video1.mp4"):
        msrvtt.read(Source(data))


def test_plain_captions_of_the_same_decoder_are_the_control(tmp_path, tiny_model):
    """The folder beside has what the decoder makes of the prompt with the request's seed."""
    data, out = write_captions(tmp_path / "data", CAPTIONS[:2]), tmp_path / "out"
    results = results_of("coco_images", data, AnyGen(tiny_model), out)
    row = results["rows"]["made"]
    assert row["control"]["value"] == 100
    assert row["over_control"]["value"] == row["value"] - 100
    assert "control" in results["rows"]["fd_rgb8_n2"]
    control = read_media(out / "coco_images_control" / "000000000000.png")
    assert isinstance(control, Image)
    assert {name.split()[0] for line in read_lines(out) for name in line["files"]} == {
        "model",
        "control",
    }
    json.dumps(results)
