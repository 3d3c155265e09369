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
from anygen.core.media import Audio, Image, Media, Message
from anygen.core.modality import MEDIA, MediaModality
from anygen.core.records import Record
from anygen.model.multimodal import MultimodalModel
from anygen.training.dialogues import Dialogue, read_record
from encoders.base import JointEncoder
from mosit_data.world.language.dialogues import (
    sample_caption_pair,
    sample_dialogue,
    sample_plain,
    sample_request,
)
from mosit_data.world.language.english.questions import described, sentence
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
from mosit_data.world.vocabulary import SOUNDS, article

INSTRUCT_MIX = {"world": 0.54, "photograph": 0.12, "text": 0.34}
# There are a thousand classes of photographs, and instruments are harder to tell than objects.
ENCODE_MIX = {"photograph": 0.52, "audio": 0.18, "sound_mix": 0.14, "image": 0.08, "video": 0.08}
FUNCTION_WORDS = frozenset(
    ["a", "an", "and", "background", "melody", "notes", "of", "on", "playing", "sound", "the", "to"]
)
PHOTOGRAPH_QUESTIONS = [
    "What is in this picture?",
    "What is this?",
    "What does this photo show?",
    "Which animal or thing is this?",
    "Describe this picture.",
    "what do you see",
    "What did I take a photo of?",
    "whats in my photo",
    "which animal or object did I photograph?",
    "can you tell me what this thing is?",
    "hi, what do you think this is?",
    "I found this, what is it?",
    "name the main thing in this picture",
    "what am i looking at here",
    "Do you recognise this?",
    "tell my friend what is in this picture",
    "What kind of thing or animal is that?",
    "I took this yesterday. What does it show?",
    "Please look at my photo and say what it is.",
    "guess what this is",
]
PHOTOGRAPH_ANSWERS = ["This is a photo of {}.", "It is a photo of {}.", "I see {} in this photo."]
PLACEHOLDER = Image(torch.zeros(3, 1, 1, dtype=torch.uint8))  # stands for features without pixels


def draw_scenes(modality: MediaModality, run: Run, count: int, rng: random.Random) -> list[Scene]:
    """Scenes of the training split, in the run's vocabulary."""
    full = run.vocabulary == "full"
    return [sample_scene(modality, rng, "train", full) for _ in range(count)]


def draw_media(modality: MediaModality, run: Run, rng: random.Random) -> list[Media]:
    """One batch of the training split."""
    rows = run.rows.get(modality, run.batch_size)
    return [render(scene) for scene in draw_scenes(modality, run, rows, rng)]


def encode_dialogues(
    model: MultimodalModel, run: Run, rng: random.Random, generator: torch.Generator
) -> list[Dialogue]:
    """Media of the small world and imagined photographs, each answered by its description."""

    def draw(kind: str) -> Dialogue:
        if kind == "sound_mix":
            return sound_mix(rng)
        return read_record(sample_caption_pair(cast(MediaModality, kind), rng, "train"))

    return draw_mixture(model, run, ENCODE_MIX, draw, rng, generator)


def decode_dialogues(
    modalities: list[MediaModality], run: Run, rng: random.Random
) -> list[Dialogue]:
    """Requests for one medium, all modalities in turn."""
    turns = [modalities[index % len(modalities)] for index in range(run.batch_size)]
    return [read_record(sample_request(modality, rng, "train")) for modality in turns]


def instruct_dialogues(
    model: MultimodalModel, run: Run, rng: random.Random, generator: torch.Generator
) -> list[Dialogue]:
    """Dialogues of the small world, photographs, and text-only answers of the base model."""
    plain_rows = text_rows()

    def draw(kind: str) -> Dialogue:
        if kind == "world":
            return read_record(world_record(model, rng))
        return replace(read_record(rng.choice(plain_rows)), plain=True)

    return draw_mixture(model, run, INSTRUCT_MIX, draw, rng, generator)


def draw_mixture(
    model: MultimodalModel,
    run: Run,
    shares: Mapping[str, float],
    draw: Callable[[str], Dialogue],
    rng: random.Random,
    generator: torch.Generator,
) -> list[Dialogue]:
    """A batch of dialogues of random kinds: photographs, and what `draw` makes of other kinds."""
    usable = {kind: share for kind, share in shares.items() if can_read(model, kind)}
    kinds = rng.choices(list(usable), list(usable.values()), k=run.batch_size)
    count = kinds.count("photograph")
    imagined = iter(photographs(model, count, rng, generator) if count else [])
    return [next(imagined) if kind == "photograph" else draw(kind) for kind in kinds]


def can_read(model: MultimodalModel, kind: str) -> bool:
    """Whether a model learns from a kind of dialogue.

    The encoder takes its media, or can imagine them; and plain answers are to be learned, which
    with a router are the base LLM's own.
    """
    if kind == "text":
        return model.llm.router is None
    if kind == "photograph":
        return isinstance(model.encoder, JointEncoder)
    modality = "audio" if kind == "sound_mix" else kind
    return modality not in MEDIA or modality in model.encoder.modalities


def world_record(model: MultimodalModel, rng: random.Random) -> Record:
    """A dialogue of the small world whose media the model can read and, in answers, render."""
    while True:
        record = sample_dialogue(rng, "train")
        parts = [(turn.role, part.type) for turn in record.messages for part in turn.content]
        media = {kind for _, kind in parts} & {*MEDIA}
        rendered = {kind for role, kind in parts if role == "assistant"} & {*MEDIA}
        if media <= {*model.encoder.modalities} and rendered <= {*model.decoders}:
            return record


def prompt_for_expert(model: MultimodalModel, rng: random.Random) -> Record:
    """A dialogue of the small world up to where the model has to answer."""
    record = world_record(model, rng)
    answers = [i for i, turn in enumerate(record.messages) if turn.role == "assistant"]
    return record.model_copy(update={"messages": record.messages[: rng.choice(answers)]})


def plain_prompt(rng: random.Random) -> Record:
    """A prompt that the base LLM answers by itself."""
    return Record(id=f"plain-{rng.getrandbits(48):012x}", messages=sample_plain(rng, "train"))


def photographs(
    model: MultimodalModel, count: int, rng: random.Random, generator: torch.Generator
) -> list[Dialogue]:
    """Questions about imagined photographs: no real photograph is needed."""
    dialogues = []
    for features, name in zip(*imagined_photographs(model, count, rng, generator)):
        answer = rng.choice(PHOTOGRAPH_ANSWERS).format(article(name))
        question = Message("user", (PLACEHOLDER, rng.choice(PHOTOGRAPH_QUESTIONS)))
        reply = Message("assistant", (answer,))
        dialogues.append(Dialogue([question, reply], features={0: features}))
    return dialogues


def imagined_photographs(
    model: MultimodalModel, count: int, rng: random.Random, generator: torch.Generator
) -> tuple[Tensor, list[str]]:
    """Features (count, K, W) of random classes of ImageNet, and the names of the classes."""
    encoder = cast(JointEncoder, model.encoder)
    names = encoder.class_names()
    classes = [rng.randrange(len(names)) for _ in range(count)]
    features = encoder.prototype_tokens(torch.tensor(classes).long(), generator)
    return features, [names[index] for index in classes]


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
