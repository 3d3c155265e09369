"""The first stage of BLIP-2: its losses, its masks, and the forward pass of transformers."""

import pytest
import torch
from transformers import Blip2Config, Blip2ForImageTextRetrieval

from anygen.config.loader import load_system
from anygen.config.run import Run
from anygen.model.multimodal import MultimodalModel
from anygen.numerics.contrast import contrastive_loss
from anygen.training.representation import masks
from anygen.training.representation.objectives import (
    captioning_loss,
    closest_cosines,
    draw_negatives,
    matching_loss,
)
from anygen.training.representation.text_side import CLS, DEC, SEP, TextSide
from anygen.training.stages import STAGES

SCORES = torch.tensor([[2.0, 1.0], [0.5, 1.5]])
OWN = torch.eye(2, dtype=torch.bool)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# --- objectives


@pytest.mark.parametrize(
    ("positive", "smoothing", "expected"),
    [(OWN, 0.0, 0.325503), (OWN, 0.1, 0.375503), (torch.ones_like(OWN), 0.0, 0.825503)],
    ids=["pairs", "smooth", "equal captions"],
)
def test_contrast_is_the_mean_of_both_directions(positive, smoothing, expected):
    """Of pairs: picture to text .313262, text to picture .337745."""
    loss = contrastive_loss(SCORES, positive, smoothing)
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_the_query_closest_to_a_text_counts():
    media = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[-1.0, 0.0], [0.6, 0.8]]])
    texts = torch.tensor([[1.0, 0.0], [0.0, -1.0], [0.8, 0.6]])
    expected = torch.tensor([[1.0, 0.0, 0.8], [0.6, 0.0, 0.96]])
    torch.testing.assert_close(closest_cosines(media, texts), expected)


def test_the_second_logit_is_that_of_a_match():
    logits = torch.tensor([[1.0, 1.0], [1.0, 3.0]]).log()
    loss = matching_loss(logits, torch.tensor([False, True]))
    assert loss.item() == pytest.approx((0.693147 + 0.287682) / 2, abs=1e-6)


@pytest.mark.parametrize(("smoothing", "expected"), [(0.0, 0.470004), (0.1, 0.554195)])
def test_captioning_is_the_cross_entropy_of_the_next_token(smoothing, expected):
    logits = torch.tensor([[1.0, 2.0, 5.0]]).log()
    loss = captioning_loss(logits, torch.tensor([2]), smoothing)
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_negatives_are_drawn_by_the_softmax_of_the_scores_and_never_positive():
    scores = torch.tensor([[9.0, 1.0, 0.0], [2.0, 0.0, 2.0], [0.0, 0.0, 9.0]])
    positive = torch.eye(3, dtype=torch.bool)
    positive[2, 1] = positive[1, 2] = True  # equal captions
    counts = torch.zeros(3, 3)
    draws = 600
    for seed in range(draws):
        rows, columns = draw_negatives(scores, positive, generator(seed))
        assert rows.tolist() == [0, 1, 2]
        counts[rows, columns] += 1
    assert not counts[positive].any()
    chances = scores[0].softmax(0) + 1e-4
    share = chances[1] / (chances[1] + chances[2])
    assert counts[0, 1].item() / draws == pytest.approx(share.item(), abs=0.05)


def test_a_row_without_negatives_is_left_out():
    positive = torch.tensor([[True, True, False], [True, True, False], [False, False, True]])
    rows, columns = draw_negatives(torch.zeros(3, 3), positive, generator())
    assert (rows.tolist(), columns[:2].tolist()) == ([0, 1, 2], [2, 2])
    rows, columns = draw_negatives(torch.zeros(2, 2), torch.ones(2, 2).bool(), generator())
    assert (rows.tolist(), columns.tolist()) == ([], [])


# --- masks


def attends(kind, query, key, queries, words):
    """Figure 2 of BLIP-2: whether a position attends to another."""
    if key >= queries + words:  # padding
        return False
    match kind:
        case "bidirectional":
            return True
        case "unimodal":
            return (query < queries) == (key < queries)
        case "causal":
            return key < queries or (query >= queries and key <= query)


@pytest.mark.parametrize("kind", ["bidirectional", "unimodal", "causal"])
def test_masks_are_those_of_the_three_objectives(kind):
    queries, words = 2, torch.tensor([[True, True, True], [True, False, False]])
    mask = getattr(masks, kind)(queries, words)
    assert mask.shape == (2, 1, 5, 5)
    for row, known in enumerate(words.sum(1).tolist()):
        expected = [[attends(kind, q, k, queries, known) for k in range(5)] for q in range(5)]
        assert mask[row, 0].tolist() == expected


# --- the Q-Former with text


@torch.no_grad()
def build(path, *settings):
    """The network of stage `represent`, in which no weight is near zero."""
    torch.manual_seed(0)
    system = load_system(str(path), list(settings))
    model = MultimodalModel(system, path.parent, STAGES["represent"].needs).eval()
    run = Run(system=str(path), stage="represent", out=path.parent, steps=1, batch_size=2)
    text = TextSide(model, run).eval()
    for parameter in (*model.input_projector.parameters(), *text.parameters()):
        parameter.add_(0.3 * torch.randn_like(parameter))
    text.temperature.fill_(0.1)
    return model.input_projector, text


@pytest.fixture(scope="module")
def built(qformer_system):
    return build(qformer_system)


@pytest.fixture
def features():
    return torch.randn(2, 5, 16, generator=generator(1))


CAPTIONS = ["a red kite", "a bun"]


def tokens(text, captions=CAPTIONS):
    return text.tokens(captions, torch.device("cpu"))


def close(left, right):
    torch.testing.assert_close(left, right, atol=1e-5, rtol=1e-4)


def test_a_caption_is_between_its_marks_and_the_longest_is_cut(built, tmp_path):
    _, text = built
    ids, words = tokens(text, ["a bun", "a red kite " * 30])
    assert ids.shape == words.shape == (2, 32)
    length = int(words[0].sum())
    assert ids[:, 0].tolist() == [text.special(CLS)] * 2
    assert ids[0, length - 1] == ids[1, -1] == text.special(SEP)
    assert text.tokenizer.decode(ids[0, 1 : length - 1]) == "a bun"
    marks = {text.special(token) for token in (CLS, DEC, SEP)}
    assert marks == {len(text.word_embeddings.weight) - n for n in (1, 2, 3)}
    assert ids[words].min() < text.text_tokens <= min(marks)


@torch.no_grad()
def test_under_the_unimodal_mask_queries_are_those_that_the_llm_reads(built, features):
    projector, text = built
    queries, _ = text.read(projector, features, *tokens(text), masks.unimodal)
    inputs = projector.query_tokens.expand(2, -1, -1)
    alone = projector.qformer(inputs, encoder_hidden_states=features).last_hidden_state
    close(queries, alone)
    close(projector.language_projection(queries), projector(features))
    joint, _ = text.read(projector, features, *tokens(text), masks.bidirectional)
    assert (joint - alone).abs().max() > 1e-2


@torch.no_grad()
@pytest.mark.parametrize("kind", ["bidirectional", "unimodal", "causal"])
def test_captions_of_other_rows_change_nothing(built, features, kind):
    projector, text = built
    mask = getattr(masks, kind)
    queries, states = text.read(projector, features, *tokens(text), mask)
    ids, words = tokens(text, CAPTIONS[1:])
    alone = text.read(projector, features[1:], ids, words, mask)
    close(queries[1:], alone[0])
    close(states[1:, : ids.shape[1]], alone[1])


@torch.no_grad()
def test_a_word_that_is_written_knows_pictures_and_earlier_words_alone(built, features):
    projector, text = built
    ids, words = tokens(text)
    changed = ids.clone()
    changed[0, 3] = (changed[0, 3] + 1) % text.text_tokens
    queries, states = text.read(projector, features, ids, words, masks.causal)
    others, later = text.read(projector, features, changed, words, masks.causal)
    assert torch.equal(queries, others)
    close(states[0, :3], later[0, :3])
    assert ((states[0, 3:] - later[0, 3:]).abs().amax(1) > 1e-3).all()
    _, blind = text.read(projector, features.flip(0), ids, words, masks.causal)
    assert ((states - blind).abs().amax(2)[words] > 1e-3).all()


def theirs_of(projector, text):
    """transformers' model with the same weights."""
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = Blip2Config(
        vision_config={**small, "intermediate_size": 8, "image_size": 4, "patch_size": 2},
        qformer_config={
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 64,
            "encoder_hidden_size": 16,
            "vocab_size": len(text.word_embeddings.weight),
            "max_position_embeddings": text.max_words,
            "use_qformer_text_input": True,
        },
        image_text_hidden_size=256,
        num_query_tokens=4,
    )
    theirs = Blip2ForImageTextRetrieval(config).eval()
    for parameter in theirs.vision_model.parameters():  # so that it tells pictures apart
        parameter.normal_(std=0.5, generator=generator(3))
    weights = {f"embeddings.{n}": p for n, p in text.named_parameters() if "_embeddings." in n}
    weights |= {n: p for n, p in text.named_parameters() if n.startswith(HEADS)}
    weights |= {n: p for n, p in projector.named_parameters() if not n.startswith("language")}
    for number, layer in enumerate(text.feed_forward):
        place = f"qformer.encoder.layer.{number}"
        weights |= {
            f"{place}.{new}.{kind}": getattr(getattr(layer, own), kind)
            for own, new in FEED_FORWARD.items()
            for kind in ("weight", "bias")
        }
    missing, unexpected = theirs.load_state_dict(weights, strict=False)
    assert not unexpected
    assert all(name.startswith("vision_model.") for name in missing)
    return theirs


HEADS = ("vision_projection", "text_projection", "itm_head")
FEED_FORWARD = {
    "intermediate": "intermediate.dense",
    "output": "output.dense",
    "norm": "output.LayerNorm",
}


@torch.no_grad()
def test_scores_and_matches_are_those_of_transformers(built):
    projector, text = built
    theirs, pixels = theirs_of(projector, text), torch.randn(2, 3, 4, 4, generator=generator(2))
    ids, words = tokens(text)
    inputs = {"pixel_values": pixels, "input_ids": ids, "attention_mask": words.long()}
    features = theirs.vision_model(pixels).last_hidden_state
    scores = text.scores(*text.read(projector, features, ids, words, masks.unimodal))
    close(scores, theirs(**inputs).logits_per_image / 0.1)
    queries, _ = text.read(projector, features, ids, words, masks.bidirectional)
    matches = theirs(**inputs, use_image_text_matching_head=True).logits_per_image
    close(text.match_logits(queries), matches)
    assert (scores[0] - scores[1]).abs().max() > 1e-2


@torch.no_grad()
def test_a_qformer_that_reads_questions_reads_captions_by_the_same_layers(
    built, qformer_system, features
):
    projector, text = built
    other, own = build(qformer_system, "input_projector.question=4")
    assert not own.feed_forward
    own.load_state_dict(
        {n: p for n, p in text.state_dict().items() if not n.startswith("feed_forward")}
    )
    missing, _ = other.load_state_dict(projector.state_dict(), strict=False)
    for number, layer in enumerate(text.feed_forward):
        twin = other.qformer.encoder.layer[number]
        twin.intermediate.dense.load_state_dict(layer.intermediate.state_dict())
        twin.output.dense.load_state_dict(layer.output.state_dict())
        twin.output.LayerNorm.load_state_dict(layer.norm.state_dict())
    assert {name.split(".")[0] for name in missing} == {"qformer", "words", "places"}
    ids, words = tokens(text)
    for mask in (masks.unimodal, masks.bidirectional, masks.causal):
        expected = text.read(projector, features, ids, words, mask)
        for ours, theirs in zip(own.read(other, features, ids, words, mask), expected, strict=True):
            close(ours, theirs)
