"""Passes of a sharded LLM, of which every process has as many as the others, in the same order.

Each layer gathers its weights from all processes when it runs. The rows of a step differ from one
process to the next, and so do the numbers of passes that they take. A process that ran a layer by
itself would wait for ever (NCCL) or take the weights of another layer for its own (gloo).
"""

from contextlib import nullcontext
from enum import IntEnum
from typing import Any

import torch
import torch.distributed as dist
from accelerate import Accelerator
from torch import Tensor

from anygen.llm.language_model import LanguageModel


class Kind(IntEnum):
    """Of a pass; where processes ask for different ones, the highest is next."""

    NONE = 0
    FORWARD = 1
    BACKWARD = 2  # with a backward pass later on


class Lockstep:
    """Before each pass the processes agree on its kind; who asked for another idles in it.

    The backward passes come in the reverse order of the passes, on each process alike. `finish` is
    called before anything else that the processes do together.
    """

    def __init__(self, llm: LanguageModel, accelerator: Accelerator) -> None:
        self.llm, self.accelerator = llm, accelerator
        self.idling = False
        self.idle: list[Tensor] = []  # sums of outputs of idle passes that have a backward pass
        llm.decoder.register_forward_pre_hook(self.before, prepend=True, with_kwargs=True)

    def before(self, _: Any, arguments: Any, keywords: dict[str, Any]) -> tuple[Any, Any] | None:
        """Returns when all processes run a pass of this kind, which is about to begin."""
        if self.idling:
            return None
        kind = Kind.BACKWARD if torch.is_grad_enabled() else Kind.FORWARD
        while (agreed := self.agree(kind)) != kind:
            self.run_idle(agreed)
        embeds: Tensor = keywords["inputs_embeds"]
        if kind == Kind.BACKWARD and not embeds.requires_grad:
            keywords = {**keywords, "inputs_embeds": embeds.detach().requires_grad_()}
        return arguments, keywords

    def finish(self) -> Tensor | float:
        """Idles until no process has passes left. Returns 0 with the gradients of idle passes."""
        while (agreed := self.agree(Kind.NONE)) != Kind.NONE:
            self.run_idle(agreed)
        sums, self.idle = self.idle, []
        return 0 * torch.stack(sums).sum() if sums else 0.0

    def agree(self, kind: Kind) -> Kind:
        kinds = torch.tensor([kind], device=self.accelerator.device)
        dist.all_reduce(kinds, dist.ReduceOp.MAX)
        return Kind(int(kinds))

    def run_idle(self, kind: Kind) -> None:
        """A pass of one position, as if between two passes of the model."""
        llm, layers = self.llm, [*self.llm.lora_layers()]
        enabled = [layer.enabled for layer in layers]
        media = llm.media_layers.again(None, None, False) if llm.media_layers else nullcontext()
        embeds = torch.zeros(1, 1, llm.width, device=self.accelerator.device)
        self.idling = True
        try:
            llm.use_lora(True)  # its gradients are averaged in every backward pass
            learning = kind == Kind.BACKWARD
            with media, self.accelerator.autocast(), torch.set_grad_enabled(learning):
                output = llm.decoder(inputs_embeds=embeds.requires_grad_(learning), use_cache=False)
                if learning:
                    self.idle.append(output.last_hidden_state.float().sum())
        finally:
            self.idling = False
            for layer, was in zip(layers, enabled):
                layer.enabled = was
