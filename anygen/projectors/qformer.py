"""BLIP-2's Q-Former as transformers has it: a BERT whose queries look at something else."""

from transformers import Blip2QFormerConfig, Blip2QFormerModel


def q_former(
    width: int,
    layers: int,
    heads: int,
    looked_at: int,
    look_every: int = 1,
    *,
    hears_text: bool = False,
) -> Blip2QFormerModel:
    """`looked_at` is the width of what the first of `look_every` layers looks at.

    With `hears_text` there are feed-forward layers for text that stands behind the queries. There
    is no dropout: what is projected in training is what is projected afterwards.
    """
    return Blip2QFormerModel(
        Blip2QFormerConfig(
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=4 * width,
            encoder_hidden_size=looked_at,
            cross_attention_frequency=look_every,
            use_qformer_text_input=hears_text,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
    )
