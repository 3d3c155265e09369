"""`anygen convert`: what is refused is one sentence, and leaves nothing behind."""

import os
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoTokenizer

from anygen import AnyGen
from support.foreign.importing import WIDTH, write_base, write_system


@pytest.fixture
def base(foreign_base):
    return foreign_base


@pytest.fixture
def system(tmp_path, base):
    return write_system(tmp_path / "system.yaml", base, llm={"signals": {"marks": "none"}})


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "llava"
    folder.mkdir()
    torch.save(weights(), folder / "mm_projector.bin")
    return folder


def weights(width=WIDTH):
    project = nn.Linear(12, width)
    return {f"model.mm_projector.{n}": p.detach() for n, p in project.named_parameters()}


@pytest.fixture
def convert(anygen_cli, source, system, tmp_path):
    """Runs the command: (exit code, stdout, stderr)."""

    def run(*options, layout="llava", out="out"):
        given = ["--from", layout, "--system", system, "--out", str(tmp_path / out)]
        return anygen_cli("convert", str(source), *given, *options)

    return run


@pytest.fixture
def refused(convert, tmp_path):
    """Runs a command that must fail; the sentence that it fails with."""

    def run(*options, **settings):
        before = sorted(path.name for path in tmp_path.iterdir())
        code, told, error = convert(*options, **settings)
        assert (code, told) == (2, "")
        [line] = error.splitlines()
        assert line.startswith("anygen: ")
        assert sorted(path.name for path in tmp_path.iterdir()) == before, "nothing half converted"
        return line

    return run


def test_a_checkpoint_becomes_a_model_and_a_report(convert, tmp_path):
    code, told, _ = convert("--report", str(tmp_path / "report.txt"))
    assert code == 0
    assert told.startswith("2 keys used, 0 left out, ")
    AnyGen.from_pretrained(tmp_path / "out")
    lines = (tmp_path / "report.txt").read_text().splitlines()
    assert ["model.mm_projector.bias", "input_projector.bias"] in [line.split() for line in lines]
    assert any("LoRA" in line and ".lora_B." in line for line in lines)


def test_a_part_alone_is_left_as_a_training_run_would(convert, tmp_path):
    code, told, _ = convert("--partial", "input_projector")
    assert code == 0
    assert told.startswith("2 keys used, 0 left out, 0 of ours")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["weights.safetensors"]
    assert sorted(load_file(tmp_path / "out" / "weights.safetensors")) == [
        "input_projector.bias",
        "input_projector.weight",
    ]


def test_a_part_that_no_checkpoint_has_is_named(refused):
    assert "no checkpoint has a part 'encodr'; there are llm" in refused("--partial", "encodr")


def test_a_layout_that_is_not_known_is_named(refused):
    assert "no layout 'lava'; there are nextgpt_7b_tiva_v0" in refused(layout="lava")


def test_a_folder_that_is_there_already_stays(convert, tmp_path):
    (tmp_path / "out").mkdir()
    code, _, error = convert()
    assert code == 2
    assert "out exists; name a new folder" in error
    assert not list((tmp_path / "out").iterdir())


def test_a_missing_file_is_named(refused, source):
    (source / "mm_projector.bin").unlink()
    assert "there is no mm_projector.bin or mm_projector.safetensors in" in refused()


def test_a_pickle_with_code_in_it_is_not_run(refused, source, tmp_path):
    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    torch.save({"model.mm_projector.weight": Harm()}, source / "mm_projector.bin")
    assert "holds more than tensors; code in it is not run" in refused()
    (source / "mm_projector.bin").write_bytes(pickle.dumps(Harm()))
    assert "is damaged, or holds more than tensors; code in it is not run" in refused()


def test_a_pickle_of_torch_before_1_6_is_read(convert, source):
    path = source / "mm_projector.bin"
    torch.save(torch.load(path), path, _use_new_zipfile_serialization=False)
    code, told, _ = convert()
    assert code == 0
    assert told.startswith("2 keys used, 0 left out")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda weight: weight.fill_(torch.nan), "holds numbers that are not finite, no weights"),
        (lambda weight: weight.to(torch.int64), "holds torch.int64, no weights"),
    ],
)
def test_what_cannot_be_a_weight_is_refused(refused, source, spoil, sentence):
    path, keys = source / "mm_projector.bin", weights()
    keys["model.mm_projector.weight"] = spoil(keys["model.mm_projector.weight"])
    torch.save(keys, path)
    assert f"model.mm_projector.weight {sentence}" in refused()


@pytest.mark.parametrize("kept", [0, 20, 600, -100])
@pytest.mark.parametrize("suffix", ["bin", "safetensors"])
def test_a_file_that_was_cut_off_is_named(refused, source, suffix, kept):
    path = source / f"mm_projector.{suffix}"
    if suffix == "safetensors":
        (source / "mm_projector.bin").unlink()
        save_file(weights(), path)
    path.write_bytes(path.read_bytes()[:kept])
    assert f"mm_projector.{suffix}: is damaged, or no file of weights" in refused()


def test_what_is_no_dictionary_of_tensors_is_refused(refused, source):
    torch.save([torch.ones(1)], source / "mm_projector.bin")
    assert "holds something else than tensors by name" in refused()


def test_another_width_of_the_llm_is_told(refused, source):
    torch.save(weights(width=48), source / "mm_projector.bin")
    error = refused()
    assert "input_projector.weight is (48, 12) there and (32, 12) in the system" in error
    assert "(and 1 more; --report FILE lists all)" in error


def test_a_key_that_is_not_known_is_refused_and_reported(refused, source, tmp_path):
    torch.save({**weights(), "model.resampler": torch.ones(1)}, source / "mm_projector.bin")
    assert "model.resampler is not known in this layout" in refused()


def test_a_refusal_has_a_report_too(convert, source, tmp_path):
    torch.save({"model.mm_projector.weight": torch.ones(32, 12)}, source / "mm_projector.bin")
    code, _, error = convert("--report", str(tmp_path / "report.txt"))
    assert code == 2
    sentence = "nothing in the checkpoint fills input_projector.bias"
    assert sentence in error
    assert (tmp_path / "report.txt").read_text().startswith(sentence)
    assert not (tmp_path / "out").exists()


def test_a_setting_that_would_compute_something_else_is_named(refused, tmp_path, base):
    write_system(tmp_path / "system.yaml", base)
    assert "llm.signals.marks is (1, 0), and llava needs (0, 0)" in refused()


def test_a_tokenizer_with_another_vocabulary_is_told(refused, source, base):
    other = AutoTokenizer.from_pretrained(write_base(source / "other", vocabulary=320))
    other.save_pretrained(source)
    assert "the checkpoint's tokenizer has another vocabulary than that of llm.base" in refused()


def test_parts_that_no_layout_has_are_not_made_up(refused, tmp_path, base):
    sections = {"encoder": {"name": "support.foreign.encoder", "learned": True}}
    write_system(tmp_path / "system.yaml", base, llm={"signals": {"marks": "none"}}, **sections)
    error = refused()
    assert "nothing in the checkpoint fills encoder.ours" in error
    assert "import with --partial, then anygen pack" in error
