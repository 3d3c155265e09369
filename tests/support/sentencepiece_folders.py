"""Folders with a SentencePiece tokenizer as Llama and Vicuna publish it, trained here on the words
of prompts: BPE with byte fallback, and a space before every text."""

import io
import json
from functools import cache
from pathlib import Path

import sentencepiece
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)
from transformers.convert_slow_tokenizer import SentencePieceExtractor

TEXT = [
    "USER: Look at the cat, please. ASSISTANT: Here is a cat.",
    "### Human: hello there, be kind. <Img></Img> draw it again, what is it",
    "### Assistant: hello, what is it? A picture of a red ball on a blue background.",
]
UNKNOWN, FIRST, END = "<unk>", "<s>", "</s>"


@cache
def trained(vocabulary: int) -> bytes:
    """A tokenizer.model, with the settings of Llama's."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT * 20),
        model_writer=model,
        vocab_size=vocabulary,
        model_type="bpe",
        byte_fallback=True,
        hard_vocab_limit=False,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        pad_id=-1,
        minloglevel=2,
    )
    return model.getvalue()


def write_tokenizer(
    folder: Path,
    *,
    vocabulary: int = 340,
    legacy: bool | None = None,
    fast: bool = False,
    template: str | None = None,
) -> None:
    """`tokenizer.model`, or with `fast` what transformers 4 made of it, `tokenizer.json`.

    `legacy` None: tokenizer_config.json does not mention it, as Vicuna's up to 1.3.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.model").write_bytes(trained(vocabulary))
    settings = {
        "tokenizer_class": "LlamaTokenizer",
        "bos_token": FIRST,
        "eos_token": END,
        "unk_token": UNKNOWN,
        "add_bos_token": True,
    }
    given = {"legacy": legacy, "chat_template": template}
    settings |= {key: value for key, value in given.items() if value is not None}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    if not (folder / "config.json").exists():
        (folder / "config.json").write_text('{"model_type": "llama"}')
    if fast:
        converted(folder, legacy=legacy is not False).save(str(folder / "tokenizer.json"))
        (folder / "tokenizer.model").unlink()


def converted(folder: Path, *, legacy: bool) -> Tokenizer:
    """As LlamaTokenizerFast of transformers 4.35 to 4.44 saved it."""
    found = SentencePieceExtractor(str(folder / "tokenizer.model")).extract(models.BPE)
    tokenizer = Tokenizer(
        models.BPE(
            found["vocab"],
            found["merges"],
            unk_token=UNKNOWN,
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    if legacy:
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", "first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.add_special_tokens(
        [AddedToken(token, normalized=False) for token in (UNKNOWN, FIRST, END)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{FIRST} $A",
        pair=f"{FIRST} $A {FIRST} $B",
        special_tokens=[(FIRST, tokenizer.token_to_id(FIRST))],
    )
    return tokenizer
