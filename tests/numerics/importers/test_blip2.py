"""The Q-Former of BLIP-2 projects what it did in transformers, after either of its stages."""

import pytest
import torch
from safetensors.torch import load_file
from transformers import Blip2Config, Blip2ForConditionalGeneration, Blip2ForImageTextRetrieval

from anygen.config.loader import load_system
from anygen.importers.conversion import import_checkpoint
from anygen.projectors.input import build_input_projector
from support.foreign.importing import WIDTH, write_system

FEATURES, INSIDE, QUERIES = 12, 24, 3  # FEATURES: the width of the encoder in `write_system`
SMALL = {"num_hidden_layers": 1, "num_attention_heads": 2}
Q_FORMER = {"kind": "qformer", "tokens": QUERIES, "width": INSIDE, "heads": 12, "layers": 2}


@torch.no_grad()
def write_checkpoint(kind, folder):
    torch.manual_seed(0)
    config = Blip2Config(
        vision_config={
            **SMALL,
            "hidden_size": FEATURES,
            "intermediate_size": 8,
            "image_size": 4,
            "patch_size": 2,
        },
        qformer_config={
            "hidden_size": INSIDE,
            "num_hidden_layers": 2,
            "num_attention_heads": 12,
            "intermediate_size": 4 * INSIDE,
            "encoder_hidden_size": FEATURES,
            "vocab_size": 9,
            "use_qformer_text_input": kind is Blip2ForImageTextRetrieval,
        },
        text_config={
            "model_type": "opt",
            **SMALL,
            "hidden_size": WIDTH,
            "ffn_dim": 8,
            "vocab_size": 9,
            "word_embed_proj_dim": WIDTH,
        },
        num_query_tokens=QUERIES,
    )
    theirs = kind(config).eval()
    for parameter in theirs.parameters():
        parameter.add_(0.3 * torch.randn_like(parameter))
    theirs.save_pretrained(folder)
    return theirs


@torch.no_grad()
@pytest.mark.parametrize("kind", [Blip2ForImageTextRetrieval, Blip2ForConditionalGeneration])
def test_the_qformer_of_either_stage_is_imported(kind, foreign_base, tmp_path):
    theirs = write_checkpoint(kind, tmp_path / "theirs")
    system = write_system(tmp_path / "system.yaml", foreign_base, input_projector=Q_FORMER)
    out, part = tmp_path / "out", "input_projector"
    report = import_checkpoint(tmp_path / "theirs", "blip2", system, out, [part])
    settings = load_system(str(system)).input_projector
    ours = build_input_projector(settings, {"image": FEATURES}, {"image": 5}, WIDTH).eval()
    weights = load_file(out / "weights.safetensors")
    ours.load_state_dict({n.removeprefix(f"{part}."): w for n, w in weights.items()}, strict=True)
    features = torch.randn(2, 5, FEATURES)
    inputs = theirs.query_tokens.expand(2, -1, -1)
    expected = theirs.qformer(inputs, encoder_hidden_states=features).last_hidden_state
    filled = [name for key, name, _ in report.lines if not key]
    if kind is Blip2ForConditionalGeneration:
        assert not filled
        torch.testing.assert_close(ours(features), theirs.language_projection(expected))
    else:
        assert filled == [f"{part}.language_projection.{n}" for n in ("weight", "bias")]
        torch.testing.assert_close(ours(features), ours.language_projection(expected))


def test_other_heads_than_the_published_ones_are_refused(foreign_base, tmp_path):
    other = {**Q_FORMER, "heads": 6}
    system = write_system(tmp_path / "system.yaml", foreign_base, input_projector=other)
    with pytest.raises(ValueError, match="heads is 6, and blip2 needs 12"):
        import_checkpoint(tmp_path, "blip2", system, tmp_path / "out", ["input_projector"])
