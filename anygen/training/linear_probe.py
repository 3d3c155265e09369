"""A linear probe of the facts in a caption's condition: the aim of stage `caption`.

B captions, T tokens and W width of a condition.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anygen.config.run import Run
from anygen.core.modality import MediaModality
from anygen.model.multimodal import MultimodalModel
from decoders.base import Decoder, pooled_condition
from mosit_data.world.facts import UNSAID, fact_names, facts
from mosit_data.world.scene import Scene


class LinearProbe(nn.Module):
    """Predicts a caption's facts from its condition. It is linear, so the encoder does the work."""

    def __init__(self, model: MultimodalModel, run: Run) -> None:
        super().__init__()
        self.names = fact_names(run.vocabulary == "full")
        self.heads = nn.ModuleDict(
            {modality: self.head(model.decoders[modality]) for modality in run.decoders}
        )

    def head(self, decoder: Decoder) -> nn.Module:
        answers = sum(len(values) for values in self.names.values())
        return nn.Linear(decoder.condition_spec.width, answers)

    def loss(
        self, modality: MediaModality, condition_BTW: Tensor, scenes: Sequence[Scene]
    ) -> Tensor:
        """Cross-entropy summed over the facts, (B,)."""
        rows = [facts(scene) for scene in scenes]
        sizes = [len(values) for values in self.names.values()]
        logits = self.heads[modality](pooled_condition(condition_BTW)).split(sizes, dim=1)
        terms = []
        for (name, values), scores in zip(self.names.items(), logits):
            true = [values.index(row.get(name, UNSAID)) for row in rows]
            labels = torch.tensor(true, device=scores.device)
            terms.append(F.cross_entropy(scores, labels, reduction="none"))
        return torch.stack(terms).sum(0)
