"""PandaGPT and LLaVA: what our LLM reads of a prompt with a picture is what theirs did."""

import pytest
import torch
from torch import nn

from anygen.importers.conversion import import_checkpoint
from support.foreign.importing import (
    WIDTH,
    converted,
    hidden_of,
    ids_of,
    last_hidden,
    llama_of,
    merge,
    random_lora,
    user,
    write_system,
)

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj"]
MARKS = ("<Img>", "</Img>")


def close(left, right):
    torch.testing.assert_close(left, right, atol=1e-4, rtol=1e-4)


def prompt_hidden(base, llama, around, project, features):
    """Theirs, in plain torch: the prompt with projected features between two texts."""
    before, after = (torch.tensor(ids_of(base, text), dtype=torch.long) for text in around)
    text = llama.get_input_embeddings()
    start = torch.tensor(ids_of(base, "<s>### Human: "))
    end = torch.tensor([*ids_of(base, "what is it"), *ids_of(base, "\n### Assistant:")])
    pieces = [text(start), text(before), project(features), text(after), text(end)]
    return last_hidden(llama, torch.cat(pieces))


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
    marks = marks or [len(ids_of(base, text)) for text in MARKS]
    lora = {"rank": 32, "alpha": 32, "targets": TARGETS}
    return write_system(path, base, llm={"lora": lora, "signals": {"marks": marks}})


@torch.no_grad()
def test_pandagpt_reads_a_picture_as_it_did(base, tmp_path, image):
    llama, project = write_pandagpt(tmp_path / "delta", base)
    system = pandagpt_system(tmp_path / "system.yaml", base)
    model = converted(tmp_path / "delta", "pandagpt", system, tmp_path / "out")
    [features] = model.model.encoder.encode([image])
    hidden = hidden_of(model, [user(image, "what is it")])
    theirs = prompt_hidden(base, llama, MARKS, project, features)
    close(hidden, theirs)
    close(model.model.llm.logits(hidden), llama.lm_head(theirs))
    without_lora = prompt_hidden(base, llama_of(base), MARKS, project, features)
    assert (hidden - without_lora).abs().max() > 1e-2
    unmarked = prompt_hidden(base, llama, ("", ""), project, features)
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
    close(hidden, prompt_hidden(base, llama_of(base), ("", ""), project, features))
    other = prompt_hidden(base, llama_of(base), ("", ""), build(), features)
    assert (hidden[-1] - other[-1]).abs().max() > 1e-2
    assert model.generate([user(image, "what is it")], max_new_tokens=3).parts
