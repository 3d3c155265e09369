"""Batches for training: media, scenes and dialogues, all drawn from a random generator."""

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from anygen.config.run import Run
from anygen.core.media import Audio, Media, Message
from anygen.core.modality import MEDIA, MediaModality
from anygen.core.records import Record, media_of_record
from anygen.model.multimodal import MultimodalModel
from anygen.training.data.media import OwnMedium
from anygen.training.data.mixture import StepRows
from anygen.training.dialogues import PLACEHOLDERS, Dialogue, read_record
from encoders.base import Domain, JointEncoder
from mosit_data.unfamiliar.media import render_unfamiliar, sample_unfamiliar
from mosit_data.world.language.dialogues import (
    sample_caption_pair,
    sample_dialogue,
    sample_plain,
    sample_request,
)
from mosit_data.world.language.english.questions import described, sentence
from mosit_data.world.language.own_media import ask_about_own
from mosit_data.world.render import render
from mosit_data.world.scene import (
    Scene,
    SoundScene,
    caption,
    in_split,
    sample_scene,
    sound_scene,
)
from mosit_data.world.sounds import render_sound
from mosit_data.world.vocabulary import SOUNDS, with_article

INSTRUCT_MIX = {
    "world": 0.50,
    "photograph": 0.08,
    "film": 0.02,
    "unfamiliar_image": 0.015,
    "unfamiliar_audio": 0.03,
    "unfamiliar_video": 0.015,
    "text": 0.34,
}
# There are a thousand classes of photographs, and instruments are harder to tell than objects.
ENCODE_MIX = {
    "photograph": 0.36,
    "film": 0.10,
    "unfamiliar_image": 0.03,
    "unfamiliar_audio": 0.06,
    "unfamiliar_video": 0.03,
    "audio": 0.14,
    "sound_mix": 0.14,
    "image": 0.07,
    "video": 0.07,
}
# The modality of a kind of dialogue about media that are not of the small world.
IMAGINED: dict[str, MediaModality] = {"photograph": "image", "film": "video"}
UNFAMILIAR: dict[str, MediaModality] = {f"unfamiliar_{modality}": modality for modality in MEDIA}
UNCLEAR = 0.3  # share of imagined photographs and films that show several classes, or little of one
FUNCTION_WORDS = frozenset(
    ["a", "an", "and", "background", "melody", "notes", "of", "on", "playing", "sound", "the", "to"]
)


def draw_scenes(modality: MediaModality, run: Run, count: int, rng: random.Random) -> list[Scene]:
    """Scenes of the training split, in the run's vocabulary."""
    full = run.vocabulary == "full"
    return [sample_scene(modality, rng, "train", full) for _ in range(count)]


def draw_media(
    modality: MediaModality,
    run: Run,
    rng: random.Random,
    rows: StepRows[OwnMedium] | None = None,
) -> list[Media]:
    """One batch: the media of the run's files, and scenes of the training split."""
    media, _ = draw_pairs(modality, run, rng, rows)
    return media


def draw_pairs(
    modality: MediaModality,
    run: Run,
    rng: random.Random,
    rows: StepRows[OwnMedium] | None = None,
) -> tuple[list[Media], list[str]]:
    """The same, with their captions, which are empty for files without one."""
    rows = rows or StepRows(world=run.rows.get(modality, run.batch_size))
    scenes = draw_scenes(modality, run, rows.world, rng)
    media = [*(own.media for own in rows.own), *map(render, scenes)]
    return media, [*(own.caption for own in rows.own), *map(caption, scenes)]


def encode_dialogues(
    model: MultimodalModel, count: int, rng: random.Random, generator: torch.Generator
) -> list[Dialogue]:
    """Media of the small world and of people, each answered by its description."""

    def draw(kind: str) -> Dialogue:
        if kind == "sound_mix":
            return sound_mix(rng)
        return read_record(sample_caption_pair(cast(MediaModality, kind), rng, "train"))

    return draw_mixture(model, count, ENCODE_MIX, draw, rng, generator)


def decode_dialogues(
    model: MultimodalModel, count: int, rng: random.Random, generator: torch.Generator
) -> list[Dialogue]:
    """Requests for one medium, all modalities in turn."""
    modalities = list(model.decoders)
    turns = [modalities[index % len(modalities)] for index in range(count)]
    return [read_record(request_record(model, modality, rng)) for modality in turns]


def instruct_dialogues(
    model: MultimodalModel, count: int, rng: random.Random, generator: torch.Generator
) -> list[Dialogue]:
    """Dialogues of the small world, about people's media, and the base model's own text."""

    def draw(kind: str) -> Dialogue:
        return read_record(world_record(model, rng)) if kind == "world" else plain_dialogue(rng)

    return draw_mixture(model, count, INSTRUCT_MIX, draw, rng, generator)


DRAW: dict[
    str, Callable[[MultimodalModel, int, random.Random, torch.Generator], list[Dialogue]]
] = {
    "encode": encode_dialogues,
    "decode": decode_dialogues,
    "instruct": instruct_dialogues,
}


def draw_dialogues(
    model: MultimodalModel,
    run: Run,
    rows: StepRows[Dialogue] | None,
    rng: random.Random,
    generator: torch.Generator,
) -> list[Dialogue]:
    """The rows of a step: of the run's files, what its stage draws by itself, and plain answers."""
    rows = rows or StepRows(world=run.batch_size)
    drawn = DRAW[run.stage](model, rows.world, rng, generator)
    return [*rows.own, *drawn, *(plain_dialogue(rng) for _ in range(rows.plain))]


def plain_dialogue(rng: random.Random) -> Dialogue:
    """A prompt without media, and the base model's own answer."""
    return replace(read_record(rng.choice(text_rows())), plain=True)


def draw_mixture(
    model: MultimodalModel,
    count: int,
    shares: Mapping[str, float],
    draw: Callable[[str], Dialogue],
    rng: random.Random,
    generator: torch.Generator,
) -> list[Dialogue]:
    """Dialogues of random kinds: about people's own media, and what `draw` makes."""
    usable = {kind: share for kind, share in shares.items() if can_read(model, kind)}
    kinds = rng.choices(list(usable), list(usable.values()), k=count)
    own = {
        kind: iter(own_media(model, kind, kinds.count(kind), rng, generator))
        for kind in (*IMAGINED, *UNFAMILIAR)
        if kind in kinds
    }
    return [next(own[kind]) if kind in own else draw(kind) for kind in kinds]


def can_read(model: MultimodalModel, kind: str) -> bool:
    """Whether a model learns from a kind of dialogue.

    The encoder takes its media, or can imagine them; and plain answers are to be learned, which
    with a router are the base LLM's own.
    """
    encoder = model.encoder
    if kind == "text":
        return model.llm.router is None
    if kind in IMAGINED or kind in UNFAMILIAR:
        if not isinstance(encoder, JointEncoder):
            return False
        return kind == "photograph" or bool(encoder.familiarity)
    modality = "audio" if kind == "sound_mix" else kind
    return modality not in MEDIA or modality in encoder.modalities


def world_record(model: MultimodalModel, rng: random.Random) -> Record:
    """A dialogue of the small world whose media the model can read and, in answers, render."""
    return first_usable(model, lambda: sample_dialogue(rng, "train"))


def request_record(model: MultimodalModel, modality: MediaModality, rng: random.Random) -> Record:
    """A request for a medium, among whose media are only those that the model reads and renders."""
    return first_usable(model, lambda: sample_request(modality, rng, "train"))


def first_usable(model: MultimodalModel, sample: Callable[[], Record]) -> Record:
    """The first sample whose media the encoder takes and, in answers, a decoder makes.

    The decoders count that the system has, also where a stage does not build them.
    """
    decoders = model.system.decoders
    while True:
        record = sample()
        media = [(role, medium.type) for role, medium in media_of_record(record)]
        rendered = {modality for role, modality in media if role == "assistant"}
        if {m for _, m in media} <= {*model.encoder.modalities} and rendered <= {*decoders}:
            return record


def prompt_for_expert(model: MultimodalModel, rng: random.Random) -> Record:
    """A dialogue of the small world up to where the model has to answer."""
    record = world_record(model, rng)
    answers = [i for i, turn in enumerate(record.messages) if turn.role == "assistant"]
    return record.model_copy(update={"messages": record.messages[: rng.choice(answers)]})


def plain_prompt(rng: random.Random) -> Record:
    """A prompt that the base LLM answers by itself."""
    return Record(id=f"plain-{rng.getrandbits(48):012x}", messages=sample_plain(rng, "train"))


@torch.no_grad()
def own_media(
    model: MultimodalModel, kind: str, count: int, rng: random.Random, generator: torch.Generator
) -> list[Dialogue]:
    """Questions about media that are not of the small world: imagined ones, or unfamiliar ones.

    No real ones are needed. What the encoder takes a medium for decides the name in the answer, and
    its domain token whether the answer is unsure: then the LLM learns to trust both.
    """
    encoder = cast(JointEncoder, model.encoder)
    modality = IMAGINED.get(kind) or UNFAMILIAR[kind]
    if kind in IMAGINED:
        shares = class_shares(len(encoder.class_names()), count, rng, UNCLEAR)
        observed = encoder.imagine(modality, shares, generator)
    else:
        media = [render_unfamiliar(sample_unfamiliar(modality, rng)) for _ in range(count)]
        observed = torch.stack(encoder.observe(modality, media))
    features = encoder.read(modality, observed)
    names = nearest_names(encoder, modality, observed, features)
    sure = [True] * count
    if encoder.familiarity:
        sure = (encoder.domains(modality, observed, features) != Domain.UNFAMILIAR).tolist()
    dialogues = []
    for row, name, known in zip(encoder.complete(modality, observed, features), names, sure):
        question, answer = ask_about_own(rng, modality, name, known)
        user = Message("user", (PLACEHOLDERS[modality], question))
        dialogues.append(Dialogue([user, Message("assistant", (answer,))], features={0: row}))
    return dialogues


def class_shares(classes: int, count: int, rng: random.Random, unclear: float) -> Tensor:
    """(count, classes): one class in most rows, and in a share of `unclear` less of up to three."""
    shares = torch.zeros(count, classes)
    for row in shares:
        clear = rng.random() >= unclear
        for index in rng.sample(range(classes), 1 if clear else rng.randint(1, 3)):
            row[index] = 1.0 if clear else rng.uniform(0.1, 0.6)
    return shares


def nearest_names(
    encoder: JointEncoder, modality: MediaModality, observed: Tensor, features: Tensor
) -> list[str]:
    """What the encoder takes media for: a class of the vision trunk, or a sound of the world."""
    if modality == "audio":
        names = list(SOUNDS)
        texts = encoder.embed([with_article(name, name) for name in names])
        scores = encoder.embed_features(modality, features) @ texts.T
    else:
        names, scores = encoder.class_names(), encoder.class_logits(modality, observed)
    return [names[index] for index in scores.argmax(1).tolist()]


@torch.no_grad()
def imagined_photographs(
    model: MultimodalModel, count: int, rng: random.Random, generator: torch.Generator
) -> tuple[Tensor, list[str]]:
    """Features (count, K, W) of random classes of ImageNet, and the names of the classes."""
    encoder = cast(JointEncoder, model.encoder)
    shares = class_shares(len(encoder.class_names()), count, rng, unclear=0.0)
    observed = encoder.imagine("image", shares, generator)
    features = encoder.complete("image", observed, encoder.read("image", observed))
    return features, [encoder.class_names()[index] for index in shares.argmax(1).tolist()]


def content_words(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """The tokens of a caption's words but for its function words."""
    words = [f" {word}" for word in text.split() if word not in FUNCTION_WORDS]
    return [
        token for word in words for token in tokenizer(word, add_special_tokens=False).input_ids
    ]


def sound_mix(rng: random.Random) -> Dialogue:
    """Up to three clips of one sound at once, their pieces in random order, and its name.

    Without them the projector learns that the combinations that are held out are impossible.
    """
    first = clip(rng, rng.choice(list(SOUNDS)))
    clips = [first, *(clip(rng, first.sound) for _ in range(rng.randrange(3)))]
    sounds = [render_sound(scene) for scene in clips]
    samples = torch.stack([reordered(sound.samples[0], rng) for sound in sounds]).sum(0)
    samples *= sounds[0].samples.abs().max() / samples.abs().max()
    bare = first.model_copy(update={"mentions": ()})
    question, _ = described(rng, bare)
    user = Message("user", (Audio(samples[None], sounds[0].rate), question))
    return Dialogue([user, Message("assistant", (sentence(caption(bare)),))])


def clip(rng: random.Random, sound: str) -> SoundScene:
    """A clip of one sound, of the training split."""
    while True:
        scene = sound_scene(rng, sound)
        if in_split(scene, "train"):
            return scene


def reordered(frames: Tensor, rng: random.Random) -> Tensor:
    """A sound (frames, ...) cut at up to four places, its pieces in random order."""
    cuts = sorted(rng.sample(range(1, len(frames)), rng.randint(0, 4)))
    pieces = [frames[start:end] for start, end in pairwise([0, *cuts, len(frames)])]
    return torch.cat(rng.sample(pieces, len(pieces)))


@cache
def text_rows() -> list[Record]:
    """Prompts without media, answered by the untouched base model: see text_rows.py."""
    lines = files("mosit_data").joinpath("text_rows.jsonl").read_text(encoding="utf-8")
    return [Record.model_validate_json(line) for line in lines.splitlines()]
