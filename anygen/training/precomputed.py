"""What stages compute once, before the first step, and learn from many times.

B rows, N scenes of a pool, M captions of a bank, C channels of a latent, S signal tokens,
T tokens and W width of a condition, D width of the LLM.
"""

import logging
import random
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial, reduce
from itertools import islice
from typing import Any, TypeVar, cast

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from anygen.checkpoints.checkpoint import save_weights
from anygen.config.run import Run
from anygen.core.media import Media
from anygen.core.modality import MediaModality
from anygen.core.records import Record, captions_of
from anygen.llm.kv_cache import Adapted, KVCache
from anygen.llm.prompt import Piece, Span, build_prompt
from anygen.model.multimodal import MultimodalModel
from anygen.training.data.captions import captions_of_data
from anygen.training.data.feature_cache import CHUNK, FeatureCache
from anygen.training.data.media import OwnPool
from anygen.training.dialogues import read_record
from anygen.training.mixtures import (
    UNCLEAR,
    class_shares,
    draw_scenes,
    plain_prompt,
    prompt_for_expert,
    reordered,
    request_record,
)
from anygen.training.runs.step import Step
from decoders.base import TrainableDecoder, pooled_condition
from encoders.base import JointEncoder
from mosit_data.unfamiliar.media import render_unfamiliar, sample_unfamiliar
from mosit_data.world.render import render_all
from mosit_data.world.scene import Scene, SoundScene, caption
from mosit_data.world.vocabulary import with_article

log = logging.getLogger(__name__)

POOL_FILE = "pool.safetensors"  # in the folder of a run

Encode = Callable[[MediaModality, Sequence[Media]], Tensor]  # one row per medium
T = TypeVar("T")


class NegativeBank(nn.Module):
    """Pooled conditions of random captions, as negatives of a contrastive loss.

    They are of the data that the run learns from: of its files, and of the small world if that is
    among its sources, or if the files have no captions of a modality.
    """

    def __init__(self, model: MultimodalModel, run: Run) -> None:
        super().__init__()
        own = captions_of_data(run) if run.data else {}
        draws_world = not run.data or any(source.world for source in run.data)
        for modality, decoder in model.decoders.items() if run.loss_weights.contrast else ():
            rng = random.Random(f"{run.seed}/bank/{modality}")
            captions = list(own.get(modality, []))
            if draws_world or not captions:
                scenes = draw_scenes(modality, run, run.negatives - len(captions), rng)
                captions += [caption(scene) for scene in scenes]
            conditions = in_chunks(decoder.encode_prompt, captions)
            tokens, _ = decoder.condition_spec.split(conditions.float())
            self.register_buffer(modality, pooled_condition(tokens), persistent=False)

    def negatives(self, modality: MediaModality) -> Tensor:
        """(M, W)."""
        return self.get_buffer(modality)


class PrecomputedPool(nn.Module):
    """`run.pool` media per modality, encoded once: scenes of the training split, and the user's.

    Encoding a scene takes as long as a step of a small network, which meets each scene many times.
    """

    def __init__(self, run: Run, networks: nn.Module, encode: Encode) -> None:
        """`networks` hold what `encode` computes with."""
        super().__init__()
        self.run = run
        self.cache = FeatureCache(run.out, "media", networks) if run.data else None
        self.own = OwnPool(run, self.cache) if self.cache else None
        self.scenes: dict[MediaModality, list[Scene]] = {}
        self.captions: dict[MediaModality, list[str]] = {}  # of scenes, then of the user's media
        for modality in dict.fromkeys(run.turns):
            count = self.own.scenes[modality] if self.own else run.pool[modality]
            scenes = draw_pool(modality, run, count)
            captions, rows = [caption(scene) for scene in scenes], []
            if scenes:
                rows.append(cached(run, modality, partial(encode, modality), scenes, render_all))
            if self.own and any(self.own.sizes[modality].values()):
                encoded, own_captions = self.own.fill(modality, partial(encode, modality))
                rows.append(encoded)
                captions += own_captions
            self.scenes[modality], self.captions[modality] = scenes, captions
            self.register_buffer(modality, torch.cat(rows), persistent=False)

    def rows(self, modality: MediaModality, indices: Sequence[int]) -> Tensor:
        """The encoded media at these indices."""
        return self.get_buffer(modality)[torch.tensor(indices)].float()

    def own_rows(self, modality: MediaModality, step: Step) -> tuple[list[int], int]:
        """Indices of the user's media in a step, and how many scenes it has beside them."""
        if self.own is None:
            return [], self.run.rows.get(modality, self.run.batch_size)
        chosen, scenes = self.own.choose(step.index, step.part, step.parts)
        return [len(self.scenes[modality]) + index for index in chosen], scenes

    def choose(self, modality: MediaModality, count: int, rng: random.Random) -> list[int]:
        """Indices of random scenes."""
        return [rng.randrange(len(self.scenes[modality])) for _ in range(count)]


class LatentPool(nn.Module):
    """Latents of media, and the conditions of their captions."""

    def __init__(self, model: MultimodalModel, run: Run) -> None:
        super().__init__()
        self.pool = PrecomputedPool(
            run,
            model.decoders,
            lambda m, media: cast(TrainableDecoder, model.decoders[m]).to_latents(media),
        )
        kept = FeatureCache(run.out, "captions", model.decoders) if run.data else None
        for modality, captions in self.pool.captions.items():
            encode, scenes = model.decoders[modality].encode_prompt, len(self.pool.scenes[modality])
            rows = [in_chunks(encode, captions[:scenes])] if scenes else []
            if kept is not None and captions[scenes:]:
                rows.append(kept.rows(modality, captions[scenes:], encode))
            self.register_buffer(modality, torch.cat(rows), persistent=False)

    def draw(self, modality: MediaModality, step: Step) -> tuple[Tensor, Tensor]:
        """Latents (B, C, ...) and conditions (B, T, W) of the media of a step."""
        own, scenes = self.pool.own_rows(modality, step)
        indices = [*own, *self.pool.choose(modality, scenes, step.rng)]
        conditions = self.get_buffer(modality)[torch.tensor(indices)].float()
        return self.pool.rows(modality, indices), conditions


class FeaturePool(nn.Module):
    """What the frozen part of the encoder computes of media, and their captions.

    Half of the sounds of the small world are mixes: up to three clips of one sound at once, each
    cut into pieces in random order, with the name of the sound alone as their caption. Without them
    the encoder learns that held-out combinations are impossible: it took a chord for proof that no
    accordion was playing. Raises ValueError if the encoder is not one that this stage can train.
    """

    def __init__(self, model: MultimodalModel, run: Run) -> None:
        super().__init__()
        encoder = model.encoder
        if not isinstance(encoder, JointEncoder):
            raise ValueError(
                f"encoder: stage joint cannot train {model.system.encoder.name}; "
                "it trains encoders of our own, such as bind"
            )
        self.mix = encoder.mix
        self.pool = PrecomputedPool(
            run, model.encoder, lambda m, media: torch.stack(encoder.observe(m, media))
        )
        self.clips: dict[str, list[int]] = {}  # indices in the pool, by the name of the sound
        for index, scene in enumerate(self.pool.scenes.get("audio", [])):
            assert isinstance(scene, SoundScene)
            self.clips.setdefault(scene.sound, []).append(index)

    def draw(self, modality: MediaModality, step: Step) -> tuple[Tensor, list[str]]:
        """Observations (B, ...), see `JointEncoder.observe`, and captions of a step's media."""
        own, scenes = self.pool.own_rows(modality, step)
        mixes = scenes // 2 if modality == "audio" else 0
        indices = [*own, *self.pool.choose(modality, scenes - mixes, step.rng)]
        captions = [self.pool.captions[modality][index] for index in indices]
        observed = [self.pool.rows(modality, indices)]
        for name in step.rng.choices(list(self.clips), k=mixes) if mixes else []:
            observed.append(self.sound_mix(name, step.rng))
            captions.append(with_article(name, name))
        return torch.cat(observed), captions

    def sound_mix(self, name: str, rng: random.Random) -> Tensor:
        """The spectrogram (1, frames, bands) of pieces of up to three clips of one sound."""
        clips = rng.choices(self.clips[name], k=rng.randint(1, 3))
        rows = self.pool.rows("audio", clips)
        return reduce(self.mix, [reordered(row, rng) for row in rows])[None]


class DomainPool(nn.Module):
    """Summaries of familiar media, those of the small world, and as many of unfamiliar ones.

    A third of the unfamiliar ones of a modality that can be imagined are. Nothing is kept in the
    run's folder: summaries change with the weights of the encoder. Raises ValueError if the encoder
    has no domain token.
    """

    def __init__(self, model: MultimodalModel, run: Run) -> None:
        super().__init__()
        encoder = model.encoder
        if not isinstance(encoder, JointEncoder) or not encoder.familiarity:
            raise ValueError("encoder: stage calibrate needs one with domain_token: true")
        for modality in run.pooled_media:
            rng, count = random.Random(f"{run.seed}/domains/{modality}"), run.pool[modality]
            scenes = draw_scenes(modality, run, count, rng)
            others = [sample_unfamiliar(modality, rng) for _ in range(count)]
            summarize = partial(summaries, encoder, modality)
            familiar = in_chunks(summarize, render_all(scenes))
            rendered = in_chunks(summarize, map(render_unfamiliar, others))
            imagined = imagined_summaries(encoder, modality, count // 2, rng)
            self.register_buffer(modality, familiar, persistent=False)
            unfamiliar = torch.cat([rendered, imagined])
            self.register_buffer(f"{modality}_unfamiliar", unfamiliar, persistent=False)

    def draw(
        self, modality: MediaModality, count: int, rng: random.Random
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Three times (count, W): familiar ones to learn from, unfamiliar ones, and familiar ones
        that are never learned from.
        """
        familiar, others = self.get_buffer(modality), self.get_buffer(f"{modality}_unfamiliar")
        learning, unseen = random_rows(familiar[::2], count, rng), familiar[1::2]
        return learning, random_rows(others, count, rng), random_rows(unseen, count, rng)


def random_rows(rows: Tensor, count: int, rng: random.Random) -> Tensor:
    return rows[torch.tensor([rng.randrange(len(rows)) for _ in range(count)])].float()


def summaries(encoder: JointEncoder, modality: MediaModality, media: Sequence[Media]) -> Tensor:
    """(B, W), see `JointEncoder.summary`."""
    observed = torch.stack(encoder.observe(modality, media))
    return encoder.summary(modality, observed, encoder.read(modality, observed))


@torch.no_grad()
def imagined_summaries(
    encoder: JointEncoder, modality: MediaModality, count: int, rng: random.Random
) -> Tensor:
    """Summaries (count, W) of imagined photographs or videos; (0, W) for sounds."""
    if modality == "audio":
        return torch.zeros(0, encoder.widths[modality]).half()
    shares = class_shares(len(encoder.class_names()), count, rng, UNCLEAR)
    generator = torch.Generator().manual_seed(rng.getrandbits(48))
    observed = encoder.imagine(modality, shares, generator)
    return encoder.summary(modality, observed, encoder.read(modality, observed)).half()


class SpanPool(nn.Module):
    """Hidden states of the spans of requests, and the conditions of the requested captions.

    The LLM runs once per request; the projectors learn from it many times.
    """

    def __init__(self, model: MultimodalModel, run: Run) -> None:
        super().__init__()
        for modality in run.decoders:
            rng = random.Random(f"{run.seed}/requests/{modality}")
            records = [request_record(model, modality, rng) for _ in range(run.pool[modality])]
            hidden = cached(run, modality, partial(last_spans, model, modality), records)
            captions = [captions_of(record)[-1] for record in records]
            conditions = in_chunks(model.decoders[modality].encode_prompt, captions)
            others = conditions[: run.negatives].float()
            tokens, _ = model.decoders[modality].condition_spec.split(others)
            self.register_buffer(modality, hidden, persistent=False)
            self.register_buffer(f"{modality}_conditions", conditions, persistent=False)
            pooled = pooled_condition(tokens)
            self.register_buffer(f"{modality}_negatives", pooled, persistent=False)

    def draw(
        self, modality: MediaModality, count: int, rng: random.Random
    ) -> tuple[Tensor, Tensor]:
        """Hidden states (count, S, D) of random spans and conditions (count, T, W)."""
        hidden, conditions = self.get_buffer(modality), self.get_buffer(f"{modality}_conditions")
        indices = torch.tensor([rng.randrange(len(hidden)) for _ in range(count)])
        return hidden[indices].float(), conditions[indices].float()

    def negatives(self, modality: MediaModality) -> Tensor:
        """Pooled conditions of other captions, (at most `run.negatives`, W)."""
        return self.get_buffer(f"{modality}_negatives")


class RoutePool(nn.Module):
    """What the router reads of prompts, half of them for the media expert, half of them plain."""

    def __init__(self, model: MultimodalModel, run: Run) -> None:
        """Raises ValueError for a system without a router."""
        super().__init__()
        if model.llm.router is None:
            raise ValueError("stage route: this system has no router; write llm.adapter: activated")
        rng = random.Random(f"{run.seed}/routes")
        each = run.pool["text"] // 2
        rows = [prompt_for_expert(model, rng) for _ in range(each)]
        rows += [plain_prompt(rng) for _ in range(each)]
        states = cached(run, "routes", partial(states_of_prompts, model), rows)
        self.register_buffer("states", states, persistent=False)
        self.register_buffer("expert", torch.arange(len(rows)) < each, persistent=False)

    def draw(self, count: int, rng: random.Random) -> tuple[Tensor, Tensor]:
        """States (count, D) of random prompts, and whether they are for the expert, (count,)."""
        states, expert = self.get_buffer("states"), self.get_buffer("expert")
        indices = torch.tensor([rng.randrange(len(states)) for _ in range(count)])
        return states[indices].float(), expert[indices].float()


def states_of_prompts(model: MultimodalModel, records: Sequence[Record]) -> Tensor:
    """What the router reads, (B, D), at the ends of dialogues that an answer follows."""
    cache, states = KVCache(), []
    for record in records:
        prompt = build_prompt(read_record(record).messages, model.llm.tokenizer, reply=True)
        read_prompt(model, prompt, cache, expert=False)
        states.append(cast(Tensor, cache.middle))
    return torch.stack(states)


def last_spans(
    model: MultimodalModel, modality: MediaModality, records: Sequence[Record]
) -> Tensor:
    """Hidden states (B, S, D) that condition the decoder, of the last spans of dialogues."""
    signals, cache, spans = model.llm.signals, KVCache(), []
    for record in records:
        messages = model.with_system_prompt(read_record(record).messages)
        prompt = build_prompt(messages, model.llm.tokenizer, reply=False)
        prompt = up_to_last_span(prompt, alone=signals.droppable)
        expert = model.llm.router is not None
        spans.append(read_prompt(model, prompt, cache, expert, signals.length(modality)))
    return signals.conditions(torch.stack(spans))


def read_prompt(
    model: MultimodalModel, prompt: Sequence[Piece], cache: KVCache, expert: bool, last: int = 1
) -> Tensor:
    """Hidden states (`last`, D) of the last positions of a prompt, read as in answering.

    This is several times faster than padded batches, and gives what the engine will see. What the
    prompt before had in common with it is not read again.
    """
    keys = [key for piece in prompt for key in model.cache_keys(piece)]
    keys = [Adapted(key) for key in keys] if expert else keys
    cache.crop(min(cache.common_prefix(keys), len(keys) - last))
    read = cache.length
    [hidden_TD] = model.llm.read([(cache, model.embed(prompt)[read:], keys[read:])])
    return hidden_TD[-last:]


def up_to_last_span(prompt: Sequence[Piece], *, alone: bool) -> list[Piece]:
    """A prompt up to and including its last span; if `alone`, without the spans before it."""
    last = max(index for index, piece in enumerate(prompt) if isinstance(piece, Span))
    before = [p for p in prompt[:last] if not (alone and isinstance(p, Span))]
    return [*before, prompt[last]]


def draw_pool(modality: MediaModality, run: Run, count: int) -> list[Scene]:
    """The scenes of a pool: a function of the run's seed alone."""
    return draw_scenes(modality, run, count, random.Random(f"{run.seed}/pool/{modality}"))


def cached(
    run: Run,
    name: str,
    encode: Callable[[Sequence[Any]], Tensor],
    rows: Sequence[T],
    read: Callable[[Sequence[T]], Iterable[Any]] = iter,
) -> Tensor:
    """All rows encoded, from the run's folder if the same rows lie there already.

    `read` makes of each what `encode` takes.
    """
    path = run.out / POOL_FILE
    tensors = load_file(path) if path.is_file() else {}
    key = f"{name}-{zlib.crc32(repr(rows).encode()):08x}"
    if key not in tensors:
        log.info("%d rows are encoded: %s", len(rows), name)
        others = {k: v for k, v in tensors.items() if not k.startswith(f"{name}-")}
        tensors = others | {key: in_chunks(encode, read(rows))}
        save_weights(tensors, path)
    return tensors[key]


@torch.no_grad()
def in_chunks(encode: Callable[[Sequence[T]], Tensor], rows: Iterable[T]) -> Tensor:
    """All rows encoded, in half precision."""
    left = iter(rows)
    chunks = iter(lambda: list(islice(left, CHUNK)), [])
    return torch.cat([encode(chunk).half() for chunk in chunks])
