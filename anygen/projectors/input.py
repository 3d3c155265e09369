"""Into the LLM: features of a medium -> embeddings at the positions that it takes there.

B media, K features of one, W width of the encoder, T positions, D width of the LLM, C width inside.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anygen.config.projectors import (
    InputConcat,
    InputGroup,
    InputLinear,
    InputMlp,
    InputPerceiver,
    InputProjector,
    InputQFormer,
)
from anygen.core.modality import MediaModality
from anygen.projectors.group_vit import GroupingStage, Stage
from anygen.projectors.qformer import q_former
from anygen.projectors.video_pooling import VideoPooling

Numbers = Mapping[MediaModality, int]


def build_input_projector(
    settings: InputProjector,
    encoder_widths: Numbers,
    lengths: Numbers,
    llm_width: int,
    frames: Numbers | None = None,
) -> Any:
    """A module with `project(modality, features (K, W)) -> (T, D)` and `length(modality) -> T`.

    Its `question` is how many tokens it hears of what is asked about a medium; where that is some,
    `project` takes their embeddings (at most so many, D) as well, if there is a question.
    `lengths` says K of a medium of each modality, and `frames` how many frames these features
    belong to, one frame after the other; a modality left out has one. Modalities whose features
    are equally wide share a projector. Raises ValueError where the settings do not fit the encoder.
    """
    frames, lengths = {m: (frames or {}).get(m, 1) for m in lengths}, dict(lengths)
    pooling = None
    if settings.video_pooling != "none":
        told = (frames.get("video", 1), lengths.get("video", 0), encoder_widths.get("video", 0))
        pooling = VideoPooling(settings.video_pooling, *told)
        frames["video"], lengths["video"] = 1, pooling.features
    groups: dict[int, list[MediaModality]] = {}
    for modality, width in encoder_widths.items():
        groups.setdefault(width, []).append(modality)
    shared = {
        "_".join(group): KINDS[settings.kind](
            settings, width, llm_width, {m: (frames[m], lengths[m]) for m in group}
        )
        for width, group in groups.items()
    }
    projector = Composite(shared) if len(shared) > 1 else next(iter(shared.values()))
    return projector if pooling is None else Pooled(pooling, projector)


class Pooled(nn.Module):
    """The frames of a video are brought together, then it is projected as other media are."""

    def __init__(self, pooling: VideoPooling, projector: Any) -> None:
        super().__init__()
        self.pooling, self.projector, self.question = pooling, projector, projector.question

    def project(self, modality: MediaModality, features_KW: Tensor, *asked: Tensor) -> Tensor:
        told_KW = self.pooling(features_KW) if modality == "video" else features_KW
        projected: Tensor = self.projector.project(modality, told_KW, *asked)
        return projected

    def length(self, modality: MediaModality) -> int:
        length: int = self.projector.length(modality)
        return length


class Composite(nn.ModuleDict):
    """A projector for each width of features, named after the modalities that share it."""

    def __init__(self, shared: Mapping[str, "Projector"]) -> None:
        super().__init__(shared)
        self.question = max(projector.question for projector in shared.values())

    def project(self, modality: MediaModality, features_KW: Tensor, *asked: Tensor) -> Tensor:
        projected: Tensor = self.of(modality).project(modality, features_KW, *asked)
        return projected

    def length(self, modality: MediaModality) -> int:
        length: int = self.of(modality).length(modality)
        return length

    def of(self, modality: MediaModality) -> Any:
        return next(one for names, one in self.items() if modality in names.split("_"))


class Projector(nn.Module):
    """What all kinds are: `forward` takes features (B, K, W) of media of any one modality.

    Every medium has all its K features, and is projected by itself: nothing is masked.
    """

    question = 0

    def __init__(self, shapes: Mapping[MediaModality, tuple[int, int]], *args: Any) -> None:
        """`shapes`: frames and features of a medium. `args` are for the other base of a kind."""
        super().__init__(*args)
        self.shapes = dict(shapes)

    def project(self, modality: MediaModality, features_KW: Tensor, *asked: Tensor) -> Tensor:
        """(K, W) -> (T, D)."""
        projected: Tensor = self(features_KW[None], *(text[None] for text in asked))
        return projected[0]

    def length(self, modality: MediaModality) -> int:
        """T, positions that a medium takes."""
        _, features = self.shapes[modality]
        return features


class Linear(Projector, nn.Linear):
    def __init__(self, settings: InputLinear, width: int, llm_width: int, shapes: Any) -> None:
        super().__init__(shapes, width, llm_width)


class Mlp(Projector, nn.Sequential):
    def __init__(self, settings: InputMlp, width: int, llm_width: int, shapes: Any) -> None:
        super().__init__(
            shapes,
            *([nn.LayerNorm(width)] if settings.norm else []),
            nn.Linear(width, settings.hidden),
            nn.GELU(),
            nn.Linear(settings.hidden, llm_width),
        )


class Concat(Projector, nn.Linear):
    """Neighbours in the order of the features (four in a row of patches: MiniGPT-v2).

    Where the last ones are too few, zeros stand beside them.
    """

    def __init__(self, settings: InputConcat, width: int, llm_width: int, shapes: Any) -> None:
        super().__init__(shapes, settings.neighbours * width, llm_width)
        self.neighbours = settings.neighbours

    def length(self, modality: MediaModality) -> int:
        return -(-super().length(modality) // self.neighbours)

    def forward(self, features_BKW: Tensor) -> Tensor:
        missing = -features_BKW.shape[1] % self.neighbours
        filled = F.pad(features_BKW, (0, 0, 0, missing))
        return super().forward(filled.unflatten(1, (-1, self.neighbours)).flatten(2))


class Resampler(Projector):
    """A kind that makes the same number of positions of every medium."""

    tokens: int

    def length(self, modality: MediaModality) -> int:
        return self.tokens


class Group(Resampler):
    """NExT-GPT's projector (section 3.1 of its paper): features are sorted into groups, twice.

    Parameters have the names and shapes of NExT-GPT's own.
    """

    def __init__(self, settings: InputGroup, width: int, llm_width: int, shapes: Any) -> None:
        super().__init__(shapes)
        self.tokens = settings.tokens
        inside, heads, (before, between, after) = settings.width, settings.heads, settings.layers
        self.in_fc = nn.Linear(width, inside)
        self.layers = nn.ModuleList(
            [
                GroupingStage(inside, heads, before, settings.groups),
                GroupingStage(inside, heads, between, settings.tokens, settings.groups),
                Stage(inside, heads, after),
            ]
        )
        self.norm = nn.LayerNorm(inside)
        self.out_fc = nn.Linear(inside, llm_width)

    def forward(self, features_BKW: Tensor) -> Tensor:
        first, second, last = self.layers
        groups, asked = first(self.in_fc(features_BKW))
        groups, _ = second(groups, asked)
        return self.out_fc(self.norm(last(groups)))


class QFormer(Resampler):
    """Learned queries look at the features (Li et al. 2023, BLIP-2); named as BLIP-2's parts.

    Features have no order to it, unless the encoder wrote one into them. Where it hears what is
    asked, the question stands behind the queries, which look at it in every layer (Dai et al. 2023,
    InstructBLIP); its words are the LLM's embeddings, where InstructBLIP has BERT's.
    """

    def __init__(self, settings: InputQFormer, width: int, llm_width: int, shapes: Any) -> None:
        super().__init__(shapes)
        self.tokens = settings.tokens
        self.query_tokens = nn.Parameter(torch.randn(1, settings.tokens, settings.width) * 0.02)
        self.qformer = q_former(
            settings.width,
            settings.layers,
            settings.heads,
            width,
            settings.look_every,
            hears_text=settings.question > 0,
        )
        self.language_projection = nn.Linear(settings.width, llm_width)
        self.question = settings.question
        if settings.question:
            self.words = nn.Linear(llm_width, settings.width)
            self.places = nn.Parameter(torch.randn(settings.question, settings.width) * 0.02)

    def forward(self, features_BKW: Tensor, asked_BND: Tensor | None = None) -> Tensor:
        told = self.query_tokens.expand(len(features_BKW), -1, -1)
        if asked_BND is not None:
            text = self.words(asked_BND) + self.places[: asked_BND.shape[1]]
            told = torch.cat([told, text], 1)
        heard = self.qformer(told, self.tokens, encoder_hidden_states=features_BKW)
        return self.language_projection(heard.last_hidden_state[:, : self.tokens])


class Perceiver(Resampler):
    """Latents look at the features and at each other (Alayrac et al. 2022, Flamingo, figure 5).

    A learned vector tells each frame's features when it was. The inner width is free: features
    are brought to it first, and the latents to the LLM's width last, as in mPLUG-Owl.
    """

    def __init__(self, settings: InputPerceiver, width: int, llm_width: int, shapes: Any) -> None:
        super().__init__(shapes)
        self.tokens, inside = settings.tokens, settings.width
        self.inward = nn.Linear(width, inside)
        most = max(frames for frames, _ in self.shapes.values())
        self.times = nn.Parameter(torch.randn(most, 1, inside) * 0.02)
        self.latents = nn.Parameter(torch.randn(settings.tokens, inside) * 0.02)
        self.layers = nn.ModuleList(
            Resampling(inside, settings.heads) for _ in range(settings.layers)
        )
        self.norm = nn.LayerNorm(inside)
        self.outward = nn.Linear(inside, llm_width)

    def project(self, modality: MediaModality, features_KW: Tensor, *asked: Tensor) -> Tensor:
        frames, _ = self.shapes[modality]
        projected: Tensor = self(features_KW[None], frames)
        return projected[0]

    def forward(self, features_BKW: Tensor, frames: int = 1) -> Tensor:
        each_BFPC = self.inward(features_BKW).unflatten(1, (frames, -1)) + self.times[:frames]
        features_BKC = each_BFPC.flatten(1, 2)
        latents_BTC = self.latents.expand(len(features_BKW), -1, -1)
        for layer in self.layers:
            latents_BTC = layer(latents_BTC, features_BKC)
        return self.outward(self.norm(latents_BTC))


class Resampling(nn.Module):
    """A layer of the perceiver."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm_latents, self.norm_features = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, bias=False, batch_first=True)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width, bias=False),
            nn.GELU(),
            nn.Linear(4 * width, width, bias=False),
        )

    def forward(self, latents_BTC: Tensor, features_BKC: Tensor) -> Tensor:
        asking = self.norm_latents(latents_BTC)
        told = torch.cat([self.norm_features(features_BKC), asking], 1)
        heard, _ = self.attention(asking, told, told, need_weights=False)
        latents_BTC = latents_BTC + heard
        return latents_BTC + self.mlp(latents_BTC)


KINDS: dict[str, Callable[..., Projector]] = {
    "linear": Linear,
    "mlp": Mlp,
    "concat": Concat,
    "group": Group,
    "qformer": QFormer,
    "perceiver": Perceiver,
}
