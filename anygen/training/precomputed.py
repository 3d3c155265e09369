"""What a training stage needs beside the model: it learns or is kept with the run, never shipped.

B rows, N scenes of a pool, C channels of a latent, W width of a condition.
"""

import logging
import random
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial, reduce
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from anygen.checkpoints.checkpoint import save_weights
from anygen.config.run import Run
from anygen.core.media import Media
from anygen.core.modality import MEDIA, MediaModality
from anygen.core.records import Record, captions_of
from anygen.llm.prompt import Piece, Span, build_prompt
from anygen.training.collate import common_beginning, media_at
from anygen.training.dialogues import read_record
from anygen.training.losses import hidden_states
from anygen.training.mixtures import draw_scenes, reordered
from decoders.base import pooled_condition
from encoders.parts.readers import together
from mosit_data.world.language.dialogues import sample_request
from mosit_data.world.render import render
from mosit_data.world.scene import Scene, SoundScene, caption
from mosit_data.world.vocabulary import with_article

log = logging.getLogger(__name__)

POOL_FILE = "pool.safetensors"  # in the folder of a run
ENCODED = 64  # media at a time
BANK = 4096  # captions per modality: enough that some differ in the object alone

Encode = Callable[[MediaModality, Sequence[Media]], Tensor]  # one row per medium


class NegativeBank(nn.Module):
    """Gists of captions that could have been meant, and were not."""

    def __init__(self, model: Any, run: Run) -> None:
        super().__init__()
        for modality, decoder in model.decoders.items():
            rng = random.Random(f"{run.seed}/bank/{modality}")
            captions = [caption(scene) for scene in draw_scenes(modality, run, BANK, rng)]
            conditions = in_chunks(decoder.encode_prompt, captions)
            tokens, _ = decoder.condition_spec.split(conditions.float())
            self.register_buffer(modality, pooled_condition(tokens), persistent=False)

    def of(self, modality: MediaModality) -> Tensor:
        """(BANK, W)."""
        gists: Tensor = getattr(self, modality)
        return gists


class PrecomputedPool(nn.Module):
    """`run.pool` scenes of the training split per modality, drawn and encoded once.

    Encoding takes a small network as long as learning, and it meets each scene many times.
    """

    def __init__(self, run: Run, modalities: Iterable[MediaModality], encode: Encode) -> None:
        super().__init__()
        self.drawn = {modality: drawn(modality, run) for modality in modalities}
        self.captions: dict[MediaModality, list[str]] = {}
        for modality, scenes in self.drawn.items():
            self.captions[modality] = [caption(scene) for scene in scenes]
            encoded = kept(run, modality, partial(encode_scenes, encode, modality), scenes)
            self.register_buffer(modality, encoded, persistent=False)

    def rows(self, modality: MediaModality, chosen: Sequence[int]) -> Tensor:
        """What the chosen scenes were encoded to."""
        encoded: Tensor = getattr(self, modality)
        return encoded[torch.tensor(chosen)].float()

    def choose(self, modality: MediaModality, count: int, rng: random.Random) -> list[int]:
        return [rng.randrange(len(self.captions[modality])) for _ in range(count)]


class LatentPool(nn.Module):
    """Latents of scenes, and their captions through the decoder's own text encoder."""

    def __init__(self, model: Any, run: Run) -> None:
        super().__init__()
        self.scenes = PrecomputedPool(
            run, run.decoders, lambda m, media: model.decoders[m].to_latents(media)
        )
        for modality, captions in self.scenes.captions.items():
            conditions = in_chunks(model.decoders[modality].encode_prompt, captions)
            self.register_buffer(modality, conditions, persistent=False)

    def draw(
        self, modality: MediaModality, count: int, rng: random.Random
    ) -> tuple[Tensor, Tensor]:
        """Latents (count, C, ...) and conditions (count, tokens, W) of random scenes."""
        chosen = self.scenes.choose(modality, count, rng)
        conditions: Tensor = getattr(self, modality)
        return self.scenes.rows(modality, chosen), conditions[torch.tensor(chosen)].float()


class FeaturePool(nn.Module):
    """What the frozen part of the encoder makes of scenes, and their captions.

    Half of the sounds are medleys: clips of one sound cut into pieces, in any order, up to three
    at once, with its name alone as their caption. Else the encoder learns that what is held out
    cannot be: without them it took a chord for proof that no accordion was playing.
    """

    def __init__(self, model: Any, run: Run) -> None:
        super().__init__()
        self.scenes = PrecomputedPool(
            run, MEDIA, lambda m, media: torch.stack(model.encoder.observe(m, media))
        )
        self.clips: dict[str, list[int]] = {}  # of each sound
        for index, scene in enumerate(self.scenes.drawn["audio"]):
            assert isinstance(scene, SoundScene)
            self.clips.setdefault(scene.sound, []).append(index)

    def draw(
        self, modality: MediaModality, count: int, rng: random.Random
    ) -> tuple[Tensor, list[str]]:
        """Observations (count, ...), see `Bind.observe`, and captions of random scenes."""
        medleys = count // 2 if modality == "audio" else 0
        chosen = self.scenes.choose(modality, count - medleys, rng)
        captions = [self.scenes.captions[modality][index] for index in chosen]
        observed = [self.scenes.rows(modality, chosen)]
        for name in rng.choices(list(self.clips), k=medleys):
            observed.append(self.sound_mix(name, rng))
            captions.append(with_article(name, name))
        return torch.cat(observed), captions

    def sound_mix(self, name: str, rng: random.Random) -> Tensor:
        """The spectrogram (1, frames, bands) of pieces of up to three clips of one sound."""
        clips = rng.choices(self.clips[name], k=rng.randint(1, 3))
        rows = self.scenes.rows("audio", clips)
        return reduce(together, [reordered(row, rng) for row in rows])[None]


class SpanPool(nn.Module):
    """What the LLM says in the spans of requests, and the conditions that should become of it.

    The LLM speaks once; the projectors listen many times.
    """

    def __init__(self, model: Any, run: Run) -> None:
        super().__init__()
        for modality in run.decoders:
            rng = random.Random(f"{run.seed}/requests/{modality}")
            records = [sample_request(modality, rng, "train") for _ in range(run.pool[modality])]
            spoken = kept(run, modality, partial(last_spans, model, modality), records)
            captions = [captions_of(record)[-1] for record in records]
            wanted = in_chunks(model.decoders[modality].encode_prompt, captions)
            self.register_buffer(modality, spoken, persistent=False)
            self.register_buffer(f"{modality}_wanted", wanted, persistent=False)
            tokens, _ = model.decoders[modality].condition_spec.split(wanted[:BANK].float())
            others = pooled_condition(tokens)
            self.register_buffer(f"{modality}_others", others, persistent=False)

    def draw(
        self, modality: MediaModality, count: int, rng: random.Random
    ) -> tuple[Tensor, Tensor]:
        """Hidden states (count, S, D) of random spans and conditions (count, tokens, W)."""
        spoken, wanted = getattr(self, modality), getattr(self, f"{modality}_wanted")
        chosen = torch.tensor([rng.randrange(len(spoken)) for _ in range(count)])
        return spoken[chosen].float(), wanted[chosen].float()

    def of(self, modality: MediaModality) -> Tensor:
        """Gists of captions that could have been meant, (at most BANK, W)."""
        gists: Tensor = getattr(self, f"{modality}_others")
        return gists


def last_spans(model: Any, modality: MediaModality, records: Sequence[Record]) -> Tensor:
    """Hidden states (B, S, D) that condition the decoder, of the last spans of dialogues."""
    rows, prompts = [], []
    for record in records:
        messages = model.with_system_prompt(read_record(record).messages)
        prompt = build_prompt(messages, model.llm.tokenizer, reply=False)
        prompts.append(up_to_last_span(prompt, alone=model.llm.signals.droppable))
        rows.append(model.embed(prompts[-1]))
    lengths = torch.tensor([len(row) for row in rows])
    media = pad_sequence([media_at(model, prompt) for prompt in prompts], batch_first=True)
    embeds = pad_sequence(rows, batch_first=True)
    hidden = hidden_states(model.llm, embeds, lengths, common_beginning(prompts), media=media)
    length = model.llm.signals.length(modality)
    spans = [row[end - length : end] for row, end in zip(hidden, lengths.tolist())]
    return model.llm.signals.conditions(torch.stack(spans))


def up_to_last_span(prompt: Sequence[Piece], *, alone: bool) -> list[Piece]:
    """A prompt as far as its last span, which, if it is `alone`, sees no other span."""
    last = max(index for index, piece in enumerate(prompt) if isinstance(piece, Span))
    before = [p for p in prompt[:last] if not (alone and isinstance(p, Span))]
    return [*before, prompt[last]]


def drawn(modality: MediaModality, run: Run) -> list[Scene]:
    """The scenes of a pool: a function of the run's seed alone."""
    rng = random.Random(f"{run.seed}/pool/{modality}")
    return draw_scenes(modality, run, run.pool[modality], rng)


def kept(
    run: Run, name: str, encode: Callable[[Sequence[Any]], Tensor], rows: Sequence[Any]
) -> Tensor:
    """What `encode` makes of all rows; made once and kept in the run's folder for these rows."""
    path = run.out / POOL_FILE
    tensors = load_file(path) if path.is_file() else {}
    key = f"{name}-{zlib.crc32(repr(rows).encode()):08x}"
    if key not in tensors:
        log.info("%d rows are encoded: %s", len(rows), name)
        others = {k: v for k, v in tensors.items() if not k.startswith(f"{name}-")}
        tensors = others | {key: in_chunks(encode, rows)}
        save_weights(tensors, path)
    return tensors[key]


def encode_scenes(encode: Encode, modality: MediaModality, scenes: Sequence[Scene]) -> Tensor:
    return encode(modality, [render(scene) for scene in scenes])


@torch.no_grad()
def in_chunks(encode: Callable[[Sequence[Any]], Tensor], rows: Sequence[Any]) -> Tensor:
    """What `encode` makes of all rows, in half precision."""
    starts = range(0, len(rows), ENCODED)
    return torch.cat([encode(rows[start : start + ENCODED]).half() for start in starts])
