"""BLIP-2's Q-Former, of either stage, in the layout of transformers.

`Blip2ForConditionalGeneration` also has the layer into the LLM; `Blip2ForImageTextRetrieval`, which
is the first stage, has what reads captions instead.
"""

from collections.abc import Sequence

import torch

from anygen.importers.layout import File, FillRule, Importer, KeyRule, Target, random_weights

READS_CAPTIONS = "reads captions, which the second stage leaves out"
LATER = "the first stage has none: one that has learned nothing yet"


def key_rules(target: Target) -> Sequence[KeyRule]:
    queries = r"query_tokens|qformer\.layernorm\..+|qformer\..+\.(?:crossattention|attention)\..+"
    feed_forward = r"qformer\..+\.(?:intermediate|output)_query\..+"
    projection = r"language_projection\.(?:weight|bias)"
    return [KeyRule(rf"({queries}|{feed_forward}|{projection})", r"input_projector.\1")]


IMPORTER = Importer(
    files=(File(("model.safetensors", "model-*-of-*.safetensors"), ("input_projector",)),),
    required={"input_projector.kind": "qformer", "input_projector.heads": 12},
    key_rules=key_rules,
    fill_always=(
        FillRule(r"input_projector\.language_projection\.weight", LATER, random_weights),
        FillRule(r"input_projector\.language_projection\.bias", LATER, torch.zeros),
    ),
    ignored={
        r"vision_model\..+": "the encoder reads it from its own `pretrained`",
        r"language_model\..+": "it is that of llm.base",
        r"qformer\..+\.(?:intermediate|output)\..+": READS_CAPTIONS,
        r"(?:embeddings|text_projection|vision_projection|itm_head)\..+": READS_CAPTIONS,
    },
)
