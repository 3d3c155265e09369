"""The encoder imagebind: its published names, what it loads and what it refuses."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models

from anygen.config import plugins
from anygen.core.media import Audio, Image, Video
from encoders.imagebind import TINY, Config, build
from encoders.parts.imagebind.towers import HUGE

HUGE_SHAPES = json.loads(Path(__file__).with_name("imagebind_huge.json").read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tokenizer of as many words as TINY's text tower has."""
    folder = tmp_path_factory.mktemp("imagebind")
    words = {f"word{index}": index for index in range(TINY.vocabulary)}
    Tokenizer(models.WordLevel(words, unk_token="word0")).save(str(folder / "captions.json"))
    return folder


@pytest.fixture(scope="module")
def whole(folder):
    """All six towers, with random weights that are not those that every random one has."""
    encoder = build(TINY, folder)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return encoder


@pytest.fixture
def stored(whole):
    return whole.state_dict()


def load(path, folder, **changes):
    return build(TINY.model_copy(update={"pretrained": str(path), **changes}), folder)


def test_the_defaults_have_exactly_the_names_and_shapes_of_imagebind_huge(folder):
    names = {
        name.replace("*", str(block)): tuple(row["shape"])
        for name, row in HUGE_SHAPES.items()
        for block in range(row.get("blocks", 1))
    }
    assert len(names) == 1311
    config = Config(pretrained="not read", towers=tuple(HUGE), tokenizer="captions.json")
    with torch.device("meta"):
        encoder = build(config.model_copy(update={"vocabulary": TINY.vocabulary}), folder)
        words = encoder.modality_preprocessors.text
        words.token_embedding = torch.nn.Embedding(config.vocabulary, 1024)
    assert {name: tuple(x.shape) for name, x in encoder.state_dict().items()} == names


def test_patches_are_as_many_as_nextgpt_reads(folder):
    with torch.device("meta"):
        encoder = build(Config(features="patches"), folder)
    assert [encoder.length(m) for m in ("image", "audio", "video")] == [256, 228, 256]
    assert set(encoder.widths.values()) == {1024}
    assert sum(p.numel() for p in encoder.parameters()) == pytest.approx(0.72e9, rel=0.01)


def save_pickle(tensors, path):
    torch.save(dict(tensors), path)


@pytest.mark.parametrize(
    ("save", "name"), [(save_pickle, "huge.pth"), (save_file, "huge.safetensors")]
)
def test_only_the_towers_that_are_asked_for_are_loaded(
    save, name, whole, stored, folder, tmp_path, image, audio, video
):
    path = tmp_path / name
    save(stored, path)
    encoder = load(path, folder, towers=("vision", "audio"), tokenizer=None)
    assert not any(".text." in name for name in encoder.state_dict())
    media = [image, audio, video]
    for left, right in zip(encoder.encode(media), whole.encode(media), strict=True):
        assert torch.equal(left, right)
    assert encoder.embeds == ("image", "audio", "video")
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    with pytest.raises(ValueError, match="no tower text; it was built with vision, audio"):
        encoder.embed(["a word"])
    with pytest.raises(ValueError, match="no tower depth; it was built with vision, audio"):
        encoder.embed_tensor("depth", torch.zeros(1, 1, 32, 32))


def test_halves_become_as_precise_as_the_rest_of_the_model(stored, folder, tmp_path):
    path = tmp_path / "half.safetensors"
    save_file({name: tensor.half() for name, tensor in stored.items()}, path)
    assert {p.dtype for p in load(path, folder).parameters()} == {torch.float32}


FIRST = "modality_trunks.vision.blocks.0.norm_1.weight"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda x: x.pop(FIRST), f"1 missing, such as {FIRST}$"),
        (lambda x: x.update({FIRST: torch.zeros(3)}), f"1 of another shape, such as {FIRST}$"),
        (
            lambda x: x.update({FIRST.replace("0", "9"): torch.zeros(3)}),
            r"1 unknown, such as .*blocks\.9\.norm_1\.weight$",
        ),
        (lambda x: x.update({"logit_scale": torch.zeros(3)}), "1 unknown, such as logit_scale$"),
    ],
)
def test_other_weights_are_refused(change, complaint, stored, folder, tmp_path):
    path = tmp_path / "other.pth"
    change(stored)
    save_pickle(stored, path)
    with pytest.raises(ValueError, match=f"does not fit an ImageBind of these sizes: {complaint}"):
        load(path, folder)


class Code:
    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


def truncated(content):
    return content[: len(content) // 2]


@pytest.mark.parametrize("name", ["huge.pth", "huge.safetensors"])
@pytest.mark.parametrize("damage", [truncated, lambda _: b"", lambda _: b"words" * 99])
def test_damaged_files_are_refused_in_one_sentence(name, damage, stored, folder, tmp_path):
    path = tmp_path / name
    (save_file if path.suffix == ".safetensors" else save_pickle)(stored, path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=rf"{name} is damaged, or is not") as refusal:
        load(path, folder)
    assert "\n" not in str(refusal.value)


def test_a_pickle_with_code_in_it_is_never_run(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({FIRST: Code()}, "code.pth")
    with pytest.raises(ValueError, match=r"is refused: it contains something other than tensors$"):
        load("code.pth", folder)
    assert not Path("ran").exists()


def test_what_is_not_there_is_named(folder, tmp_path):
    with pytest.raises(
        ValueError, match=r"no ImageBind weights at .*none\.pth; download them from"
    ):
        load(tmp_path / "none.pth", folder)
    with pytest.raises(ValueError, match=r"needs the file .*words\.json, which does not exist"):
        build(TINY.model_copy(update={"tokenizer": "words.json"}), folder)


def test_a_tokenizer_of_another_vocabulary_is_refused(stored, folder, tmp_path):
    save_pickle(stored, tmp_path / "huge.pth")
    with pytest.raises(ValueError, match=r"captions\.json has 512 words, the tower text 513"):
        load(tmp_path / "huge.pth", folder, vocabulary=513)
    with pytest.raises(ValueError, match=r"captions\.json has 512 words, the tower text 511"):
        build(TINY.model_copy(update={"vocabulary": 511}), folder)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"towers": ["text"]}, "the tower text needs a tokenizer"),
        ({"sizes": {}}, "the tower vision has no sizes"),
        (
            {"sizes": {"vision": {"width": 9, "blocks": 1, "heads": 2, "input": [28, 28]}}},
            "width 9 is not a multiple of 2 heads",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_refused(options, complaint, folder):
    plugin = plugins.Plugin(name="imagebind", **options)
    with pytest.raises(ValueError, match=complaint):
        plugins.build("encoders", plugin, "encoder", folder=folder)


def test_one_vector_of_a_medium_is_the_mean_of_its_views(whole, stored, folder, image, audio):
    whole_media = load_cls(stored, folder)
    [of_image, of_audio] = whole_media.encode([image, audio])
    assert of_image.shape == of_audio.shape == (1, 16)
    assert [whole_media.length(m) for m in whole_media.modalities] == [1, 1, 1]
    assert float(of_image.norm()) == pytest.approx(1)  # one view
    assert 0.5 < float(of_audio.norm()) < 1 + 1e-6  # three, and no scale of 20
    embedded = whole.embed([audio])
    torch.testing.assert_close(torch.nn.functional.normalize(of_audio, dim=-1), embedded)


def load_cls(stored, folder):
    encoder = build(TINY.model_copy(update={"features": "cls"}), folder)
    encoder.load_state_dict(stored)
    return encoder


@pytest.mark.parametrize(
    ("tower", "shape"), [("depth", (1, 32, 32)), ("thermal", (1, 32, 32)), ("imu", (6, 64))]
)
def test_depth_heat_and_motion_embed_beside_media(tower, shape, whole, image):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(3, *shape, generator=generator)
    embedded = whole.embed_tensor(tower, inputs)
    assert embedded.shape == (3, *whole.embed([image]).shape[1:])
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(3))
    assert (embedded[0] - embedded[1]).abs().max() > 1e-3
    several = whole.embed_tensor(tower, inputs[None])  # three views of one thing
    mean = torch.nn.functional.normalize(embedded.mean(0, keepdim=True), dim=-1)
    torch.testing.assert_close(several, mean)
    with pytest.raises(ValueError, match=rf"the tower {tower} reads views of the shape"):
        whole.embed_tensor(tower, inputs[..., 1:])


def test_media_of_any_size_and_length_are_read(whole):
    generator = torch.Generator().manual_seed(0)

    def pixels(*shape):
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)

    media = [
        Image(pixels(3, 1, 1)),
        Image(pixels(3, 5, 211)),
        Video(pixels(1, 3, 7, 3), 0.2),
        Video(pixels(3, 3, 3, 50), 0.1),
        Audio(torch.rand(1, 1, generator=generator), 8_000),
        Audio(torch.rand(6, 44_101, generator=generator), 44_101),
        Audio(torch.rand(1, 500_000, generator=generator), 192_000),
    ]
    embedded = whole.embed(media)
    assert embedded.isfinite().all()
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(len(media)))
