"""Losses and schedules against closed forms."""

import math

import pytest
import torch

from anygen.config.losses import LossWeights
from anygen.config.run import Run
from anygen.config.system import SignalSettings
from anygen.llm.signal_tokens import Signals
from anygen.training.collate import IGNORED, Batch, Target
from anygen.training.losses import (
    alignment_loss,
    condition_losses,
    contrast_loss,
    distillation_loss,
    pooled_loss,
    span_hidden,
    text_loss,
    with_weights,
)
from anygen.training.runs.optimizers import learning_rate
from decoders.base import ConditionSpec, pooled_condition


def test_alignment_is_measured_in_units_of_the_wanted_variance():
    wanted = torch.randn(6, 3, 8, generator=torch.Generator().manual_seed(0)) * 40
    assert alignment_loss(wanted, wanted) == 0
    mean = alignment_loss(wanted.mean().expand_as(wanted), wanted)
    torch.testing.assert_close(mean, torch.tensor(1.0), atol=0.01, rtol=0)
    off = alignment_loss(wanted + 2 * wanted.std(), wanted)
    torch.testing.assert_close(off, torch.tensor(4.0))
    torch.testing.assert_close(
        alignment_loss(wanted * 0.5, wanted) * 4, alignment_loss(-wanted, wanted) / 4
    )


def test_the_gist_is_compared_whatever_its_length_and_the_other_tokens():
    wanted = torch.randn(6, 3, 64, generator=torch.Generator().manual_seed(0))
    same_gist = torch.cat([torch.zeros(6, 2, 64), 5 * wanted[:, -1:]], dim=1)
    assert pooled_loss(same_gist, wanted) < 1e-6
    torch.testing.assert_close(pooled_loss(-wanted, wanted), torch.tensor(4.0), atol=1e-3, rtol=0)


def test_the_contrast_asks_for_the_right_caption_among_others():
    generator = torch.Generator().manual_seed(0)
    others = pooled_condition(torch.randn(50, 1, 64, generator=generator))
    wanted = torch.randn(6, 3, 64, generator=generator)
    assert contrast_loss(wanted, wanted, others) < 0.01
    assert contrast_loss(5 * wanted, wanted, others) < 0.01  # whatever the scale
    assert contrast_loss(others[:6, None], wanted, others) > 5


def test_a_caption_of_the_bank_that_says_the_same_is_not_held_against_it():
    generator = torch.Generator().manual_seed(0)
    wanted = torch.randn(1, 2, 64, generator=generator)
    others = torch.cat(
        [pooled_condition(wanted), pooled_condition(torch.randn(20, 1, 64, generator=generator))]
    )
    assert contrast_loss(wanted, wanted, others) < 0.05


def test_the_text_loss_of_a_model_that_knows_nothing_is_the_logarithm_of_its_choices(make_model):
    llm = make_model("llm").llm
    with torch.no_grad():
        for weights in (llm.base.lm_head.weight, llm.trigger_rows, llm.trigger_bias):
            weights.zero_()
    choices = llm.signals.vocabulary + len(llm.signals.modalities)
    labels = torch.tensor([[IGNORED, 5, choices - 1, IGNORED], [IGNORED, IGNORED, 7, IGNORED]])
    loss = text_loss(llm, torch.randn(2, 4, llm.width), labels)
    assert loss.item() == pytest.approx(math.log(choices), rel=1e-5)


@torch.no_grad()
def test_a_hidden_state_is_judged_by_the_token_after_it(make_model):
    llm = make_model("llm").llm
    hidden = torch.randn(1, 5, llm.width, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[3, 9, IGNORED, 11, IGNORED]])  # nothing stands before the first
    log_p = llm.logits(hidden).log_softmax(-1)[0]
    expected = -(log_p[0, 9] + log_p[2, 11]) / 2
    torch.testing.assert_close(text_loss(llm, hidden, labels), expected)


@torch.no_grad()
def test_likeness_is_the_divergence_from_the_published_model_on_plain_rows_alone(make_model):
    llm = make_model("llm").llm
    labels = torch.tensor([[IGNORED, 5, 9, 7], [IGNORED, IGNORED, 8, IGNORED]])
    embeds = torch.randn(2, 4, llm.width)
    plain = torch.tensor([True, False])
    batch = Batch(embeds, torch.tensor([4, 4]), labels, [], plain)
    published = llm.hidden(embeds)
    llm.trigger_bias.fill_(-1e9)  # the published model knows no triggers
    assert distillation_loss(llm, published, batch) < 1e-5
    strayed = published.clone()
    strayed[1] += 1
    assert distillation_loss(llm, strayed, batch) < 1e-5
    strayed[0] += 1
    base, ours = (llm.base.lm_head(h[0, :3]).log_softmax(-1) for h in (published, strayed))
    wanted = (base.exp() * (base - ours)).sum(-1).mean()
    torch.testing.assert_close(distillation_loss(llm, strayed, batch), wanted, rtol=1e-4, atol=1e-5)


def test_nothing_learns_from_the_published_model_and_lora_is_back_afterwards(make_model):
    llm = make_model("llm").llm
    for name, parameter in llm.named_parameters():
        if ".lora_B." in name:
            torch.nn.init.normal_(parameter, std=0.1)
    embeds = torch.randn(1, 5, llm.width)
    tuned = llm.hidden(embeds)
    with llm.as_published():
        published = llm.hidden(embeds)
    assert not published.requires_grad
    assert (published - tuned).abs().max() > 1e-2
    torch.testing.assert_close(llm.hidden(embeds), tuned)


@pytest.mark.parametrize(("kind", "skipped"), [("tokens", 0), ("queries", 1)])
def test_a_span_is_read_where_its_condition_stands(kind, skipped):
    signals = Signals(7, ("image",), SignalSettings(kind=kind))
    hidden = torch.arange(2 * 20, dtype=torch.float).view(2, 20, 1)
    targets = [Target("image", row, start, None, "") for row, start in ((0, 3), (1, 0))]
    expected = torch.tensor([[3, 4, 5, 6], [20, 21, 22, 23]]) + skipped
    assert span_hidden(signals, hidden, targets)[..., 0].tolist() == expected.tolist()


def test_a_pooled_vector_is_aligned_and_is_no_part_of_the_gist():
    spec, others = ConditionSpec(3, 4, pooled=2), torch.randn(5, 4)
    made, wanted, vectors = torch.randn(2, 3, 4), torch.randn(2, 3, 4), torch.randn(2, 2)
    tokens = condition_losses("image", ConditionSpec(3, 4), made, wanted, others)
    whole = condition_losses(
        "image", spec, spec.join(made, vectors), spec.join(wanted, vectors + 1), others
    )
    for term in ("image_gist", "image_contrast"):
        torch.testing.assert_close(whole[term], tokens[term])
    squares = (made - wanted).square().sum() + vectors.numel()
    variance = spec.join(wanted, vectors + 1).var()
    torch.testing.assert_close(whole["image_align"], squares / (2 * 14) / variance)


def test_weights_scale_the_terms_of_media_and_leave_out_those_of_weight_0():
    terms = {
        f"image_{kind}": torch.tensor(2.0) for kind in ("align", "gist", "contrast", "denoise")
    }
    weighted = with_weights(terms, LossWeights(align=3, contrast=0, denoise=10))
    assert {name: float(value) for name, value in weighted.items()} == {
        "image_align": 6,
        "image_gist": 6,
        "image_denoise": 20,
    }


def test_the_learning_rate_rises_evenly_then_falls_as_a_cosine():
    run = Run(
        system="x", stage="encode", out="x", steps=110, batch_size=1, learning_rate=2.0, warmup=10
    )
    rates = [learning_rate(run, step) for step in range(111)]
    assert rates[:10] == pytest.approx([0.2 * (i + 1) for i in range(10)])
    assert rates[10] == 2.0
    assert rates[60] == pytest.approx(2.0 * (1 + run.final_rate) / 2)
    assert rates[110] == pytest.approx(2.0 * run.final_rate)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_without_warm_up_the_first_step_has_the_whole_rate():
    run = Run(
        system="x", stage="encode", out="x", steps=5, batch_size=1, learning_rate=3.0, warmup=0
    )
    assert learning_rate(run, 0) == 3.0
