"""Networks of published scores, from folders of the user: `--extractor KIND=FOLDER`.

| kind | the folder holds | input |
|---|---|---|
| `clip` | CLIP or SigLIP of transformers | pictures as its processor makes them, and texts |
| `clap` | CLAP of transformers | sounds as its processor makes them, and texts |
| `tagger` | a model of transformers that classifies sounds, such as AST | mono |
| `inception` | one TorchScript file: pictures (B, 3, 299, 299), 0 to 255 | TensorFlow's bilinear |
| `inception_clean` | the same | Pillow's bicubic |
| `owlv2` | OWLv2 of transformers, which finds objects by name | as its processor makes them |
| `i3d` | one TorchScript file: videos (B, 3, T, 224, 224), -1 to 1 | 16 frames |
| `vggish` | one TorchScript file: samples (N,) at 16 kHz -> (frames, R) | mono |

A picture's script returns features (B, R), or these with logits (B, C). The scripts of StyleGAN
(`return_features`) and StyleGAN-V (`rescale`, `resize`) are called as their authors do.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

from anygen.config import plugins
from anygen.config.plugins import Plugin
from anygen.core.media import Audio, Image, Video
from anygen.core.modality import MediaModality
from anygen.evaluation.features.detector import Detect, open_detector
from anygen.evaluation.features.plain import logmel64, rgb8
from anygen.evaluation.features.resizing import pillow_bicubic, tensorflow_bilinear
from anygen.io.hashing import folder_hash
from anygen.io.pretrained import read_model, reading
from anygen.numerics.audio import RATE, to_mono

FRAMES = 16  # of a video, the first ones
INCEPTION, I3D = 299, 224  # pixels of a side
RESIZES = {
    "inception": ("tf299", tensorflow_bilinear),
    "inception_clean": ("pilbicubic299", pillow_bicubic),
}


@dataclass(frozen=True)
class Features:
    """What an extractor makes of one medium."""

    points: Tensor  # (P, R); of a picture one
    logits: Tensor | None = None  # (C,)


@dataclass(frozen=True)
class Extractor:
    """A network with a name for figures: its own, and how media are brought into its form."""

    name: str
    modality: MediaModality
    read: Callable[[Any], Features]
    embed_texts: Callable[[Sequence[str]], Tensor] | None = None  # (N, R), unit length
    cut: Callable[[str], bool] = lambda text: False  # whether a text is too long for it
    detect: Detect | None = None  # of a detector, which has no features


def parse_extractors(values: Iterable[str]) -> dict[str, Path]:
    """Folders by kind, of KIND=FOLDER.

    Raises ValueError for another form, an unknown kind, a kind twice, or a folder that is missing.
    """
    found: dict[str, Path] = {}
    for value in values:
        kind, equals, folder = value.partition("=")
        if kind not in KINDS or not equals:
            raise ValueError(f"--extractor takes KIND=FOLDER, of {', '.join(KINDS)}, not {value!r}")
        if kind in found:
            raise ValueError(f"--extractor names {kind} twice")
        if not Path(folder).is_dir():
            raise ValueError(f"--extractor {kind}: there is no folder {folder!r}")
        found[kind] = Path(folder)
    return found


def open_extractors(folders: Mapping[str, Path]) -> dict[str, Extractor]:
    """Raises ValueError if a folder holds a network of another kind."""
    return {kind: KINDS[kind](kind, folder) for kind, folder in folders.items()}


def hashes(folders: Mapping[str, Path]) -> dict[str, str]:
    """The SHA-256 of the files in each folder, in hexadecimal."""
    return {kind: folder_hash(folder) for kind, folder in folders.items()}


def slug(name: str) -> str:
    """A name as part of the name of a row."""
    return re.sub(r"[^\w.-]+", "_", name)


# --- networks with a joint space


def open_joint(kind: str, folder: Path) -> Extractor:
    """CLIP or CLAP, as the encoder plugin of that name reads it."""
    modality: MediaModality = "image" if kind == "clip" else "audio"
    where = f"--extractor {kind}"
    plugin = Plugin.model_validate({"name": kind, "pretrained": str(folder), "joint": True})
    try:
        encoder = plugins.build("encoders", plugin, where, folder=folder)
    except ValueError as error:
        raise ValueError(f"{where}={folder}: {error}") from None

    def cut(text: str) -> bool:
        return len(encoder.tokenizer(text, verbose=False).input_ids) > encoder.text_length

    def read(medium: Any) -> Features:
        return Features(encoder.embed([medium]).float().cpu())

    def embed_texts(texts: Sequence[str]) -> Tensor:
        embedded: Tensor = encoder.embed(texts)
        return embedded.float().cpu()

    size = f"{side_of(encoder)}" if kind == "clip" else f"{encoder.extractor.sampling_rate}"
    return Extractor(f"{slug(folder.resolve().name)}_{size}", modality, read, embed_texts, cut)


def side_of(encoder: Any) -> int:
    """Of a picture that enters the network, in pixels."""
    vision = encoder.model.config.vision_config
    return int(vision.image_size)


# --- networks that classify sounds


def open_tagger(kind: str, folder: Path) -> Extractor:
    where = f"--extractor {kind}={folder}"
    try:
        model: Any = read_model(AutoModelForAudioClassification, str(folder))
        with reading("feature extractor", str(folder)):
            processor = AutoFeatureExtractor.from_pretrained(folder)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    rate = processor.sampling_rate

    @torch.no_grad()
    def read(sound: Audio) -> Features:
        inputs = processor(to_mono(sound, rate).numpy(), sampling_rate=rate, return_tensors="pt")
        output = model(**inputs, output_hidden_states=True)
        return Features(output.hidden_states[-1].mean(1).float(), output.logits[0].float())

    return Extractor(f"{slug(folder.resolve().name)}_{rate}", "audio", read)


def open_owlv2(kind: str, folder: Path) -> Extractor:
    detect = open_detector(folder)
    return Extractor(slug(folder.resolve().name), "image", no_features, detect=detect)


def no_features(picture: Image) -> Features:
    raise AssertionError("a detector is asked for objects only")


# --- scripts


def open_script(kind: str, folder: Path) -> tuple[str, Any, set[str]]:
    """The name of the one TorchScript file in a folder, the network, and its options."""
    files = sorted(path for path in folder.iterdir() if path.suffix in (".pt", ".ts", ".jit"))
    where = f"--extractor {kind}={folder}"
    if len(files) != 1:
        raise ValueError(f"{where}: needs one TorchScript file (.pt); it has {len(files)}")
    try:
        script = torch.jit.load(str(files[0]), map_location="cpu").eval()
    except (RuntimeError, ValueError, OSError):
        raise ValueError(f"{where}: {files[0].name} is no TorchScript file") from None
    options = {argument.name for argument in script.forward.schema.arguments}
    return slug(files[0].stem), script, options


def call(kind: str, script: Any, inputs: Tensor, **options: bool) -> Any:
    """Raises ValueError if the script cannot take such inputs."""
    try:
        with torch.no_grad():
            return script(inputs, **options)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ValueError(
            f"--extractor {kind}: its script cannot read {tuple(inputs.shape)} {inputs.dtype}: "
            f"{reason}"
        ) from None


def open_inception(kind: str, folder: Path) -> Extractor:
    name, script, options = open_script(kind, folder)
    if "return_features" in options:  # it resizes by itself, as TensorFlow 1 does
        return Extractor(f"{name}_tf299", "image", partial(own_resize, kind, script))

    way, resize = RESIZES[kind]

    def read(picture: Image) -> Features:
        output = call(kind, script, resize(picture, INCEPTION)[None])
        points, logits = output if isinstance(output, tuple) else (output, None)
        return Features(two_axes(kind, points), None if logits is None else logits[0].float())

    return Extractor(f"{name}_{way}", "image", read)


def own_resize(kind: str, script: Any, picture: Image) -> Features:
    """By a script that resizes by itself; its classes are a softmax without the output's bias."""
    points = call(kind, script, picture.pixels[None], return_features=True)
    chances = call(kind, script, picture.pixels[None], no_output_bias=True)
    return Features(two_axes(kind, points), chances[0].float().log())


def open_i3d(kind: str, folder: Path) -> Extractor:
    name, script, options = open_script(kind, folder)
    resizes = {"rescale", "resize", "return_features"} <= options

    def read(video: Video) -> Features:
        if len(video.frames) < FRAMES:
            raise ValueError(
                f"--extractor {kind}: a video has {len(video.frames)} frames; {FRAMES} are needed"
            )
        frames_TCHW = video.frames[:FRAMES].float()
        if resizes:
            whole = {"rescale": True, "resize": True, "return_features": True}
            inputs = frames_TCHW.transpose(0, 1)[None]
            return Features(two_axes(kind, call(kind, script, inputs, **whole)))
        small = F.interpolate(frames_TCHW, (I3D, I3D), mode="bilinear")
        inputs = (small / 127.5 - 1).transpose(0, 1)[None]
        return Features(two_axes(kind, call(kind, script, inputs)))

    way = "styleganv" if resizes else f"stretch{I3D}"  # its script crops and resizes by itself
    return Extractor(f"{name}_{way}_f{FRAMES}", "video", read)


def open_vggish(kind: str, folder: Path) -> Extractor:
    name, script, _ = open_script(kind, folder)

    def read(sound: Audio) -> Features:
        return Features(two_axes(kind, call(kind, script, to_mono(sound, RATE))))

    return Extractor(f"{name}_{RATE}", "audio", read)


def two_axes(kind: str, points: Any) -> Tensor:
    """Raises ValueError for an output that is no (P, R)."""
    if not isinstance(points, Tensor) or points.dim() != 2:
        shape = tuple(points.shape) if isinstance(points, Tensor) else type(points).__name__
        raise ValueError(f"--extractor {kind}: its script returns {shape} instead of (points, R)")
    return points.float()


KINDS: Mapping[str, Callable[[str, Path], Extractor]] = {
    "clip": open_joint,
    "clap": open_joint,
    "tagger": open_tagger,
    "owlv2": open_owlv2,
    "inception": open_inception,
    "inception_clean": open_inception,
    "i3d": open_i3d,
    "vggish": open_vggish,
}


# What needs no network, in the same form.
STAND_INS: Mapping[MediaModality, Extractor] = {
    "image": Extractor("rgb8", "image", lambda picture: Features(rgb8(picture.pixels[None]))),
    "audio": Extractor("logmel64", "audio", lambda sound: Features(logmel64(sound)[None])),
    "video": Extractor("rgb8_frames", "video", lambda video: Features(rgb8(video.frames))),
}


def of_modality(extractors: Mapping[str, Extractor], modality: MediaModality) -> list[Extractor]:
    """The stand-in, then those of the user."""
    return [
        STAND_INS[modality],
        *(one for one in extractors.values() if one.modality == modality and not one.detect),
    ]
