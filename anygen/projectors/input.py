"""Into the LLM: features of a medium -> embeddings at its positions.

B media, K features of one, W width of the encoder, T positions, D width of the LLM, C inner width,
N tokens of a question.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

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
from anygen.projectors.group_vit import GroupingStage, TransformerStage
from anygen.projectors.qformer import q_former
from anygen.projectors.video_pooling import VideoPooling

Numbers = Mapping[MediaModality, int]


class MediaProjector(nn.Module):
    """Projects media of several modalities, each medium by itself.

    `question` is the number of tokens of the question about a medium that it uses. If that is not
    0, `project` also takes their embeddings (at most `question`, D), unless there is no question.
    """

    question = 0

    def project(self, modality: MediaModality, features_KW: Tensor, *question_ND: Tensor) -> Tensor:
        """Features (K, W) of one medium -> (T, D)."""
        raise NotImplementedError

    def length(self, modality: MediaModality) -> int:
        """T, the number of positions that a medium takes."""
        raise NotImplementedError


def build_input_projector(
    settings: InputProjector,
    encoder_widths: Numbers,
    lengths: Numbers,
    llm_width: int,
    frames: Numbers = MappingProxyType({}),
) -> MediaProjector:
    """Modalities whose features are equally wide share a projector.

    `lengths` gives K of each modality, and `frames` the number of frames that these features belong
    to, one frame after the other; a modality that is missing there has one. Raises ValueError if
    the settings do not fit the encoder.
    """
    frames, lengths = {m: frames.get(m, 1) for m in lengths}, dict(lengths)
    pooling = None
    if settings.video_pooling != "none":
        sizes = (frames.get("video", 1), lengths.get("video", 0), encoder_widths.get("video", 0))
        pooling = VideoPooling(settings.video_pooling, *sizes)
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
    projector = ProjectorPerWidth(shared) if len(shared) > 1 else next(iter(shared.values()))
    return projector if pooling is None else PooledVideo(pooling, projector)


class PooledVideo(MediaProjector):
    """Pools a video over its frames, then projects it like other media."""

    def __init__(self, pooling: VideoPooling, projector: MediaProjector) -> None:
        super().__init__()
        self.pooling, self.projector, self.question = pooling, projector, projector.question

    def project(self, modality: MediaModality, features_KW: Tensor, *question_ND: Tensor) -> Tensor:
        pooled_KW = self.pooling(features_KW) if modality == "video" else features_KW
        return self.projector.project(modality, pooled_KW, *question_ND)

    def length(self, modality: MediaModality) -> int:
        return self.projector.length(modality)


class ProjectorPerWidth(nn.ModuleDict, MediaProjector):
    """A projector for each width of features, named after the modalities that share it."""

    def __init__(self, shared: Mapping[str, "FeatureProjector"]) -> None:
        super().__init__(shared)
        self.question = max(projector.question for projector in shared.values())

    def project(self, modality: MediaModality, features_KW: Tensor, *question_ND: Tensor) -> Tensor:
        return self.of(modality).project(modality, features_KW, *question_ND)

    def length(self, modality: MediaModality) -> int:
        return self.of(modality).length(modality)

    def of(self, modality: MediaModality) -> MediaProjector:
        found = next(projector for names, projector in self.items() if modality in names.split("_"))
        return cast(MediaProjector, found)


class FeatureProjector(MediaProjector):
    """Base class of all kinds. `forward` takes features (B, K, W) of media of one modality.

    Every medium has all its K features, so nothing is masked.
    """

    def __init__(self, shapes: Mapping[MediaModality, tuple[int, int]], *args: Any) -> None:
        """`shapes` are frames and features of a medium; `args` are for a kind's other base."""
        super().__init__(*args)
        self.shapes = dict(shapes)

    def project(self, modality: MediaModality, features_KW: Tensor, *question_ND: Tensor) -> Tensor:
        projected: Tensor = self(features_KW[None], *(text[None] for text in question_ND))
        return projected[0]

    def length(self, modality: MediaModality) -> int:
        _, features = self.shapes[modality]
        return features


class Linear(FeatureProjector, nn.Linear):
    def __init__(self, settings: InputLinear, width: int, llm_width: int, shapes: Any) -> None:
        super().__init__(shapes, width, llm_width)


class Mlp(FeatureProjector, nn.Sequential):
    def __init__(self, settings: InputMlp, width: int, llm_width: int, shapes: Any) -> None:
        super().__init__(
            shapes,
            *([nn.LayerNorm(width)] if settings.norm else []),
            nn.Linear(width, settings.hidden),
            nn.GELU(),
            nn.Linear(settings.hidden, llm_width),
        )


class Concat(FeatureProjector, nn.Linear):
    """Concatenates neighbours in the order of the features, such as four patches of a row
    (MiniGPT-v2). The last group is filled up with zeros.
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


class Resampler(FeatureProjector):
    """A kind with the same number of positions for every medium."""

    tokens: int

    def length(self, modality: MediaModality) -> int:
        return self.tokens


class Group(Resampler):
    """NExT-GPT's projector (section 3.1 of its paper), which groups the features twice.

    Parameters have the names and shapes of NExT-GPT.
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
                TransformerStage(inside, heads, after),
            ]
        )
        self.norm = nn.LayerNorm(inside)
        self.out_fc = nn.Linear(inside, llm_width)

    def forward(self, features_BKW: Tensor) -> Tensor:
        first, second, last = self.layers
        groups, group_tokens = first(self.in_fc(features_BKW))
        groups, _ = second(groups, group_tokens)
        return self.out_fc(self.norm(last(groups)))


class QFormer(Resampler):
    """Learned queries attend to the features (BLIP-2, Li et al. 2023). Names are those of BLIP-2.

    The order of the features is not used, unless the encoder wrote it into them. With `question`,
    the question follows the queries, which attend to it in every layer (InstructBLIP, Dai et al.
    2023); its tokens are the LLM's embeddings, where InstructBLIP has BERT's.
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
            text_input=settings.question > 0,
        )
        self.language_projection = nn.Linear(settings.width, llm_width)
        self.question = settings.question
        if settings.question:
            self.words = nn.Linear(llm_width, settings.width)
            self.places = nn.Parameter(torch.randn(settings.question, settings.width) * 0.02)

    def forward(self, features_BKW: Tensor, question_BND: Tensor | None = None) -> Tensor:
        inputs = self.query_tokens.expand(len(features_BKW), -1, -1)
        if question_BND is not None:
            text = self.words(question_BND) + self.places[: question_BND.shape[1]]
            inputs = torch.cat([inputs, text], 1)
        outputs = self.qformer(inputs, self.tokens, encoder_hidden_states=features_BKW)
        return self.language_projection(outputs.last_hidden_state[:, : self.tokens])


class Perceiver(Resampler):
    """Latents attend to the features and to each other (Flamingo, Alayrac et al. 2022, figure 5).

    A learned vector per frame is added to its features. The inner width is free: features are
    projected to it first, and the latents to the LLM's width last, as in mPLUG-Owl.
    """

    # Encoders once did not state their frames: all features got one vector, the only one in a file.
    expandable = ("times",)

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

    def project(self, modality: MediaModality, features_KW: Tensor, *question_ND: Tensor) -> Tensor:
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
    """One layer of the perceiver."""

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
        queries = self.norm_latents(latents_BTC)
        keys = torch.cat([self.norm_features(features_BKC), queries], 1)
        attended, _ = self.attention(queries, keys, keys, need_weights=False)
        latents_BTC = latents_BTC + attended
        return latents_BTC + self.mlp(latents_BTC)


KINDS: dict[str, Callable[..., FeatureProjector]] = {
    "linear": Linear,
    "mlp": Mlp,
    "concat": Concat,
    "group": Group,
    "qformer": QFormer,
    "perceiver": Perceiver,
}
