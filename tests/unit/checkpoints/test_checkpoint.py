import json
import weakref

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from anygen import AnyGen
from anygen.checkpoints import checkpoint
from anygen.checkpoints.checkpoint import (
    files_of,
    find_model,
    load_weights,
    open_weights,
    own_tensors,
    save_sharded,
    save_weights,
)
from anygen.checkpoints.run_weights import fingerprint
from anygen.config.stages import stage_of


@pytest.fixture
def model(make_model):
    return make_model()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.safetensors"


def test_ours_is_everything_but_the_base_weights(tiny_model):
    own = own_tensors(tiny_model)
    base = [name for name in own if name.startswith(("llm.base.", "encoder.vision.trunk."))]
    assert base
    assert all(".lora_" in name for name in base)
    parts = {"encoder", "llm", "input_projector", "output_projectors", "decoders"}
    assert {name.split(".")[0] for name in own} == parts
    assert {"decoders.image.vae.mean", "llm.trigger_bias"} <= own.keys()  # buffers too


def test_what_two_decoders_share_is_stored_once(tiny_model):
    own = own_tensors(tiny_model)
    assert len({tensor.data_ptr() for tensor in own.values()}) == len(own)
    video = [name for name in own if name.startswith("decoders.video.")]
    assert video
    assert all(".motion_modules." in name or ".video.layout." in name for name in video)


def test_weights_come_back(model, make_model, path):
    own = own_tensors(model)
    with torch.no_grad():
        for tensor in own.values():
            tensor.add_(1)
    save_weights(own, path)
    other = make_model()
    load_weights(other, [path], complete=True)
    assert all(torch.equal(own[name], tensor) for name, tensor in own_tensors(other).items())


def test_later_files_win_and_parts_that_are_not_built_are_skipped(model, make_model, tmp_path):
    first, second = tmp_path / "1.safetensors", tmp_path / "2.safetensors"
    save_weights({n: torch.ones_like(t) for n, t in own_tensors(model).items()}, first)
    rows = {"llm.trigger_bias": torch.full((3,), 2.0), "decoders.image.vae.mean": torch.zeros(4)}
    save_weights(rows, second)
    llm = make_model("llm")
    load_weights(llm, [first, second])
    assert llm.llm.trigger_bias.tolist() == [2, 2, 2]
    assert llm.llm.trigger_rows.unique().tolist() == [1]


def test_weights_that_do_not_fit_are_listed_and_none_is_loaded(model, path):
    before = {name: tensor.clone() for name, tensor in own_tensors(model).items()}
    tensors = {name: tensor + 1 for name, tensor in before.items()}
    del tensors["llm.trigger_rows"]
    tensors["llm.trigger_bias"] = torch.zeros(5)
    tensors["llm.stranger"] = torch.zeros(1)
    save_weights(tensors, path)
    with pytest.raises(ValueError, match="do not fit the model") as refused:
        load_weights(model, [path], complete=True)
    assert str(refused.value).splitlines()[1:] == [
        "  unexpected: llm.stranger",
        "  shape: llm.trigger_bias is (5,), the model has (3,)",
        "  missing: llm.trigger_rows",
    ]
    after = own_tensors(model)
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_parts_without_weights_are_one_sentence_with_the_stages_that_train_them(model, path):
    kept = ("llm.trigger_", "encoder.")
    save_weights({n: t for n, t in own_tensors(model).items() if n.startswith(kept)}, path)
    with pytest.raises(ValueError, match="nothing has trained") as refused:
        load_weights(model, [path], complete=True)
    (sentence,) = str(refused.value).splitlines()
    for part in ("decoders.image.unet", "decoders.audio.vocoder", "llm.lora", "input_projector"):
        assert part in sentence
    assert "encoder.audio" not in sentence
    for stage in ("vae", "denoise", "vocoder", "encode", "decode", "instruct"):
        assert f" {stage}" in sentence.partition("runs of stage")[2]
    assert "`init`" in sentence


def test_a_stage_makes_every_tensor_of_a_model(model):
    assert [name for name in own_tensors(model) if stage_of(name) is None] == []
    made = {
        "decoders.video.unet.conv_in.weight": "denoise",
        "encoder.familiarity.image.mean": "calibrate",
    }
    assert {name: stage_of(name) for name in made} == made


def test_missing_weights_are_fine_where_others_bring_them(model, path):
    save_weights({"llm.trigger_bias": torch.ones(3)}, path)
    load_weights(model, [path])
    assert model.llm.trigger_bias.tolist() == [1, 1, 1]


def test_weights_that_are_not_there_are_named(model, path):
    with pytest.raises(ValueError, match=r"no weights at .*weights\.safetensors"):
        load_weights(model, [path])


def test_a_save_that_fails_leaves_the_old_file_whole(path):
    save_weights({"a": torch.ones(3)}, path)
    path.with_name(".weights.partial.safetensors").mkdir()  # nothing can be written there
    with pytest.raises(Exception, match=r"partial|directory"):
        save_weights({"a": torch.zeros(3)}, path)
    assert load_file(path)["a"].tolist() == [1, 1, 1]


def test_what_a_killed_save_left_behind_is_overwritten(path):
    path.with_name(".weights.partial.safetensors").write_bytes(b"half a file")
    save_weights({"a": torch.ones(3)}, path)
    assert load_file(path)["a"].tolist() == [1, 1, 1]
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert path.stat().st_mode & 0o044  # others may read it


def test_numbers_are_narrowed_and_indices_are_not(path):
    save_weights({"a": torch.ones(2), "b": torch.tensor([70_000])}, path, torch.bfloat16)
    loaded = load_file(path)
    assert loaded["a"].dtype == torch.bfloat16
    assert loaded["b"].tolist() == [70_000]


def test_a_model_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="no model named 'gone' and no folder"):
        find_model("gone")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.yaml").touch()
    with pytest.raises(ValueError, match="run: is the folder of a run that has saved no weights"):
        find_model(tmp_path / "run")
    save_file({"a": torch.ones(1)}, tmp_path / "run" / "weights.safetensors")
    with pytest.raises(ValueError, match="a run that trains a part of a model; `anygen pack`"):
        find_model(tmp_path / "run")
    save_file({"a": torch.ones(1)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({}))
    assert find_model(tmp_path) == tmp_path


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"system": ', "\x00"])
def test_a_damaged_config_is_one_sentence(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config\.json: is damaged, or of another program: .*"):
        AnyGen.from_pretrained(tmp_path)


# --- weights in pieces, and tensor by tensor


@pytest.fixture
def sharded_path(model, tmp_path):
    """Weights in many files of at most 20 kB, where a tensor is not larger by itself."""
    save_sharded(own_tensors(model), tmp_path / "model.safetensors", torch.bfloat16, 20_000)
    return tmp_path / "model.safetensors"


def test_weights_sharded_path_are_those_of_one_file(model, make_model, sharded_path, path):
    assert not sharded_path.is_file()
    assert len(files_of(sharded_path)) > 3
    sizes = sorted(file.stat().st_size for file in files_of(sharded_path))
    assert sizes[len(sizes) // 2] < 40_000  # a file begins with a table of what is in it
    save_weights(own_tensors(model), path, torch.bfloat16)
    whole, joined = make_model(), make_model()
    load_weights(whole, [path], complete=True)
    load_weights(joined, [sharded_path], complete=True)
    found = own_tensors(joined)
    assert all(torch.equal(found[n], tensor) for n, tensor in own_tensors(whole).items())


def test_a_model_sharded_path_opens_and_is_named_by_its_bytes(saved_model, tmp_path):
    tensors = load_file(saved_model / "model.safetensors")
    for name in ("config.json", "captions.json"):
        (tmp_path / name).write_bytes((saved_model / name).read_bytes())
    save_sharded(tensors, tmp_path / "model.safetensors", torch.bfloat16, 20_000)
    model = AnyGen.from_pretrained(tmp_path).model
    expected = AnyGen.from_pretrained(saved_model).model.decoders["image"].state_dict()
    found = model.decoders["image"].state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    first = files_of(tmp_path / "model.safetensors")[0]
    before = fingerprint([tmp_path])
    first.write_bytes(first.read_bytes() + b" ")
    assert fingerprint([tmp_path]) != before


def test_a_piece_that_is_not_there_is_named(model, sharded_path):
    gone = files_of(sharded_path)[1]
    gone.unlink()
    with pytest.raises(ValueError, match=f"no weights at .*{gone.name}"):
        load_weights(model, [sharded_path])


@pytest.mark.parametrize("text", ["", "{}", "[1]", "\x00"])
def test_an_index_that_is_damaged_is_one_sentence(model, sharded_path, text):
    sharded_path.with_name("model.safetensors.index.json").write_text(text)
    with pytest.raises(ValueError, match=r"index\.json: is damaged, or of another program"):
        load_weights(model, [sharded_path])


def test_a_file_that_was_cut_short_is_one_sentence_and_nothing_is_loaded(model, path):
    before = {name: tensor.clone() for name, tensor in own_tensors(model).items()}
    save_weights({name: tensor + 1 for name, tensor in before.items()}, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"weights\.safetensors: is damaged, or no safetensors"):
        load_weights(model, [path])
    after = own_tensors(model)
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_a_bit_that_has_changed_is_noticed_in_whatever_reads_the_tensor(path):
    kinds = {
        "half": torch.ones(3, 2, dtype=torch.bfloat16),
        "number": torch.tensor(3),
        "turned": torch.arange(6.0).reshape(2, 3).T,
    }
    save_weights(kinds, path)
    whole = path.read_bytes()
    assert all(torch.equal(open_weights(path).get_tensor(name), kinds[name]) for name in kinds)
    start = len(whole) - sum(tensor.nbytes for tensor in kinds.values())
    for place in range(start, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        file, refused = open_weights(path), []
        for name in kinds:
            try:
                file.get_tensor(name)
            except ValueError as error:
                refused.append(str(error))
        assert len(refused) == 1
        assert refused[0].startswith(f"{path}: is damaged, the checksum of ")


def test_the_same_tensors_are_the_same_bytes_whenever_they_are_saved(path):
    tensors = {"b": torch.ones(3, 4), "a.ü": torch.zeros(2), 'c"\\': torch.arange(5)}
    files = set()
    for _ in range(20):
        save_weights(tensors, path)
        files.add(path.read_bytes())
    assert len(files) == 1
    with safe_open(path, "pt") as saved:
        assert saved.metadata()["format"] == "pt"
    read = load_file(path)
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[name], tensors[name]) for name in tensors)


def test_a_file_without_checksums_is_read_as_it_is(path):
    save_file({"a": torch.ones(2)}, path)
    assert torch.equal(open_weights(path).get_tensor("a"), torch.ones(2))


@pytest.mark.parametrize(
    "table", ["12345", "[1]", '"x"', "null", '{"a": 1 "b": 2}', '{"a": "1"}', "[" * 100_000, ""]
)
def test_checksums_that_are_damaged_are_one_sentence(path, table):
    save_file({"a": torch.ones(2)}, path, {"format": "pt", "crc32": table})
    with pytest.raises(ValueError, match=r"weights\.safetensors: is damaged, its checksums cannot"):
        open_weights(path)


def test_a_file_is_read_tensor_by_tensor(model, sharded_path, monkeypatch):
    """No more than one tensor of the file is there at a time, whatever the size of the whole."""
    alive, most = [], []
    read = checkpoint.ShardedFile.get_tensor

    def watched(self, name):
        tensor = read(self, name)
        alive.append(weakref.ref(tensor))
        most.append(sum(ref() is not None for ref in alive))
        return tensor

    monkeypatch.setattr(checkpoint.ShardedFile, "get_tensor", watched)
    load_weights(model, [sharded_path], complete=True)
    assert len(most) == len(own_tensors(model))
    assert max(most) <= 2  # the next one is read while the last is still named


def test_saving_in_one_file_again_forgets_the_pieces(model, sharded_path, make_model):
    tensors = {name: tensor.detach() + 1 for name, tensor in own_tensors(model).items()}
    save_sharded(tensors, sharded_path, torch.bfloat16)
    assert files_of(sharded_path) == [sharded_path]
    other = make_model()
    load_weights(other, [sharded_path], complete=True)
    assert own_tensors(other)["llm.trigger_bias"].tolist() == [1, 1, 1]
