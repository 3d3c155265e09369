import pytest
import torch
from torch import nn

from anygen.config import InputProjector, OutputProjector
from anygen.projectors import OutputProjector as Projector
from anygen.projectors import build_input_projector
from decoders.base import ConditionSpec

SETTINGS = OutputProjector(width=16, layers=2, heads=2)
SPECS = [ConditionSpec(7, 12), ConditionSpec(1, 20, norm="l2")]


def projector(spec):
    torch.manual_seed(0)
    return Projector(SETTINGS, 24, spec).eval()


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("signals", [1, 4, 9])
def test_a_span_of_any_length_becomes_the_condition_that_the_decoder_wants(spec, signals):
    condition = projector(spec)(torch.randn(3, signals, 24))
    assert condition.shape == (3, spec.tokens, spec.width)
    if spec.norm == "l2":
        torch.testing.assert_close(condition.norm(dim=-1), torch.ones(3, spec.tokens))


@pytest.mark.parametrize("spec", SPECS)
def test_every_signal_token_counts(spec):
    hidden = torch.randn(2, 4, 24, requires_grad=True)
    projector(spec)(hidden)[..., 0].sum().backward()
    assert (hidden.grad.norm(dim=-1) > 0).all()


@pytest.mark.parametrize("spec", SPECS)
def test_rows_do_not_see_each_other(spec):
    hidden, project = torch.randn(3, 4, 24), projector(spec)
    alone = torch.cat([project(hidden[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(project(hidden), alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("kind", "layers"), [("linear", 1), ("mlp", 2)])
def test_input_projectors_take_features_to_the_width_of_the_llm(kind, layers):
    project = build_input_projector(InputProjector(kind=kind, hidden=10), 6, 24)
    assert project(torch.randn(5, 6)).shape == (5, 24)
    assert sum(isinstance(module, nn.Linear) for module in project.modules()) == layers
