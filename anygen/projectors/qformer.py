"""The Q-Former of BLIP-2 from transformers: a BERT whose queries attend to features."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import Blip2QFormerModel


def q_former(
    width: int,
    layers: int,
    heads: int,
    features_width: int,
    look_every: int = 1,
    *,
    text_input: bool = False,
) -> Blip2QFormerModel:
    """The first of every `look_every` layers attends to features of `features_width`.

    With `text_input` there are feed-forward layers for text that follows the queries. There is no
    dropout, so training projects exactly what inference does.
    """
    # imported here, because it takes two seconds and few systems have a Q-Former
    from transformers import Blip2QFormerConfig, Blip2QFormerModel

    return Blip2QFormerModel(
        Blip2QFormerConfig(
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=4 * width,
            encoder_hidden_size=features_width,
            cross_attention_frequency=look_every,
            use_qformer_text_input=text_input,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
    )
