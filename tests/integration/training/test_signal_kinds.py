"""Every kind of signal is trained, saved and loaded."""

from itertools import product

import pytest
import torch
from accelerate import Accelerator

from anygen.checkpoints.checkpoint import own_tensors
from anygen.config.loader import load_run
from anygen.model.multimodal import MultimodalModel
from anygen.training.stages import STAGES
from anygen.training.trainer import Trainer

KINDS = [
    f"llm.signals={{kind: {kind}, droppable: {droppable}, tokens: {{image: 6}}}}"
    for kind, droppable in product(("tokens", "queries"), ("false", "true"))
]


@pytest.fixture
def trainer(make_model, write_run, request):
    stage, settings = request.param
    run = load_run(write_run(stage, batch_size=6, seed=1))
    run.out.mkdir()
    model = make_model(*STAGES[stage].needs, settings=[settings])
    model.llm.prepare_training()
    return Trainer(run, STAGES[stage], model, Accelerator(cpu=True))


def row_changes(trainer):
    """Which signal rows a step of training changes."""
    rows = trainer.model.llm.signal_rows
    before = rows.detach().clone()
    terms = trainer.update()
    assert all(bool(torch.as_tensor(term).isfinite().all()) for term in terms.values())
    return (rows != before).any(1)


@pytest.mark.parametrize("trainer", product(("decode", "instruct"), KINDS), indirect=True)
def test_a_step_teaches_whole_spans_and_what_was_learned_is_loaded(trainer, tmp_path):
    model, signals = trainer.model, trainer.model.llm.signals
    changed = row_changes(trainer)
    spans = [[i - signals.vocabulary for i in signals.span(m)] for m in signals.modalities]
    assert any(bool(changed[span].all()) for span in spans)
    model.save_pretrained(tmp_path / "model")
    loaded = MultimodalModel.from_pretrained(tmp_path / "model")
    assert loaded.llm.signals == signals
    learned = own_tensors(model)
    for name, tensor in own_tensors(loaded).items():
        assert tensor.equal(learned[name].to(torch.bfloat16).to(tensor.dtype)), name


@pytest.mark.parametrize("droppable", ["false", "true"])
def test_projectors_are_trained_on_the_hidden_states_of_queries(droppable, make_model, write_run):
    run = load_run(write_run("project", decoders=["audio"], pool={"audio": 3}))
    run.out.mkdir()
    settings = [f"llm.signals={{kind: queries, droppable: {droppable}}}"]
    model = make_model(*STAGES["project"].needs, settings=settings)
    trainer = Trainer(run, STAGES["project"], model, Accelerator(cpu=True))
    assert trainer.auxiliaries.audio.shape == (3, 8, model.llm.width)
    assert all(bool(torch.as_tensor(term).isfinite()) for term in trainer.update().values())
