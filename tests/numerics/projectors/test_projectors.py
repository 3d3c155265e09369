"""Each kind of projector beside another computation of the same: einsum, torch or transformers."""

import pytest
import torch
from torch import nn
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    GroupViTVisionConfig,
    IdeficsConfig,
    InstructBlipQFormerConfig,
    InstructBlipQFormerModel,
)
from transformers.models.groupvit.modeling_groupvit import GroupViTStage
from transformers.models.idefics.perceiver import IdeficsPerceiverResampler

from anygen.config.projectors import (
    InputConcat,
    InputGroup,
    InputLinear,
    InputMlp,
    InputPerceiver,
    InputQFormer,
    OutputTransformer,
)
from anygen.projectors.group_vit import Assignment
from anygen.projectors.input import build_input_projector
from anygen.projectors.output import build_output_projector
from anygen.projectors.video_pooling import VideoPooling
from decoders.base import ConditionSpec

WIDTH, LLM, INSIDE, HEADS = 6, 24, 16, 2


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def close(left, right):
    torch.testing.assert_close(left, right, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def build(settings, features=9):
    projector = build_input_projector(settings, {"image": WIDTH}, {"image": features}, LLM).eval()
    for parameter in projector.parameters():  # no norm, bias or token is trivial
        parameter.add_(0.3 * torch.randn_like(parameter))
    return projector


def norm(x, layer):
    centered = x - x.mean(-1, keepdim=True)
    return centered / (x.var(-1, correction=0, keepdim=True) + layer.eps).sqrt() * layer.weight + (
        layer.bias
    )


@torch.no_grad()
def test_linear_and_mlp_are_matrices():
    features = torch.randn(9, WIDTH)
    linear = build(InputLinear())
    close(linear.project("image", features), features @ linear.weight.T + linear.bias)
    mlp = build(InputMlp(hidden=10))
    inside = norm(features, mlp[0]) @ mlp[1].weight.T + mlp[1].bias
    inside = inside * (1 + torch.erf(inside / 2**0.5)) / 2
    close(mlp.project("image", features), inside @ mlp[3].weight.T + mlp[3].bias)


@torch.no_grad()
@pytest.mark.parametrize("features", [8, 9, 11])
def test_concat_puts_neighbours_side_by_side(features):
    concat, told = build(InputConcat(neighbours=4), features), torch.randn(features, WIDTH)
    filled = torch.cat([told, torch.zeros(-features % 4, WIDTH)])
    expected = filled.reshape(-1, 4 * WIDTH) @ concat.weight.T + concat.bias
    close(concat.project("image", told), expected)
    assert concat.length("image") == len(expected)


@torch.no_grad()
def test_the_perceiver_is_that_of_idefics():
    """Whose feed-forward is a ReLU where Flamingo's is a GELU; frames are not told there."""
    settings = InputPerceiver(tokens=3, width=INSIDE, heads=HEADS, layers=2)
    ours = build(settings)
    config = IdeficsConfig(
        vision_config={"embed_dim": INSIDE}, perceiver_config={"qk_layer_norms_perceiver": False}
    )
    theirs = IdeficsPerceiverResampler(config, INSIDE, 2, HEADS, INSIDE // HEADS, 3)
    theirs.latents.copy_(ours.latents)
    theirs.layer_norm.load_state_dict(ours.norm.state_dict())
    for layer, (attention, mlp) in zip(ours.layers, theirs.blocks, strict=True):
        attention.context_layer_norm.load_state_dict(layer.norm_features.state_dict())
        attention.latents_layer_norm.load_state_dict(layer.norm_latents.state_dict())
        matrices = (attention.q_proj, attention.k_proj, attention.v_proj)
        for matrix, weight in zip(matrices, layer.attention.in_proj_weight.chunk(3), strict=True):
            matrix.weight.copy_(weight)
        attention.output_proj.weight.copy_(layer.attention.out_proj.weight)
        mlp.ln.load_state_dict(layer.mlp[0].state_dict())
        mlp.fc.weight.copy_(layer.mlp[1].weight)
        mlp.c_proj.weight.copy_(layer.mlp[3].weight)
        mlp.act = nn.GELU()
    features = torch.randn(9, WIDTH)
    context = ours.inward(features) + ours.times[0]
    expected = ours.outward(theirs(context[None]))[0]
    close(ours.project("image", features), expected)


@torch.no_grad()
def test_latents_of_the_perceiver_look_at_features_and_latents():
    ours = build(InputPerceiver(tokens=3, width=INSIDE, heads=HEADS, layers=1))
    [layer], features = ours.layers, torch.randn(9, WIDTH)
    context = norm(ours.inward(features) + ours.times[0, 0], layer.norm_features)
    asking = norm(ours.latents, layer.norm_latents)
    told = torch.cat([context, asking])
    wq, wk, wv = layer.attention.in_proj_weight.view(3, HEADS, INSIDE // HEADS, INSIDE)
    scores = torch.einsum("tc,hdc,kb,hdb->htk", asking, wq, told, wk) / (INSIDE // HEADS) ** 0.5
    heard = torch.einsum("htk,kc,hdc->thd", scores.softmax(-1), told, wv).flatten(1)
    latents = ours.latents + heard @ layer.attention.out_proj.weight.T
    latents = latents + layer.mlp(latents)
    close(ours.project("image", features), ours.outward(norm(latents, ours.norm)))


@torch.no_grad()
def test_the_qformer_is_blip_2s_and_has_the_names_of_its_weights():
    ours = build(InputQFormer(tokens=3, width=INSIDE, heads=HEADS, layers=3, look_every=2))
    small = {"hidden_size": WIDTH, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = Blip2Config(
        vision_config={**small, "intermediate_size": 8, "image_size": 4, "patch_size": 2},
        qformer_config={
            "hidden_size": INSIDE,
            "num_hidden_layers": 3,
            "num_attention_heads": HEADS,
            "intermediate_size": 4 * INSIDE,
            "encoder_hidden_size": WIDTH,
        },
        text_config={
            "model_type": "opt",
            **small,
            "hidden_size": LLM,
            "ffn_dim": 8,
            "vocab_size": 9,
            "word_embed_proj_dim": LLM,
            "num_attention_heads": 2,
        },
        num_query_tokens=3,
    )
    theirs = Blip2ForConditionalGeneration(config).eval()
    missing, unexpected = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert not unexpected
    assert not [n for n in missing if n.startswith(("query_tokens", "qformer", "language_proj"))]
    pixels = torch.randn(1, 3, 4, 4)
    features = theirs.vision_model(pixels).last_hidden_state
    close(ours(features), theirs.get_image_features(pixels).pooler_output)


@torch.no_grad()
def test_a_qformer_that_hears_the_question_is_instructblips():
    """Which has a table of words; here what is heard becomes that table, in order."""
    shape = {"tokens": 3, "width": INSIDE, "heads": HEADS, "layers": 3, "look_every": 2}
    ours, heard = build(InputQFormer(**shape, question=5)), torch.randn(4, LLM)
    config = InstructBlipQFormerConfig(
        vocab_size=4,
        hidden_size=INSIDE,
        num_hidden_layers=3,
        num_attention_heads=HEADS,
        intermediate_size=4 * INSIDE,
        encoder_hidden_size=WIDTH,
        max_position_embeddings=5,
    )
    theirs = InstructBlipQFormerModel(config).eval()
    weights = dict(ours.qformer.state_dict())
    for name in ("layernorm.weight", "layernorm.bias"):
        weights[f"embeddings.{name}"] = weights.pop(name)
    weights["embeddings.word_embeddings.weight"] = ours.words(heard)
    weights["embeddings.position_embeddings.weight"] = ours.places
    theirs.load_state_dict(weights, strict=True)
    features = torch.randn(9, WIDTH)
    told = theirs(
        torch.arange(4)[None], query_embeds=ours.query_tokens, encoder_hidden_states=features[None]
    )
    expected = ours.language_projection(told.last_hidden_state[0, :3])
    close(ours.project("image", features, heard), expected)
    assert not torch.allclose(ours.project("image", features), expected, atol=1e-3)


# --- grouping


def group(**changed):
    shape = {"tokens": 3, "width": INSIDE, "heads": HEADS, "groups": 5, "layers": (2, 1, 2)}
    return InputGroup(**{**shape, **changed})


def test_the_group_projector_has_the_size_of_nextgpts():
    """Counted on the published code at 1024 -> 512 -> 4096; its paper says 28 million."""
    with torch.device("meta"):
        full = build_input_projector(InputGroup(), {"image": 1024}, {"image": 256}, 4096)
    assert sum(p.numel() for p in full.parameters()) == 53_144_912
    shapes = {name: tuple(tensor.shape) for name, tensor in full.state_dict().items()}
    assert len(shapes) == 226
    assert shapes["layers.0.group_token"] == (1, 64, 512)
    assert shapes["layers.1.group_token"] == (1, 8, 512)
    assert shapes["layers.0.blocks.5.attn.qkv.weight"] == (1536, 512)
    assert shapes["layers.0.blocks.0.mlp.fc1.weight"] == (2048, 512)
    assert shapes["layers.0.downsample.mlp_inter.fc1.weight"] == (256, 64)
    assert shapes["layers.1.group_projector.1.fc1.weight"] == (256, 64)
    assert shapes["layers.1.group_projector.1.fc2.weight"] == (8, 256)
    assert shapes["layers.1.downsample.assign.proj.bias"] == (512,)
    assert shapes["layers.2.blocks.2.norm2.bias"] == (512,)
    assert "layers.0.blocks.0.attn.qkv.bias" not in shapes
    assert shapes["out_fc.weight"] == (4096, 512)


@torch.no_grad()
def test_grouping_is_that_of_groupvit():
    """transformers has its layers with separate queries, keys and values, and biases to them."""
    ours = build(group())
    features = torch.randn(2, 9, WIDTH)
    config = GroupViTVisionConfig(
        hidden_size=INSIDE, intermediate_size=4 * INSIDE, num_attention_heads=HEADS
    )
    told, asked = ours.in_fc(features), None
    plans = zip(ours.layers, (2, 1, 2), (0, 5, 3), (5, 3, 0), strict=True)
    for stage, depth, before, groups in plans:
        theirs = GroupViTStage(config, depth, before, groups, groups).eval()
        theirs.load_state_dict(as_groupvit(stage), strict=True)
        told, asked = theirs(told, asked)
    expected = ours.out_fc(norm(told, ours.norm))
    torch.testing.assert_close(ours(features), expected, atol=1e-4, rtol=1e-3)


def as_groupvit(stage):
    """The weights of a stage under transformers' names."""
    renamed = {}
    for name, tensor in stage.state_dict().items():
        name = name.replace("blocks.", "layers.").replace("norm1", "layer_norm1")
        name = name.replace("attn.proj.", "attn.out_proj.")
        if name.startswith("layers."):
            name = name.replace("attn.", "self_attn.").replace("norm2", "layer_norm2")
            name = name.replace("layer_layer_", "layer_")
        if "qkv" not in name:
            renamed[name] = tensor
            continue
        for letter, part in zip("qkv", tensor.chunk(3), strict=True):
            renamed[name.replace("qkv", f"{letter}_proj")] = part
            renamed[name.replace("qkv.weight", f"{letter}_proj.bias")] = torch.zeros(len(part))
    return renamed


@pytest.mark.parametrize("training", [True, False])
def test_each_token_has_exactly_one_group_and_gradients_are_soft(training):
    assignment = Assignment(INSIDE).train(training)
    scores = torch.randn(2, 5, 9, requires_grad=True)
    mine = assignment.assign(scores)
    close(mine.sum(1), torch.ones(2, 9))
    close(mine.max(1).values, torch.ones(2, 9))
    (mine * torch.randn(2, 5, 9)).sum().backward()
    assert (scores.grad.abs() > 0).all()
    if not training:
        assert torch.equal(mine.argmax(1), scores.argmax(1))


@torch.no_grad()
def test_the_order_of_features_is_nothing_to_groups():
    ours, features = build(group()), torch.randn(9, WIDTH)
    shuffled = features[torch.randperm(9)]
    close(ours.project("image", features), ours.project("image", shuffled))
    assert not torch.allclose(ours.project("image", features), ours.project("image", features + 1))


# --- video


@torch.no_grad()
def test_poolings_bring_places_together_over_time():
    features = torch.randn(4 * 3, 8)
    frames = features.view(4, 3, 8)
    of_frames = frames.sum(1) / 3
    mean = VideoPooling("mean", 4, 12, 8)
    close(mean(features), torch.cat([frames.sum(0) / 4, of_frames]))

    weighted = VideoPooling("weighted", 4, 12, 8)
    scores = frames.reshape(4, 24) @ weighted.over_time.score.weight[0]
    shares = scores.exp() / scores.exp().sum()
    together = sum(share * frame for share, frame in zip(shares, frames, strict=True))
    close(weighted(features), torch.cat([together, of_frames]))
    assert not torch.allclose(weighted(features), mean(features), atol=1e-3)

    read = VideoPooling("transformer", 4, 12, 8).eval()
    at_end = [
        read.over_time.layer(frames[:, place][None] + read.over_time.times[None, :, 0])[0, -1]
        for place in range(3)
    ]
    close(read(features), torch.cat([frames.sum(0) / 4 + torch.stack(at_end), of_frames]))


# --- out of the LLM


@torch.no_grad()
@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")  # torch speaks of its own class
def test_with_encoder_layers_the_output_projector_is_nextgpts():
    settings = OutputTransformer(width=16, layers=2, heads=4, encoder_layers=3)
    ours = build_output_projector(settings, 4, 24, ConditionSpec(7, 12)).eval()
    theirs = nn.Transformer(16, 4, 3, 2, 64, dropout=0.0, norm_first=True, batch_first=True).eval()
    for parameter in theirs.parameters():
        parameter.add_(0.2 * torch.randn_like(parameter))
    ours.encoder.load_state_dict(theirs.encoder.state_dict())
    ours.norm.load_state_dict(theirs.decoder.norm.state_dict())
    ours.transformer.layers.load_state_dict(theirs.decoder.layers.state_dict())
    hidden = torch.randn(2, 4, 24)
    mixed = theirs(ours.inward(hidden), ours.queries.expand(2, -1, -1))
    close(ours(hidden), ours.outward(mixed))


def test_the_output_projector_has_the_size_of_nextgpts():
    """In millions: 31.96 for Stable Diffusion 1.5, 32.09 for Zeroscope, 31.79 for AudioLDM."""
    settings = OutputTransformer(width=512, layers=4, heads=4, encoder_layers=4)
    specs = [ConditionSpec(77, 768), ConditionSpec(77, 1024), ConditionSpec(1, 512)]
    with torch.device("meta"):
        made = [build_output_projector(settings, 8, 4096, spec) for spec in specs]
    sizes = [sum(p.numel() for p in one.parameters()) / 1e6 for one in made]
    assert [f"{size:.2f}" for size in sizes] == ["31.96", "32.09", "31.79"]
