"""Stage `represent`: a Q-Former learns from captioned pictures, without an LLM.

It is the first stage of BLIP-2 (Li et al. 2023, section 3.1): contrast, matching and captioning,
with equal weights. B pairs, K features, W their width, L words of the longest caption.
"""

import torch
from torch import Tensor

from anygen.config.run import Run
from anygen.model.multimodal import MultimodalModel
from anygen.numerics.contrast import contrastive_loss, equal_captions
from anygen.training.mixtures import draw_pairs
from anygen.training.representation import masks
from anygen.training.representation.objectives import (
    captioning_loss,
    draw_negatives,
    matching_loss,
)
from anygen.training.representation.text_side import DEC, TextSide, q_former_of
from anygen.training.runs.step import Step

SMOOTHING = 0.1  # of the targets of contrast and captioning (LAVIS)


def represent_losses(
    model: MultimodalModel, text: TextSide, run: Run, step: Step
) -> dict[str, Tensor]:
    """Three losses of one batch, each ().

    Equal captions are positives of each other. Negatives are those of the process's own batch.
    """
    projector = q_former_of(model)
    media, captions = draw_pairs("image", run, step.rng, step.media)
    with torch.no_grad():
        features_BKW = torch.stack([*model.encoder.encode(media)])
    ids_BL, words_BL = text.tokens(captions, features_BKW.device)
    positive_BB = equal_captions(captions, features_BKW.device)

    scores_BB = text.scores(*text.read(projector, features_BKW, ids_BL, words_BL, masks.unimodal))
    other_texts = draw_negatives(scores_BB, positive_BB, step.generators[0])
    texts, other_media = draw_negatives(scores_BB.T, positive_BB, step.generators[1])
    own = torch.arange(len(captions), device=features_BKW.device)
    of_media = torch.cat([own, other_texts[0], other_media])
    of_texts = torch.cat([own, other_texts[1], texts])
    queries, _ = text.read(
        projector,
        features_BKW[of_media],
        ids_BL[of_texts],
        words_BL[of_texts],
        masks.bidirectional,
    )
    matches = torch.arange(len(of_media), device=own.device) < len(own)

    written_BL = ids_BL.clone()
    written_BL[:, 0] = text.special(DEC)
    _, states = text.read(projector, features_BKW, written_BL, words_BL, masks.causal)
    learned = words_BL[:, 1:]
    logits = text.token_logits(states[:, :-1][learned])
    return {
        "contrast": contrastive_loss(scores_BB, positive_BB, SMOOTHING),
        "matching": matching_loss(text.match_logits(queries), matches),
        "captioning": captioning_loss(logits, ids_BL[:, 1:][learned], SMOOTHING),
    }
