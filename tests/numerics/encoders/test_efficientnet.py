"""The vision trunk: its arithmetic on random weights, its answers with the published ones."""

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from anygen.io import assets
from encoders.parts.efficientnet import (
    BlockGroup,
    EfficientNetLite,
    average_feature,
    read_pretrained,
)
from encoders.parts.vision import Vision, class_names, resize

STAGES = (BlockGroup(1, 3, 1, 1, 8), BlockGroup(2, 5, 2, 6, 16))
# (name, shape of the weight, name of the norm) as the published files have them
PUBLISHED = [
    ("_conv_stem", (4, 3, 3, 3), "_bn0"),
    ("_blocks.0._depthwise_conv", (4, 1, 3, 3), "_blocks.0._bn1"),
    ("_blocks.0._project_conv", (8, 4, 1, 1), "_blocks.0._bn2"),
    ("_blocks.1._expand_conv", (48, 8, 1, 1), "_blocks.1._bn0"),
    ("_blocks.1._depthwise_conv", (48, 1, 5, 5), "_blocks.1._bn1"),
    ("_blocks.1._project_conv", (16, 48, 1, 1), "_blocks.1._bn2"),
    ("_blocks.2._expand_conv", (96, 16, 1, 1), "_blocks.2._bn0"),
    ("_blocks.2._depthwise_conv", (96, 1, 5, 5), "_blocks.2._bn1"),
    ("_blocks.2._project_conv", (16, 96, 1, 1), "_blocks.2._bn2"),
    ("_conv_head", (24, 16, 1, 1), "_bn1"),
]


def random_weights():
    torch.manual_seed(0)
    state = {"_fc.weight": torch.randn(10, 24), "_fc.bias": torch.randn(10)}
    for name, shape, norm in PUBLISHED:
        state[f"{name}.weight"] = torch.randn(shape) * 0.3
        state[f"{norm}.weight"] = torch.rand(shape[0]) + 0.5
        state[f"{norm}.bias"] = torch.randn(shape[0])
        state[f"{norm}.running_mean"] = torch.randn(shape[0])
        state[f"{norm}.running_var"] = torch.rand(shape[0]) + 0.1
        state[f"{norm}.num_batches_tracked"] = torch.tensor(1)
    return state


def reference_grid(state, pixels):
    """The network with its batch norms, spelt out."""

    def layer(x, index, stride=1, groups=1, after=functional.relu6):
        name, shape, norm = PUBLISHED[index]
        out = -(-x.shape[-1] // stride)
        missing = max((out - 1) * stride + shape[-1] - x.shape[-1], 0)
        before = missing // 2
        x = functional.pad(x, (before, missing - before) * 2)
        x = functional.conv2d(x, state[f"{name}.weight"], stride=stride, groups=groups)
        statistics = (state[f"{norm}.{k}"] for k in ("running_mean", "running_var"))
        affine = (state[f"{norm}.{k}"] for k in ("weight", "bias"))
        return after(functional.batch_norm(x, *statistics, *affine, eps=1e-3))

    def same(x):
        return x

    x = layer((pixels - 127) / 128, 0, stride=2)
    x = layer(layer(x, 1, groups=4), 2, after=same)
    x = layer(layer(layer(x, 3), 4, stride=2, groups=48), 5, after=same)
    x = x + layer(layer(layer(x, 6), 7, groups=96), 8, after=same)
    return layer(x, 9)


@pytest.mark.parametrize("size", [20, 21, 23])
def test_folding_the_batch_norms_changes_nothing(tmp_path, size):
    state = random_weights()
    save_file(state, tmp_path / "weights.safetensors")
    trunk = EfficientNetLite(STAGES, stem=4, width=24, classes=10)
    trunk.load_state_dict(read_pretrained(tmp_path / "weights.safetensors"))
    pixels = torch.rand(2, 3, size, size) * 255
    out = trunk(pixels)
    torch.testing.assert_close(out.grid, reference_grid(state, pixels), atol=1e-4, rtol=1e-4)
    logits = out.grid.mean((2, 3)) @ state["_fc.weight"].T + state["_fc.bias"]
    torch.testing.assert_close(out.logits, logits, atol=1e-4, rtol=1e-4)


def test_weights_of_another_network_are_refused(tmp_path):
    state = {**random_weights(), "_attention.weight": torch.zeros(1)}
    save_file(state, tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match=r"unknown keys \['_attention.weight'\]"):
        read_pretrained(tmp_path / "weights.safetensors")


def test_the_average_feature_is_what_sampling_gives():
    shift, scale = torch.tensor([-1.0, 0.5, 5.0]), torch.tensor([0.5, -1.0, 3.0])
    noise = torch.randn(200_000, 3, generator=torch.Generator().manual_seed(0))
    sampled = (shift + scale * noise).clamp(0, 6).mean(0)
    torch.testing.assert_close(average_feature(shift, scale), sampled, atol=0.02, rtol=0.01)


@pytest.fixture(scope="module")
def published():
    try:
        weights = assets.vision_trunk()
    except assets.AssetError as error:
        pytest.skip(str(error))
    return Vision("efficientnet_lite2", 3, weights)


def photograph(name):
    data = pytest.importorskip("skimage.data")
    return resize(torch.from_numpy(getattr(data, name)()).permute(2, 0, 1)[None], 260)


@pytest.mark.parametrize(
    ("name", "label", "probability"),
    [("chelsea", "Egyptian cat", 0.75), ("coffee", "espresso", 0.87)],
)
def test_a_photograph_is_recognised(published, name, label, probability):
    scores = published.trunk(photograph(name)).logits.softmax(-1)[0]
    assert class_names()[int(scores.argmax())] == label
    assert scores.max() == pytest.approx(probability, abs=0.03)


def test_a_class_prototype_lies_near_a_photograph_of_the_class(published):
    features, names = published.prototypes(), class_names()
    whole = published(photograph("chelsea"))[:, -1]
    closeness = functional.cosine_similarity(whole, features)
    assert names[int(closeness.argmax())] == "Egyptian cat"
    assert closeness.max() > 0.55


def test_imagined_photographs_have_the_statistics_of_real_ones(published):
    real = published(torch.cat([photograph(n) for n in ("chelsea", "coffee", "astronaut")]))
    classes = torch.arange(0, 1000, 10)
    shares = torch.eye(len(class_names()))[classes]
    made = published.prototype_tokens(shares, torch.Generator().manual_seed(0))[:, 0]
    assert made.shape == (100, 10, 1280)
    for rows in (slice(-1, None), slice(0, -1)):  # the whole, the cells
        lengths = [x[:, rows].norm(dim=-1).mean() for x in (real, made)]
        assert lengths[1] == pytest.approx(float(lengths[0]), rel=0.15)
    scores = published.trunk.classifier(made[:, -1]).softmax(-1)
    assert (scores.argmax(-1) == classes).float().mean() > 0.9


def test_the_class_token_of_a_photograph_is_the_prototype_of_its_class(published):
    features, names = published.prototypes(), class_names()
    [[class_token]] = published.class_token(
        published.class_logits(published(photograph("chelsea")))
    )
    closeness = functional.cosine_similarity(class_token, features)
    assert names[int(closeness.argmax())] == "Egyptian cat"
    assert closeness.max() > 0.95
