import pytest
import torch
from safetensors.torch import load_file, save_file

from anygen import AnyGen
from anygen.config.projectors import OutputLinear, OutputMlp, OutputQFormer, OutputTransformer
from anygen.core.media import Message
from anygen.projectors.output import build_output_projector
from anygen.training.collate import assemble
from anygen.training.dialogues import Dialogue
from anygen.training.losses import span_hidden
from anygen.training.runs.dialogue_losses import hidden_of
from decoders.base import ConditionSpec

SIGNALS = 7
SETTINGS = {
    "transformer": OutputTransformer(width=16, layers=2, heads=2),
    "both layers": OutputTransformer(width=16, layers=1, heads=2, encoder_layers=1),
    "qformer": OutputQFormer(width=16, layers=1, heads=2),
    "linear": OutputLinear(),
    "mlp": OutputMlp(hidden=10),
}
QUERYING = ("transformer", "both layers", "qformer")  # as many tokens as are wanted, of any span
SPECS = {
    "tokens": ConditionSpec(7, 12),
    "unit": ConditionSpec(7, 20, norm="l2"),
    "pooled": ConditionSpec(7, 12, pooled=5),
}


@pytest.fixture(params=SETTINGS)
def settings(request):
    return SETTINGS[request.param]


@pytest.fixture(params=SPECS)
def spec(request):
    return SPECS[request.param]


def projector(settings, spec, span=SIGNALS):
    torch.manual_seed(0)
    return build_output_projector(settings, span, 24, spec).eval()


def test_a_span_becomes_the_condition_that_the_decoder_wants(settings, spec):
    tokens, pooled = spec.split(projector(settings, spec)(torch.randn(3, SIGNALS, 24)))
    assert tokens.shape == (3, spec.tokens, spec.width)
    assert (pooled is None) == (spec.pooled == 0)
    if pooled is not None:
        assert pooled.shape == (3, spec.pooled)
    if spec.norm == "l2":
        torch.testing.assert_close(tokens.norm(dim=-1), torch.ones(3, spec.tokens))


@pytest.mark.parametrize("kind", QUERYING)
@pytest.mark.parametrize("signals", [1, 4, 9])
def test_queries_make_the_same_number_of_tokens_of_a_span_of_any_length(kind, signals):
    project = projector(SETTINGS[kind], SPECS["tokens"], signals)
    assert project(torch.randn(3, signals, 24)).shape == (3, 7, 12)


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_a_kind_that_cannot_make_so_many_tokens_of_a_span_is_refused_with_both_numbers(kind):
    with pytest.raises(ValueError, match=rf"{kind} makes one token.* have 4 .* takes 7 tokens"):
        projector(SETTINGS[kind], SPECS["tokens"], span=4)


def test_every_signal_token_counts_and_every_parameter_learns(settings, spec):
    hidden = torch.randn(2, SIGNALS, 24, requires_grad=True)
    project = projector(settings, spec)
    (
        project(hidden)
        * torch.randn(spec.width * spec.tokens + spec.pooled).view(
            -1 if spec.pooled else (spec.tokens, spec.width)
        )
    ).sum().backward()
    assert (hidden.grad.norm(dim=-1) > 0).all()
    for name, parameter in project.named_parameters():
        assert parameter.grad is not None, name
        assert name.endswith("key.bias") or parameter.grad.norm() > 0, name


def test_rows_do_not_see_each_other(settings, spec):
    hidden, project = torch.randn(3, SIGNALS, 24), projector(settings, spec)
    alone = torch.cat([project(hidden[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(project(hidden), alone, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_weights_bring_a_projector_back(settings, spec, tmp_path):
    project, other = projector(settings, spec), projector(settings, spec)
    for parameter in other.parameters():
        parameter.normal_()
    save_file(project.state_dict(), tmp_path / "weights.safetensors")
    other.load_state_dict(load_file(tmp_path / "weights.safetensors"), strict=True)
    hidden = torch.randn(2, SIGNALS, 24)
    assert torch.equal(other(hidden), project(hidden))


@torch.no_grad()
def test_a_pooled_vector_is_a_linear_map_of_the_mean_of_the_span(settings):
    project, hidden = projector(settings, SPECS["pooled"]), torch.randn(2, SIGNALS, 24)
    _, pooled = SPECS["pooled"].split(project(hidden))
    torch.testing.assert_close(
        pooled, hidden.mean(1) @ project.pooled.weight.T + project.pooled.bias
    )


def test_a_condition_with_a_pooled_vector_is_laid_out_flat():
    spec = SPECS["pooled"]
    tokens, pooled = torch.randn(2, 7, 12), torch.randn(2, 5)
    joined = spec.join(tokens, pooled)
    assert joined.shape == (2, 7 * 12 + 5)
    assert all(map(torch.equal, spec.split(joined), (tokens, pooled)))
    assert SPECS["tokens"].join(tokens) is SPECS["tokens"].split(tokens)[0] is tokens


def test_a_linear_projector_can_do_without_a_bias():
    project = projector(OutputLinear(bias=False), SPECS["tokens"])
    assert [*project.state_dict()] == ["outward.weight"]


@torch.no_grad()
@pytest.mark.parametrize("kind", ["tokens", "queries"])
def test_the_llms_input_at_a_span_is_added_where_the_settings_say_so(make_model, kind):
    named = f"llm.signals.kind={kind}"
    plain = make_model(settings=[named]).eval()
    model = make_model(settings=[named, "output_projector.residual=true"]).eval()
    hidden = torch.randn(2, 4, 32)
    rows = model.llm.signals.conditions(model.embed_ids(model.llm.signals.span("image")))
    assert rows.shape == (4, 32)
    expected = plain.condition_of("image", hidden + rows)
    torch.testing.assert_close(model.condition_of("image", hidden), expected)
    assert not torch.allclose(plain.condition_of("image", hidden), expected, atol=1e-3)


def test_answering_and_training_add_the_llms_input_alike(make_model):
    """What the turn asks of a projector is what the losses teach it."""
    model = make_model(settings=["output_projector.residual=true"]).eval().requires_grad_(False)
    model.llm.trigger_bias.copy_(torch.tensor([40.0, -100.0, -100.0]))
    heard = []
    model.output_projectors["image"].register_forward_hook(lambda _, args, __: heard.extend(args))
    asked = [Message("user", ("draw",))]
    made = AnyGen(model).generate(asked, exactly={"image": 1}, max_new_tokens=20).parts
    batch = assemble(model, [Dialogue([*asked, Message("assistant", made)], {0: "a cat"})])
    model.condition_of(
        "image", span_hidden(model.llm.signals, hidden_of(model, batch), batch.targets)
    )
    torch.testing.assert_close(heard[0], heard[1], atol=1e-4, rtol=1e-3)
