"""What each term of a loss counts: the section `loss_weights` of a run's YAML file."""

from pydantic import NonNegativeFloat

from anygen.core.schema import Strict


class LossWeights(Strict):
    """Factors of the terms in the log. A term whose factor is 0 is not computed.

    DreamLLM (Dong et al. 2024) learns from `text` and `denoise` alone: at 0 and 1 what it calls
    creation, at 1 and 0 comprehension, at 1 and 10 both.
    """

    text: NonNegativeFloat = 1.0
    likeness: NonNegativeFloat = 16.0  # plain answers are few, and forgetting shows there first
    align: NonNegativeFloat = 1.0  # distance to the captions' conditions, whole and pooled
    contrast: NonNegativeFloat = 0.2  # LoRA serves text and media: more degrades the text
    denoise: NonNegativeFloat = 1.0
