"""NExT-GPT's second code: the files of its projectors, whatever the kind of the first one."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from anygen.config.projectors import InputGroup
from anygen.importers.conversion import import_checkpoint
from anygen.projectors.input import build_input_projector
from support.foreign.importing import WIDTH, conditions_of, converted, user
from support.foreign.nextgpt import (
    COUNTS,
    FEATURES,
    legacy_spans,
    rewrite,
    rewrite_spans,
    rewrite_system,
    write_rewrite,
)

MODALITIES = tuple(COUNTS)
GROUP = {"tokens": 2, "width": 8, "heads": 2, "groups": 4, "layers": (1, 1, 1)}


def mlp():
    """Named as nextgpt/model/multimodal_projector/projector.py names it."""
    layers = nn.Sequential(nn.Linear(FEATURES, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))
    return nn.Sequential(OrderedDict(layer=layers))


def group():
    """One medium (K, W) at a time; that it computes what theirs did is proven elsewhere."""
    sizes = {"image": FEATURES}, {"image": 1}, WIDTH
    made = build_input_projector(InputGroup(**GROUP), *sizes).eval()

    class One(nn.Module):
        def forward(self, features):
            return made.project("image", features)

        named_parameters = made.named_parameters

    return One()


KINDS = {
    "linear": (lambda: nn.Linear(FEATURES, WIDTH), {}),
    "mlp": (mlp, {"hidden": WIDTH, "norm": False}),
    "group": (group, GROUP),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_of_projectors_ask_for_the_same_media(base, tmp_path, image, kind):
    build, options = KINDS[kind]
    torch.manual_seed(5)
    theirs = rewrite(base, build())
    source = write_rewrite(tmp_path / "rewrite", theirs)
    settings = {"input_projector": {"kind": kind, **options}}
    system = rewrite_system(tmp_path / "system.yaml", base, **settings)
    model = converted(source, "nextgpt_rewrite", system, tmp_path / "out")
    [features] = model.model.encoder.encode([image])
    spans = rewrite_spans(base, theirs.vocabulary)
    ours = conditions_of(model, [user(image, "draw it")], *MODALITIES)
    for modality, condition in zip(MODALITIES, ours, strict=True):
        _, expected = theirs.condition(modality, features, spans[modality])
        torch.testing.assert_close(condition, expected, atol=1e-4, rtol=1e-4)
    without_spaces = legacy_spans(theirs.vocabulary - 2)["image"]
    _, other = theirs.condition("image", features, without_spaces)
    assert (ours[0] - other).abs().max() > 1e-3


def test_a_file_from_before_the_head_was_saved_is_refused(base, tmp_path):
    source = write_rewrite(tmp_path / "rewrite", rewrite(base, nn.Linear(FEATURES, WIDTH)))
    for path in source.iterdir():
        keys = torch.load(path)
        del keys["lm_head.weight"]
        torch.save(keys, path)
    system = rewrite_system(tmp_path / "system.yaml", base)
    with pytest.raises(ValueError, match=r"nothing in the checkpoint fills llm\.trigger_rows"):
        import_checkpoint(source, "nextgpt_rewrite", system, tmp_path / "out")
    parts = ["input_projector", "output_projectors"]
    import_checkpoint(source, "nextgpt_rewrite", system, tmp_path / "out", parts)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["weights.safetensors"]
