"""NExT-GPT's published checkpoint (ChocoWu/nextgpt_7b_tiva_v0): one pickle beside a tokenizer.

It holds everything that was trained: the LLM's two tables with 38 more rows (see
anyToImageVideoAudio.py in NExT-GPT's legacy code), LoRA, a linear input projector and three output
projectors.
"""

from collections.abc import Sequence

from anygen.core.modality import MediaModality
from anygen.importers.layout import (
    ZERO_TRIGGER_BIAS,
    File,
    FillRule,
    Importer,
    KeyRule,
    Target,
    TokenIds,
)
from anygen.importers.nextgpt_projector import REQUIRED, output_projector

PROJECTORS: dict[MediaModality, str] = {
    "image": r"gen_text_hidden_fcs\.0",
    "video": r"gen_text_hidden_fcs_video\.0",
    "audio": r"gen_text_hidden_fcs_audio\.0",
}
# In the order of the tokenizer: what comes before the number in a token, and how many there are.
ADDED: dict[MediaModality, tuple[str, int]] = {
    "image": ("[IMG", 4),
    "video": ("[VID", 24),
    "audio": ("[AUD", 8),
}
LLM = r"llama_model\.base_model\.model"


def names() -> list[str]:
    """The added tokens, in the order of their ids."""
    signals = [f"{text}{i}]" for text, count in ADDED.values() for i in range(count)]
    return ["<Img>", "</Img>", *signals]


def token_ids(target: Target) -> TokenIds:
    """Ids follow from the order. Raises ValueError if the checkpoint's tokenizer has others."""
    vocabulary = target.signals.vocabulary
    ids = {name: vocabulary + index for index, name in enumerate(names())}
    for name, index in target.added.items():
        if ids.get(name) != index:
            raise ValueError(
                f"the checkpoint's tokenizer calls {index} {name!r}, and beyond the {vocabulary} "
                f"tokens of llm.base there should be {', '.join(names()[:3])} and so on"
            )
    spans = {m: [ids[f"{text}{i}]"] for i in range(n)] for m, (text, n) in ADDED.items()}
    return TokenIds(spans, ([ids["<Img>"]], [ids["</Img>"]]), vocabulary + len(ids))


def key_rules(target: Target) -> list[KeyRule]:
    projectors = [
        row
        for modality, theirs in PROJECTORS.items()
        for row in output_projector(theirs, f"output_projectors.{modality}", "fc", "model")
    ]
    return [
        KeyRule(r"llama_proj\.(weight|bias)", r"input_projector.\1"),
        KeyRule(rf"{LLM}\.(model\..+\.lora_[AB]\.default\.weight)", r"llm.base.\1"),
        *token_ids(target).key_rules(
            target, rf"{LLM}\.model\.embed_tokens\.weight", rf"{LLM}\.lm_head\.weight"
        ),
        *projectors,
    ]


def fill_rules(target: Target) -> Sequence[FillRule]:
    return [ZERO_TRIGGER_BIAS]


IMPORTER = Importer(
    files=(File(("pytorch_model.pt",)),),
    required={
        "llm.signals.kind": "tokens",
        "llm.signals.tokens": {modality: count for modality, (_, count) in ADDED.items()},
        "llm.signals.marks": (1, 1),
        "llm.signals.droppable": False,
        "llm.signals.closing": False,
        "llm.template": "nextgpt.jinja",
        "llm.lora.rank": 32,
        "llm.lora.alpha": 32,
        "input_projector.kind": "linear",
        **REQUIRED,
    },
    key_rules=key_rules,
    fill_rules=fill_rules,
    ignored={
        r"visual_encoder\..+": "the encoder loads the published ImageBind, of which this is a copy",
        r"input_embeddings\.weight": "another name of the LLM's table of tokens",
    },
    base_weights=r"model\.embed_tokens\.weight|lm_head\.weight",
)
