"""The trained readers of sounds, videos and texts, each with a few learned queries."""

# B items, T time, K tokens of a frame, Q queries, W width of features, D width of the tower

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from anygen.core.media import Audio
from anygen.numerics.audio import BANDS, RATE, log_mel, slaney_filters, to_mono
from encoders.parts.tower import Tower, sinusoids

SILENCE = 1e-4  # magnitude below which a spectrogram does not distinguish sounds
MEL_CENTRE, MEL_SCALE = -3.0, 3.0  # bring log-mel values into about [-2, 3]
PIECES = 5  # of a sound that is too long to be read whole
FEATURE_SIZE = 0.35  # root mean square of a photograph's tokens, of width 1280

Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)


class AudioReader(nn.Module):
    """Sounds -> (B, Q, W). Two convolutions take 16 ms frames to 64 ms tokens."""

    def __init__(self, tower: Tower, width: int, seconds: int) -> None:
        super().__init__()
        self.samples = seconds * RATE
        self.filters: Tensor
        self.register_buffer("filters", slaney_filters(), persistent=False)
        self.stem = nn.Sequential(
            nn.Conv1d(BANDS, tower.width, 5, stride=2, padding=2),
            nn.GELU(),
            nn.Conv1d(tower.width, tower.width, 3, stride=2, padding=1),
            nn.GELU(),
        )
        self.tower = tower
        self.out = output_layer(tower.width, width)

    def spectrograms(self, sounds: Sequence[Audio]) -> list[Tensor]:
        """(frames, bands) per sound, with about unit variance."""
        waves = [sampled(to_mono(sound), self.samples).to(self.filters.device) for sound in sounds]
        levels = [
            log_mel(samples[None], self.filters, SILENCE, centered=True)[0].T for samples in waves
        ]
        return [(level - MEL_CENTRE) / MEL_SCALE for level in levels]

    def forward(self, frames: Tensor) -> Tensor:
        """Spectrograms of one length (B, frames, bands) -> (B, Q, W)."""
        tokens = self.stem(frames.transpose(1, 2)).transpose(1, 2)  # (B, T, D)
        times = sinusoids(tokens.shape[1], self.tower.width, tokens.device).to(self.tower.queries)
        return self.out(self.tower(tokens + times)).float()


def mix(first: Tensor, second: Tensor) -> Tensor:
    """The spectrogram of two sounds at once, from one of each as `spectrograms` returns them.

    Magnitudes are added, as if no two partials interfered.
    """
    logs = [MEL_SCALE * levels + MEL_CENTRE for levels in (first, second)]
    return (torch.logaddexp(*logs) - MEL_CENTRE) / MEL_SCALE


class VideoReader(nn.Module):
    """Tokens of evenly spaced frames -> (B, Q, W)."""

    def __init__(self, tower: Tower, width: int, frame_tokens: int) -> None:
        super().__init__()
        self.into = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, tower.width))
        self.places = nn.Parameter(torch.randn(frame_tokens, tower.width) * 0.5)
        self.tower = tower
        self.out = output_layer(tower.width, width)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, T, K, W)."""
        times = sinusoids(frames.shape[1], self.tower.width, frames.device).to(self.tower.queries)
        tokens = self.into(frames) + self.places + times[:, None]
        return self.out(self.tower(tokens.flatten(1, 2))).float()


class TextReader(nn.Module):
    """Texts -> (B, E), unit length. The tower has one query."""

    def __init__(self, tower: Tower, tokenizer: Tokenizer, length: int, joint: int) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.tokenizer.enable_truncation(length)
        self.words = nn.Embedding(tokenizer.get_vocab_size(), tower.width)
        self.places = nn.Parameter(torch.randn(length, tower.width) * 0.5)
        self.tower = tower
        self.out = nn.Linear(tower.width, joint)

    def forward(self, texts: Sequence[str]) -> Tensor:
        rows = [torch.tensor(e.ids, dtype=torch.long) for e in self.tokenizer.encode_batch(texts)]
        ids = nn.utils.rnn.pad_sequence(rows, batch_first=True).to(self.places.device)  # (B, T)
        lengths = torch.tensor([len(row) for row in rows], device=ids.device)
        positions = torch.arange(ids.shape[1], device=ids.device)
        tokens = self.words(ids) + self.places[: ids.shape[1]]
        read = self.tower(tokens, valid=positions < lengths[:, None])[:, 0]
        return functional.normalize(self.out(read).float(), dim=-1)


def output_layer(tower: int, width: int) -> nn.Sequential:
    """From the tower to features, initially as long as the tokens of photographs."""
    norm = nn.LayerNorm(width)
    nn.init.constant_(norm.weight, FEATURE_SIZE)
    return nn.Sequential(nn.Linear(tower, width), norm)


def sampled(samples_N: Tensor, length: int) -> Tensor:
    """At most `length` samples; a longer sound becomes evenly spaced pieces, joined."""
    if len(samples_N) <= length:
        return samples_N
    piece = length // PIECES
    starts = torch.linspace(0, len(samples_N) - piece, PIECES).long().tolist()
    return torch.cat([samples_N[start : start + piece] for start in starts])


def sample_frames(frames: Tensor, count: int) -> Tensor:
    """The frames at the middles of `count` equal intervals; short videos repeat frames."""
    middles = (torch.arange(count) + 0.5) * len(frames) / count
    return frames[middles.long()]


def in_groups(
    items: Sequence[Item],
    key: Callable[[Item], Key],
    compute: Callable[[Key, list[Item]], Iterable[Tensor]],
) -> list[Tensor]:
    """Calls `compute` once per key; returns one result per item, in the order of the items."""
    groups: dict[Key, list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        groups[key(item)].append(index)
    results: dict[int, Tensor] = {}
    for value, indices in groups.items():
        results.update(zip(indices, compute(value, [items[i] for i in indices]), strict=True))
    return [results[index] for index in range(len(items))]
