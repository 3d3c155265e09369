"""PandaGPT and LLaVA: what our LLM reads of a prompt with a picture is what theirs did."""

import pytest
import torch
from torch import nn

from anygen.importers.conversion import import_checkpoint
from support.foreign.importing import (
    WIDTH,
    converted,
    hidden_of,
    last_hidden,
    llama_of,
    merge,
    published,
    random_lora,
    user,
    write_system,
)

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj"]
PANDAGPT = "### Human: <Img>", "</Img> what is it\n### Assistant:"
UNMARKED = "### Human:", "what is it\n### Assistant:"
LLAVA = "USER: ", "what is it ASSISTANT:"


def close(left, right):
    torch.testing.assert_close(left, right, atol=1e-4, rtol=1e-4)


def prompt_hidden(base, llama, around, project, features):
    """Theirs, in plain torch: the prompt with projected features between two texts."""
    spelt, text = published(base), llama.get_input_embeddings()
    before, after = (text(torch.tensor(spelt.text(part))) for part in around)
    first = text(torch.tensor(spelt.first))
    return last_hidden(llama, torch.cat([first, before, project(features), after]))


@torch.no_grad()
def write_pandagpt(folder, base):
    """A delta checkpoint, and what its model computes with."""
    llama, project = llama_of(base), nn.Linear(12, WIDTH)
    lora = random_lora(llama, tuple(TARGETS), rank=32)
    checkpoint = {f"llama_proj.{name}": p for name, p in project.named_parameters()}
    for name, matrices in lora.items():
        for letter, matrix in zip("AB", matrices, strict=True):
            key = f"llama_model.base_model.model.{name}.lora_{letter}.default.weight"
            checkpoint[key] = nn.Parameter(matrix)
    folder.mkdir()
    torch.save(checkpoint, folder / "pytorch_model.pt")
    merge(llama, lora)
    return llama, project


def pandagpt_system(path, base, marks=None):
    marks = marks or [len(published(base).text(text)) for text in ("<Img>", "</Img>")]
    lora = {"rank": 32, "alpha": 32, "targets": TARGETS}
    llm = {"lora": lora, "signals": {"marks": marks}, "template": "nextgpt.jinja"}
    return write_system(path, base, llm=llm)


@torch.no_grad()
def test_pandagpt_reads_a_picture_as_it_did(base, tmp_path, image):
    llama, project = write_pandagpt(tmp_path / "delta", base)
    system = pandagpt_system(tmp_path / "system.yaml", base)
    model = converted(tmp_path / "delta", "pandagpt", system, tmp_path / "out")
    [features] = model.model.encoder.encode([image])
    hidden = hidden_of(model, [user(image, "what is it")])
    theirs = prompt_hidden(base, llama, PANDAGPT, project, features)
    close(hidden, theirs)
    close(model.model.llm.logits(hidden), llama.lm_head(theirs))
    without_lora = prompt_hidden(base, llama_of(base), PANDAGPT, project, features)
    assert (hidden - without_lora).abs().max() > 1e-2
    unmarked = prompt_hidden(base, llama, UNMARKED, project, features)
    assert (hidden[-1] - unmarked[-1]).abs().max() > 1e-2


def test_pandagpt_without_what_it_writes_around_pictures_is_refused(base, tmp_path):
    write_pandagpt(tmp_path / "delta", base)
    system = pandagpt_system(tmp_path / "system.yaml", base, marks="none")
    with pytest.raises(ValueError, match=r"marks is \[0, 0\], and <Img> and </Img> are \[\d, \d\]"):
        import_checkpoint(tmp_path / "delta", "pandagpt", system, tmp_path / "out")
    parts = ["input_projector"]
    import_checkpoint(tmp_path / "delta", "pandagpt", system, tmp_path / "out", parts)


def mlp2x_gelu():
    return nn.Sequential(nn.Linear(12, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))


@torch.no_grad()
@pytest.mark.parametrize(
    ("build", "settings"),
    [
        (lambda: nn.Linear(12, WIDTH), {"kind": "linear"}),
        (mlp2x_gelu, {"kind": "mlp", "hidden": WIDTH, "norm": False}),
    ],
    ids=["linear", "mlp2x_gelu"],
)
@pytest.mark.parametrize("prefix", ["model.", ""])
def test_llava_reads_a_picture_as_it_did(base, tmp_path, image, prefix, build, settings):
    project = build()
    keys = {f"{prefix}mm_projector.{n}": p.detach() for n, p in project.named_parameters()}
    torch.save(keys, tmp_path / "mm_projector.bin")
    llm = {"signals": {"marks": "none"}}
    system = write_system(tmp_path / "system.yaml", base, llm=llm, input_projector=settings)
    model = converted(tmp_path / "mm_projector.bin", "llava", system, tmp_path / "out")
    [features] = model.model.encoder.encode([image])
    hidden = hidden_of(model, [user(image, "what is it")])
    close(hidden, prompt_hidden(base, llama_of(base), LLAVA, project, features))
    other = prompt_hidden(base, llama_of(base), LLAVA, build(), features)
    assert (hidden[-1] - other[-1]).abs().max() > 1e-2
    assert model.generate([user(image, "what is it")], max_new_tokens=3).parts
