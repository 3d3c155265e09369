"""Networks from a user's folder: what enters them, what they are called, what is refused."""

import math

import numpy as np
import pytest
import torch
import transformers
from PIL import Image as Canvas
from torch import Tensor, nn

from anygen.core.media import Audio, Image, Video
from anygen.evaluation.features.extractors import (
    STAND_INS,
    hashes,
    of_modality,
    open_extractors,
    parse_extractors,
)
from anygen.evaluation.features.plain import motion, steadiness
from anygen.evaluation.features.resizing import between, pillow_bicubic, tensorflow_bilinear
from support.pretrained_encoders import publish


class Mean(nn.Module):
    """Features are the mean of each channel; logits are their negatives."""

    def forward(self, pixels: Tensor):
        points = pixels.float().mean((2, 3))
        return points, -points


class StyleGan(nn.Module):
    def forward(self, img: Tensor, return_features: bool = False, no_output_bias: bool = False):
        points = img.float().mean((2, 3))
        if return_features:
            return points
        return points.softmax(1) if no_output_bias else points


class Clips(nn.Module):
    def forward(self, clips: Tensor):
        return torch.stack([clips.mean((1, 2, 3, 4)), clips[:, 0, 0].mean((1, 2))], 1)


class StyleGanV(nn.Module):
    def forward(
        self,
        x: Tensor,
        rescale: bool = False,
        resize: bool = False,
        return_features: bool = False,
    ):
        if not rescale or not resize or not return_features:
            return x[0, :, :0, 0, 0]
        return x.mean((2, 3, 4))


class Frames(nn.Module):
    def forward(self, samples: Tensor):
        return samples[: samples.shape[0] // 2 * 2].view(2, -1).mean(1, keepdim=True)


def script(module, folder, name="net.pt"):
    folder.mkdir(exist_ok=True)
    torch.jit.script(module).save(folder / name)
    return folder


def opened(kind, folder):
    return open_extractors({kind: folder})[kind]


def picture(*colour, size=(6, 4)):
    return Image(torch.tensor(colour, dtype=torch.uint8)[:, None, None].expand(3, *size))


def test_tensorflows_bilinear_filter_starts_at_the_first_pixel():
    assert between(torch.tensor([[0.0, 1.0]]), 1, 4).tolist() == [[0, 0.5, 1, 1]]
    assert between(torch.tensor([[0.0, 1.0, 2.0, 3.0]]), 1, 2).tolist() == [[0, 2]]
    assert tensorflow_bilinear(picture(1, 2, 3), 5).mean((1, 2)).tolist() == [1, 2, 3]


def test_the_bicubic_filter_is_pillows_without_rounding():
    noise = torch.randint(0, 256, (3, 9, 7), generator=torch.Generator().manual_seed(0))
    resized = pillow_bicubic(Image(noise.to(torch.uint8)), 5)
    whole = Canvas.fromarray(noise.to(torch.uint8).permute(1, 2, 0).numpy())
    rounded = torch.from_numpy(np.array(whole.resize((5, 5), Canvas.Resampling.BICUBIC))).permute(
        2, 0, 1
    )
    assert resized.shape == (3, 5, 5)
    assert (resized.clamp(0, 255) - rounded).abs().max() <= 1
    assert not torch.equal(resized, resized.round())


def test_a_script_of_pictures_gives_points_and_classes_under_its_own_name(tmp_path):
    folder = script(Mean(), tmp_path / "a")
    for kind, name in (("inception", "net_tf299"), ("inception_clean", "net_pilbicubic299")):
        extractor = opened(kind, folder)
        found = extractor.read(picture(10, 20, 30))
        assert extractor.name == name
        assert found.points.tolist() == [pytest.approx([10, 20, 30], abs=1e-3)]
        assert found.logits.tolist() == pytest.approx([-10, -20, -30], abs=1e-3)


def test_stylegans_script_is_called_as_its_authors_do(tmp_path):
    extractor = opened("inception", script(StyleGan(), tmp_path / "a", "inception-2015-12-05.pt"))
    found = extractor.read(picture(1, 2, 3))
    assert extractor.name == "inception-2015-12-05_tf299"
    assert found.points.tolist() == [[1, 2, 3]]
    expected = torch.tensor([1.0, 2.0, 3.0]).softmax(0)
    assert torch.allclose(found.logits.softmax(0), expected)


def test_a_video_is_read_in_its_first_sixteen_frames(tmp_path):
    extractor = opened("i3d", script(Clips(), tmp_path / "a"))
    frames = torch.zeros(20, 3, 8, 8, dtype=torch.uint8)
    frames[0], frames[16:] = 255, 255
    [[mean, first]] = extractor.read(Video(frames, 8)).points.tolist()
    assert (mean, first) == (pytest.approx(-1 + 2 / 16), 1)
    assert extractor.name == "net_stretch224_f16"
    with pytest.raises(ValueError, match="a video has 4 frames; 16 are needed"):
        extractor.read(Video(frames[:4], 8))


def test_stylegan_vs_script_gets_frames_as_they_are(tmp_path):
    extractor = opened("i3d", script(StyleGanV(), tmp_path / "a", "i3d_torchscript.pt"))
    frames = torch.full((16, 3, 8, 8), 200, dtype=torch.uint8)
    assert extractor.read(Video(frames, 8)).points.tolist() == [[200, 200, 200]]
    assert extractor.name == "i3d_torchscript_styleganv_f16"


def test_a_sound_has_a_point_for_each_of_its_frames(tmp_path):
    extractor = opened("vggish", script(Frames(), tmp_path / "a"))
    samples = torch.cat([torch.zeros(8000), torch.ones(8000)])[None]
    assert extractor.read(Audio(samples, 16_000)).points.tolist() == [[0], [1]]
    assert extractor.name == "net_16000"


def test_clip_and_clap_have_one_space_with_texts(tmp_path):
    for kind, medium in (
        ("clip", picture(9, 8, 7, size=(40, 40))),
        ("clap", Audio(torch.sin(torch.arange(48_000) / 9)[None], 48_000)),
    ):
        publish(kind, tmp_path / f"my {kind}")
        extractor = opened(kind, tmp_path / f"my {kind}")
        [point] = extractor.read(medium).points
        texts = extractor.embed_texts(["a red ball", "a piano"])
        assert point.norm() == pytest.approx(1, abs=1e-5)
        assert texts.shape == (2, len(point))
        assert extractor.name == {"clip": "my_clip_32", "clap": "my_clap_48000"}[kind]
        assert [extractor.cut("a"), extractor.cut("a piano " * 99)] == [False, True]


def test_a_tagger_gives_the_classes_of_a_sound(tmp_path):
    config = transformers.ASTConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_length=64,
        num_mel_bins=32,
        num_labels=5,
    )
    transformers.ASTForAudioClassification(config).save_pretrained(tmp_path)
    transformers.ASTFeatureExtractor(max_length=64, num_mel_bins=32).save_pretrained(tmp_path)
    found = opened("tagger", tmp_path).read(Audio(torch.zeros(2, 32_000), 16_000))
    assert (found.points.shape, found.logits.shape) == ((1, 16), (5,))


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (["clip"], "takes KIND=FOLDER, of clip, clap, .*, not 'clip'"),
        (["vgg=."], "takes KIND=FOLDER"),
        (["clip=.", "clip=."], "names clip twice"),
        (["clap=no/such"], "clap: there is no folder 'no/such'"),
    ],
)
def test_an_option_in_another_form_is_refused(values, complaint):
    with pytest.raises(ValueError, match=complaint):
        parse_extractors(values)


def test_a_network_of_another_kind_is_refused_in_a_sentence(tmp_path):
    publish("clap", tmp_path / "clap")
    (tmp_path / "pickle").mkdir()
    torch.save({"a": torch.zeros(1)}, tmp_path / "pickle" / "net.pt")
    script(Mean(), tmp_path / "mean")
    for kind, folder, complaint in [
        ("clip", "clap", "this encoder is for models of the types clip, .*, and this one is clap"),
        ("clap", "mean", "no config can be read"),
        ("tagger", "mean", "--extractor tagger=.*: no .* can be read"),
        ("inception", "clap", "needs one TorchScript file"),
        ("inception", "pickle", "net.pt is no TorchScript file"),
    ]:
        with pytest.raises(ValueError, match=complaint):
            opened(kind, tmp_path / folder)
    sound, video = Audio(torch.zeros(1, 16_000), 16_000), torch.zeros(16, 3, 8, 8).byte()
    with pytest.raises(ValueError, match=r"vggish: its script cannot read \(16000,\)"):
        opened("vggish", script(Clips(), tmp_path / "clips")).read(sound)
    with pytest.raises(ValueError, match=r"i3d: its script returns tuple instead of \(points, R\)"):
        opened("i3d", tmp_path / "mean").read(Video(video, 8))


def test_the_hash_of_a_folder_is_that_of_its_files(tmp_path):
    for name in ("a", "b"):
        script(Mean(), tmp_path / name)
        (tmp_path / name / "net.pt").write_bytes(b"same")
    same = hashes({"clip": tmp_path / "a", "clap": tmp_path / "b"})
    assert same["clip"] == same["clap"]
    (tmp_path / "b" / "net.pt").write_bytes(b"sane")
    assert hashes({"clap": tmp_path / "b"})["clap"] != same["clip"]


def test_stand_ins_need_no_network():
    [plain] = of_modality({}, "image")
    assert plain.read(picture(255, 0, 0)).points.view(3, 64).mean(1).tolist() == [1, 0, 0]
    silent = STAND_INS["audio"].read(Audio(torch.zeros(1, 100), 16_000))
    assert silent.points.unique().tolist() == [pytest.approx(math.log(1e-2))]
    frames = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    assert STAND_INS["video"].read(Video(frames, 8)).points.shape == (2, 192)


def test_a_video_that_flickers_from_0_to_51_is_four_fifths_steady():
    frames = torch.tensor([0, 51], dtype=torch.uint8)[:, None, None, None].expand(2, 3, 4, 4)
    assert steadiness(Video(frames, 8)) == pytest.approx(0.8)
    assert steadiness(Video(frames[:1], 8)) == 1
    assert motion(Video(frames, 8)) == pytest.approx(0.2)
    assert motion(Video(frames[:1].expand(3, 3, 4, 4), 8)) == 0
