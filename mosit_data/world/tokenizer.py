"""Trains the tokenizer of mini's caption encoders: `python -m mosit_data.world.tokenizer OUT.json`.

Byte-pair encoding over the captions of the training split: every word of the small world is one
token, any other text falls back to smaller pieces. With `--full` its vocabulary is the full one.
"""

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from anygen.core.modality import MEDIA
from mosit_data.world.scene import caption, sample_scene

CAPTIONS = 30_000  # per modality
TOKENS = 2048  # at most
SPECIAL = ["<pad>", "<eos>", "<unk>"]


def train_tokenizer(full: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=True)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=TOKENS, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(captions(full), trainer)
    return tokenizer


def captions(full: bool) -> Iterator[str]:
    rng = random.Random(0)
    for modality in MEDIA:
        for _ in range(CAPTIONS):
            yield caption(sample_scene(modality, rng, "train", full))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path)
    parser.add_argument("--full", action="store_true", help="of the full vocabulary")
    arguments = parser.parse_args()
    train_tokenizer(arguments.full).save(str(arguments.out))
