"""A linear probe of what a caption's condition says: the aim of stage `caption`."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anygen.config.run import Run
from anygen.core.modality import MediaModality
from decoders.base import pooled_condition
from mosit_data.world.facts import UNSAID, fact_names, facts
from mosit_data.world.scene import Scene


class LinearProbe(nn.Module):
    """Reads from a caption's condition what the caption tells; linear, so that all lies open."""

    def __init__(self, model: Any, run: Run) -> None:
        super().__init__()
        self.names = fact_names(run.vocabulary == "full")
        self.heads = nn.ModuleDict(
            {modality: self.head(model.decoders[modality]) for modality in run.decoders}
        )

    def head(self, decoder: Any) -> nn.Module:
        answers = sum(len(values) for values in self.names.values())
        return nn.Linear(decoder.condition_spec.width, answers)

    def loss(self, modality: MediaModality, condition: Tensor, scenes: Sequence[Scene]) -> Tensor:
        """Cross-entropy summed over the facts, (B,)."""
        told = [facts(scene) for scene in scenes]
        sizes = [len(values) for values in self.names.values()]
        logits = self.heads[modality](pooled_condition(condition)).split(sizes, dim=1)
        terms = []
        for (name, values), scores in zip(self.names.items(), logits):
            true = [values.index(row.get(name, UNSAID)) for row in told]
            labels = torch.tensor(true, device=scores.device)
            terms.append(F.cross_entropy(scores, labels, reduction="none"))
        return torch.stack(terms).sum(0)
