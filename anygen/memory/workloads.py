"""The most demanding work of a system, as functions that run on any device.

On the meta device `anygen plan` counts the memory that they need (meta_tracker.py). B rows, T
positions, D width of the LLM.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from anygen.config.run import Run
from anygen.core.media import Audio, Image, Media, Video
from anygen.core.modality import MediaModality
from anygen.generation.sequence import MAX_FORWARD
from anygen.llm.kv_cache import KVCache, empty_like, whole_blocks
from anygen.llm.language_model import LanguageModel
from anygen.llm.prompt import Features
from anygen.model.multimodal import MultimodalModel
from anygen.training.collate import Batch, Target
from anygen.training.losses import generation_losses, text_loss
from anygen.training.mixtures import PLACEHOLDERS
from anygen.training.runs.dialogue_losses import hidden_of
from anygen.training.runs.trainable import unfreeze
from anygen.training.stages import STAGES, learned_prefixes
from decoders.base import RenderRequest, SampleOptions, never, no_progress

STEPS = 2  # of denoising: second-order solvers keep the result of one step
NEGATIVES = 64  # captions in the contrastive loss beside the right one

MEDIA: dict[MediaModality, Callable[[], Media]] = {
    "image": lambda: Image(torch.zeros(3, 512, 512, dtype=torch.uint8)),
    "audio": lambda: Audio(torch.zeros(1, 160_000), 16_000),
    "video": lambda: Video(torch.zeros(32, 3, 256, 256, dtype=torch.uint8), 8.0),
}


@torch.inference_mode()
def fill_context(llm: LanguageModel) -> KVCache:
    """Runs the last forward pass of a conversation that fills the LLM's context."""
    count = max(1, min(MAX_FORWARD, llm.context // 2))
    context, embeds_TD = KVCache(), llm.signal_rows.new_zeros((count, llm.width))
    llm.read([(context, embeds_TD, range(count))])
    size, before = whole_blocks(llm.context), llm.context - count
    context.stored = [(empty_like(k, size), empty_like(v, size)) for k, v in context.stored]
    context.positions = list(range(before))
    llm.read([(context, embeds_TD, range(count))])
    assert context.last is not None
    llm.answer_logits(context.last[None])
    return context


@torch.inference_mode()
def encode(model: MultimodalModel, modality: MediaModality) -> None:
    """Encodes one large medium."""
    model.encoder.encode([MEDIA[modality]()])


@torch.inference_mode()
def render(model: MultimodalModel, modality: MediaModality) -> None:
    """Renders one medium of the decoder's default size."""
    decoder = model.decoders[modality]
    spec, zeros = decoder.condition_spec, model.llm.signal_rows.new_zeros
    pooled = zeros((1, spec.pooled)) if spec.pooled else None
    [condition] = spec.join(zeros((1, spec.tokens, spec.width)), pooled)
    options = SampleOptions(steps=STEPS)
    decoder.sample([RenderRequest(condition, 0, options)], no_progress, never)


class TrainingStep:
    """Steps of an LLM stage on `rows` dialogues of `length` positions, all of them with labels.

    With `packing` they are rows of several dialogues, behind a mask.
    """

    def __init__(
        self, model: MultimodalModel, stage: str, rows: int, length: int, packing: bool = False
    ) -> None:
        self.model, self.rows, self.length = model, rows, length
        self.packing = length if packing else None
        self.generates = "output_projectors" in STAGES[stage].needs
        self.settings = Run.model_construct(stage=stage, decoders=[])
        self.trained = unfreeze(model, learned_prefixes(self.settings))
        model.train()
        self.optimizer = torch.optim.AdamW(self.trained.values(), foreach=False)

    def run(self) -> None:
        """One step, forwards and backwards. Raises ValueError if `length` is too short."""
        self.loss().backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def loss(self) -> Tensor:
        llm, batch = self.model.llm, self.batch()
        hidden_BTD = hidden_of(self.model, batch, self.packing)
        losses = {"text": text_loss(llm, hidden_BTD, batch.labels)}
        if self.generates:
            losses |= generation_losses(
                self.model, hidden_BTD, batch, self.negatives, [], self.settings
            )
        return torch.stack(list(losses.values())).sum()

    def batch(self) -> Batch:
        """Each row has a medium to read and, if the stage learns it, one of each to generate."""
        row_TD, targets = self.row()
        labels = torch.zeros(self.rows, self.length, dtype=torch.long, device=row_TD.device)
        return Batch(
            embeds=torch.stack([row_TD] * self.rows),
            lengths=torch.full((self.rows,), self.length),
            labels=labels,
            targets=[
                Target(modality, row_index, start, PLACEHOLDERS["image"], "")
                for modality, start in targets
                for row_index in range(self.rows)
            ],
            plain=torch.zeros(self.rows, dtype=torch.bool),
        )

    def row(self) -> tuple[Tensor, list[tuple[MediaModality, int]]]:
        """Embeddings (T, D), and the position at which each span of signal tokens begins."""
        model, targets = self.model, []
        if self.length > model.llm.context:
            raise ValueError(
                f"length: {self.length} positions are too many, the LLM reads {model.llm.context}"
            )
        encoder = model.encoder
        longest = max(encoder.modalities, key=model.input_projector.length)
        features_KW = model.llm.signal_rows.new_zeros(
            (encoder.length(longest), encoder.widths[longest])
        )
        pieces = [model.embed_features(Features(longest, PLACEHOLDERS["image"]), features_KW)]
        for modality in model.llm.signals.modalities if self.generates else ():
            targets.append((modality, sum(map(len, pieces))))
            pieces.append(model.embed_ids(model.llm.signals.span(modality)))
        rest = self.length - sum(map(len, pieces))
        if rest < 0:
            raise ValueError(
                f"length: {self.length} positions are too few, {self.length - rest} fit"
            )
        return torch.cat([*pieces, model.embed_ids([0] * rest)]), targets

    def negatives(self, modality: MediaModality) -> Tensor:
        """Pooled conditions (M, W) of other captions."""
        width = self.model.decoders.spec(modality).width
        return self.model.llm.signal_rows.new_zeros((NEGATIVES, width)).detach()
