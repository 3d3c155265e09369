"""The networks of the judges: their inputs, labels and training.

B media, C channels, h x w cells of a grid.
"""

import logging
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from anygen.checkpoints.checkpoint import PRETRAINED
from anygen.core.media import Audio, Image, Video
from anygen.numerics.audio import FLOOR, RATE, log_mel, mel_to_picture, slaney_filters
from mosit_data.world.render import render
from mosit_data.world.scene import (
    PictureScene,
    Scene,
    SoundScene,
    Thing,
    VideoScene,
    sound_scene,
    usual_scene,
)
from mosit_data.world.sounds import SAMPLES
from mosit_data.world.sprites import concept_names
from mosit_data.world.videos import FRAMES
from mosit_data.world.vocabulary import COLOURS, MOTIONS, PATTERNS, SOUNDS, STYLES

FOLDER = PRETRAINED / "judges"
SIDE = 64  # pixels: pictures are judged at this size
GRID = 8  # cells per side of a picture; each is judged separately
NOTHING = len(concept_names())  # the label of a cell without an object
UNCLEAR = -100  # the ignored label: a cell at the edge of an object, or an effect's pattern
UNSEEN_SHIFT = 2  # semitones: sounds with this transposition are never learned
INSIDE, OUTSIDE = 0.38, 0.62  # distances from a thing's middle, in its sizes: on it, off it
CELL_WEIGHTS = torch.tensor([1.0] * NOTHING + [0.3])  # most cells are empty


class Network(nn.Module):
    """A residual network whose heads classify each cell of a grid, an eighth of the input."""

    def __init__(self, channels: int, heads: dict[str, tuple[str, ...]]) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            *halve(channels, 32, 5), *halve(32, 64, 3), Block(64), *halve(64, 128, 3), Block(128)
        )
        self.heads = nn.ModuleDict(
            {name: nn.Conv2d(128, len(labels), 1) for name, labels in heads.items()}
        )

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """(B, C, H, W) -> (B, labels, H / 8, W / 8) per head."""
        features = self.trunk(inputs)
        return {name: head(features).float() for name, head in self.heads.items()}


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, features: Tensor) -> Tensor:
        return (features + self.layers(features)).relu()


def halve(width: int, wider: int, kernel: int) -> tuple[nn.Module, ...]:
    """Layers that halve the resolution."""
    convolution = nn.Conv2d(width, wider, kernel, stride=2, padding=kernel // 2, bias=False)
    return convolution, nn.BatchNorm2d(wider), nn.ReLU()


def picture_inputs(images: Sequence[Image]) -> Tensor:
    """(B, 3, 64, 64) in [-1, 1]."""
    return torch.cat([scaled(image.pixels[None], SIDE) for image in images])


def video_inputs(videos: Sequence[Video]) -> Tensor:
    """(B, 16, 32, 32): the frames in grey are channels."""
    rows = []
    for video in videos:
        moments = torch.linspace(0, len(video.frames) - 1, FRAMES).round().long()
        rows.append(scaled(video.frames[moments], SIDE // 2).mean(1))
    return torch.stack(rows)


def sound_inputs(sounds: Sequence[Audio]) -> Tensor:
    """(B, 1, 64, 192), log-mel, in about [-1, 1]. Raises ValueError for rates other than 16 kHz."""
    rows = []
    for sound in sounds:
        if sound.rate != RATE:
            raise ValueError(f"sounds are judged at {RATE} Hz, and one has {sound.rate} Hz")
        mono = sound.samples.mean(0)[:SAMPLES]
        rows.append(F.pad(mono, (0, SAMPLES - len(mono))))
    return mel_to_picture(log_mel(torch.stack(rows), slaney_filters(), FLOOR, centered=False))


def scaled(frames: Tensor, side: int) -> Tensor:
    """(N, 3, H, W) uint8 -> (N, 3, side, side) in [-1, 1]."""
    pixels = F.interpolate(frames.float(), (side, side), mode="bilinear", antialias=True)
    return pixels / 127.5 - 1


def picture_labels(scene: PictureScene) -> dict[str, Tensor]:
    return {
        "object": cell_labels(scene.things),
        "style": index(STYLES, scene.style),
        "background": index(COLOURS, scene.background),
    }


def cell_labels(things: Sequence[Thing]) -> Tensor:
    """(GRID, GRID): the concept at the middle of each cell, NOTHING or UNCLEAR."""
    labels = torch.full((GRID, GRID), NOTHING)
    middles = (torch.arange(GRID) + 0.5) / GRID
    distances = []  # (GRID, GRID) per thing, in its sizes
    for thing in things:
        across, down = (middles - thing.x).abs(), (middles - thing.y).abs()
        distances.append(torch.maximum(down[:, None], across) / thing.size)
        labels[distances[-1] < OUTSIDE] = UNCLEAR
    for thing, distance in zip(things, distances):
        labels[distance < INSIDE] = concept_names().index(thing.concept)
    return labels


def sound_labels(scene: SoundScene) -> dict[str, Tensor]:
    pattern = index(PATTERNS, scene.pattern) if scene.pattern else torch.tensor(UNCLEAR)
    return {"sound": index(SOUNDS, scene.sound), "pattern": pattern}


def motion_labels(scene: VideoScene) -> dict[str, Tensor]:
    return {"motion": index(MOTIONS, scene.motion)}


def index(names: Iterable[str], name: str) -> Tensor:
    return torch.tensor(list(names).index(name))


@dataclass(frozen=True)
class Kind:
    """The input, labels and training of one network."""

    draw: Callable[[random.Random], Scene]
    channels: int
    heads: dict[str, tuple[str, ...]]
    inputs: Callable[[Sequence[Any]], Tensor]
    labels: Callable[[Any], dict[str, Tensor]]
    steps: int
    batch: int
    pool: int  # renders that batches are drawn from
    fresh: int  # renders of the pool that are replaced in every step


def draw_sound(rng: random.Random) -> Scene:
    """A sound of either split, but none with UNSEEN_SHIFT."""
    scene = sound_scene(rng, rng.choice(list(SOUNDS)))
    return draw_sound(rng) if scene.transpose == UNSEEN_SHIFT else scene


PICTURE_HEADS = {
    "object": (*concept_names(), "nothing"),
    "style": tuple(STYLES),
    "background": tuple(COLOURS),
}
SOUND_HEADS = {"sound": tuple(SOUNDS), "pattern": tuple(PATTERNS)}
MOTION_HEADS = {"motion": tuple(MOTIONS)}
KINDS = {
    "picture": Kind(
        draw=partial(usual_scene, "image"),
        channels=3,
        heads=PICTURE_HEADS,
        inputs=picture_inputs,
        labels=picture_labels,
        steps=1600,
        batch=64,
        pool=64,
        fresh=64,
    ),
    "sound": Kind(
        draw=draw_sound,
        channels=1,
        heads=SOUND_HEADS,
        inputs=sound_inputs,
        labels=sound_labels,
        steps=500,
        batch=32,
        pool=1500,
        fresh=8,
    ),
    "motion": Kind(
        draw=partial(usual_scene, "video"),
        channels=FRAMES,
        heads=MOTION_HEADS,
        inputs=video_inputs,
        labels=motion_labels,
        steps=700,
        batch=32,
        pool=512,
        fresh=16,
    ),
}


def load_network(name: str) -> Network:
    network = Network(KINDS[name].channels, KINDS[name].heads)
    network.load_state_dict(load_file(FOLDER / f"{name}.safetensors"))
    return network.eval()


def train(kind: Kind, steps: int, seed: int = 0) -> Network:
    """Train a network of this kind on true renders."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    network = Network(kind.channels, kind.heads).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for step, (inputs, labels) in zip(range(steps), batches(kind, rng)):
        with torch.autocast("cpu", torch.bfloat16):
            maps = network(corrupt(inputs, rng).contiguous(memory_format=torch.channels_last))
        loss = torch.stack([head_loss(maps[name], labels[name]) for name in maps]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            logging.info("step %d of %d: loss %.3f", step, steps, loss.item())
    return network.eval()


def batches(kind: Kind, rng: random.Random) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    """Batches drawn from a pool of renders, a few of which are replaced in every step."""
    inputs, labels = examples(kind, rng, kind.pool)
    while True:
        slots = torch.tensor(rng.sample(range(kind.pool), kind.fresh))
        new_inputs, new_labels = examples(kind, rng, kind.fresh)
        inputs[slots] = new_inputs
        for name, values in new_labels.items():
            labels[name][slots] = values
        rows = torch.tensor(rng.sample(range(kind.pool), kind.batch))
        yield inputs[rows], {name: values[rows] for name, values in labels.items()}


def examples(kind: Kind, rng: random.Random, count: int) -> tuple[Tensor, dict[str, Tensor]]:
    """True renders as inputs of the network, and their labels."""
    scenes = [kind.draw(rng) for _ in range(count)]
    labels = [kind.labels(scene) for scene in scenes]
    stacked = {name: torch.stack([row[name] for row in labels]) for name in labels[0]}
    return kind.inputs([render(scene) for scene in scenes]), stacked


def corrupt(inputs: Tensor, rng: random.Random) -> Tensor:
    """Inputs that are blurred, noisy and off in colour or level, as generated media may be.

    Groups of eight rows are blurred alike.
    """
    rows = []
    for group in inputs.split(8):
        size = [max(4, round(side * rng.uniform(0.4, 1.0))) for side in group.shape[2:]]
        soft = F.interpolate(group, size, mode="bilinear", antialias=True)
        soft = F.interpolate(soft, group.shape[2:], mode="bicubic")
        shift = torch.randn(len(group), group.shape[1], 1, 1) * 0.06
        contrast = 1 + torch.randn(len(group), 1, 1, 1) * 0.08
        rows.append(soft * contrast + shift + torch.randn_like(soft) * rng.uniform(0, 0.1))
    return torch.cat(rows)


def head_loss(cells: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy. Labels are (B, h, w) for a head that judges by cells, else (B,)."""
    if labels.ndim == 3:
        return F.cross_entropy(cells, labels, CELL_WEIGHTS, ignore_index=UNCLEAR)
    return F.cross_entropy(cells.mean((2, 3)), labels, ignore_index=UNCLEAR)
